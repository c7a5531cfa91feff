"""What a student reads about their own work: each question, and the first thing to look at."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from autograder import check as check_module
from autograder.check import CheckReport, QuestionReport, check_work
from autograder.errors import NotebookError, SubmissionError
from autograder.notebook import grade_id, read_notebook, write_notebook
from autograder.start import start_lab
from autograder.work import open_work

RunAutograder = Callable[..., tuple[int, str, str]]


@pytest.fixture
def desk(request: pytest.FixtureRequest, small_labs: Path, tmp_path: Path) -> Path:
    """A student's folder with the lab begun in it; its cells may take long, or as long as given."""
    settings = small_labs / "05_sums" / "lab.toml"
    seconds = getattr(request, "param", 120)
    text = settings.read_text("utf-8").replace("cell_seconds = 2", f"cell_seconds = {seconds}")
    settings.write_text(text.replace("total_seconds = 20", "total_seconds = 600"), "utf-8")
    desk = tmp_path / "desk"
    desk.mkdir()
    start_lab("05", here=desk)
    shutil.move(small_labs, tmp_path / "gone")
    return desk / "05_sums"


def answer(desk: Path, texts: Mapping[str, str]) -> None:
    notebook = read_notebook(desk / "05_sums.ipynb")
    for cell in notebook.cells:
        cell["source"] = texts.get(grade_id(cell), cell.source)
    write_notebook(notebook, desk / "05_sums.ipynb")


def checked(desk: Path, texts: Mapping[str, str]) -> CheckReport:
    answer(desk, texts)
    with open_work("05", here=desk) as work:
        return check_work(work)


ADD = "def add(a, b):\n    return a + b"
ENDLESS = "import time\nwhile True: time.sleep(0.1)"


def test_right_answers_pass_and_nothing_in_the_folder_changes(
    desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The visible tests give their points; the lab's files are there, the folder isn't used."""
    texts = {"q1": ADD, "q2": "total = add(40, 2)\nopen('new', 'w').close()\n"
             "assert open('numbers.txt').read()", "why": "Because."}  # fmt: skip
    answer(desk, texts)
    before = sorted(desk.rglob("*"))
    seen: list[tuple[int, int]] = []
    with open_work("05", here=desk) as work:
        report = check_work(work, progress=lambda done, of: seen.append((done, of)))
    assert report.ok
    assert (report.lab, report.score, report.points) == ("05_sums", 5, 5)
    assert [question.title for question in report.questions] == ["Add two numbers", "q2_test"]
    assert report.manual == {"why": True}
    assert report.problems == ()
    assert sorted(desk.rglob("*")) == before
    assert seen == [(number, 6) for number in range(7)]


def test_a_blank_notebook_has_blank_questions(desk: Path) -> None:
    """No error of a stub is held against anyone."""
    report = checked(desk, {})
    assert [question.status for question in report.questions] == ["blank", "blank"]
    assert report.manual == {"why": False}
    assert not report.ok


def test_messages_name_what_to_look_at(desk: Path) -> None:
    """The teacher's message; without one, the assert itself."""
    report = checked(desk, {"q1": "def add(a, b):\n    return 42", "q2": "total = 1"})
    assert [question.message for question in report.questions] == [
        "Add the two numbers.",
        "this doesn't hold: assert total == 42",
    ]
    assert [question.status for question in report.questions] == ["failed", "failed"]


def test_errors_name_the_line_of_the_answer(desk: Path) -> None:
    """An answer that can't run, and one that fails when the test calls it."""
    report = checked(desk, {"q1": "def add(a, b):\n    return c", "q2": "total = 1)"})
    assert [question.message for question in report.questions] == [
        "NameError: name 'c' is not defined (q1, line 2: return c)",
        "the answer q2 doesn't run: SyntaxError: unmatched ')' (q2, line 1: total = 1))",
    ]


def test_an_answer_that_needs_an_open_one_says_so(desk: Path) -> None:
    """It isn't the second answer's fault."""
    report = checked(desk, {"q2": "total = add(40, 2)"})
    assert report.questions[1].message == (
        "the answer q2 doesn't run: needs the answer q1, which isn't given yet"
    )


@pytest.mark.parametrize("desk", [4], indirect=True)
def test_an_endless_loop_and_an_exit_cost_only_what_they_must(
    desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop is stopped and the next question checked; an exit ends the session with a reason."""
    monkeypatch.setattr("autograder.kernel._STOP_SECONDS", 60.0)
    report = checked(desk, {"q1": ENDLESS, "q2": "total = 42"})
    assert [question.status for question in report.questions] == ["failed", "passed"]
    assert "still running after 4 s" in report.questions[0].message
    report = checked(desk, {"q1": "import os\nos._exit(0)", "q2": "total = 42"})
    assert "Python itself ended" in report.questions[0].message
    assert report.questions[1].score == 0


def test_edited_tests_and_own_cells_change_nothing_but_are_said(desk: Path) -> None:
    """The release's tests are run, whatever the notebook's say."""
    report = checked(desk, {"q1": "def add(a, b): return 0", "q1_test": "assert True"})
    assert report.questions[0].status == "failed"
    assert "test cell q1_test was changed" in report.problems[0]


def test_an_answer_that_is_far_too_long_is_said_before_it_is_handed_in(desk: Path) -> None:
    """It isn't run, and whoever checks their work reads why."""
    report = checked(desk, {"q1": f"{ADD}\n{'#' * 1_000_000}"})
    assert report.questions[0].status == "blank"
    assert "q1 has 1,000,032 characters" in report.problems[0]


def question(**changes: object) -> QuestionReport:
    base = {"grade_id": "a", "title": "A", "points": 2, "score": 0, "status": "passed"}
    return QuestionReport.model_validate(base | changes)


def fake_report(monkeypatch: pytest.MonkeyPatch, *questions: QuestionReport) -> None:
    report = CheckReport(
        lab="05_sums", notebook="05_sums.ipynb", score=1, points=2, questions=questions,
        manual={"why": False}, problems=("Something [red] was changed.",),
    )  # fmt: skip
    monkeypatch.setattr(check_module, "check_work", lambda *_, **__: report)


def test_the_table_shows_each_question(
    desk: Path, run_autograder: RunAutograder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Titles, points, states and messages, with brackets as they are; exit code 1."""
    fake_report(
        monkeypatch,
        question(),
        question(status="failed", message="x[0] is [/bold]"),
        question(status="hidden", title="Unseen"),
    )
    code, out, _ = run_autograder("check", "05", cwd=desk)
    assert code == 1
    for text in ("0 / 2", "x[0] is [/bold]", "? / 2", "Unseen", "1 of 2 points", "[red]", "why"):
        assert text in out


def test_json_is_the_report_and_passing_ends_with_0(
    desk: Path, run_autograder: RunAutograder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Standard output holds one JSON object and nothing else."""
    fake_report(monkeypatch, question(), question(status="hidden"))
    code, out, _ = run_autograder("check", "--json", cwd=desk)
    assert code == 0
    assert CheckReport.model_validate(json.loads(out)).lab == "05_sums"


def test_the_command_finds_the_notebook_from_the_folder_above(
    desk: Path, run_autograder: RunAutograder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By number, by word, or because it is the only one."""
    fake_report(monkeypatch, question())
    for words in (["05"], ["sums"], ["05_sums"], []):
        assert run_autograder("check", *words, cwd=desk.parent)[0] == 0


def test_a_notebook_without_its_kept_copy_finds_the_release_elsewhere(desk: Path) -> None:
    """--from does it; without any release the message says so."""
    course = desk.parent / "handed-out"
    shutil.copytree(desk / ".autograder", course)
    shutil.rmtree(desk / ".autograder")
    with open_work("05", here=desk, origin=str(course)) as work:
        assert work.given.lab.title == "Sums"


@pytest.mark.parametrize(
    ("lab", "said"),
    [("06", "no notebook 06.ipynb"), ("", "no notebook"), ("../05_sums", "no notebook")],
)
def test_a_wrong_lab_lists_the_notebooks_that_are_there(desk: Path, lab: str, said: str) -> None:
    """The message names the folder, what is in it, and how to begin."""
    with pytest.raises(SubmissionError, match=said) as caught, open_work(lab, here=desk):
        pass
    assert "there: 05_sums" in str(caught.value)


def test_another_labs_notebook_is_refused(desk: Path) -> None:
    """A notebook under this lab's name without any of its answer cells."""
    notebook = read_notebook(desk / "05_sums.ipynb")
    notebook.cells = [cell for cell in notebook.cells if not grade_id(cell)]
    write_notebook(notebook, desk / "05_sums.ipynb")
    with pytest.raises(SubmissionError, match="isn't the notebook of 05_sums"):  # noqa: SIM117
        with open_work("05", here=desk):
            pass


def test_a_damaged_notebook_is_said(desk: Path) -> None:
    """The same sentence as the grader's."""
    data = (desk / "05_sums.ipynb").read_bytes()
    (desk / "05_sums.ipynb").write_bytes(data[:-20])
    with pytest.raises(NotebookError, match="valid JSON"), open_work("05", here=desk):
        pass
