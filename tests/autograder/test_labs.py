"""Labs as authors write them: found by any name, refused where they contradict themselves."""

import hashlib
import tomllib
from pathlib import Path

import nbformat
import pytest

from autograder.engine import Limits
from autograder.errors import LabError
from autograder.labs import (
    Lab,
    find_lab,
    find_labs,
    load_lab,
    overlaid,
    personal_parameters,
    set_parameters,
    source_notebook,
)
from autograder.notebook import grade_id, notebook_bytes
from autograder.settings import settings_text


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")


@pytest.mark.parametrize("name", ["05", "sums", "05_sums"])
def test_a_lab_is_found_by_number_word_or_name(small_labs: Path, name: str) -> None:
    """A student may type what is shortest."""
    lab = find_lab(small_labs, name)
    assert (lab.name, lab.title, lab.points) == ("05_sums", "Sums", 8)
    assert lab.limits == Limits(cell_seconds=2, total_seconds=20)
    assert lab.question_title("q1_test") == "Add two numbers"
    assert lab.question_title("q2_test") == "q2_test"


@pytest.mark.parametrize("name", ["6", "sum", "", "../05_sums", "05_sums/"])
def test_a_wrong_name_lists_what_there_is(small_labs: Path, name: str) -> None:
    """The message holds the names that would have worked."""
    with pytest.raises(LabError, match="05_sums"):
        find_lab(small_labs, name)


def test_a_word_that_two_labs_share_is_refused(small_labs: Path) -> None:
    """No lab is chosen by chance."""
    (small_labs / "05_sums").rename(small_labs / "05_a")
    (small_labs / "05_b").mkdir()
    (small_labs / "05_b" / "lab.toml").write_text('title = "B"')
    with pytest.raises(LabError, match=r"more than one.*05_a, 05_b"):
        find_lab(small_labs, "05")
    assert [lab.name for lab in find_labs(small_labs)] == ["05_a", "05_b"]


def test_no_folder_of_labs_is_said(tmp_path: Path) -> None:
    """The message names the folder and the option."""
    with pytest.raises(LabError, match=r"nothing.*--labs"):
        find_labs(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("title", "titel", "unknown key 'titel'"),
        ('title = "Sums"', "title = 5", "title has the wrong type"),
        ('title = "Sums"', 'title = ""', "title is missing"),
        ("minutes = 10", "minutes = true", "minutes has the wrong type"),
        ("points = 8", "points = ", "isn't TOML"),
        ("cell_seconds = 2", "cell_seconds = 0", "above 0"),
        ("cell_seconds = 2", "cell_seconds = nan", "above 0"),
        ("cell_seconds = 2", "cell_seconds = inf", "at most 10,000,000"),
        ("cell_seconds = 2", "memory_mb = 99999999999999999999", "at most 10,000,000"),
        ("cell_seconds = 2", "seconds = 2", "unknown limit"),
        ('personal = ["seed"]', 'personal = ["size"]', "whole number"),
        ("seed = 5", "seed = 2020-01-01", "parameter seed"),
        ('title = "Add two numbers"', "points = 3", r"\[questions.q1_test\]"),
    ],
)
def test_settings_that_no_lab_has_are_refused(
    small_labs: Path, old: str, new: str, said: str
) -> None:
    """A slip in lab.toml is named, not passed over."""
    replace(small_labs / "05_sums" / "lab.toml", old, new)
    with pytest.raises(LabError, match=said):
        load_lab(small_labs / "05_sums")


def test_a_missing_lab_toml_is_said(tmp_path: Path) -> None:
    """A folder without settings is no lab."""
    with pytest.raises(LabError, match="missing"):
        load_lab(tmp_path)


def test_the_teachers_notebook_is_valid_and_the_same_every_time(small_labs: Path) -> None:
    """Cell ids come from grade ids and places; two makings differ in no byte."""
    lab = find_lab(small_labs, "05")
    first, second = source_notebook(lab), source_notebook(lab)
    nbformat.validate(first)
    assert notebook_bytes(first) == notebook_bytes(second)
    assert [cell.id for cell in first.cells][:3] == ["story", "setup", "q1"]
    assert first.cells[4].id == "cell-005"
    assert "secret_sum = a + b" in first.cells[2].source
    assert first.cells[1].source == 'SEED = 5  # whose data\nNAMES = ["a"]'


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("lab.py", '"points": 3', '"points": 4', "add up to 9"),
        ("lab.py", '"points": 3', '"points": "3"', "needs points"),
        ("lab.py", '"task": false, "points": 3', '"task": false', "needs points"),
        ("lab.py", '"grade_id": "q2"', '"grade_id": "q1"', "two cells are called 'q1'"),
        ("lab.py", '"grade_id": "q2"', '"grade_id": ""', "needs a grade_id"),
        ("lab.py", '"schema_version": 3', '"schema_version": 2', "schema_version"),
        ("lab.py", '"locked": true, "task": false}', '"locked": "yes", "task": false}', "true or"),
        ("lab.py", '"task": false}', '"task": false, "points": 1}', "can't have points"),
        ("lab.py", '"task": false}', '"task": false, "title": "x"}', "doesn't know title"),
        ("lab.py", '%% nbgrader={"schema_version": 3, "grade_id": "q1"',
         '%% [markdown] nbgrader={"schema_version": 3, "grade_id": "q1"', "can't be an answer"),
        ("lab.py", 'tags=["parameters"] ', "", "tag 'parameters'"),
        ("lab.py", "SEED = 1", "SEEDS = 1", "SEED = …; it has 0"),
        ("lab.py", 'true, "task": true', 'false, "task": true', "must be locked"),
        ("lab.toml", "q1_test", "q9_test", "q9_test"),
    ],
)  # fmt: skip
def test_a_lab_that_contradicts_itself_is_refused(
    small_labs: Path, name: str, old: str, new: str, said: str
) -> None:
    """Points, ids, metadata, titles and parameters must agree before anyone sees the lab."""
    replace(small_labs / "05_sums" / name, old, new)
    with pytest.raises(LabError, match=said):
        source_notebook(find_lab(small_labs, "05"))


def test_parameters_keep_the_rest_of_their_cell(small_labs: Path) -> None:
    """Only the value changes: comments and other lines stay."""
    notebook = source_notebook(find_lab(small_labs, "05"))
    set_parameters(notebook, {"seed": -7, "names": ["x'\\1", "é"]})
    assert notebook.cells[1].source == """SEED = -7  # whose data\nNAMES = ["x'\\\\1", 'é']"""


def test_a_students_parameters_are_theirs_alone_and_stay() -> None:
    """The id decides, with the lab's own value; what isn't personal is everyone's."""
    toml = {"a": 1, "seed": 5}
    lab = load_lab_from(toml)
    jane, john = personal_parameters(lab, "jane"), personal_parameters(lab, "john")
    assert jane["a"] == john["a"] == 1
    assert jane["seed"] != john["seed"]
    assert jane == personal_parameters(lab, "jane")
    assert jane != personal_parameters(load_lab_from(toml | {"seed": 6}), "jane")
    # The same next year and anywhere: it hangs on nothing but these four words.
    digest = hashlib.sha256(b'["05_sums", "seed", 5, "jane"]').hexdigest()
    assert jane["seed"] == int(digest[:8], 16) % 1_000_000


def load_lab_from(parameters: dict[str, int]) -> Lab:
    return Lab(name="05_sums", title="S", folder=Path(), parameters=parameters, personal=("seed",))


def test_settings_survive_being_written(small_labs: Path, tmp_path: Path) -> None:
    """What a build writes beside a notebook says what the lab's own file says."""
    path = small_labs / "05_sums" / "lab.toml"
    replace(path, 'title = "Sums"', 'title = "S\\"\\u007f\\n é"')
    replace(path, "[limits]", 'word = "a\\\\b"\nrate = 0.5\non = true\nlist = [1, "b"]\n[limits]')
    replace(path, "[questions.q1_test]", '[questions."a b"]\ntitle = "x"\n[questions.q1_test]')
    lab = load_lab(small_labs / "05_sums")
    again = tmp_path / "05_sums"
    again.mkdir()
    (again / "lab.toml").write_text(settings_text(lab), "utf-8")
    tomllib.loads(settings_text(lab))
    copy = load_lab(again)
    assert (copy.title, copy.parameters, copy.limits) == (lab.title, lab.parameters, lab.limits)
    assert (copy.questions, copy.personal, copy.points) == (lab.questions, lab.personal, 8)


@pytest.fixture
def overlay(tmp_path: Path) -> Path:
    folder = tmp_path / "private" / "05_sums"
    folder.mkdir(parents=True)
    settings = "points = 10\n[parameters]\nseed = 77\n[limits]\nprocesses = 9"
    (folder / "lab.toml").write_text(settings)
    (folder / "lab.py").write_text(
        '# %% q1_test nbgrader={"points": 5}\n'
        "### BEGIN HIDDEN TESTS\nassert add(9, 9) == 18\n### END HIDDEN TESTS\n"
    )
    return folder.parent


def test_an_overlay_replaces_tests_points_and_parameters(small_labs: Path, overlay: Path) -> None:
    """What the overlay names is its own, everything else is the lab's."""
    lab = find_lab(small_labs, "05")
    merged = overlaid(lab, overlay)
    assert (merged.points, merged.parameters, merged.title) == (10, {"seed": 77}, "Sums")
    assert (merged.limits.cell_seconds, merged.limits.processes) == (2, 9)
    base = {grade_id(cell): cell for cell in source_notebook(lab).cells}
    cells = {grade_id(cell): cell for cell in source_notebook(lab, overlay=overlay).cells}
    assert "add(9, 9)" in cells["q1_test"].source
    assert "add(1, 2)" not in cells["q1_test"].source
    assert cells["q1_test"].metadata.nbgrader.points == 5
    assert cells["q1_test"].metadata.nbgrader.locked is True
    assert cells["setup"].source.startswith("SEED = 77")
    same = set(base) - {"q1_test", "setup"}
    assert all(base[name].source == cells[name].source for name in same)


def test_an_overlay_without_text_changes_only_metadata(small_labs: Path, overlay: Path) -> None:
    """An empty cell keeps the lab's test and moves its points."""
    (overlay / "05_sums" / "lab.py").write_text('# %% q1_test nbgrader={"points": 5}\n')
    cells = source_notebook(find_lab(small_labs, "05"), overlay=overlay).cells
    assert "add(1, 2) == 3" in cells[3].source
    assert cells[3].metadata.nbgrader.points == 5


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("# %% q7_test\nassert True\n", "no cell of the lab is called 'q7_test'.*q1_test"),
        ("# %%\nassert True\n", "no cell of the lab is called ''"),
        ('# %% q1_test nbgrader={"points": 6}\nassert True\n', "says points = 10.*11"),
    ],
)
def test_an_overlay_that_fits_no_cell_or_sum_is_refused(
    small_labs: Path, overlay: Path, text: str, said: str
) -> None:
    """A slip in an overlay would give students the public tests, or the wrong marks."""
    (overlay / "05_sums" / "lab.py").write_text(text)
    with pytest.raises(LabError, match=said):
        source_notebook(find_lab(small_labs, "05"), overlay=overlay)
