"""Why a test cell fails in a room of its own, for its teacher."""

import json
from typing import Any

import pytest

from autograder.examiner_hints import hints, misused
from autograder.handle_abilities import make_handle

ANSWER = "import numpy as np\ndef solve(x): return scale * np.sum(x)"


class Link:
    """Lets go of handles, and knows nothing of them."""

    def free(self, number: int) -> None:
        """Forget it."""

    def class_of(self, handle: Any) -> type:
        """Give the nearest class of this room."""
        return object


def error_of(code: str, **names: Any) -> Exception:
    """Give what a test cell ends with."""
    try:
        exec(compile(code, "<cell 1>", "exec"), {"__name__": "__main__", **names})
    except Exception as error:
        return error
    raise AssertionError("it didn't fail")


@pytest.mark.parametrize("text", ["scale = 3", "for scale in (1, 2): solve(scale)", "scale += 1"])
def test_a_name_that_answers_read_and_a_test_binds_is_named(text: str) -> None:
    """Whatever binds it."""
    (said,) = hints(f"{text}\nassert solve(2) == 6", [], ["x = 3", ANSWER])
    assert said.startswith("'scale' is bound by a test cell")
    assert "'student-room'" in said


@pytest.mark.parametrize(
    "text",
    [
        "import numpy as np\nassert solve(2) == 6",
        "x = 3\nassert solve(x) == 6",
        "def check(scale): return scale\nassert check(2)",
        "for _ in range(3): assert solve(2)",
        "cart.In = 3",
    ],
)
def test_a_test_that_relies_on_nothing_gets_no_hint(text: str) -> None:
    """Its imports, its own names and what isn't a notebook's record."""
    assert hints(text, [], [ANSWER]) == []


HIDDEN = "### BEGIN HIDDEN TESTS\n{}\n### END HIDDEN TESTS\nassert solve(2) == 6"


@pytest.mark.parametrize("line", ["scale = 3", "assert _ == 42", "assert solve(In[2])"])
def test_what_students_cannot_read_gives_no_hint(line: str) -> None:
    """An answer that reads guessed names would learn which of them are bound there."""
    assert hints(line + "\nassert solve(2) == 6", [], [ANSWER])
    assert hints(HIDDEN.format(line), [], [ANSWER]) == []


def test_a_line_that_is_hidden_takes_no_hint_away() -> None:
    """That would tell as much."""
    assert hints("assert _ == 42\n" + HIDDEN.format("_ = 3"), [], [ANSWER])


@pytest.mark.parametrize(
    "cell", ["scale = 4", "def scale(): pass", "def begin():\n    global scale\n    scale = 2"]
)
def test_a_name_that_is_also_bound_beside_the_answers_is_theirs(cell: str) -> None:
    """By an answer or a given cell: they read that one."""
    assert hints("scale = 3\nassert solve(2) == 6", [cell], [ANSWER]) == []


def test_what_only_other_functions_read_is_not_named() -> None:
    """Those that the test doesn't use, nor what it uses; but also what it uses by others."""
    aside = "def never(): return scale"
    assert hints("scale = 3\nassert solve(2) == 6", [], ["def solve(x): return x", aside]) == []
    through = ["class Shop:\n    def pay(self): return helper()", "def helper(): return scale"]
    assert hints("scale = 3\nassert shop.pay()", [], [*through, "shop = Shop()"])


@pytest.mark.parametrize("text", ["assert _ == 42", "exec(In[-2])", "assert Out[2] == 3"])
def test_a_notebooks_record_is_named(text: str) -> None:
    """This room's holds the test's cells, not the student's."""
    (said,) = hints(text, [], [ANSWER])
    assert "has recorded" in said


def test_a_library_that_was_given_a_handle_is_named() -> None:
    """Also where the handle is within something."""
    handle: Any = make_handle(Link(), 1, 0, "Cart", None)  # type: ignore[arg-type]
    error = error_of("json.dumps({'cart': [cart]})", json=json, cart=handle)
    said = misused(error, str(error))
    assert said is not None
    assert said.startswith("json was given <the student's object of class Cart>")


def test_an_error_without_a_handle_in_it_says_enough() -> None:
    """So does one of the test's own code."""
    handle: Any = make_handle(Link(), 1, 0, "Cart", None)  # type: ignore[arg-type]
    assert misused(error_of("json.dumps({1: object()})", json=json), "") is None
    assert misused(error_of("1 / 0", cart=handle), "") is None


class MuteError(Exception):
    """An error of the student's that says nothing."""

    def __str__(self) -> str:
        raise SystemExit


def test_an_error_is_not_asked_for_its_text() -> None:
    """What rises there would end the room."""
    assert misused(error_of("raise MuteError", MuteError=MuteError), "") is None


@pytest.mark.parametrize("deep", [" + ".join(["scale"] * 5000), "(" * 80 + "scale" + ")" * 80])
def test_an_answer_that_is_nested_deep_costs_no_more_than_the_hint(deep: str) -> None:
    """Nor does one that goes on and on."""
    answer = f"def solve(x): return {deep}"
    assert len(hints("scale = 3\nassert solve(2)", [], [answer])) <= 1
    assert hints("scale = 3\nassert solve(2)", [], [ANSWER + "#" * 60_000]) == []
