"""From a cell's run to its points, with nbgrader's own rules as the oracle."""

from typing import Any

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell
from nbgrader.utils import determine_grade

from autograder.engine import CellRun
from autograder.score import (
    BE_PLAIN,
    HIDDEN_FAILED,
    ON_STDERR,
    RUN_IT,
    VALUE_AT_END,
    WAITING,
    redacted,
    score_cell,
    unscored,
)
from autograder.time_limit import THREADS_WAIT

TEST = """\
assert add(1, 2) == 3, "Add the two numbers."
### BEGIN HIDDEN TESTS
assert add(0, 0) == 0
### HINT Try numbers below zero.
assert add(-1, -2) == -3, "hidden negative sum"
### END HIDDEN TESTS
assert add(2, 2) == 4"""
OPEN_TEST = "assert add(1, 2) == 3\nadd(1, 1) / 2"
SECRET_LINES = ("assert add(0, 0) == 0", 'assert add(-1, -2) == -3, "hidden negative sum"')


def graded(source: str = TEST, *, points: float = 3, solution: bool = False) -> Any:
    meta = {"schema_version": 3, "grade_id": "q1_test", "grade": True, "solution": solution,
            "locked": not solution, "task": False, "points": points}  # fmt: skip
    return new_code_cell(source, metadata={"nbgrader": meta})


def ran(status: Any = "ok", *outputs: dict[str, Any], **more: Any) -> CellRun:
    return CellRun(0, "q1_test", status, outputs, **more)


def shown(text: object) -> dict[str, Any]:
    return {
        "output_type": "execute_result", "data": {"text/plain": text}, "metadata": {},
        "execution_count": 1,
    }  # fmt: skip


def stream(name: str, text: str = "words") -> dict[str, Any]:
    return {"output_type": "stream", "name": name, "text": text}


def failed(line: int | None, error: str = "AssertionError", message: str = "") -> CellRun:
    return ran("error", error=error, message=message, line=line, room="examiner")


@pytest.mark.parametrize(
    ("run", "score", "status", "reason"),
    [
        (ran(), 3, "passed", ""),
        (ran("ok", stream("stdout")), 3, "passed", ""),
        (failed(1, message="Add the two numbers."), 0, "failed", "Add the two numbers."),
        (failed(7, message="secret argument"), 0, "failed",
         f"Not so: assert add(2, 2) == 4 {RUN_IT}"),
        (failed(1, "NameError", "no add\nmore"), 0, "failed", "NameError: no add"),
        (failed(1, "KeyError"), 0, "failed", "KeyError"),
        (failed(3), 0, "failed", HIDDEN_FAILED),
        (failed(5, message="hidden negative sum"), 0, "failed",
         f"{HIDDEN_FAILED} Try numbers below zero."),
        (failed(5, "ValueError", "-1"), 0, "failed", f"{HIDDEN_FAILED} Try numbers below zero."),
        (failed(None, message="hidden negative sum"), 0, "failed", HIDDEN_FAILED),
        (ran("timeout"), 0, "failed", "The test took longer than it may."),
        (ran("timeout", message=f"It was stopped: {THREADS_WAIT}."), 0, "failed",
         f"The test took longer than it may. {WAITING}"),
        (ran("died"), 0, "not-run", "The notebook's process ended before the test was finished."),
        (ran("died", message="It ended with code 49."), 0, "not-run",
         "The notebook's process ended before the test was finished."),
        (ran("not-run"), 0, "not-run",
         "The test didn't run, because an earlier cell ended it all."),
        (None, 0, "not-run", "The test didn't run."),
        (ran("ok", stream("stderr", "secret argument")), 0, "failed",
         f"The test wrote to stderr, {ON_STDERR}. {RUN_IT}"),
        (ran("ok", shown("'secret argument'")), 0, "failed",
         f"The test's result isn't a number. {VALUE_AT_END}"),
        (ran("ok", shown("1.5")), 1.5, "partial", "Partial credit: 1.5 of 3."),
        (ran("ok", shown("3")), 3, "passed", ""),
        (ran("ok", shown("0")), 0, "failed", "Partial credit: 0 of 3."),
        (ran("ok", shown("nan")), 0, "failed",
         f"The test's result isn't between 0 and 3. {VALUE_AT_END}"),
        (ran("ok", shown("np.float64(inf)")), 0, "failed",
         f"The test's result isn't between 0 and 3. {VALUE_AT_END}"),
        (ran("ok", shown("-3")), 0, "failed",
         f"The test's result isn't between 0 and 3. {VALUE_AT_END}"),
        (ran("ok", shown("3.01")), 0, "failed",
         f"The test's result isn't between 0 and 3. {VALUE_AT_END}"),
        (ran("ok", shown("np.float64(0.5)")), 0.5, "partial", "Partial credit: 0.5 of 3."),
    ],
)  # fmt: skip
def test_each_fate_of_a_test_cell(
    run: CellRun | None, score: float, status: str, reason: str
) -> None:
    """Points, status and the words for the student."""
    verdict = score_cell(graded(), run)
    assert (verdict.score, verdict.status, verdict.reason) == (score, status, reason)
    assert (verdict.grade_id, verdict.points) == ("q1_test", 3)


def test_a_test_without_hidden_lines_quotes_what_it_put_out() -> None:
    """Nothing is hidden there, so the student sees the warning or the odd result."""
    said = score_cell(graded(OPEN_TEST), ran("ok", stream("stderr", "\nold name\nmore"))).reason
    assert said == "The test wrote to stderr: old name."
    said = score_cell(graded(OPEN_TEST), ran("ok", shown("'two'"))).reason
    assert said == f"The test's result isn't a number: 'two'. {VALUE_AT_END}"
    said = score_cell(graded(OPEN_TEST), ran("ok", shown("-3"))).reason
    assert said == f"The test's result, -3, isn't between 0 and 3. {VALUE_AT_END}"
    assert score_cell(graded(OPEN_TEST), failed(None, message="no")).reason == "no"
    first = OPEN_TEST.splitlines()[0]
    assert score_cell(graded(OPEN_TEST), failed(1)).reason == f"Not so: {first}"
    noted = score_cell(graded(OPEN_TEST), failed(1, message="\nNote: read this.\nNote: more"))
    assert noted.reason == f"Not so: {first} Note: read this."
    unplaced = score_cell(graded(OPEN_TEST), failed(None)).reason
    assert unplaced == "An assertion of this question isn't true."


@pytest.mark.parametrize(
    ("kept", "score"),
    [
        ([], 0.0),
        ([shown("array([1., 2.])")], 3.0),
        ([shown(["   a\n", "0  1"])], 3.0),
        ([shown("2.5")], 0.0),
        ([stream("stdout")], 0.0),
    ],
)
def test_a_cell_that_showed_the_teacher_no_number_either_shows_something(
    kept: list[dict[str, Any]], score: float
) -> None:
    """Outputs that the teacher's notebook keeps tell a display from partial credit."""
    cell = graded(OPEN_TEST)
    cell.outputs = [nbformat.from_dict(output) for output in kept]
    assert score_cell(cell, ran("ok", shown("array([3., 4.])"))).score == score


@pytest.mark.parametrize("room", ["student", "shared"])
def test_beside_the_answers_no_message_is_quoted_where_a_test_hides_something(room: Any) -> None:
    """There, an answer that a visible line calls can read the hidden ones and say so."""
    run = ran("error", error="ValueError", message="YXNzZXJ0IGFkZCg=", line=1, room=room)
    assert "YXNz" not in score_cell(graded(), run).reason
    assert score_cell(graded(OPEN_TEST), run).reason == "ValueError: YXNzZXJ0IGFkZCg="


@pytest.mark.parametrize(
    ("source", "run", "reason"),
    [
        ('assert f(1) == 2, f"One gives {f(1)}, not 2."', failed(1, message="One gives (41, 43)."),
         f"One gives …, not 2. {RUN_IT}"),
        ("import math\nassert f(1) == 2, message", failed(2, message="(41, 43)"),
         f"Not so: assert f(1) == 2, message {RUN_IT}"),
        ("f(1)", failed(1, "Told41and43", "(41, 43)"), f"Stopped by an error at: f(1) {RUN_IT}"),
        ("%timeit f(1)", failed(1, "ValueError", "(41, 43)"),
         f"Stopped by an error at: %timeit f(1) {RUN_IT}"),
        ("assert (\n  f(1)\n)", failed(2, "AssertionError", "(41, 43)"), f"Not so: f(1) {RUN_IT}"),
        ("f(1)", failed(None, "ValueError", "(41, 43)"),
         f"A check of this question failed. {RUN_IT}"),
        ("f(1)", failed(1, "HandleError", "(41, 43)"), f"Stopped by an error at: f(1) {BE_PLAIN}"),
        ("f(1)", ran("ok", stream("stderr", "(41, 43)")),
         f"The test wrote to stderr, {ON_STDERR}. {RUN_IT}"),
        ("f(1)", ran("ok", shown("4143.0")),
         f"The test's result isn't between 0 and 3. {VALUE_AT_END}"),
        ("f(1)", ran("ok", shown("'41'")), f"The test's result isn't a number. {VALUE_AT_END}"),
    ],
)  # fmt: skip
def test_after_a_hidden_test_nothing_that_an_answer_computed_is_quoted(
    source: str, run: CellRun, reason: str
) -> None:
    """An answer that a hidden test called may put the call into all it says later."""
    verdict = score_cell(graded(source), run, after_hidden=True)
    assert verdict.reason == reason
    assert verdict.score == 0


def test_a_reason_that_is_told() -> None:
    """Before any hidden test, a visible test's own message is what students read."""
    told = failed(1, message="One gives 3, not 2.")
    source = 'assert f(1) == 2, f"One gives {f(1)}, not 2."'
    assert score_cell(graded(source), told).reason == "One gives 3, not 2."


def test_the_room_of_the_test_is_recorded() -> None:
    """A verdict says where its test ran."""
    assert score_cell(graded(), ran(room="examiner")).room == "examiner"
    assert score_cell(graded(), None).room is None


def test_manual_answers_wait_unless_they_are_blank() -> None:
    """A person grades an answer; nobody need look at one that wasn't given."""
    cell = graded("My reasons.", solution=True)
    waiting = score_cell(cell, ran("error", error="NameError"))
    assert (waiting.score, waiting.status) == (None, "manual")
    blank = score_cell(cell, None, is_blank=True)
    assert (blank.score, blank.status, blank.reason) == (0, "failed", "No answer was given.")


def test_a_task_waits_whether_it_was_touched_or_not() -> None:
    """Its own cell is the teacher's, so it always looks untouched."""
    meta = {"grade_id": "t", "grade": False, "solution": False, "locked": True, "task": True,
            "points": 1}  # fmt: skip
    cell = new_markdown_cell("Draw.", metadata={"nbgrader": meta})
    assert score_cell(cell, None, is_blank=True).status == "manual"


def test_unscored_is_nothing_with_a_reason() -> None:
    """What couldn't be run earns nothing, whatever kind of cell it is."""
    for solution in (False, True):
        verdict = unscored(graded(solution=solution), "Unreadable.")
        assert (verdict.score, verdict.status, verdict.reason) == (0, "not-run", "Unreadable.")


def test_a_reason_that_holds_a_hidden_line_is_replaced() -> None:
    """Even where student code raises the text of the test itself, at a visible line."""
    for secret in SECRET_LINES:
        verdict = score_cell(graded(), failed(1, "ValueError", f"read: {secret}"))
        assert verdict.reason == HIDDEN_FAILED


def test_how_a_process_ended_is_told_where_nothing_is_hidden() -> None:
    """An answer chooses how its process ends: by what a hidden test called it with, for example."""
    died = ran("died", message="It used more than 256 MB.")
    assert score_cell(graded(OPEN_TEST), died).reason == "It used more than 256 MB."
    for told in (
        score_cell(graded(), died),
        score_cell(graded(OPEN_TEST), died, after_hidden=True),
    ):
        assert "256" not in told.reason


def test_redacted_takes_out_lines_and_leaves_hints() -> None:
    """Only the lines that hold a hidden one go; hints are written for students."""
    text = f"before\n  {SECRET_LINES[1]}  \n### HINT Try numbers below zero.\nafter"
    assert redacted(text, [graded()]) == (
        "before\n[removed]\n### HINT Try numbers below zero.\nafter"
    )
    assert redacted("assert add(1, 2) == 3, 'mine'", [graded()]) == "assert add(1, 2) == 3, 'mine'"


def test_a_long_reason_is_cut() -> None:
    """A student's message can't fill a page."""
    assert len(score_cell(graded(OPEN_TEST), failed(1, "E", "x" * 9_000)).reason) == 500


def test_an_engine_that_calls_an_error_ok_gives_no_points() -> None:
    """Outputs count even where an engine's word says otherwise."""
    error = {"output_type": "error", "ename": "E", "evalue": "", "traceback": []}
    assert score_cell(graded(), ran("ok", error)).score == 0


def oracle(*outputs: dict[str, Any]) -> float | None:
    cell = graded(OPEN_TEST)
    cell["outputs"] = [nbformat.from_dict(output) for output in outputs]
    score, _ = determine_grade(cell)
    return score


ERROR = {"output_type": "error", "ename": "E", "evalue": "", "traceback": []}


@pytest.mark.parametrize(
    "outputs",
    [
        (),
        (stream("stdout"),),
        (stream("stderr"),),
        (stream("stdout"), stream("stderr")),
        (ERROR,),
        (stream("stdout"), ERROR),
        (shown("0"),),
        (shown("0.25"),),
        (shown("3"),),
        (shown("1e-3"),),
        (stream("stdout"), shown("2")),
        (stream("stderr"), shown("2")),
    ],
)
def test_well_behaved_outputs_score_as_in_nbgrader(outputs: tuple[dict[str, Any], ...]) -> None:
    """The points that nbgrader's own determine_grade gives."""
    assert score_cell(graded(OPEN_TEST), ran("ok", *outputs)).score == oracle(*outputs)


@pytest.mark.parametrize(
    ("outputs", "theirs", "ours"),
    [
        ((shown("nan"),), 3, 0),
        ((shown("-3"),), 3, 0),
        ((shown("-inf"),), 3, 0),
        ((shown("True"),), 3, 0),
        ((shown("'all good'"),), 3, 0),
        ((shown("np.float64(0.5)"),), 3, 0.5),
        ((shown("inf"),), "stops", 0),
        ((shown("4"),), "stops", 0),
        ((shown(""),), "stops", 0),
        ((shown("1"), stream("stderr")), 1, 0),
    ],
)
def test_where_scoring_differs_from_nbgrader_on_purpose(
    outputs: tuple[dict[str, Any], ...], theirs: float | str, ours: float
) -> None:
    """nbgrader is open or stops; here what isn't understood earns nothing."""
    try:
        got: object = oracle(*outputs)
    except (ValueError, KeyError):
        got = "stops"
    assert got == theirs
    assert score_cell(graded(OPEN_TEST), ran("ok", *outputs)).score == ours


texts = st.one_of(st.text(max_size=12), st.floats().map(repr), st.integers().map(str))
anything = st.one_of(st.none(), st.booleans(), texts, st.lists(texts, max_size=3))
some_output = st.fixed_dictionaries(
    {},
    optional={
        "output_type": st.sampled_from(["stream", "execute_result", "display_data", "error", "?"]),
        "name": st.sampled_from(["stdout", "stderr"]),
        "text": anything,
        "data": st.one_of(anything, st.dictionaries(st.just("text/plain"), anything)),
    },
)
statuses = st.sampled_from(["ok", "error", "timeout", "died", "not-run"])


@given(status=statuses, outputs=st.lists(some_output, max_size=3), message=st.text(max_size=20),
       points=st.sampled_from([0.5, 1.0, 3.0]), line=st.none() | st.integers(-1, 9))  # fmt: skip
def test_no_output_earns_more_than_it_may(
    status: Any, outputs: list[Any], message: str, points: float, line: int | None
) -> None:
    """Whatever an engine reports: between 0 and the points, and all of them only if it ran."""
    run = ran(status, *outputs, error="E", message=message, line=line)
    verdict = score_cell(graded(points=points), run)
    assert verdict.score is not None
    assert 0 <= verdict.score <= points
    if status != "ok" or any(out.get("output_type") == "error" for out in outputs):
        assert verdict.score == 0
    assert (verdict.score == points) == (verdict.status == "passed")


@given(st.text(max_size=30), st.sampled_from(SECRET_LINES), st.text(max_size=30))
def test_no_reason_holds_a_hidden_line(before: str, secret: str, after: str) -> None:
    """Wherever an engine lets it slip, it stops here."""
    message = f"{before}{secret}{after}"
    for run in (failed(1, "E", message), ran("died", message=message),
                ran("ok", stream("stderr", message)), ran("ok", shown(message))):  # fmt: skip
        assert secret not in score_cell(graded(), run).reason
