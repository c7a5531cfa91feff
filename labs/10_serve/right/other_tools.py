# why = "Other tools for the same: pydantic's strict types for the kinds, NumPy's search for who has arrived, a figure with horizontal lines instead of one across, pandas for the log."

# %% q1
from pydantic import StrictBool, StrictFloat, StrictInt, StrictStr, TypeAdapter, ValidationError

STRICT = {
    "text": TypeAdapter(StrictStr),
    "truth": TypeAdapter(StrictBool),
    "number": TypeAdapter(StrictInt | StrictFloat),
    "whole": TypeAdapter(StrictInt | StrictFloat),
}


def rule_of(value, column):
    if value is None:
        return "" if column.get("optional") else "missing"
    try:
        STRICT[column["kind"]].validate_python(value)
    except ValidationError:
        return "type"
    if isinstance(value, float) and not np.isfinite(value):
        return "type"
    if column["kind"] == "whole" and isinstance(value, float) and np.floor(value) != value:
        return "type"
    if value not in column.get("allowed", [value]):
        return "allowed"
    if value < column.get("minimum", value):
        return "minimum"
    return "maximum" if value > column.get("maximum", value) else ""


def problems(rows, columns):
    found = []
    for place, row in enumerate(rows):
        if not hasattr(row, "items"):
            found.append((place, None, "row"))
            continue
        found += [(place, name, rule_of(row.get(name), columns[name])) for name in columns]
        found += [(place, name, "unknown") for name in set(row) - set(columns)]
    return [{"row": p, "column": c, "rule": r} for p, c, r in found if r]

# %% q4
def simulate(arrivals, fixed, per_row, max_rows=1, max_waiting=None):
    times = np.asarray(arrivals, dtype=float)
    done = np.full(len(times), np.nan)
    line, free, first = [], -np.inf, 0
    while first < len(times) or line:
        now = free if line else max(free, times[first])
        last = max(first, int(np.searchsorted(times, now, side="right")))
        room = len(times) if max_waiting is None else max_waiting
        line += list(range(first, last))[: max(0, room - len(line))]
        first = last
        batch, line = line[:max_rows], line[max_rows:]
        free = now + fixed + per_row * len(batch)
        done[batch] = free
    return [None if np.isnan(end) else float(end - start) for start, end in zip(times, done)]

# %% q6
def load_figure(table, budget_ms):
    figure = plt.figure(figsize=(6, 6))
    top = figure.add_subplot(3, 1, (1, 2))
    table = table.sort_values("rate")
    for name, marker in {"p99_ms": "D", "p50_ms": "."}.items():
        top.plot(table["rate"], table[name], marker=marker, label=f"{name[:3]} of the answers")
    top.hlines(budget_ms, table["rate"].min(), table["rate"].max(), label="the budget", color="k")
    top.set(xlabel="requests per second", ylabel="latency in ms")
    top.legend(loc="upper left")
    bottom = figure.add_subplot(3, 1, 3)
    bottom.plot(table["rate"], table["refused"], marker="x")
    bottom.set(xlabel="Requests per second", ylabel="share that was refused")
    figure.suptitle("What the service bears")
    return figure

# %% q7
def affected(path, version, lowest):
    lines = [line for line in open(path).read().split("\n") if line.endswith("}")]
    log = pd.DataFrame(list(map(json.loads, lines)))
    low = pd.to_numeric(log["prediction"], errors="coerce") < lowest
    return sorted(log.loc[low & log["version"].eq(version), "request_id"].unique())
