"""Reading whatever students hand in, and writing notebooks that are the same every time."""

import json
import os
import subprocess
import sys
from itertools import product
from pathlib import Path

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat import v4
from nbgrader import utils

import autograder
from autograder.errors import NotebookError
from autograder.notebook import (
    MAX_BYTES,
    cell_kind,
    grade_id,
    notebook_bytes,
    points,
    read_notebook,
    write_notebook,
)

CODE = {"cell_type": "code", "metadata": {}, "source": "1", "outputs": [], "execution_count": None}


def as_bytes(**changes: object) -> bytes:
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [CODE]}
    return json.dumps(notebook | changes).encode()


def test_a_notebook_comes_back_as_it_was_written(tmp_path: Path) -> None:
    """What Jupyter saved is read with its text, outputs, metadata and ids."""
    output = v4.new_output("stream", name="stdout", text="42\n")
    cell = v4.new_code_cell("x = 'é'\nx", outputs=[output], execution_count=3, id="one")
    notebook = v4.new_notebook(cells=[cell, v4.new_markdown_cell("# T", id="two")])
    nbformat.write(notebook, tmp_path / "n.ipynb")
    assert read_notebook(tmp_path / "n.ipynb").cells == notebook.cells


def test_the_same_notebook_gives_the_same_bytes(tmp_path: Path) -> None:
    """Writing twice, and writing what was read, changes no byte."""
    first = read_notebook(as_bytes())
    write_notebook(first, tmp_path / "n.ipynb")
    data = (tmp_path / "n.ipynb").read_bytes()
    assert data == notebook_bytes(read_notebook(tmp_path / "n.ipynb")) == notebook_bytes(first)
    assert data.endswith(b"}\n")
    assert not data.endswith(b"\n\n")


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"{", "valid JSON (line 1"),
        (as_bytes()[:-5], "valid JSON"),
        (b"\xff\xfe{}", "isn't UTF-8"),
        (b"[]", "not a notebook"),
        (b"{}", "not a notebook"),
        (b'"text"', "not a notebook"),
        (b'{"nbformat": "4"}', "not a notebook"),
        (b'{"nbformat": true}', "format True"),
        (b'{"nbformat": 4.0}', 'its "nbformat" is 4.0; a whole number was wanted'),
        (b'{"nbformat": "4"}', 'its "nbformat" is "4"; a whole number was wanted'),
        (b'{"nbformat": [4]}', 'its "nbformat" is a list; a whole number was wanted'),
        (b"{}", 'it has no "nbformat" number'),
        (b'{"nbformat": 99, "cells": []}', "format 99"),
        (b'{"nbformat": 3, "worksheets": 5}', "old notebook format 3"),
        (as_bytes(cells=None), "missing"),
        (as_bytes(cells={}), "an object"),
        (as_bytes(cells=[5]), "cell 1 is a number"),
        (as_bytes(cells=[CODE, {**CODE, "source": 5}]), "text of cell 2 is a number"),
        (as_bytes(cells=[{**CODE, "source": ["a", 5]}]), "text of cell 1 is a list"),
        (as_bytes(cells=[{**CODE, "metadata": []}]), "cell 1"),
        (as_bytes(cells=[{**CODE, "cell_type": "worm"}]), "neither code"),
        (as_bytes(metadata=[1]), "a list"),
        (b"[" * 100_000, "nested"),
        (b'{"nbformat": 4, "a": ' + b'{"a":' * 100_000, "nested"),
        (b'{"nbformat": 4, "a": [' + b"[]," * 1_100_000 + b"0]}", "parts"),
        (b'{"nbformat": ' + b"9" * 5000 + b"}", "usable JSON"),
        (as_bytes(cells=[CODE] * 10_001), "10,001 cells"),
    ],
    ids=lambda value: str(value)[:30] if isinstance(value, str) else "",
)
def test_what_is_no_notebook_is_refused_in_a_sentence(raw: bytes, said: str) -> None:
    """Each kind of broken file gets a short message that names what was found."""
    with pytest.raises(NotebookError) as caught:
        read_notebook(raw)
    assert said in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_huge_file_is_refused_without_parsing_it(tmp_path: Path) -> None:
    """60 MB of metadata is beyond the limit, whatever is in it."""
    path = tmp_path / "n.ipynb"
    with path.open("wb") as file:
        os.truncate(file.fileno(), 60_000_000)
    with pytest.raises(NotebookError, match=f"at most {MAX_BYTES // 1_000_000} MB"):
        read_notebook(path)


@pytest.mark.parametrize("path", ["missing.ipynb", "."])
def test_a_missing_file_and_a_folder_are_named(tmp_path: Path, path: str) -> None:
    """The message says which path was wanted."""
    with pytest.raises(NotebookError, match="notebook file"):
        read_notebook(tmp_path / path)


def test_quotes_and_brackets_inside_text_are_not_nesting() -> None:
    """A source full of brackets, quotes and backslashes is ordinary text."""
    source = '[{"' * 5000 + '\\"]}' * 5000 + "\\"
    assert read_notebook(as_bytes(cells=[{**CODE, "source": source}])).cells[0].source == source


def test_an_unending_string_is_scanned_once() -> None:
    """Half a million escaped quotes without an end are refused, not searched again and again."""
    with pytest.raises(NotebookError, match="valid JSON"):
        read_notebook(b'{"nbformat": "' + b'\\"' * 500_000)


def test_a_byte_order_mark_and_windows_line_ends_are_read() -> None:
    """A notebook that went through a Windows editor is the same notebook."""
    raw = b"\xef\xbb\xbf" + as_bytes(cells=[{**CODE, "source": "a\r\nb\rc"}])
    assert read_notebook(raw).cells[0].source == "a\nb\nc"


@pytest.mark.parametrize("minor", [-3, 0, 4, 5, 999, "x", None, 1.5])
def test_any_minor_version_is_read_as_the_newest(minor: object) -> None:
    """Only the major version decides how a notebook is read."""
    notebook = read_notebook(as_bytes(nbformat_minor=minor))
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    nbformat.validate(notebook)


def test_nan_and_lone_surrogates_can_be_written_again() -> None:
    """What JSON holds but a file can't becomes something that it can."""
    raw = as_bytes(metadata={"x": float("nan")}, cells=[{**CODE, "source": "\ud800"}])
    notebook = read_notebook(raw)
    assert notebook.metadata.x is None
    assert read_notebook(notebook_bytes(notebook)).cells[0].source == "?"


def test_cell_ids_become_unique_and_valid() -> None:
    """Duplicated, missing and impossible ids are replaced; good ones stay."""
    ids = ["a", "a", None, "no spaces", "x" * 65, 7, "cell-2"]
    cells = [{**CODE, "id": name} for name in ids]
    notebook = read_notebook(as_bytes(cells=cells))
    found = [cell.id for cell in notebook.cells]
    assert found[0] == "a"
    assert len(set(found)) == len(ids)
    nbformat.validate(notebook)


def test_ids_made_to_collide_with_replacements_are_replaced_too() -> None:
    """However a student chooses ids, reading ends and every id is its own."""
    ids = [f"cell-{number}{'-x' * times}" for number in range(3) for times in range(30)]
    ids += [f"cell-{number}-{again}" for number in range(200) for again in range(3)]
    cells = [{**CODE, "id": name} for name in [*ids, *ids, *["x" * 64] * 5]]
    found = [cell.id for cell in read_notebook(as_bytes(cells=cells)).cells]
    assert len(set(found)) == len(cells)


def test_bad_outputs_are_dropped_and_good_ones_kept() -> None:
    """A student loses nothing by a damaged output, and the notebook stays valid."""
    good = {"output_type": "stream", "name": "stdout", "text": "hi"}
    bad = [5, {}, {"output_type": "stream"}, {"output_type": "error", "ename": "E"}]
    notebook = read_notebook(as_bytes(cells=[{**CODE, "outputs": [*bad, good]}]))
    assert notebook.cells[0].outputs == [good]
    nbformat.validate(notebook)


def test_five_thousand_cells_are_read() -> None:
    """A long notebook is a notebook."""
    assert len(read_notebook(as_bytes(cells=[CODE] * 5000)).cells) == 5000


@pytest.mark.parametrize("version", [2, 3])
def test_old_formats_are_brought_up_to_date(version: int) -> None:
    """Formats 2 and 3 keep their code in worksheets; it arrives as cells."""
    cell = {"cell_type": "code", "input": "x = 1", "outputs": [], "language": "python"}
    old = {
        "nbformat": version,
        "nbformat_minor": 0,
        "metadata": {"name": "n"},
        "worksheets": [{"cells": [cell]}],
    }
    notebook = read_notebook(json.dumps(old).encode())
    assert [cell.source for cell in notebook.cells] == ["x = 1"]
    nbformat.validate(notebook)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)
CELLS = st.fixed_dictionaries(
    {"cell_type": st.sampled_from(["code", "markdown", "raw"]) | JSON, "source": st.text() | JSON},
    optional={"metadata": JSON, "outputs": JSON, "id": JSON, "execution_count": JSON},
)


@settings(max_examples=150, deadline=None)
@given(version=st.sampled_from([1, 2, 3, 4]), cells=st.lists(CELLS, max_size=4) | JSON, rest=JSON)
def test_any_json_is_read_or_refused(version: int, cells: object, rest: object) -> None:
    """No JSON brings out another error, and all that is read can be written and validated."""
    data = {"nbformat": version, "cells": cells, "worksheets": rest, "metadata": {"x": rest}}
    try:
        notebook = read_notebook(json.dumps(data).encode())
    except NotebookError:
        return
    notebook_bytes(notebook)
    for cell in notebook.cells:
        cell_kind(cell), grade_id(cell), points(cell)


@pytest.mark.parametrize("flags", list(product([True, False], repeat=3)))
def test_the_kind_of_a_cell_is_what_nbgrader_makes_of_it(flags: tuple[bool, ...]) -> None:
    """Every combination of flags means the same to nbgrader's own functions."""
    meta = dict(zip(("grade", "solution", "locked"), flags, strict=True))
    cell = v4.new_code_cell("", metadata={"nbgrader": {**meta, "grade_id": "a", "task": False}})
    kind = cell_kind(cell)
    assert (kind in ("test", "manual")) == utils.is_grade(cell)
    assert (kind in ("answer", "manual")) == utils.is_solution(cell)
    assert (kind in ("test", "locked")) == utils.is_locked(cell)


@pytest.mark.parametrize("worth", [-1, "3", None, True, float("inf"), float("nan"), [3]])
def test_points_that_are_no_points_are_nothing(worth: object) -> None:
    """A student who edits the metadata can't make a cell worth more than a number."""
    meta = {"grade": True, "solution": False, "grade_id": "a", "points": worth}
    assert points(v4.new_code_cell("", metadata={"nbgrader": meta})) == 0


@pytest.mark.parametrize("meta", [5, "x", [], {"grade_id": 5}, {"grade": "yes", "grade_id": None}])
def test_odd_grading_metadata_make_a_plain_cell(meta: object) -> None:
    """Metadata of the wrong type mean nothing, and raise nothing."""
    cell = v4.new_code_cell("", metadata={"nbgrader": meta})
    assert (cell_kind(cell), grade_id(cell), points(cell)) == ("plain", "", 0)


def test_grammars_that_no_notebook_needs_are_not_made() -> None:
    """They would take most of every command's time."""
    code = "import sys, autograder.notebook, jsonschema; print('lark' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_whoever_needs_them_gets_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands for them until then gives way, however they are asked for."""
    name = "rfc3987_syntax"
    (tmp_path / f"{name}.py").write_text("more = 7\ndef is_valid_syntax(a, b): return a == b\n")
    monkeypatch.syspath_prepend(tmp_path)
    later = autograder._Later(name)
    for ask in (lambda: later.is_valid_syntax("a", "a"), lambda: later.more == 7):
        monkeypatch.setitem(sys.modules, name, later)
        assert ask()
        assert sys.modules[name] is not later
        assert not later.is_valid_syntax("a", "b")
    assert not hasattr(later, "less")
