"""What a student's object says of itself: remembered, and held against what else it says."""

from typing import Any

import pytest

from autograder.examiner_bases import GivenBases
from autograder.examiner_contents import Contents
from autograder.examiner_saying import Sayings
from autograder.handle_abilities import make_handle
from autograder.handles import HandleError, refusal
from autograder.wire_abilities import ABILITIES


class Room:
    """Answers questions about one object; all that a handle needs of a link."""

    def __init__(self, *, asked_for: bool = False, strange: bool = True, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.sayings = Sayings(self.ask, lambda _: strange, lambda _: asked_for, refusal)
        self.bases = GivenBases(self, None)
        self.contents = Contents(
            lambda _: strange and not asked_for,
            lambda _: False,
            lambda: self.sayings.moment,
            refusal,
        )

    def ask(self, op: str, /, *args: Any, **_: Any) -> Any:
        self.sayings.asking(op)
        self.asked.append(op)
        answer = self.answers[op]
        return answer(*args) if callable(answer) else answer

    def claim(self, what: str) -> None:
        """Believe it."""

    def free(self, number: int) -> None:
        """Forget it."""

    def instead_of(self, handle: Any, name: str) -> Any:
        return None

    def equal(self, one: Any, other: Any) -> Any:
        return None

    def may_operate(self, *_: Any) -> bool:
        return False

    def is_strange(self, _: Any) -> bool:
        return True

    def refuse(self, handle: Any, what: str) -> HandleError:
        return refusal(handle, what)

    def handle(self, *abilities: str, base: str | None = None) -> Any:
        names = [name for name, _ in ABILITIES]
        mask = sum(1 << names.index(ability) for ability in abilities)
        return make_handle(self, 1, mask, "Thing", base)


def test_a_length_holds_until_something_may_have_changed_the_object() -> None:
    """Another length is refused at once, and believed after a call."""
    lengths = iter([3, 3, 2, 2])
    room = Room(len=lambda _: next(lengths), call=None)
    thing = room.handle("len", "call")
    assert len(thing) == len(thing) == 3
    with pytest.raises(HandleError, match="its length is 2"):
        len(thing)
    thing()
    assert len(thing) == 2


@pytest.mark.parametrize("first", ["length", "items"])
def test_as_many_items_as_the_length_says(first: str) -> None:
    """Whichever of them is asked first."""
    room = Room(len=3, iter=[])
    thing = room.handle("len", "iter")
    asked = [lambda: len(thing), lambda: list(thing)]
    one, other = asked if first == "length" else asked[::-1]
    one()
    with pytest.raises(HandleError, match="contradicts itself"):
        other()


def test_an_old_length_is_asked_for_again_before_items_are() -> None:
    """A call between them is no way out."""
    thing = Room(len=3, iter=[], call=None).handle("len", "iter", "call")
    assert len(thing) == 3
    thing()
    with pytest.raises(HandleError, match="items: 0"):
        list(thing)


def test_no_place_within_the_length_is_missing() -> None:
    """Going through items by their places, as Python does, doesn't end early."""

    def nothing(*_: Any) -> Any:
        raise IndexError

    thing = Room(len=3, item=nothing).handle("len", "item")
    assert len(thing) == 3
    with pytest.raises(HandleError, match="no item 0"):
        list(zip(thing, [1, 2, 3], strict=False))
    with pytest.raises(IndexError):
        thing[3]


def test_what_is_true_isnt_empty() -> None:
    """An object with nothing in it has been called true."""
    thing = Room(bool=True, iter=[]).handle("iter")
    assert thing
    with pytest.raises(HandleError, match="it's true"):
        list(thing)


def test_a_class_that_the_lab_asks_for_may_count_otherwise() -> None:
    """What its length and its items are is its subject."""
    thing = Room(asked_for=True, len=3, iter=[]).handle("len", "iter")
    assert len(thing) == 3
    assert list(thing) == []


def test_an_object_derived_from_a_plain_type_is_that_value() -> None:
    """Its length, items and methods that only look are those of the value, fetched once."""
    room = Room(plain=[1, 2], len=9)
    thing = room.handle("len", "iter", "item", base="list")
    assert thing == [1, 2]
    assert thing != [2, 1]
    assert (len(thing), list(thing), thing[0]) == (2, [1, 2], 1)
    assert (2 in thing, bool(thing)) == (True, True)
    assert room.asked == ["plain"]


def test_a_plain_value_is_of_the_type_that_was_told() -> None:
    """What isn't, is no value."""
    thing = Room(plain=49).handle(base="str")
    with pytest.raises(HandleError, match="no plain value"):
        assert thing == "49"


def test_two_texts_that_only_say_they_differ_are_one_in_a_set() -> None:
    """Objects of immutable types are hashed by their value."""
    room = Room(plain="id")
    assert len({room.handle(base="str"), room.handle(base="str")}) == 1
