"""What the student's room tells of its log is checked before a test's handler gets any of it."""

import io
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from autograder.examiner_logs import Listening
from autograder.student_logs import Logs
from autograder.wire import WireError, to_json

GOOD = {"at": "app.wire", "n": "app.wire", "v": "WARNING", "l": 30, "g": "squared 4", "o": 1}
HANDLE = ["h", 1, 0, "", None]
DEEP: Any = ["l", ["l", ["l", ["l", ["l"]]]]]
FORGED = [
    *(0.5, {"at": 1}, [0], [{}], [GOOD] * 201),
    *([{**GOOD, "at": 0}], [{**GOOD, "n": None}], [{**GOOD, "n": 5}], [{**GOOD, "l": "30"}]),
    *(
        [{**GOOD, "l": True}],
        [{**GOOD, "l": 1 << 40}],
        [{**GOOD, "g": HANDLE}],
        [{**GOOD, "o": -1}],
    ),
    *([{**GOOD, "g": "x" * 20_001}], [{**GOOD, "t": ["l"]}], [{**GOOD, "e": []}]),
    *([{**GOOD, "e": {"getMessage": "x"}}], [{**GOOD, "e": {"__class__": 1}}]),
    *([{**GOOD, "e": {"name": "x"}}], [{**GOOD, "e": {"x": HANDLE}}], [{**GOOD, "e": {"x": DEEP}}]),
    *([{**GOOD, "m": "%s", "a": HANDLE}], [{**GOOD, "m": "%s", "a": ["l", 1]}]),
    *([{**GOOD, "m": 5, "a": ["t", 1]}], [{**GOOD, "e": {"x": 1 << 70}}]),
]


class _Room:
    """Stands for the link to a student's room that has this process's loggers."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def ask(self, op: str, /, *args: Any, **_: Any) -> None:
        self.asked.append((op, *args))


@pytest.fixture
def listening() -> Listening:
    """What hears for a test that speaks of logging."""
    listening = Listening(_Room())
    listening.begin({"logging"})
    return listening


@pytest.fixture
def stream(listening: Listening) -> Iterator[io.StringIO]:
    """What a handler of the test writes to."""
    handler = logging.StreamHandler(io.StringIO())
    logger = logging.getLogger("app.wire")
    logger.addHandler(handler)
    yield handler.stream
    logger.removeHandler(handler)


def _unknown(_: Any) -> BaseException:
    raise WireError("an error")


@pytest.mark.parametrize("number", range(len(FORGED)))
def test_forged_records_are_a_breach(
    number: int, listening: Listening, stream: io.StringIO
) -> None:
    """Nothing but exact types gets to a handler."""
    with pytest.raises(WireError):
        listening.hear(FORGED[number], _unknown)
    assert stream.getvalue() == ""


@pytest.mark.parametrize("pattern", ["%99999999d", "%*d", "%(a)s", "%s %s", "%s" * 200])
def test_a_pattern_is_used_only_where_it_makes_the_text(
    pattern: str, listening: Listening, stream: io.StringIO
) -> None:
    """A record has the text that was told, at no cost."""
    listening.hear([{**GOOD, "m": pattern, "a": ["t", 4]}], _unknown)
    assert stream.getvalue() == "squared 4\n"


def test_records_that_nobody_asked_for_are_a_breach() -> None:
    """Where no test has spoken of logging none are sent."""
    with pytest.raises(WireError):
        Listening(_Room()).hear([GOOD], _unknown)


def test_nothing_is_told_where_no_test_listens() -> None:
    """A cell that doesn't speak of logging asks nothing, nor one that has set nothing."""
    room = _Room()
    listening = Listening(room)
    listening.begin({"solve"})
    listening.carry()
    listening.begin({"logging"})
    listening.carry()
    assert room.asked == []


def test_loggers_are_as_they_were_when_the_test_has_ended() -> None:
    """What a test sets is set for the time of the test; what is logged fits in one message."""
    logs, logger = Logs(), logging.getLogger("app.restored")
    logger.setLevel(logging.ERROR)
    own = logging.NullHandler()
    logger.addHandler(own)
    for alone in (True, False):
        logs.listen((("app.restored", 10, False, True, (alone, 0, ())),), 20)
        assert (logger.level, logger.propagate, logger.disabled) == (10, False, True)
        assert logging.root.manager.disable == 20
        assert (own in logger.handlers) is not alone
        logs.listen((("app.restored", 10, None, None, (alone, 0, ())),), None)
        for _ in range(500):
            logger.info("x" * 100_000, extra={"more": ["y" * 10_000] * 50})
        taken = logs.take()
        assert 0 < len(taken) <= 200
        assert len(to_json(taken)) < 5 << 20
        logs.listen((), None)
        assert (logger.level, logger.propagate, logger.handlers) == (logging.ERROR, True, [own])
        assert logging.root.manager.disable == 0
