"""What students get: exactly nbgrader's release, and nothing of the teacher's."""

import copy
import os
from pathlib import Path

import nbformat
import pytest
from nbformat import v4
from nbgrader import preprocessors, utils

from autograder.errors import LabError
from autograder.hidden_regions import hidden_lines
from autograder.labs import find_lab, load_lab, source_notebook
from autograder.notebook import grade_id
from autograder.release import (
    answer_text,
    blank_text,
    build_course,
    checksum,
    hint_at,
    is_release,
    release_notebook,
)


def cell(text: str, kind: str = "code", name: str = "a", **meta: object) -> nbformat.NotebookNode:
    flags = {"grade": False, "solution": False, "locked": False, "task": False}
    make = v4.new_code_cell if kind == "code" else v4.new_markdown_cell
    nbgrader = {"schema_version": 3, "grade_id": name, **flags, **meta}
    return make(text, id=name, metadata={"nbgrader": nbgrader})


def nbgraders_release(source: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The steps of nbgrader's GenerateAssignment, in its order, without the database."""
    notebook, resources = copy.deepcopy(source), {}
    for step in (
        preprocessors.LockCells,
        preprocessors.ClearSolutions,
        preprocessors.ClearOutput,
        preprocessors.CheckCellMetadata,
        preprocessors.ComputeChecksums,
        preprocessors.ClearHiddenTests,
        preprocessors.ClearMarkScheme,
        preprocessors.ComputeChecksums,
        preprocessors.CheckCellMetadata,
    ):
        notebook, resources = step().preprocess(notebook, resources)
    return notebook


ODD = v4.new_notebook(
    metadata={
        "celltoolbar": "Create Assignment",
        "kernelspec": {"name": "p", "display_name": "P", "language": "python"},
    },
    cells=[
        cell("\tif 1:\n\t\t### BEGIN SOLUTION\n\t\tx\n\t\t# END SOLUTION\n### BEGIN SOLUTION\ny\n"
             "### END SOLUTION", name="tabs", solution=True),
        cell("### END SOLUTION\nkept", name="end-only", solution=True),
        cell("", name="empty", solution=True),
        cell("manual code\n### BEGIN HIDDEN TESTS\nh\n### END HIDDEN TESTS", name="mc",
             grade=True, solution=True, points=1.5),
        cell("text", "markdown", name="mm", grade=True, solution=True, points=0),
        cell("t\n  ### BEGIN HIDDEN TESTS\n  h\n### END HIDDEN TESTS\nu", name="t1", grade=True,
             locked=False, points=2),
        cell("task\n### BEGIN MARK SCHEME\nm\n### END MARK SCHEME", "markdown", name="task",
             task=True, locked=True, points=3),
        cell("given", name="given", locked=True),
        v4.new_code_cell("plain", id="p", execution_count=4, metadata={"collapsed": True},
                         outputs=[v4.new_output("stream", text="x")]),
        v4.new_raw_cell("raw", id="r"),
    ],
)  # fmt: skip


@pytest.mark.parametrize("which", ["small", "odd"])
def test_the_release_is_nbgraders_own(small_labs: Path, which: str) -> None:
    """Cell by cell, text, metadata and checksums are what nbgrader itself makes."""
    source = source_notebook(find_lab(small_labs, "05")) if which == "small" else ODD
    before = copy.deepcopy(source)
    ours, theirs = release_notebook(source), nbgraders_release(source)
    for mine, other in zip(ours.cells, theirs.cells, strict=True):
        assert mine == other
    assert ours.metadata == theirs.metadata
    assert source == before
    assert is_release(ours)
    assert not is_release(source)


def test_checksums_are_nbgraders(small_labs: Path) -> None:
    """nbgrader's own function is the oracle."""
    cells = [*release_notebook(ODD).cells, *source_notebook(find_lab(small_labs, "05")).cells]
    checked = [cell for cell in cells if grade_id(cell)]
    assert len(checked) > 12
    for one in checked:
        assert checksum(one) == utils.compute_checksum(one)


def test_a_release_that_was_edited_is_no_release(small_labs: Path) -> None:
    """One changed test, or one answered cell, and it isn't handed out."""
    released = release_notebook(source_notebook(find_lab(small_labs, "05")))
    released.cells[3]["source"] += "\nassert False"
    assert not is_release(released)


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (cell("### BEGIN SOLUTION\nx", solution=True), "BEGIN SOLUTION without END"),
        (cell("### BEGIN SOLUTION\n### BEGIN SOLUTION\n### END SOLUTION", solution=True), "second"),
        (cell("### BEGIN SOLUTION\nx\n### END SOLUTION", locked=True), "only in answer"),
        (cell("### BEGIN HIDDEN TESTS\nx", grade=True, points=1), "without END"),
        (cell("### BEGIN HIDDEN TESTS\nx\n### END HIDDEN TESTS", solution=False), "only in test"),
        (cell("### BEGIN MARK SCHEME\nx\n### END MARK SCHEME", locked=True), "only in task"),
        (cell("### AUTOTEST f(1)", grade=True, points=1), "AUTOTEST"),
    ],
)
def test_regions_that_would_leak_or_confuse_are_refused(
    one: nbformat.NotebookNode, said: str
) -> None:
    """Where nbgrader fails with a traceback, the author gets the cell and the reason."""
    with pytest.raises(LabError, match=said):
        release_notebook(v4.new_notebook(cells=[one]))


def test_other_languages_are_refused() -> None:
    """nbgrader's stubs for them aren't ours."""
    kernel = {"name": "ir", "display_name": "R", "language": "R"}
    with pytest.raises(LabError, match="'R'"):
        release_notebook(v4.new_notebook(metadata={"kernelspec": kernel}))


def test_the_blank_and_the_reference_of_an_answer() -> None:
    """A region leaves its surroundings; the reference loses only the marks of the region."""
    text = "def f():\n    ### BEGIN SOLUTION\n    return 1\n    ### END SOLUTION"
    one = cell(text, solution=True)
    assert blank_text(one) == "def f():\n    # YOUR CODE HERE\n    raise NotImplementedError()"
    assert answer_text(one) == "def f():\n    return 1"
    assert blank_text(cell("x = 1", solution=True)).startswith("# YOUR CODE HERE")
    manual = cell("t", "markdown", grade=True, solution=True)
    assert blank_text(manual) == "YOUR ANSWER HERE"


TESTS = """\
assert 1
### BEGIN HIDDEN TESTS
assert 2
### HINT: First hint.
assert 3
for x in y:
    # HINT second
    assert 4
### END HIDDEN TESTS
assert 5
### BEGIN HIDDEN TESTS
assert 6"""


@pytest.mark.parametrize(
    ("line", "hint"),
    [(0, ""), (1, ""), (2, ""), (3, ""), (4, "First hint."), (5, "First hint."),
     (6, "First hint."), (8, "second"), (10, ""), (12, ""), (99, "")],
)  # fmt: skip
def test_a_hint_is_the_nearest_above_in_its_region(line: int, hint: str) -> None:
    """A hint never reaches over the end of its hidden region."""
    assert hint_at(TESTS, line) == hint


def test_hidden_lines_are_the_regions_with_their_marks() -> None:
    """An unclosed region is hidden to its end: nothing of it is ever shown."""
    assert hidden_lines(TESTS) == frozenset({*range(2, 10), 11, 12})
    assert hidden_lines("assert 1\n") == frozenset()


def snapshot(root: Path) -> dict[str, bytes]:
    paths = [path for path in root.rglob("*") if path.is_file()]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}


def test_a_built_course_has_both_versions_and_the_files(
    small_labs: Path, tmp_path: Path, secrets: tuple[str, ...]
) -> None:
    """source/ is the teacher's, release/ holds what students need and no secret of any kind."""
    built = build_course(small_labs, tmp_path / "course")
    assert [lab.name for lab in built] == ["05_sums"]
    made = snapshot(tmp_path / "course")
    names = ["05_sums.ipynb", "README.md", "lab.toml", "numbers.txt"]
    kinds = ("release", "source")
    wanted = [f"{kind}/05_sums/{name}" for kind in kinds for name in names]
    assert sorted(made) == sorted(["nbgrader_config.py", *wanted])
    released = b"".join(data for name, data in made.items() if name.startswith("release/"))
    for secret in secrets:
        assert secret.encode() not in released
        assert secret.encode() in made["source/05_sums/05_sums.ipynb"]
    assert load_lab(tmp_path / "course" / "release" / "05_sums").limits == built[0].limits


def test_building_again_changes_no_byte_and_keeps_what_is_the_instructors(
    small_labs: Path, tmp_path: Path
) -> None:
    """A rebuild renews source/ and release/ of its labs, and touches nothing else."""
    course = tmp_path / "course"
    build_course(small_labs, course)
    first = snapshot(course)
    (course / "nbgrader_config.py").write_text("# mine\n")
    (course / "gradebook.db").write_text("marks")
    (course / "release" / "05_sums" / "stale.csv").write_text("old")
    (course / "source" / "04_other").mkdir()
    (course / "source" / "04_other" / "x.ipynb").write_text("{}")
    build_course(small_labs, course, names=["sums", "05"])
    again = snapshot(course)
    assert again.pop("gradebook.db") == b"marks"
    assert again.pop("source/04_other/x.ipynb") == b"{}"
    assert again.pop("nbgrader_config.py") == b"# mine\n"
    first.pop("nbgrader_config.py")
    assert again == first


@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError(28, "No space left on device")])
@pytest.mark.parametrize("at", range(1, 6))
def test_an_interrupted_build_leaves_the_old_course(
    small_labs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: BaseException, at: int
) -> None:
    """Whichever write fails, nothing is half new, and nothing is left lying about."""
    course = tmp_path / "course"
    build_course(small_labs, course)
    before = snapshot(course)
    text = (small_labs / "05_sums" / "lab.py").read_text("utf-8")
    (small_labs / "05_sums" / "lab.py").write_text(text.replace("café", "tea"), "utf-8")
    left = [at]

    def failing(descriptor: int) -> None:
        left[0] -= 1
        if not left[0]:
            raise stop

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises((KeyboardInterrupt, OSError)):
        build_course(small_labs, course)
    assert snapshot(course) == before


def test_an_interrupted_swap_is_undone(
    small_labs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even between putting source/ and release/ in place, both stay old."""
    course = tmp_path / "course"
    build_course(small_labs, course)
    before = snapshot(course)
    text = (small_labs / "05_sums" / "lab.py").read_text("utf-8")
    (small_labs / "05_sums" / "lab.py").write_text(text.replace("café", "tea"), "utf-8")
    rename, left = Path.rename, [4]

    def failing(self: Path, target: Path) -> Path:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(KeyboardInterrupt):
        build_course(small_labs, course)
    assert snapshot(course) == before


def test_one_wrong_lab_stops_the_whole_build(small_labs: Path, tmp_path: Path) -> None:
    """A course is never half renewed because its second lab is broken."""
    (small_labs / "06_bad").mkdir()
    (small_labs / "06_bad" / "lab.toml").write_text('title = "Bad"\npoints = 1\n')
    (small_labs / "06_bad" / "lab.py").write_text("# %%\n1\n")
    with pytest.raises(LabError, match="06_bad"):
        build_course(small_labs, tmp_path / "course")
    assert snapshot(tmp_path / "course") == {}


def test_an_overlay_reaches_the_built_course(small_labs: Path, tmp_path: Path) -> None:
    """Private tests go to source/, private settings and files to both."""
    private = tmp_path / "private" / "05_sums"
    (private / "files").mkdir(parents=True)
    (private / "files" / "numbers.txt").write_text("7")
    (private / "lab.toml").write_text("[parameters]\nseed = 77\n")
    (private / "lab.py").write_text(
        "# %% q1_test\nassert add(1, 2) == 3\n"
        "### BEGIN HIDDEN TESTS\nassert add(9, 9) == 18\n### END HIDDEN TESTS\n"
    )
    build_course(small_labs, tmp_path / "course", overlay=private.parent)
    made = snapshot(tmp_path / "course")
    assert b"add(9, 9)" in made["source/05_sums/05_sums.ipynb"]
    assert b"add(9, 9)" not in made["release/05_sums/05_sums.ipynb"]
    for kind in ("source", "release"):
        assert made[f"{kind}/05_sums/numbers.txt"] == b"7"
        assert b"seed = 77" in made[f"{kind}/05_sums/lab.toml"]
        assert b"SEED = 77" in made[f"{kind}/05_sums/05_sums.ipynb"]


def test_an_overlay_for_no_lab_is_refused(small_labs: Path, tmp_path: Path) -> None:
    """A misspelt folder would leave the public tests in use without a word."""
    (tmp_path / "private" / "05_sum").mkdir(parents=True)
    with pytest.raises(LabError, match=r"05_sum,.*05_sums"):
        build_course(small_labs, tmp_path / "course", overlay=tmp_path / "private")
    with pytest.raises(LabError, match="isn't a folder"):
        build_course(small_labs, tmp_path / "course", overlay=tmp_path / "none")
