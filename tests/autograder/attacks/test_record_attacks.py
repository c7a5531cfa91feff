"""Attacks on what is kept and shown: nothing hostile in an output reaches a page or a terminal."""

import json
import unicodedata
from typing import Any

import pytest
from nbformat.v4 import new_output

from autograder.active_markup import as_plain_markdown
from autograder.engine import Execution
from autograder.grade import grade_class, read_records
from autograder.notebook import grade_id, read_notebook

HOSTILE = (
    r"<script>alert(1)</script>\x1b[2J\x1b]0;owned\x07\u202e\u2066[bold red]{{7*7}}\ud800\x00\x9b"
)
NAME = 'type("HOSTILE".encode("ascii", "ignore").decode().replace("\\0", ""), (%s), {})'
WAYS = {
    "printed": 'print("HOSTILE")',
    "printed_to_stderr": 'import sys\nsys.stderr.write("HOSTILE")',
    "below_python": 'import os\nos.write(1, b"<script>\\x1b[2J\\xff\\xfe\\xe2\\x80\\xae")',
    "result": 'class R:\n    def __repr__(self): return "HOSTILE"\nR()',
    "shown_as_html": 'from IPython.display import HTML, display\ndisplay(HTML("HOSTILE"))',
    "shown_as_script": (
        "from IPython.display import Javascript, Markdown, SVG, display\n"
        'display(Javascript("alert(1)"), Markdown("HOSTILE"))\n'
        'display({"image/svg+xml": "<svg onload=alert(1)>HOSTILE</svg>"}, raw=True)'
    ),
    "shown_as_html_that_calls_itself_a_picture": (
        'display({"image/png": "HOSTILE", "image/jpeg": 5, "HOSTILE": "x"}, raw=True)'
    ),
    "shown_as_deep_json": (
        "value = []\nfor _ in range(400): value = [value]\n"
        'data = {"application/json": value, "application/vnd.x+json": {"a": float("nan")}}\n'
        "display(data, raw=True)"
    ),
    "metadata_of_an_output": (
        'display({"text/plain": "x"}, metadata={"HOSTILE": ["HOSTILE"]}, raw=True)'
    ),
    "text_of_an_error": 'raise ValueError("HOSTILE")',
    "name_of_an_error": f'raise {NAME % "Exception,"}("x")',
    "syntax_error": 'exec("HOSTILE ?")',
    "many_small_outputs": "for n in range(5000): display(n)",
    "updates_without_end": (
        "shown = display(0, display_id=True)\nfor n in range(3000): shown.update('x' * 1000)"
    ),
}
IN_TESTS = {
    "text_of_an_error": 'def solve(x): raise ValueError("HOSTILE")',
    "text_of_a_lookup": 'def solve(x): raise KeyError("HOSTILE", "HOSTILE")',
    "name_of_an_error": f'E = {NAME % "Exception,"}\ndef solve(x): raise E("HOSTILE")',
    "name_of_a_class": f"K = {NAME % ''}\ndef solve(x): return K()",
    "shown_value": 'def solve(x): return "HOSTILE"',
    "printed": 'def solve(x):\n    print("HOSTILE")\n    return 4',
}


def controls(text: str) -> set[str]:
    """Give the characters that steer a terminal or turn the order of a line round."""
    turning = ("RLO", "LRO", "RLE", "LRE", "RLI", "LRI")
    return {
        c
        for c in text
        if (unicodedata.category(c) in ("Cc", "Cs") and c not in "\t\n\r")
        or unicodedata.bidirectional(c) in turning
    }


def check(verdict: Any) -> None:
    for text in ("<script>alert", "<svg onload"):
        assert text not in verdict.page
    assert controls(verdict.page) == set()
    result = verdict.graded.result
    for cell in result.cells:
        assert controls(f"{cell.reason} {' '.join(cell.claims)}") == set()
    assert controls(" ".join(result.problems)) == set()
    json.loads(verdict.record)


@pytest.mark.parametrize("way", list(WAYS))
def test_what_an_answer_shows_is_harmless(way: str, attack: Any, attempt: Any) -> None:
    """Outputs of answers are text and pictures on a page, and nothing that acts."""

    def showing(way: str) -> Any:
        text = WAYS[way].replace("HOSTILE", HOSTILE)
        return attempt({"attack": f"def solve(x): return 4\n{text}"})

    check(attack(way, showing, list(WAYS)))


@pytest.mark.parametrize("way", list(IN_TESTS))
def test_what_a_failed_test_says_is_harmless(way: str, attack: Any, attempt: Any) -> None:
    """The reason that a visible test gives may hold the answer's own words, made harmless."""
    visible = "assert solve(2) == 4, f'got {solve(2)}, wanted 4'\nassert solve(3) == 9"

    def failing(way: str) -> Any:
        return attempt({"attack": IN_TESTS[way].replace("HOSTILE", HOSTILE), "visible": visible})

    check(attack(way, failing, list(IN_TESTS)))


ENDINGS = {
    "exit_code": "import os\ndef solve(x):\n    if x == 2: return 4\n    os._exit(x % 251)",
    "breach": (
        "THE_ROOM\ndef solve(x):\n    if x == 2: return 4\n"
        "    questions.send({'a': '0' * 16, 'v': x * x})\n    return 0"
    ),
}


def test_how_a_process_ends_tells_nothing_of_a_hidden_test(attack: Any, attempt: Any) -> None:
    """An exit code, a signal or a breach could carry what a hidden test called an answer with."""
    pages = set()
    for name in ENDINGS:
        verdict = attack(name, lambda one: attempt({"attack": ENDINGS[one]}), list(ENDINGS))
        result = verdict.graded.result
        pages.add((result.problems, tuple(cell.reason for cell in result.cells)))
    assert len(pages) == 1


def test_active_content_isnt_kept_for_those_who_grade_by_hand(arena: Any) -> None:
    """A page or script in an output would run in the browser of whoever opens the notebook."""
    teacher = arena.teacher({})
    answer = (
        "from IPython.display import HTML, Javascript, display\n"
        "display(HTML('<b>fine</b>'), Javascript('alert(1)'))\n"
        "display(HTML('<img src=x onerror=alert(1)>'), HTML('<a href=\"javascript:x\">x</a>'))\n"
    )
    data = arena.hand_in(teacher, {"q1": answer})
    verdict = arena.grade(arena.warm(teacher, data), teacher, "x", data)
    [cell] = [c for c in verdict.graded.notebook.cells if c.get("id") == "q1"]
    shown = [output["data"] for output in cell.outputs]
    assert shown[0]["text/html"] == "<b>fine</b>"
    assert all("text/plain" in data for data in shown)
    assert "alert" not in json.dumps(shown)
    assert "javascript:" not in json.dumps(shown)


def test_a_text_that_acts_is_shown_as_it_was_written(
    small_course: Any, fake_engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Formgrader puts Markdown into its page: a script in an answer could give marks there."""
    monkeypatch.setattr("autograder.publish.write_marks", lambda *_: None)
    attack = "Because.\n\n<script>give(100)</script> [x](java&#115;cript:give(100))"
    honest = "It is *less* than <b>two</b>, see <https://example.org> and $a < b$."
    for student, text in (("ann", attack), ("bea", honest)):
        small_course.hand_in(student, {"why": text})

    class Showing:
        """An engine, not ours, that lets everything through."""

        def __getattr__(self, name: str) -> Any:
            return getattr(fake_engine, name)

        def run(self, *given: Any) -> Execution:
            done = fake_engine.run(*given)
            cell = next(cell for cell in done.notebook.cells if grade_id(cell) == "q1")
            shown = {"text/html": "<script>give(100)</script>", "text/plain": "fine"}
            cell["outputs"] = [new_output("display_data", shown)]
            return done

    grade_class(small_course.course, "05", engine=Showing(), workers=1)

    def kept(student: str) -> str:
        folder = small_course.course.autograded(student, "05_sums")
        cells = {grade_id(c): c for c in read_notebook(folder / "05_sums.ipynb").cells}
        assert [dict(out["data"]) for out in cells["q1"].outputs] == [{"text/plain": "fine"}]
        return str(cells["why"].source)

    assert kept("ann") == as_plain_markdown(attack)
    assert kept("bea") == honest
    [record] = [one for one in read_records(small_course.course, "05") if "ann" in str(one.result)]
    assert record.notebook is not None
    assert attack in [cell["source"] for cell in record.notebook["cells"]]


def test_a_text_that_cant_be_looked_through_is_shown_as_it_was_written(
    small_course: Any, fake_engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One student's work keeps no class from its marks."""
    marked: list[Any] = []
    monkeypatch.setattr("autograder.publish.write_marks", lambda *told: marked.extend(told[-1]))

    def acts(text: str, *, is_written: bool) -> bool:
        if is_written and "made up" in text:
            raise RecursionError
        return False

    monkeypatch.setattr("autograder.publish.acts", acts)
    texts = {"ann": "This is made up.", "bea": "Because.", "cem": "<p>" * 200_000}
    for student, text in texts.items():
        small_course.hand_in(student, {"why": text})
    grade_class(small_course.course, "05", engine=fake_engine, workers=1)
    assert {one.result.student for one in marked} == {*texts}

    def kept(student: str) -> str:
        folder = small_course.course.autograded(student, "05_sums")
        cells = {grade_id(c): c for c in read_notebook(folder / "05_sums.ipynb").cells}
        return str(cells["why"].source)

    assert kept("ann") == as_plain_markdown(texts["ann"])
    assert kept("bea") == texts["bea"]
    assert kept("cem") == as_plain_markdown(texts["cem"])
