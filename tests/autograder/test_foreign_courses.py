"""Courses that were made elsewhere are graded as they are, with the marks that nbgrader gives.

Two of them: nbgrader's own example, with the notebooks that nbgrader once graded for it, and a
harder one that stock nbgrader grades here and now, beside us.
"""
# ruff: noqa: E501

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import nbgrader
import pytest
from nbgrader.api import Gradebook
from nbgrader.utils import determine_grade

from autograder import sandbox
from autograder.assignment import by_notebook, grade_assignment, rebuild_assignment
from autograder.course import Course
from autograder.feedback import write_feedback
from autograder.notebook import grade_id, read_notebook
from autograder.results import GradeReport

EXAMPLE = Path(nbgrader.__file__).parent / "docs" / "source" / "user_guide"

# As `nbgrader quickstart` writes it.
EXAMPLE_CONFIG = """\
c = get_config()

# You only need this if you are running nbgrader on a shared
# server set up.
c.CourseDirectory.course_id = "course101"

c.IncludeHeaderFooter.header = "source/header.ipynb"
"""

HARD_CONFIG = """\
import os

c = get_config()
here = os.path.dirname(os.path.abspath(__file__))
c.CourseDirectory.course_id = "stats"
c.CourseDirectory.source_directory = "instructor"
c.CourseDirectory.release_directory = "handout"
c.CourseDirectory.submitted_directory = "inbox"
c.CourseDirectory.autograded_directory = "marked"
c.CourseDirectory.feedback_directory = "replies"
c.CourseDirectory.db_url = "sqlite:///" + os.path.join(here, "marks.db")
c.ClearHiddenTests.begin_test_delimeter = "VVV KEEP"
c.ClearHiddenTests.end_test_delimeter = "AAA KEEP"
c.ClearSolutions.code_stub = {"python": "# write here\\npass"}
c.ClearSolutions.text_stub = "*Write here.*"
c.ExecutePreprocessor.timeout = 20
"""

MEANS: list[tuple[str, str, str, float]] = [
    ("plain", "", "import statistics", 0),
    ("answer", "mean", "def mean(values):\n    return statistics.mean(values)", 0),
    ("test", "mean_test", "assert mean([1, 3]) == 2\n# VVV KEEP\nassert mean([7]) == 7\n# AAA KEEP", 3),
    ("answer", "heights", "heights = [float(x) for x in open('data/heights.csv').read().split()]", 0),
    ("test", "heights_test", "assert len(heights) == 3\n# VVV KEEP\nassert max(heights) > 1.8\n# AAA KEEP", 2),
    ("test", "share", "4 * sum(h > 1.6 for h in heights) / 3", 4),
    ("words", "why", "Because.", 2),
    ("test", "noisy", "import sys\nprint('careful', file=sys.stderr)", 1),
]  # fmt: skip
MEDIANS: list[tuple[str, str, str, float]] = [
    ("locked", "given", "def ordered(values):\n    return sorted(values)", 0),
    ("answer", "median", "def median(values):\n    return ordered(values)[len(values) // 2]", 0),
    ("test", "median_test", "assert median([3, 1, 2]) == 2, 'the middle one'", 2),
    (
        "test",
        "uses_given",
        "kept = ordered\ndel ordered\ntry:\n    median([1])\nexcept NameError:\n    pass\n"
        "else:\n    raise AssertionError('use ordered')\nfinally:\n    ordered = kept\n    del kept",
        1,
    ),
    (
        "test",
        "patched",
        "from unittest import mock\nwith mock.patch('__main__.ordered', lambda v: [9, 9, 9]):\n"
        "    assert median([1, 2, 3]) == 9",
        1.5,
    ),
    ("test", "magic", "where = %pwd\nassert where", 0.5),
]
READING: list[tuple[str, str, str, float]] = [("locked", "text", "x = 1", 0), ("plain", "", "x", 0)]

# What a diligent student makes of it: cells of their own, some of it wrong, some of it blank.
MEANS_HANDED_IN = [
    ("plain", "", "import math\nimport statistics as st", 0),
    ("plain", "", "def total(values):\n    return math.fsum(values)", 0),
    ("answer", "mean", "def mean(values):\n    return total(values) / len(values)", 0),
    ("test", "mean_test", "assert mean([1, 3]) == 2", 3),
    ("answer", "heights", MEANS[3][2] + "\nheights[0] = 1.0", 0),
    ("test", "heights_test", "assert len(heights) == 3", 2),
    MEANS[5],
    ("words", "why", "*Write here.*", 2),
    MEANS[7],
]
MEDIANS_HANDED_IN = [
    MEDIANS[0],
    ("answer", "median", "def median(values):\n    return sorted(values)[1]", 0),
    *MEDIANS[2:],
]


def notebook(cells: list[tuple[str, str, str, float]]) -> Any:
    """Make a notebook of (kind, id, text, points)."""
    made = nbformat.v4.new_notebook()
    made.metadata["kernelspec"] = {
        "name": "python3", "display_name": "Python 3", "language": "python",
    }  # fmt: skip
    for place, (kind, name, text, points) in enumerate(cells):
        new = nbformat.v4.new_markdown_cell if kind == "words" else nbformat.v4.new_code_cell
        cell = new(text, id=f"cell-{place}")
        graded = kind in ("test", "words")
        if kind != "plain":
            cell.metadata["nbgrader"] = {
                "schema_version": 3, "grade_id": name, "grade": graded,
                "solution": kind in ("answer", "words"), "locked": kind in ("test", "locked"),
                "task": False, **({"points": points} if graded else {}),
            }  # fmt: skip
        made.cells.append(cell)
    return made


def make_example(root: Path) -> Path:
    """Make nbgrader's own example course, unchanged, with the work of its two students."""
    shutil.copytree(
        EXAMPLE / "source", root / "source", ignore=shutil.ignore_patterns("ps1_autotest")
    )
    shutil.copytree(EXAMPLE / "submitted", root / "submitted")
    (root / "nbgrader_config.py").write_text(EXAMPLE_CONFIG, "utf-8")
    return root


def make_hard(root: Path) -> Path:
    """Make a course with folders, words and cells of its own, and one student's work."""
    (root / "instructor" / "week-1" / "data").mkdir(parents=True)
    (root / "inbox" / "ada" / "week-1").mkdir(parents=True)
    (root / "nbgrader_config.py").write_text(HARD_CONFIG, "utf-8")
    source, inbox = root / "instructor" / "week-1", root / "inbox" / "ada" / "week-1"
    (source / "data" / "heights.csv").write_text("1.5\n1.7\n1.9\n")
    for name, cells in (("means", MEANS), ("medians", MEDIANS), ("reading", READING)):
        nbformat.write(notebook(cells), source / f"{name}.ipynb")
    for name, cells in (
        ("means", MEANS_HANDED_IN),
        ("medians", MEDIANS_HANDED_IN),
        ("reading", READING),
    ):
        nbformat.write(notebook(cells), inbox / f"{name}.ipynb")
    (inbox / "timestamp.txt").write_text("2031-02-03 10:11:12 UTC")
    return root


_NBGRADER = """\
import json, logging, sys
from nbgrader.apps.api import NbGraderAPI
from nbgrader.plugins import CsvExportPlugin
from traitlets.config.loader import PyFileConfigLoader

logging.disable(logging.CRITICAL)
config = PyFileConfigLoader("nbgrader_config.py", path=".").load_config()
api = NbGraderAPI(config=config)
assignment, student, *steps = sys.argv[1:]
shown = {}
for step in steps:
    if step in ("generate_assignment", "autograde", "generate_feedback"):
        words = [assignment] if step == "generate_assignment" else [assignment, student]
        done = getattr(api, step)(*words)
        assert done["success"], done.get("error") or done["log"]
    elif step == "export":
        with api.gradebook as book:
            CsvExportPlugin(to="marks.csv").export(book)
    else:
        shown[step] = getattr(api, step)(*([student] if "student" in step else []), assignment)
with api.gradebook as book:
    entry = book.find_submission(assignment, student)
    shown["marks"] = {
        f"{notebook.name}/{grade.name}": [
            grade.auto_score, grade.max_score, bool(grade.needs_manual_grade)
        ]
        for notebook in entry.notebooks for grade in notebook.grades
    }
    shown["notebooks"] = sorted(notebook.name for notebook in entry.notebooks)
print("\\n" + json.dumps(shown, default=str))
"""


def nbgrader_does(root: Path, assignment: str, student: str, *steps: str) -> dict[str, Any]:
    """Have stock nbgrader do something in a course; give what it then says of a submission."""
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])
    home = str(root.parent / "home")
    done = subprocess.run(
        [sys.executable, "-c", _NBGRADER, assignment, student, *steps],
        cwd=root, env=os.environ | {"PATH": path, "HOME": home, "IPYTHONDIR": home},
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    shown: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return shown


def graded(
    root: Path, assignment: str, engine: Callable[..., Any], *, tests: str = "student"
) -> GradeReport:
    """Grade everybody in two rooms, as confined as this machine can."""
    return grade_assignment(
        Course.open(root), assignment, workers=1, engine=lambda: engine(tests=tests)
    )


def own_engine(*, tests: str) -> Any:
    """Make the engine that grading makes, with warm processes of its own."""
    return sandbox.rooms_engine(isolation=sandbox.best(), compatible=tests == "student")


def marks(root: Path, assignment: str, student: str) -> dict[str, list[Any]]:
    """Read a student's marks by nbgrader's own interface."""
    course = Course.open(root)
    with Gradebook(course.gradebook_url, course.config.course_id) as book:
        return {
            f"{notebook.name}/{grade.name}": [
                grade.auto_score, grade.max_score, bool(grade.needs_manual_grade),
            ]
            for notebook in book.find_submission(assignment, student).notebooks
            for grade in notebook.grades
        }  # fmt: skip


@pytest.fixture(scope="module")
def example(
    tmp_path_factory: pytest.TempPathFactory, borrowing_engine: Any, alembic_asked_once: None
) -> tuple[Path, GradeReport]:
    """nbgrader's own example course, graded."""
    root = make_example(tmp_path_factory.mktemp("example") / "course101")
    return root, graded(root, "ps1", borrowing_engine)


@pytest.fixture(scope="module")
def hard(
    tmp_path_factory: pytest.TempPathFactory, alembic_asked_once: None
) -> tuple[Path, GradeReport]:
    """The harder course, graded."""
    root = make_hard(tmp_path_factory.mktemp("hard") / "stats")
    return root, graded(root, "week-1", own_engine)


def graded_by_nbgrader(student: str, notebook_name: str) -> dict[str, list[Any]]:
    """Read the marks out of the notebooks that nbgrader graded for its own manual."""
    path = EXAMPLE / "autograded" / student / "ps1" / f"{notebook_name}.ipynb"
    found = {}
    for cell in nbformat.read(path, as_version=4).cells:
        meta = cell.metadata.get("nbgrader", {})
        if meta.get("grade"):
            score, most = determine_grade(cell)
            found[f"{notebook_name}/{meta['grade_id']}"] = [score, most, score is None]
        elif meta.get("task"):
            found[f"{notebook_name}/{meta['grade_id']}"] = [None, meta["points"], True]
    return found


@pytest.mark.parametrize("student", ["bitdiddle", "hacker"])
def test_nbgraders_own_example_gets_nbgraders_marks(
    example: tuple[Path, GradeReport], student: str
) -> None:
    """Both notebooks of both students, a test that deletes the student's function among them."""
    root, report = example
    wanted = graded_by_nbgrader(student, "problem1") | graded_by_nbgrader(student, "problem2")
    assert len(wanted) == 9
    assert marks(root, "ps1", student) == wanted
    (result,) = (one for one in report.submissions if one.student == student)
    assert result.score == sum(score or 0 for score, _, _ in wanted.values())
    assert {cell.grade_id for cell in result.cells} == set(wanted)


def test_the_command_line_grades_it_beside_the_answers_by_default(
    example: tuple[Path, GradeReport], run_autograder: Callable[..., tuple[int, str, str]]
) -> None:
    """What was graded so already isn't run again; the room of each test is said."""
    root, report = example
    code, said, told = run_autograder("grade", "ps1", "--course", root, "--json", cwd=root.parent)
    assert code == 0, told
    found = GradeReport.model_validate_json(said)
    assert found.submissions == report.submissions
    rooms = {cell.room for one in found.submissions for cell in one.cells if cell.room}
    assert rooms == {"student"}


def test_the_example_can_be_examined_in_a_room_apart(
    tmp_path: Path, borrowing_engine: Any, alembic_asked_once: None
) -> None:
    """By choice, unchanged: the test that deletes the student's function works there as well."""
    root = make_example(tmp_path / "course101")
    shutil.rmtree(root / "submitted" / "bitdiddle")
    graded(root, "ps1", borrowing_engine, tests="examiner")
    found = marks(root, "ps1", "hacker")
    graded_here = {name: mark for name, mark in found.items() if name.startswith("problem1/")}
    assert graded_here == graded_by_nbgrader("hacker", "problem1")
    rooms = {
        json.loads(path.read_text("utf-8"))["room"]
        for path in (root / "records" / "ps1").rglob("*.json")
        if path.name != "index.json"
    }
    assert rooms == {"examiner"}


@pytest.mark.whole_way
def test_a_harder_course_gets_the_marks_of_stock_nbgrader(
    hard: tuple[Path, GradeReport], tmp_path: Path
) -> None:
    """Own folders and words, added cells, files, magics, mocks, partial credit, a blank answer."""
    stock = make_hard(tmp_path / "stats")
    shown = nbgrader_does(stock, "week-1", "ada", "generate_assignment", "autograde")
    found = marks(hard[0], "week-1", "ada")
    assert found == shown["marks"]
    assert {name: score for name, (score, _, _) in found.items()} == {
        "means/mean_test": 3, "means/heights_test": 2, "means/share": pytest.approx(8 / 3),
        "means/why": 0, "means/noisy": 0, "medians/median_test": 2, "medians/uses_given": 0,
        "medians/patched": 0, "medians/magic": 0.5,
    }  # fmt: skip


def test_only_the_courses_own_folders_are_used(hard: tuple[Path, GradeReport]) -> None:
    """Work comes from its inbox and goes where nbgrader would put it; nothing else appears."""
    root, _ = hard
    folders = {path.name for path in root.iterdir() if path.is_dir()}
    assert folders == {"instructor", "inbox", "marked", "records"}
    assert (root / "marks.db").is_file()
    assert not (root / "gradebook.db").exists()
    marked = sorted(path.name for path in (root / "marked" / "ada" / "week-1").iterdir())
    assert marked == ["means.ipynb", "medians.ipynb", "timestamp.txt"]


def test_each_notebook_has_names_of_its_own(hard: tuple[Path, GradeReport]) -> None:
    """A cell is called by its notebook too; a notebook without points isn't graded."""
    (result,) = hard[1].submissions
    assert {cell.grade_id.partition("/")[0] for cell in result.cells} == {"means", "medians"}
    assert result.max_score == 17
    assert result.score == pytest.approx(7.5 + 8 / 3)


def test_what_the_student_added_ran_and_is_in_the_graded_notebook(
    hard: tuple[Path, GradeReport],
) -> None:
    """Nobody is told that it wasn't run."""
    root, report = hard
    notebook = read_notebook(root / "marked" / "ada" / "week-1" / "means.ipynb")
    assert any("math.fsum" in cell.source and not grade_id(cell) for cell in notebook.cells)
    assert not report.submissions[0].problems


def test_hidden_tests_in_the_courses_own_words_stay_hidden(
    hard: tuple[Path, GradeReport],
) -> None:
    """Feedback pages show neither the hidden asserts nor the words that mark them."""
    root, _ = hard
    pages = [
        path.read_text("utf-8")
        for view in by_notebook(Course.open(root), "week-1")
        for path in write_feedback(view, "week-1")
    ]
    assert sorted(path.name for path in (root / "replies" / "ada" / "week-1").iterdir()) == [
        "means.html", "medians.html",
    ]  # fmt: skip
    assert any("mean([1, 3]) == 2" in page for page in pages)
    for secret in ("mean([7])", "1.8", "KEEP"):
        assert not any(secret in page for page in pages)


def test_an_unchanged_submission_isnt_run_again(hard: tuple[Path, GradeReport]) -> None:
    """Each notebook has records of its own; marks are there again without a run."""
    root, first = hard
    before = marks(root, "week-1", "ada")
    second = grade_assignment(Course.open(root), "week-1", engine=NothingRuns, workers=1)
    assert second.submissions == first.submissions
    (root / "marks.db").unlink()
    assert rebuild_assignment(Course.open(root), "week-1") == 1
    assert marks(root, "week-1", "ada") == before


class NothingRuns:
    """An engine like the rooms that can't run anything."""

    name = "rooms"
    isolation = sandbox.best()
    room = "student"

    def prepare(self, source: Any) -> None:
        """Look at nothing."""

    def run(self, *_: Any) -> Any:
        raise AssertionError("something ran")

    def close(self) -> None:
        """End nothing."""


@pytest.mark.whole_way
def test_nbgraders_tools_work_on_the_result(hard: tuple[Path, GradeReport]) -> None:
    """Formgrader's lists, its view of a notebook, feedback and the export of marks."""
    root, _ = hard
    shown = nbgrader_does(
        root, "week-1", "ada", "get_submissions", "get_student_notebook_submissions",
        "generate_feedback", "export",
    )  # fmt: skip
    (entry,) = shown["get_submissions"]
    assert entry["student"] == "ada"
    assert entry["autograded"]
    assert entry["score"] == pytest.approx(7.5 + 8 / 3)
    assert entry["max_score"] == 17
    parts = {part["name"]: part for part in shown["get_student_notebook_submissions"]}
    assert parts["medians"]["score"] == 2.5
    assert parts["means"]["max_score"] == 12
    assert (root / "replies" / "ada" / "week-1" / "means.html").is_file()
    line = (root / "marks.csv").read_text("utf-8").splitlines()[1]
    assert line.startswith("week-1,")
    assert ",ada," in line
    assert "2031-02-03 10:11:12" in line
