# score = 33
# fails = ["q1_strict"]
# why = "Believes Python: True is an instance of int, and NaN is within every limit, as no comparison with it is true."

# %% q1
def problems(rows, columns):
    """List every broken rule of a contract: dictionaries with row, column and rule."""
    found = []
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            found.append({"row": number, "column": None, "rule": "row"})
            continue
        for name, column in columns.items():
            rule = broken_rule(row.get(name), column)
            if rule:
                found.append({"row": number, "column": name, "rule": rule})
        for name in row:
            if name not in columns:
                found.append({"row": number, "column": name, "rule": "unknown"})
    return found


def broken_rule(value, column):
    """Name the first rule that one value breaks; None if it breaks none."""
    if value is None:
        return None if column.get("optional") else "missing"
    number = (
        isinstance(value, (int, float))
    )
    of_kind = {
        "text": isinstance(value, str),
        "truth": isinstance(value, bool),
        "number": number,
        "whole": number and value % 1 in (0, 0.5),
    }
    if not of_kind[column["kind"]]:
        return "type"
    if "allowed" in column and value not in column["allowed"]:
        return "allowed"
    if "minimum" in column and value < column["minimum"]:
        return "minimum"
    if "maximum" in column and value > column["maximum"]:
        return "maximum"
    return None
