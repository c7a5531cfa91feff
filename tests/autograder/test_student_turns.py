"""Who speaks in the student's room, where threads of an answer use the test's objects."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from autograder.student_turns import GivenUpError, Open, Turns
from autograder.wire import Channel

LATE = {"text": "late"}


@pytest.fixture
def ends() -> Iterator[tuple[Turns, Channel]]:
    """Make the turns of one room, and the channel of the other."""
    pair = socket.socketpair()
    ours, theirs = map(Channel, pair)
    yield Turns(ours, lambda: LATE), theirs
    ours.close()
    theirs.close()


def ask(turns: Turns, identity: str, *, seconds: float = 60.0) -> Open:
    """Let a question come; what was open before waits for a reply."""
    if turns._open:
        with turns.lock:
            turns.to_call().calls_back = True
    question = Open(identity, [], None, deadline=time.monotonic() + seconds)
    turns.begin(question)
    return question


def test_the_last_question_is_answered_first(ends: tuple[Turns, Channel]) -> None:
    """An answer that is ready waits until those to later questions are out."""
    turns, _ = ends
    first, second, third = (ask(turns, name) for name in "abc")
    order = []

    def answer(question: Open) -> None:
        with turns.lock:
            assert turns.to_answer(question)
            order.append(question.identity)
        for below in (first, second):
            if turns._open and turns._open[-1] is below:
                turns.called(below)

    threads = [threading.Thread(target=answer, args=(q,)) for q in (second, first)]
    for thread in threads:
        thread.start()
    time.sleep(0.05)
    assert order == []
    answer(third)
    for thread in threads:
        thread.join(5)
    assert order == ["c", "b", "a"]


def test_what_threads_do_not_answer_is_given_up(ends: tuple[Turns, Channel]) -> None:
    """The first question is answered in time; the threads learn that theirs is over."""
    turns, theirs = ends
    first, second, third = (ask(turns, name, seconds=0.05) for name in "abc")
    heard = []

    def examiner() -> None:
        heard.append(theirs.receive().body)
        theirs.send({"q": "d"})  # the test asks once more
        heard.append(theirs.receive().body)
        theirs.send({"n": 2, "r": 1})
        heard.append(theirs.receive().body)
        theirs.send({"n": 1, "r": 1})

    thread = threading.Thread(target=examiner)
    thread.start()
    with turns.lock:
        assert not turns.to_answer(first)
    thread.join(5)
    assert heard == [{"a": name, "e": LATE} for name in "cdb"]
    for question in (third, second):
        with turns.lock, pytest.raises(GivenUpError):
            turns.to_answer(question)
    with turns.lock, pytest.raises(RuntimeError, match="after the test"):
        turns.to_call()


def test_a_reply_that_is_on_its_way_is_waited_for(ends: tuple[Turns, Channel]) -> None:
    """The test works on a callback: whoever made it hears the end before the answer goes out."""
    turns, _ = ends
    first = ask(turns, "a", seconds=0.0)
    with turns.lock:
        turns.to_call().calls_back = True
    threading.Timer(0.2, turns.called, (first,)).start()
    with turns.lock:
        assert turns.to_answer(first)
        assert not first.calls_back
