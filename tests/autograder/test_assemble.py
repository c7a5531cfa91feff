"""What is graded: the teacher's cells with the student's answers, whatever was handed in."""

import base64
import copy
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode, v4

from autograder.assemble import assemble
from autograder.labs import find_lab, source_notebook
from autograder.notebook import grade_id
from autograder.release import release_notebook

BLANK = "# YOUR CODE HERE\nraise NotImplementedError()"


@pytest.fixture
def source(small_labs: Path) -> NotebookNode:
    return source_notebook(find_lab(small_labs, "05"))


def named(notebook: NotebookNode, name: str) -> NotebookNode:
    return next(cell for cell in notebook.cells if grade_id(cell) == name)


def test_an_untouched_release_is_blank_and_without_fault(source: NotebookNode) -> None:
    """The tests and their order are the teacher's, the answers nobody's."""
    done = assemble(source, release_notebook(source))
    assert done.problems == ()
    assert named(done.notebook, "q2").source == BLANK
    assert named(done.notebook, "why").source == "YOUR ANSWER HERE"
    assert "hidden words" in named(done.notebook, "q1_test").source
    assert "secret" not in named(done.notebook, "q1").source


def test_inputs_are_left_as_they_are(source: NotebookNode) -> None:
    """Neither the teacher's nor the student's notebook changes."""
    student = release_notebook(source)
    before = copy.deepcopy((source, student))
    assemble(source, student, parameters={"seed": 9})
    assert (source, student) == before


def test_answers_come_over_and_outputs_do_not(source: NotebookNode) -> None:
    """Only the text of an answer is taken: no metadata, no output."""
    student = release_notebook(source)
    answer = named(student, "q1")
    answer["source"] = "def add(a, b): return 7"
    answer["outputs"] = [v4.new_output("stream", text="forged")]
    answer.metadata["tags"] = ["student-room"]
    answer.metadata.nbgrader["points"] = 100
    done = assemble(source, student)
    assert named(done.notebook, "q1").source == "def add(a, b): return 7"
    assert named(done.notebook, "q1").outputs == []
    assert named(done.notebook, "q1").metadata == named(source, "q1").metadata


def deleted(name: str) -> Callable[[NotebookNode], None]:
    def change(student: NotebookNode) -> None:
        student.cells = [cell for cell in student.cells if grade_id(cell) != name]

    return change


def edited(name: str, text: str = "x = 1") -> Callable[[NotebookNode], None]:
    def change(student: NotebookNode) -> None:
        named(student, name)["source"] = text

    return change


def retyped(name: str) -> Callable[[NotebookNode], None]:
    def change(student: NotebookNode) -> None:
        at = [grade_id(cell) for cell in student.cells].index(name)
        old = student.cells[at]
        student.cells[at] = v4.new_markdown_cell(old.source, metadata=old.metadata)

    return change


def doubled(name: str, text: str) -> Callable[[NotebookNode], None]:
    def change(student: NotebookNode) -> None:
        again = copy.deepcopy(named(student, name))
        again["source"] = text
        student.cells.append(again)

    return change


def turned_round(student: NotebookNode) -> None:
    student.cells.reverse()


def added(student: NotebookNode) -> None:
    student.cells.insert(2, v4.new_code_cell("helper = 1"))
    student.cells.insert(3, v4.new_code_cell("# only a thought\n\n"))
    student.cells.insert(4, v4.new_markdown_cell("a note"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (deleted("q1"), "answer cell q1 is missing; it counts as not answered"),
        (deleted("q1_test"), "test cell q1_test was deleted; the original is used"),
        (deleted("setup"), "given cell setup was deleted"),
        (edited("q1_test"), "test cell q1_test was changed; the original is used"),
        (edited("story", "# Mine"), "given cell story was changed"),
        (edited("task", "Mine"), "given cell task was changed"),
        (retyped("q1_test"), "test cell q1_test was turned into markdown"),
        (retyped("q1"), "cell q1 was turned into markdown; it is read as code"),
        (doubled("q1_test", "1"), "2 copies of the test cell q1_test"),
        (turned_round, "Cells were moved"),
        (
            edited("q1", "#" * 1_000_001),
            "q1 has 1,000,001 characters, and at most 1,000,000 are run",
        ),
        (edited("why", "!" * 4_000_000), "why has 4,000,000 characters"),
        (added, "hold code (place 3) that isn't run"),
    ],
)
def test_what_was_done_to_the_notebook_is_said_and_undone(
    source: NotebookNode, change: Callable[[NotebookNode], None], said: str
) -> None:
    """The student reads of one change in one sentence; the tests stay the teacher's."""
    student = release_notebook(source)
    clean = assemble(source, student).notebook
    change(student)
    done = assemble(source, student)
    assert len(done.problems) == 1
    assert said in done.problems[0]
    tests = [cell for cell in done.notebook.cells if "test" in grade_id(cell)]
    assert tests == [cell for cell in clean.cells if "test" in grade_id(cell)]
    assert [cell.id for cell in done.notebook.cells] == [cell.id for cell in clean.cells]


def test_of_two_answers_the_first_given_one_counts(source: NotebookNode) -> None:
    """A copy below a blank cell is what the student meant; a second answer isn't."""
    student = release_notebook(source)
    doubled("q1", "mine")(student)
    doubled("q1", "other")(student)
    done = assemble(source, student)
    assert named(done.notebook, "q1").source == "mine"
    assert "There are 3 cells q1; the one in place 10 is graded" in done.problems[0]


def test_a_missing_answer_is_never_the_teachers(source: NotebookNode) -> None:
    """An empty notebook earns what a blank one does."""
    done = assemble(source, v4.new_notebook())
    assert "secret" not in "".join(
        cell.source for cell in done.notebook.cells if grade_id(cell) in ("q1", "q2", "why")
    )
    assert sum("counts as not answered" in problem for problem in done.problems) == 3


def test_parameters_are_the_students_and_their_own_cell_is_no_change(source: NotebookNode) -> None:
    """Each student's data come from their id, not from what the notebook says."""
    student = release_notebook(source)
    edited("setup", 'SEED = 123  # whose data\nNAMES = ["a"]')(student)
    done = assemble(source, student, parameters={"seed": 9})
    assert named(done.notebook, "setup").source.startswith("SEED = 9  # whose data\n")
    assert done.problems == ()


def test_a_release_can_stand_for_the_teachers_notebook(source: NotebookNode) -> None:
    """On a student's machine there is only the release: its blanks are its own cells."""
    released = release_notebook(source)
    student = copy.deepcopy(released)
    edited("q2", "total = 42")(student)
    done = assemble(released, student)
    assert done.problems == ()
    assert named(done.notebook, "q1").source == named(released, "q1").source
    assert named(done.notebook, "q2").source == "total = 42"


def test_odd_cells_of_a_student_are_only_extra(source: NotebookNode) -> None:
    """Grading metadata of another lab, or broken ones, match nothing."""
    student = release_notebook(source)
    for meta in (5, {"grade_id": "stranger", "grade": True, "points": 9}, {"grade_id": ["q1"]}):
        student.cells.append(v4.new_code_cell("print(1)", metadata={"nbgrader": meta}))
    done = assemble(source, student)
    assert len(done.notebook.cells) == len(source.cells)
    assert "places 10, 11, 12" in done.problems[0]


def test_pictures_pasted_into_a_text_come_over(source: NotebookNode) -> None:
    """Whoever marks it by hand must see them; what only calls itself a picture stays behind."""
    student = release_notebook(source)
    picture = base64.b64encode(b"\x89PNG\r\n\x1a\n and so on").decode()
    answer = named(student, "why")
    answer["source"] = "As drawn: ![sketch](attachment:sketch.png)"
    answer["attachments"] = {
        "sketch.png": {"image/png": picture},
        "no.png": {"image/png": "<script>", "text/html": picture, "image/svg+xml": picture},
    }
    named(student, "q1")["attachments"] = {"x.png": {"image/png": picture}}
    named(student, "story")["attachments"] = {"x.png": {"image/png": picture}}
    done = assemble(source, student)
    kept = {
        grade_id(cell): cell["attachments"] for cell in done.notebook.cells if "attachments" in cell
    }
    assert kept == {"why": {"sketch.png": {"image/png": picture}}}
    nbformat.validate(done.notebook)


def test_an_answer_that_is_far_too_long_counts_as_none(source: NotebookNode) -> None:
    """It isn't run, and isn't in any record; one of a million characters is."""
    student = release_notebook(source)
    edited("q1", "#" * 1_000_001)(student)
    edited("q2", "#" * 1_000_000)(student)
    edited("why", "!" * 1_000_001)(student)
    done = assemble(source, student)
    assert named(done.notebook, "q1").source.endswith("raise NotImplementedError()")
    assert named(done.notebook, "q2").source == "#" * 1_000_000
    assert named(done.notebook, "why").source == "YOUR ANSWER HERE"
    assert len(done.problems) == 2
    assert all("it counts as not answered" in problem for problem in done.problems)


def test_an_added_cell_that_is_far_too_long_is_left_out(source: NotebookNode) -> None:
    """Where the student's own cells are run, they are as long as an answer may be."""
    student = release_notebook(source)
    student.cells.insert(2, v4.new_code_cell("#" * 1_000_001))
    student.cells.insert(3, v4.new_code_cell("helper = 1"))
    done = assemble(source, student, added=True)
    assert [cell.source for cell in done.notebook.cells if not grade_id(cell)][:1] == ["helper = 1"]
    assert "The cell in place 3 has 1,000,001 characters" in done.problems[0]
