"""Notebooks changed as files get changed: by hand, by tools, by accident and on purpose.

Each mutation knows a notebook's structure. It takes a random generator and a notebook as plain
data, and gives plain data or bytes. Its ``kind`` is what the reports count by; ``keeps`` says that
no answer is touched, so the marks have to be those of the notebook as it was.
"""

import base64
import copy
import gzip
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["MUTATIONS", "SEVERAL", "Mutant", "Mutation", "is_answer", "mutants"]

Notebook = dict[str, Any]
Change = Callable[[random.Random, Notebook], Any]


@dataclass(frozen=True, slots=True)
class Mutation:
    """One way of changing a notebook."""

    kind: str
    change: Change
    keeps: bool
    weight: float


@dataclass(frozen=True, slots=True)
class Mutant:
    """A changed notebook's bytes, and the notebook that it was made from."""

    number: int
    kind: str
    base: str
    keeps: bool
    data: bytes


MUTATIONS: dict[str, Mutation] = {}
SEVERAL = "several-at-once"


def mutation(*, keeps: bool = False, weight: float = 1.0) -> Callable[[Change], Change]:
    """Add a function to the mutations; its name is the kind."""

    def add(change: Change) -> Change:
        kind = change.__name__.removesuffix("_").replace("_", "-")
        MUTATIONS[kind] = Mutation(kind, change, keeps, weight)
        return change

    return add


def mutants(
    bases: dict[str, Notebook], *, count: int, seed: int, first: int = 0
) -> Iterator[Mutant]:
    """Make mutants; each depends on the seed and its own number alone."""
    names, kinds = sorted(bases), list(MUTATIONS.values())
    weights = [mutation.weight for mutation in kinds]
    for number in range(first, first + count):
        rng = random.Random(f"{seed}/{number}")
        # Every kind comes first, in turn; then they come by chance.
        chosen = [kinds[number] if number < len(kinds) else rng.choices(kinds, weights)[0]]
        if number >= len(kinds) and rng.random() < 0.3:
            chosen += rng.choices(kinds, weights, k=rng.randint(1, 2))
        base = rng.choice(names)
        made: Any = copy.deepcopy(bases[base])
        done = []
        for one in chosen:
            if isinstance(made, dict) and isinstance(made.get("cells"), list) and made["cells"]:
                made = one.change(rng, made)
                done.append(one)
        yield Mutant(
            number,
            done[0].kind if len(done) == 1 else SEVERAL,
            base,
            keeps=all(one.keeps for one in done),
            data=made if isinstance(made, bytes) else as_file(made),
        )


def as_file(notebook: Any, **options: Any) -> bytes:
    """Write it as Jupyter does; what has no UTF-8 stays an escape."""
    text = json.dumps(notebook, **{"indent": 1, "ensure_ascii": False, **options})
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        return json.dumps(notebook).encode("ascii")


def grading_of(cell: Any) -> dict[str, Any]:
    """Give a cell's nbgrader metadata, whatever became of the cell."""
    metadata = cell.get("metadata") if isinstance(cell, dict) else None
    grading = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    return grading if isinstance(grading, dict) else {}


def is_answer(cell: Any) -> bool:
    return grading_of(cell).get("solution") is True


def some_cell(rng: random.Random, notebook: Notebook) -> Any:
    cell = rng.choice(notebook["cells"])
    return cell if isinstance(cell, dict) else {}


def answer(rng: random.Random, notebook: Notebook) -> Any:
    """Choose a cell that is run as an answer."""
    found = [c for c in notebook["cells"] if is_answer(c) and c.get("cell_type") == "code"]
    return rng.choice(found) if found else {}


def other(rng: random.Random, notebook: Notebook) -> Any:
    """Choose a cell that is no answer."""
    found = [cell for cell in notebook["cells"] if isinstance(cell, dict) and not is_answer(cell)]
    return rng.choice(found) if found else {}


def metadata_of(cell: Any) -> dict[str, Any]:
    if not isinstance(cell.get("metadata"), dict):
        cell["metadata"] = {}
    found: dict[str, Any] = cell["metadata"]
    return found


def node(rng: random.Random, value: Any) -> tuple[Any, Any]:
    """Choose a place anywhere in the data: its container, and the key there."""
    places = []
    waiting = [value]
    while waiting:
        one = waiting.pop()
        items = list(one.items()) if isinstance(one, dict) else list(enumerate(one))
        places += [(one, key) for key, _ in items]
        waiting += [item for _, item in items if isinstance(item, (dict, list)) and item]
    return rng.choice(places)


def nested(depth: int) -> bytes:
    return b'{"a":' * depth + b"1" + b"}" * depth


def spliced(notebook: Notebook, place: str, value: bytes) -> bytes:
    """Put bytes into a notebook's metadata that no library would write."""
    metadata_of(notebook)["@@"] = None
    return as_file(notebook).replace(b'"@@": null', json.dumps(place).encode() + b": " + value, 1)


ODD: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        2**31,
        2**63,
        10**30,
        0.5,
        1e308,
        "",
        "x",
        "\x00",
        "\ud800",
        "é" * 9,
    ),
    *([], {}, [[]], [None], {"": None}, ["a", 1], {"a": {"b": {}}}, "4", "[]", " " * 300),
)


# Bytes.


@mutation(weight=3)
def truncated(rng: random.Random, notebook: Notebook) -> bytes:
    data = as_file(notebook)
    return data[: rng.randrange(len(data))]


@mutation(weight=3)
def flipped_bits(rng: random.Random, notebook: Notebook) -> bytes:
    data = bytearray(as_file(notebook))
    for _ in range(rng.choice([1, 1, 3, 20])):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


@mutation(weight=2)
def inserted_bytes(rng: random.Random, notebook: Notebook) -> bytes:
    data = as_file(notebook)
    place = rng.randrange(len(data))
    return data[:place] + rng.randbytes(rng.choice([1, 2, 50])) + data[place:]


@mutation(weight=2)
def doubled_part(rng: random.Random, notebook: Notebook) -> bytes:
    data = as_file(notebook)
    begin = rng.randrange(len(data))
    end = min(len(data), begin + rng.choice([1, 10, 500]))
    return data[:end] + data[begin:]


@mutation(keeps=True)
def byte_order_mark(_: random.Random, notebook: Notebook) -> bytes:
    return b"\xef\xbb\xbf" + as_file(notebook)


@mutation()
def wide_encoding(rng: random.Random, notebook: Notebook) -> bytes:
    return as_file(notebook).decode().encode(rng.choice(["utf-16", "utf-16-le", "utf-32", "utf-7"]))


@mutation()
def old_encoding(rng: random.Random, notebook: Notebook) -> bytes:
    other(rng, notebook)["source"] = "café"
    return as_file(notebook).decode().encode(rng.choice(["latin-1", "cp1252", "cp037"]), "replace")


@mutation()
def not_a_notebook(rng: random.Random, notebook: Notebook) -> bytes:
    data = as_file(notebook)
    return rng.choice(
        [
            *(b"", b" \n\t", b"null", b"[]", b"{}", b"4", b'"nbformat"', b"\x00" * 500),
            *(b"<html><body>404</body></html>", b"%PDF-1.7\n", gzip.compress(data, mtime=0)),
            *(data + data, data + b"}", data.replace(b"\n", b"") + b",", b"[" + data + b"]"),
            *(
                repr(notebook).encode("utf-8", "replace"),
                b"// comment\n" + data,
                rng.randbytes(300),
            ),
            *(b"<<<<<<< HEAD\n" + data, base64.b64encode(data), data.replace(b'"', b"'")),
        ]
    )


@mutation(keeps=True)
def other_layout(rng: random.Random, notebook: Notebook) -> bytes:
    options: dict[str, Any] = rng.choice(
        [{"indent": None}, {"indent": 8}, {"sort_keys": True}, {"ensure_ascii": True}]
    )
    return as_file(notebook, **options)


@mutation(keeps=True)
def other_line_ends(rng: random.Random, notebook: Notebook) -> bytes:
    data = as_file(notebook).replace(b"\n", rng.choice([b"\r\n", b"\n\n", b"\n   \t"]))
    return data + rng.choice([b"", b"\r\n", b"   "])


# JSON.


@mutation()
def key_twice(rng: random.Random, notebook: Notebook) -> bytes:
    data = as_file(notebook)
    key = rng.choice([b"cells", b"metadata", b"nbformat", b"source", b"cell_type", b"grade_id"])
    value = rng.choice([b"[]", b"{}", b"4", b'"x"', b"null", b'["print(1)"]'])
    marks = b'"' + key + b'":'
    return data.replace(marks, marks + b" " + value + b", " + marks, rng.choice([1, -1]))


@mutation(keeps=True)
def no_number(rng: random.Random, notebook: Notebook) -> bytes:
    return spliced(notebook, "x", rng.choice([b"NaN", b"-Infinity", b"Infinity", b"[NaN, 1]"]))


@mutation()
def huge_number(rng: random.Random, notebook: Notebook) -> bytes:
    value = rng.choice([b"1e999", b"-1E+400", b"9" * 4_000, b"9" * 5_000, b"1" + b"0" * 100_000])
    return spliced(notebook, "x", value)


@mutation()
def deep_nesting(rng: random.Random, notebook: Notebook) -> bytes:
    depth = rng.choice([10, 40, 70, 500, 5_000, 100_000])
    shape = rng.choice([nested(depth), b"[" * depth + b"]" * depth, b"[" * depth])
    return spliced(notebook, "x", shape)


@mutation(keeps=True)
def moderate_nesting(rng: random.Random, notebook: Notebook) -> bytes:
    return spliced(notebook, "x", nested(rng.randint(1, 40)))


@mutation()
def lone_surrogate(rng: random.Random, notebook: Notebook) -> bytes:
    mark = rng.choice(["\ud800", "\udfff\ud800", "a\udc80b"])
    cell = some_cell(rng, notebook)
    match rng.randrange(5):
        case 0:
            cell["source"] = f"# {mark}\n" + text_of(cell)
        case 1:
            metadata_of(cell)[mark] = mark
        case 2:
            cell["id"] = mark
        case 3:
            metadata_of(notebook)[mark] = {"a": [mark]}
        case 4:
            output = {"output_type": "stream", "name": "stdout", "text": mark}
            cell["outputs"] = [output]
    return json.dumps(notebook).encode("ascii")


@mutation(weight=3)
def odd_value(rng: random.Random, notebook: Notebook) -> Notebook:
    for _ in range(rng.choice([1, 1, 2, 5])):
        container, key = node(rng, notebook)
        container[key] = copy.deepcopy(rng.choice(ODD))
    return notebook


@mutation(weight=2)
def key_dropped(rng: random.Random, notebook: Notebook) -> Notebook:
    container, key = node(rng, notebook)
    del container[key]
    return notebook


@mutation(weight=2)
def values_swapped(rng: random.Random, notebook: Notebook) -> Notebook:
    (one, key), (two, place) = node(rng, notebook), node(rng, notebook)
    value = copy.deepcopy(one[key])
    one[key] = copy.deepcopy(two[place])
    two[place] = value
    return notebook


@mutation(keeps=True)
def keys_added(rng: random.Random, notebook: Notebook) -> Notebook:
    for _ in range(5):
        cell = some_cell(rng, notebook)
        target = rng.choice([notebook, metadata_of(notebook), metadata_of(cell)])
        key = rng.choice(["x", "signature", "colab", "vscode", "é"])
        target[key] = copy.deepcopy(rng.choice(ODD))
    return notebook


# Cells.


@mutation(keeps=True)
def cells_moved(rng: random.Random, notebook: Notebook) -> Notebook:
    rng.shuffle(notebook["cells"])
    return notebook


@mutation()
def cells_dropped(rng: random.Random, notebook: Notebook) -> Notebook:
    cells = notebook["cells"]
    notebook["cells"] = rng.choice([[], [c for c in cells if rng.random() < 0.6], cells[:2]])
    return notebook


@mutation(keeps=True)
def tests_dropped(_: random.Random, notebook: Notebook) -> Notebook:
    notebook["cells"] = [cell for cell in notebook["cells"] if is_answer(cell)]
    return notebook


@mutation(keeps=True)
def tests_rewritten(rng: random.Random, notebook: Notebook) -> Notebook:
    for cell in notebook["cells"]:
        if grading_of(cell).get("grade") is True and not is_answer(cell):
            cell["source"] = rng.choice(["", "pass", "assert False", "3", "print('nan')", "1/0"])
    return notebook


@mutation(keeps=True)
def cells_doubled(rng: random.Random, notebook: Notebook) -> Notebook:
    cells = notebook["cells"]
    twice = [cell for cell in cells for _ in range(rng.choice([1, 2]))]
    notebook["cells"] = copy.deepcopy(rng.choice([cells + cells, twice]))
    return notebook


@mutation(keeps=True)
def cells_added(rng: random.Random, notebook: Notebook) -> Notebook:
    text = rng.choice(["# a note", "import math", "", "x = 1\n" * 50])
    for _ in range(rng.choice([1, 5, 300])):
        kind = rng.choice(["markdown", "raw"]) if text.strip() else "code"
        cell: dict[str, Any] = {"cell_type": kind, "metadata": {}, "source": text}
        if kind == "code":
            cell |= {"outputs": [], "execution_count": None}
        notebook["cells"].insert(rng.randint(0, len(notebook["cells"])), cell)
    return notebook


@mutation()
def cell_of_another_kind(rng: random.Random, notebook: Notebook) -> Notebook:
    kinds = ["code", "markdown", "raw", "heading", "html", "", None, 3, ["code"]]
    some_cell(rng, notebook)["cell_type"] = rng.choice(kinds)
    return notebook


@mutation()
def cell_that_is_none(rng: random.Random, notebook: Notebook) -> Notebook:
    place = rng.randrange(len(notebook["cells"]))
    notebook["cells"][place] = copy.deepcopy(rng.choice(ODD))
    return notebook


@mutation(weight=0.1)
def many_cells(rng: random.Random, notebook: Notebook) -> Notebook:
    cell = {"cell_type": "markdown", "metadata": {}, "source": "x"}
    notebook["cells"] += [dict(cell) for _ in range(rng.choice([2_000, 9_900, 10_001]))]
    return notebook


@mutation(weight=0.02)
def huge_file(rng: random.Random, notebook: Notebook) -> Notebook:
    other(rng, notebook)["source"] = "x" * rng.choice([5_000_000, 20_000_000, 50_000_001])
    return notebook


@mutation(weight=0.1)
def many_parts(rng: random.Random, notebook: Notebook) -> bytes:
    return spliced(notebook, "x", b"[" + b"[]," * rng.choice([20_000, 1_100_000]) + b"1]")


# Ids, and what grading goes by.


@mutation(keeps=True)
def odd_ids(rng: random.Random, notebook: Notebook) -> Notebook:
    for cell in notebook["cells"]:
        if isinstance(cell, dict):
            cell["id"] = rng.choice(["same", "a b", "", "x" * 65, 3, None, ["a"], "é", "../../etc"])
    return notebook


@mutation(keeps=True)
def no_ids(_: random.Random, notebook: Notebook) -> Notebook:
    for cell in notebook["cells"]:
        if isinstance(cell, dict):
            cell.pop("id", None)
    return notebook


@mutation()
def another_grade_id(rng: random.Random, notebook: Notebook) -> Notebook:
    ids = [name for cell in notebook["cells"] if (name := grading_of(cell).get("grade_id"))]
    odd = ["", None, 3, ["q1"], {"q1": 1}, "q1 ", "Q1", "q\u0661", "q1\x00", "../q1", "x" * 5_000]
    for _ in range(rng.choice([1, 3])):
        cell = some_cell(rng, notebook)
        if grading_of(cell):
            cell["metadata"]["nbgrader"]["grade_id"] = rng.choice([*ids, *odd])
    return notebook


@mutation()
def other_grading(rng: random.Random, notebook: Notebook) -> Notebook:
    for _ in range(rng.choice([1, 4])):
        grading = grading_of(some_cell(rng, notebook))
        key = rng.choice(["grade", "solution", "locked", "task", "schema_version", "cell_type"])
        grading[key] = rng.choice([True, False, None, 1, "true", 0, 2, 99, "3", [], "code"])
    return notebook


@mutation(keeps=True)
def other_points(rng: random.Random, notebook: Notebook) -> Notebook:
    for cell in notebook["cells"]:
        if "points" in grading_of(cell):
            odd = [0, -5, 1e9, 10**40, "9", None, True, [5], 0.001]
            cell["metadata"]["nbgrader"]["points"] = rng.choice(odd)
            cell["metadata"]["nbgrader"]["checksum"] = rng.choice(["", "0" * 32, None, 5])
    return notebook


@mutation()
def no_grading(rng: random.Random, notebook: Notebook) -> Notebook:
    for cell in notebook["cells"]:
        if rng.random() < 0.7 and isinstance(cell, dict):
            metadata_of(cell)["nbgrader"] = copy.deepcopy(rng.choice(ODD))
    return notebook


# Formats.


@mutation()
def another_format(rng: random.Random, notebook: Notebook) -> Notebook:
    odd = [0, 1, 2, 3, 5, 99, -4, "4", None, True, 4.0, 4.5, [4], 10**30]
    notebook["nbformat"] = rng.choice(odd)
    return notebook


@mutation(keeps=True)
def another_minor_format(rng: random.Random, notebook: Notebook) -> Notebook:
    notebook["nbformat_minor"] = rng.choice([0, 2, 4, 5, 6, 99, -1, None, "5", True])
    return notebook


@mutation()
def old_format(rng: random.Random, notebook: Notebook) -> Notebook:
    cells = []
    for cell in notebook["cells"]:
        if not isinstance(cell, dict):
            continue
        old = {"cell_type": cell.get("cell_type"), "metadata": cell.get("metadata")}
        if cell.get("cell_type") == "code":
            old |= {"input": cell.get("source"), "language": "python", "outputs": []}
        else:
            old |= {"source": cell.get("source")}
        cells.append(old)
    name = rng.choice(["", "old", None, 3])
    worksheets = rng.choice([[{"cells": cells}], [{"cells": cells}, {"cells": []}], [], {}, None])
    return {
        "nbformat": rng.choice([2, 3, 3, 3]),
        "nbformat_minor": 0,
        "metadata": {"name": name},
        "worksheets": worksheets,
    }


@mutation(keeps=True)
def lines_or_text(_: random.Random, notebook: Notebook) -> Notebook:
    for cell in notebook["cells"]:
        if isinstance(cell, dict):
            text = cell.get("source")
            is_text = isinstance(text, str)
            cell["source"] = text.splitlines(keepends=True) if is_text else text_of(cell)
    return notebook


@mutation()
def odd_source(rng: random.Random, notebook: Notebook) -> Notebook:
    odd = [None, 5, True, {}, ["a", 1], [["a"]], [None], "\x00", {"text": "x"}, ["a\n"] * 3_000]
    some_cell(rng, notebook)["source"] = copy.deepcopy(rng.choice(odd))
    return notebook


@mutation(keeps=True)
def other_kernel(rng: random.Random, notebook: Notebook) -> Notebook:
    metadata_of(notebook)["kernelspec"] = rng.choice(
        [{"name": "ir", "language": "R"}, {"name": "../bash"}, {}, None, [], "python3", 3]
    )
    metadata_of(notebook)["language_info"] = rng.choice([{"name": "bash"}, None, {}, "python"])
    return notebook


@mutation(keeps=True)
def tags_added(rng: random.Random, notebook: Notebook) -> Notebook:
    for cell in notebook["cells"]:
        if isinstance(cell, dict):
            tags = [["student-room"], ["parameters"], "tests", None, [3], ["raises-exception"]]
            metadata_of(cell)["tags"] = rng.choice(tags)
    return notebook


@mutation(keeps=True)
def odd_attachments(rng: random.Random, notebook: Notebook) -> Notebook:
    odd = [{}, None, [], {"a.png": {"image/png": "eA=="}}, {"a": 5}, {"../a": {}}, "x", {"a": []}]
    some_cell(rng, notebook)["attachments"] = copy.deepcopy(rng.choice(odd))
    return notebook


def output(rng: random.Random) -> Any:
    deep: Any = {}
    for _ in range(rng.choice([2, 30])):
        deep = {"a": deep}
    data = [[], {"text/html": "<b>"}, {"application/json": deep}, {"image/png": "no base64"}]
    parts = {
        "magic": {},
        "stream": {"name": rng.choice(["stdout", 5]), "text": "x" * rng.choice([3, 100_000])},
        "error": {"ename": "E", "evalue": "", "traceback": rng.choice([[], "x", [1], ["x"]])},
        "display_data": {"data": rng.choice(data), "metadata": {}},
        "execute_result": {"data": rng.choice(data), "metadata": {}, "execution_count": None},
    }
    kind = rng.choice(list(parts))
    whole = {"output_type": kind, **parts[kind]}
    return rng.choice([whole, whole, whole, None, 5, "x", [], {}, {"output_type": kind}])


@mutation(keeps=True)
def odd_outputs(rng: random.Random, notebook: Notebook) -> Notebook:
    for cell in notebook["cells"]:
        if isinstance(cell, dict) and cell.get("cell_type") == "code":
            made = [output(rng) for _ in range(rng.choice([0, 1, 4]))]
            cell["outputs"] = rng.choice([made, made, None, {}, "x"])
            cell["execution_count"] = rng.choice([None, 1, -1, 10**20, "1", True, 0.5])
    return notebook


# Answers: only these change what is run.


def text_of(cell: Any) -> str:
    text = cell.get("source", "")
    if isinstance(text, list):
        return "".join(part for part in text if isinstance(part, str))
    return text if isinstance(text, str) else ""


WRITTEN = (
    *("", "pass", "def add(a, b:", "1/0", "raise SystemExit", "exit()", "add = 3", "del add"),
    *("return 5", "yield", "await x", "%%bash\nls", "!ls", "%timeit 1", "?", "x = 1 # \u2028 y"),
    *("(" * 300, "[" * 95 + "]" * 95, "-" * 5_000 + "1", "x = " + "1+" * 3_000 + "1", "'" * 7),
    *("\x00", "\ufeffx = 1", "\x0cx = 1", "\tx = 1\n        y = 2", "x\u200b = 1", "ｘ = 1"),
    *("def add(a, b):\n    return add(a, b)", "def add(a, b):\n    return [a] * 10", "add = print"),
    *(
        "def add(*a):\n    raise KeyboardInterrupt",
        "class add:\n    pass",
        "add = lambda a, b: a - b",
    ),
    *("import sys; sys.exit(3)", "import os; os.abort()", "import builtins; builtins.len = None"),
    *(
        "from __future__ import braces",
        "async def add(a, b):\n    return a + b",
        "print('x' * 10**6)",
    ),
    *(
        "assert False",
        "add = type('E', (int,), {'__eq__': lambda *a: True})",
        "\r\r\n",
        "# ä\ud800",
    ),
)


@mutation()
def written_answer(rng: random.Random, notebook: Notebook) -> Notebook:
    answer(rng, notebook)["source"] = rng.choice(WRITTEN)
    return notebook


@mutation()
def altered_answer(rng: random.Random, notebook: Notebook) -> Notebook:
    cell = answer(rng, notebook)
    text = text_of(cell)
    if text:
        place = rng.randrange(len(text))
        put = rng.choice(["", " ", "\n", "(", '"', "#", "\\", "\t", "0", "é", ":"])
        cell["source"] = text[:place] + put + text[place + rng.choice([0, 1]) :]
    return notebook


@mutation(keeps=True)
def answer_with_other_line_ends(rng: random.Random, notebook: Notebook) -> Notebook:
    cell = answer(rng, notebook)
    cell["source"] = text_of(cell).replace("\n", rng.choice(["\r\n", "\r"])) + rng.choice(
        ["", "\n\n"]
    )
    return notebook


@mutation(weight=0.1)
def long_answer(rng: random.Random, notebook: Notebook) -> Notebook:
    cell = answer(rng, notebook)
    cell["source"] = text_of(cell) + "\n" + "x = 1\n" * rng.choice([3_000, 20_000])
    return notebook
