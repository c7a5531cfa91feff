"""What is read of a course that was made elsewhere, before anything is graded."""

import math
from pathlib import Path
from typing import Any

import nbformat
import pytest

from autograder.assemble import assemble
from autograder.course import Course
from autograder.course_config import CourseConfig, read_config
from autograder.errors import CourseError
from autograder.hidden_regions import hidden_lines
from autograder.notebook import write_notebook
from autograder.release import blank_text, release_notebook


def cell(kind: str, name: str, text: str, *, points: float = 1, version: int = 3) -> Any:
    """Make a cell of a kind: plain, answer, test, locked, or words that a person grades."""
    made = (
        nbformat.v4.new_markdown_cell(text) if kind == "words" else nbformat.v4.new_code_cell(text)
    )
    if kind != "plain":
        made.metadata["nbgrader"] = {
            "schema_version": version, "grade_id": name, "grade": kind in ("test", "words"),
            "solution": kind in ("answer", "words"), "locked": kind in ("test", "locked"),
            "task": False, **({"points": points} if kind in ("test", "words") else {}),
        }  # fmt: skip
    return made


def pointless(cell: Any) -> Any:
    """Take a cell's points away."""
    del cell.metadata["nbgrader"]["points"]
    return cell


def notebook(*cells: Any, language: str = "python") -> Any:
    made = nbformat.v4.new_notebook(cells=list(cells))
    made.metadata["kernelspec"] = {"name": "k", "display_name": "K", "language": language}
    return made


def course_of(root: Path, config: str = "", **notebooks: Any) -> Course:
    """Make a course with one assignment, hw, of the given notebooks."""
    (root / "source" / "hw").mkdir(parents=True)
    (root / "nbgrader_config.py").write_text(config, "utf-8")
    for name, made in notebooks.items():
        write_notebook(made, root / "source" / "hw" / f"{name}.ipynb")
    return Course.open(root)


def configured(tmp_path: Path, text: str) -> CourseConfig:
    (tmp_path / "nbgrader_config.py").write_text(text, "utf-8")
    return read_config(tmp_path)


def test_the_configuration_is_read_and_never_run(tmp_path: Path) -> None:
    """Names, sums, f-strings and paths from the file itself are followed; nothing is executed."""
    found = configured(
        tmp_path,
        f"""
import os, sys
open({str(tmp_path / "ran")!r}, "w").write("it ran")
c = get_config()
here = os.path.dirname(os.path.abspath(__file__))
YEAR = "2031"
if sys.platform == "win32":
    c.Exchange.root = "C:/exchange"
c.CourseDirectory.course_id = f"stats-{{YEAR}}"
c.CourseDirectory.source_directory = "in" + "structor"
c.CourseDirectory.db_url = "sqlite:///" + os.path.join(here, "marks.db")
c.NbGrader.submitted_directory = "inbox"
c.ClearHiddenTests.begin_test_delimeter = "SECRET"
c.ClearSolutions.code_stub = {{"R": "stop()", "python": "pass  # yours"}}
c.ExecutePreprocessor.timeout = 90
c.Unknown.setting = compute()
""",
    )
    assert not (tmp_path / "ran").exists()
    assert found == CourseConfig(
        course_id="stats-2031", source="instructor", submitted="inbox", begin_hidden="SECRET",
        db_url=f"sqlite:///{tmp_path / 'marks.db'}", code_stub="pass  # yours", timeout=90.0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("line", "setting"),
    [
        ("c.CourseDirectory.source_directory = os.environ['SRC']", "source_directory"),
        ("if x:\n    c.CourseDirectory.db_url = 'a'", "db_url"),
        ("c.ClearHiddenTests.begin_test_delimeter = words()", "begin_test_delimeter"),
        ("c.CourseDirectory.root += 'x'", "root"),
        ("c.ExecutePreprocessor.timeout = '9'", "timeout"),
        ("name = input()\nc.CourseDirectory.course_id = name", "course_id"),
        ("name = 'a'\nname = input()\nc.CourseDirectory.course_id = name", "course_id"),
        ("n = 'a'\nif x:\n    n = 'b'\nc.CourseDirectory.course_id = n", "course_id"),
        ("n = 'a'\nn += 'b'\nc.CourseDirectory.course_id = n", "course_id"),
    ],
)  # fmt: skip
def test_a_setting_that_would_have_to_be_computed_is_refused(
    tmp_path: Path, line: str, setting: str
) -> None:
    """By its name and line: guessing it could grade the wrong folder or show a hidden test."""
    with pytest.raises(CourseError, match=rf"line [1-4] sets \w+\.{setting}.*Write its value out"):
        configured(tmp_path, line)


@pytest.mark.parametrize("text", ["c = = 1", f"c = {'-' * 50_000}1", "c = '\0'"])
def test_what_isnt_python_is_refused(tmp_path: Path, text: str) -> None:
    """With the file's name."""
    with pytest.raises(CourseError, match=r"nbgrader_config\.py can't be read: ..+\."):
        configured(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("600", 600.0), ("None", math.inf), ("-1", math.inf)]
)
def test_a_courses_own_limit_of_time_counts(tmp_path: Path, text: str, seconds: float) -> None:
    """nbgrader's limit for a cell is ours; no limit there is an hour here."""
    made = course_of(tmp_path, f"c.Execute.timeout = {text}")
    assert made.config.timeout == seconds
    assert made.limits("hw").cell_seconds == min(seconds, 3600.0)
    assert made.limits("hw").total_seconds == 5 * min(seconds, 3600.0)


def test_a_gradebook_beside_the_course_is_found_from_anywhere(tmp_path: Path) -> None:
    """A relative address is the course's; an absolute one and a server's stay."""
    made = course_of(tmp_path, "c.CourseDirectory.db_url = 'sqlite:///marks/book.db'")
    assert made.gradebook_url == f"sqlite:///{(tmp_path / 'marks' / 'book.db').as_posix()}"
    for url in (f"sqlite:///{tmp_path / 'x.db'}", "postgresql://u:p@host/db"):
        (tmp_path / "nbgrader_config.py").write_text(f"c.CourseDirectory.db_url = {url!r}")
        assert Course.open(tmp_path).gradebook_url == url


TEST = "assert f(1) == 1\n# SECRET\nassert f(-3) == 9\n# OPEN"
OWN_WORDS = """
c.ClearHiddenTests.begin_test_delimeter = "SECRET"
c.ClearHiddenTests.end_test_delimeter = "OPEN"
c.ClearSolutions.begin_solution_delimeter = "<<<"
c.ClearSolutions.end_solution_delimeter = ">>>"
c.ClearSolutions.code_stub = {"python": "# here\\nreturn None"}
c.ClearSolutions.text_stub = "*here*"
"""


def test_a_courses_own_words_hide_and_blank(tmp_path: Path) -> None:
    """Hidden tests, solutions and stubs are known by the words that the course uses for them."""
    made = course_of(
        tmp_path, OWN_WORDS,
        hw=notebook(
            cell("answer", "f", "def f(x):\n    # <<<\n    return x * x\n    # >>>"),
            cell("test", "f_test", TEST), cell("words", "why", "Because."),
        ),
    )  # fmt: skip
    teachers = made.teacher_notebook("hw")
    assert sorted(hidden_lines(teachers.cells[1].source)) == [2, 3, 4]
    released = release_notebook(teachers)
    assert released.cells[0].source == "def f(x):\n    # here\n    return None"
    assert released.cells[1].source == "assert f(1) == 1"
    assert blank_text(teachers.cells[2]) == "*here*"


def test_metadata_of_an_old_nbgrader_is_brought_up_to_date(tmp_path: Path) -> None:
    """As nbgrader itself does it."""
    made = course_of(tmp_path, hw=notebook(cell("test", "t", "assert True", points=2, version=1)))
    meta = made.teacher_notebook("hw").cells[0].metadata.nbgrader
    assert (meta["schema_version"], meta["points"]) == (3, 2)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (notebook(cell("test", "t", "stop()"), language="R"), "is in R.*only notebooks in Python"),
        (notebook(cell("test", "t", "1"), cell("answer", "t", "2")), "another cell is called 't'"),
        (notebook(cell("test", "", "1")), "cell 1 is test but has no id"),
        (notebook(pointless(cell("test", "t", "1"))), "cell 1, 't', is graded but says no points"),
        (notebook(cell("test", "t", "### AUTOTEST f(1)")), "generate_assignment hw --source_with"),
    ],
)
def test_what_cant_be_graded_right_is_refused(tmp_path: Path, made: Any, message: str) -> None:
    """Another language, cells that can't be told apart, and tests that nobody wrote out."""
    course = course_of(tmp_path, hw=made)
    with pytest.raises(CourseError, match=message):
        course.teacher_notebook("hw")


def test_written_out_autotests_are_used_while_they_are_up_to_date(tmp_path: Path) -> None:
    """nbgrader's source_with_tests counts, until another cell changes."""
    source = notebook(cell("answer", "f", "f = abs"), cell("test", "t", "### AUTOTEST f(-1)"))
    course = course_of(tmp_path, hw=source)
    path = tmp_path / "source_with_tests" / "hw" / "hw.ipynb"
    path.parent.mkdir(parents=True)
    write_notebook(notebook(source.cells[0], cell("test", "t", "assert f(-1) == 1")), path)
    assert course.teacher_notebook("hw").cells[1].source == "assert f(-1) == 1"
    write_notebook(notebook(cell("answer", "f", "f = min"), cell("test", "t", "assert 1")), path)
    with pytest.raises(CourseError, match="another version of the notebook: f changed"):
        course.teacher_notebook("hw")


def test_all_notebooks_of_an_assignment_count_unless_it_is_ours(tmp_path: Path) -> None:
    """A notebook named as the assignment stands for all only where a build made it."""
    one = notebook(cell("test", "t", "1"))
    course = course_of(tmp_path, hw=one, extra=one)
    assert course.notebooks("hw") == ("extra", "hw")
    (tmp_path / "source" / "hw" / "lab.toml").write_text("")
    assert course.notebooks("hw") == ("hw",)


def test_added_cells_run_where_they_stand() -> None:
    """The student's cells follow the known cell that they followed; teachers' cells stay theirs."""
    source = notebook(
        cell("plain", "", "import statistics"),
        cell("answer", "a", "x"),
        cell("test", "t", "assert x"),
    )
    handed_in = notebook(
        cell("plain", "", "import math"), cell("test", "t", "pass"), cell("plain", "", "late = 1"),
        cell("answer", "a", "x = helper()"), cell("plain", "", "def helper(): ..."),
    )  # fmt: skip
    handed_in.cells[2].metadata["tags"] = ["student-room"]
    done = assemble(source, handed_in, added=True)
    assert [cell.source for cell in done.notebook.cells] == [
        "import math", "x = helper()", "def helper(): ...", "assert x", "late = 1",
    ]  # fmt: skip
    assert not done.notebook.cells[4].metadata
    assert len({cell.id for cell in done.notebook.cells}) == 5
    assert not any("added" in problem for problem in done.problems)
