"""Which engine grades, how far it confines, and what is refused."""

import itertools
import os
from typing import Any

import pytest

from autograder.engines import (
    engine_named,
    grading_engine,
    is_at_least,
    is_weak,
    trusting_isolation,
)
from autograder.errors import GraderError, SandboxError

needs_rooms = pytest.mark.skipif(not hasattr(os, "fork"), reason="rooms are forked")
STRONGEST_FIRST = ("full", "bubblewrap", "landlock", "process")


@needs_rooms
@pytest.mark.parametrize(("tests", "room"), [("", "examiner"), ("examiner", "examiner"),
                                             ("student", "student")])  # fmt: skip
def test_tests_run_out_of_reach_unless_told(tests: str, room: str) -> None:
    """Beside the answers only where somebody says so."""
    engine = engine_named("rooms", isolation="process", tests=tests)
    assert (engine.name, engine.isolation, engine.room) == ("rooms", "process", room)
    engine.close()


def test_nbgraders_engine_is_there() -> None:
    """It confines nothing, and says so."""
    engine = engine_named("nbgrader", isolation="process", tests="student")
    assert (engine.name, engine.isolation, engine.room) == ("nbgrader", "process", "shared")
    engine.close()


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("warp", {}, r"no engine 'warp'; there: rooms, nbgrader"),
        ("rooms", {"tests": "mars"}, "'examiner' or 'student', not 'mars'"),
        ("rooms", {"isolation": "mars"}, r"no isolation 'mars'; there: full, .*process"),
        ("nbgrader", {"isolation": "full"}, "needs --engine rooms"),
        ("nbgrader", {"tests": "examiner"}, "needs --engine rooms"),
    ],
)
def test_what_there_is_not_is_refused(name: str, options: Any, said: str) -> None:
    """With what there is."""
    with pytest.raises(GraderError, match=said):
        engine_named(name, **options)


@needs_rooms
def test_a_machine_that_confines_nothing_grades_only_when_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the one word that says what it means."""
    monkeypatch.setattr("autograder.sandbox.best", lambda: "process")
    with pytest.raises(SandboxError, match="--isolation process"):
        grading_engine()
    engine = grading_engine(isolation="process")
    assert is_weak(engine.isolation)
    engine.close()
    assert trusting_isolation("rooms") == "process"
    assert trusting_isolation("nbgrader") == ""


def test_levels_are_ordered_and_unknown_ones_never_suffice() -> None:
    """A mark from behind a better wall stands; one from behind a strange wall is made again."""
    for (a, one), (b, other) in itertools.product(enumerate(STRONGEST_FIRST), repeat=2):
        assert is_at_least(one, other) is (a <= b)
    assert not is_at_least("fake", "process")
    assert not is_at_least("full", "fake")
    assert is_at_least("fake", "fake")
    assert [is_weak(level) for level in STRONGEST_FIRST] == [False, False, False, True]
    assert is_weak("fake")
