"""Handles: what they pass on, what they refuse, and that they never speak for themselves."""

import collections.abc
import math
import operator
import pickle
import types
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from autograder.examiner_bases import GivenBases
from autograder.examiner_contents import Contents
from autograder.examiner_identity import Copies, has_identity, is_same, room_is
from autograder.examiner_judging import Judge
from autograder.examiner_saying import Sayings
from autograder.handle_abilities import make_handle
from autograder.handles import MAX_ITEMS, HandleError, number_of, refusal
from autograder.wire_abilities import ABILITIES, CLASS_BIT


class FakeLink:
    """Answers from a table and remembers what it was asked."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[tuple[Any, ...]] = []
        self.claims: list[str] = []
        self.notes: list[str] = []
        self.freed: list[int] = []
        self.kind: type = object
        self.bases = GivenBases(self, None)
        self.judge = Judge(self.ask, self.claim)
        self.copies = Copies()
        self.instead: dict[str, Any] = {}
        self.believed = True
        self.may_swallow = True
        self.strange = False
        self.hashable = True
        self.sayings = Sayings(self.ask, self.is_strange, lambda _: False, self.refuse)
        self.contents = Contents(self.is_strange, lambda _: False, lambda: 0, self.refuse)

    def ask(self, op: str, /, *args: Any, **kwargs: Any) -> Any:
        self.asked.append((op, *args[1:]))
        answer = self.answers.get(op)
        if isinstance(answer, BaseException):
            raise answer
        return answer(*args[1:], **kwargs) if callable(answer) else answer

    def claim(self, what: str) -> None:
        self.claims.append(what)

    def note(self, what: str) -> None:
        self.notes.append(what)

    def free(self, number: int) -> None:
        self.freed.append(number)

    def class_of(self, handle: Any) -> type:
        return self.kind

    def instead_of(self, handle: Any, name: str) -> Any:
        return self.instead.get(name)

    def believes(self, handle: Any) -> bool:
        return self.believed

    def is_librarys_object(self, handle: Any) -> bool:
        return self.kind is not object

    def is_strange(self, handle: Any) -> bool:
        return self.strange

    def doubt(self, handle: Any) -> Any:
        return refusal(handle, "isn't told from a value") if self.strange else None

    def is_hashable(self, handle: Any) -> bool:
        return self.hashable

    def equal(self, handle: Any, other: Any) -> bool | None:
        return None

    def equal_by_fields(self, handle: Any, other: Any) -> bool | None:
        return None

    def is_named(self, handle: Any, value: Any) -> bool | None:
        return is_same(self, handle, value) if has_identity(value) else None

    def refuse(self, handle: Any, what: str) -> Any:
        return refusal(handle, what)

    def refused(self, handle: Any, method: str, others: Any, what: str) -> Any:
        return refusal(handle, what)

    def may_operate(self, handle: Any, method: str, others: Any) -> bool:
        return False

    def source_signature(self, handle: Any) -> Any:
        raise AttributeError


def handle(link: FakeLink, *abilities: str, base: str | None = None, number: int = 1) -> Any:
    names = [name for name, _ in ABILITIES]
    mask = sum(1 << names.index(ability) for ability in abilities)
    return make_handle(link, number, mask, "Thing", base)


@pytest.mark.parametrize("value", [4, 4.0, "4", None, True, [4], (4,), {4}, {}, b"4", object()])
def test_a_handle_never_equals_a_value(value: Any) -> None:
    """Neither from the left nor from the right, and the room isn't asked."""
    link = FakeLink(bool=True)
    one = handle(link)
    assert operator.eq(one, value) is False
    assert operator.eq(value, one) is False
    assert operator.ne(one, value) is True
    assert link.asked == []
    assert link.notes


def test_a_handle_equals_itself_and_is_not_compared_with_another() -> None:
    """Identity is known here; anything else would be the objects' own word."""
    link = FakeLink()
    one, other = handle(link), handle(link, number=2)
    assert one == one
    assert one in [one]
    with pytest.raises(HandleError, match="student-room"):
        one == other  # noqa: B015


def test_what_can_be_no_key_there_is_none_here() -> None:
    """A list of the student's own, or an object that only says when it is equal."""
    link = FakeLink()
    assert {handle(link): 1}
    link.hashable = False
    with pytest.raises(TypeError, match="unhashable"):
        hash(handle(link))


REFUSED = [
    *(operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod),
    *(operator.pow, operator.matmul, operator.and_, operator.or_, operator.lt, operator.ge),
    divmod,
]


@pytest.mark.parametrize("operation", REFUSED)
def test_a_handle_takes_no_part_in_arithmetic_and_order(operation: Any) -> None:
    """On either side of an operator, the error says what and names both ways out."""
    link = FakeLink()
    one = handle(link)
    for left, right in ((one, 2), (2, one), (one, one)):
        with pytest.raises(HandleError, match=r"plain data.*student-room"):
            operation(left, right)
    assert link.asked == []


@pytest.mark.parametrize(
    "convert",
    [
        *(int, float, complex, bytes, abs, round, math.floor, math.ceil, math.trunc, operator.neg),
        *(operator.index, math.sqrt, lambda h: [1, 2][h], range, open),
        *(np.asarray, np.mean, lambda h: np.add(h, 1), lambda h: np.array([1]) + h),
        *(lambda h: np.testing.assert_allclose(h, 1), lambda h: np.concatenate([h, h])),
        *(pickle.dumps, lambda h: math.isclose(h, 1), sum),
        *(lambda h: pytest.approx(1) == h, lambda h: pd.Series([1]) + h),
    ],
)
def test_a_handle_is_not_converted(convert: Any) -> None:
    """No conversion and no library function asks the room for a number in disguise."""
    link = FakeLink()
    one = handle(link, "len", "item") if convert is not sum else handle(link)
    with pytest.raises((HandleError, TypeError)):
        convert(one)
    harmless = [("get", "dtype")]
    assert [asked for asked in link.asked if asked[0] not in ("len", "item")] in ([], harmless)


def test_abilities_are_those_of_the_object() -> None:
    """A handle has the special methods that its object's class has, and no others."""
    link = FakeLink()
    plain, rich = handle(link), handle(link, "call", "len", "iter", "item", "contains")
    assert not callable(plain)
    assert not hasattr(plain, "__len__")
    assert not isinstance(plain, collections.abc.Iterable)
    assert callable(rich)
    assert isinstance(rich, collections.abc.Collection)
    with pytest.raises(TypeError):
        plain()


def test_attributes_items_and_calls_go_over_the_wire() -> None:
    """Reading, setting, deleting, calling and indexing ask the room and give its answer."""
    link = FakeLink(
        get=lambda name: f"the {name}", call=lambda *a, **k: (a, k), item=lambda k: k * 2
    )
    one = handle(link, "call", "item", "setitem", "delitem")
    assert one.colour == "the colour"
    assert one(1, b=2) == ((1,), {"b": 2})
    assert one[4] == 8
    one.colour = "red"
    del one.colour
    one[1] = 2
    del one[1]
    assert link.asked[-4:] == [
        ("set", "colour", "red"),
        ("del", "colour"),
        ("setitem", 1, 2),
        ("delitem", 1),
    ]


@pytest.mark.parametrize(
    "name", ["__array_interface__", "__float__x__", "__iter__", "__dlpack_device__", "_typ"]
)
def test_special_names_are_not_fetched(name: str) -> None:
    """A library that probes for a protocol finds none that the room could have made up."""
    link = FakeLink(get="made up")
    with pytest.raises(AttributeError):
        getattr(handle(link), name)
    assert link.asked == []


def test_truth_is_a_claim() -> None:
    """Only an exact True from the room is true, and it is noted."""
    for said, want in ((True, True), (False, False), (1, False), ("yes", False)):
        link = FakeLink(bool=said)
        assert bool(handle(link)) is want
        assert len(link.claims) == 1


@pytest.mark.parametrize("said", [-1, 2.0, True, "3", None])
def test_a_length_must_be_a_number(said: Any) -> None:
    """What isn't an exact int of at least 0 is refused."""
    with pytest.raises(HandleError):
        len(handle(FakeLink(len=said), "len"))


def test_iteration_is_lazy_and_bounded() -> None:
    """One question an item, and an end."""
    link = FakeLink()
    items = handle(link, "next", number=2)
    link.answers = {"iter": items, "next": 7}
    one = handle(link, "iter")
    iterator = iter(one)
    assert [next(iterator), next(iterator)] == [7, 7]
    assert [asked[0] for asked in link.asked] == ["iter", "next", "next"]
    with pytest.raises(HandleError, match="doesn't end"):
        collections.deque(one, maxlen=0)
    assert len(link.asked) <= MAX_ITEMS + 5


def test_searching_a_disguised_container_compares_here() -> None:
    """What claims to be a list is searched item by item, not asked."""
    link = FakeLink(contains=True, iter=[1, 2])
    assert 49 not in handle(link, "contains", "iter", base="list")
    assert 2 in handle(link, "contains", "iter", base="list")
    with pytest.raises(HandleError):
        "x" in handle(link, "contains", "iter", base="str")  # noqa: B015
    assert 49 in handle(link, "contains", "iter")
    link.believed = False
    assert 49 not in handle(link, "contains", "iter")
    with pytest.raises(HandleError):
        49 in handle(link, "contains")  # noqa: B015


def test_what_an_object_would_say_of_itself_is_answered_here() -> None:
    """Where the link has something instead of an attribute, the room isn't asked for it."""
    link = FakeLink(get="the room's")
    link.instead["score"] = "worked out here"
    one = handle(link)
    assert one.score == "worked out here"
    assert one.other == "the room's"
    assert link.asked == [("get", "other")]


@pytest.mark.parametrize(
    ("error", "left"), [(ValueError, False), (AssertionError, True), (SystemExit, True)]
)
def test_a_context_cannot_swallow_a_failed_assertion(
    error: type[BaseException], left: bool
) -> None:
    """It may swallow what a context manager is written to swallow."""
    context = handle(FakeLink(enter=None, exit=True), "with")
    if left:
        with pytest.raises(error), context:
            raise error
    else:
        with context:
            raise error


def test_an_instance_check_asks_the_room_and_is_noted() -> None:
    """For values the answer is no without a question."""
    link = FakeLink(isinstance=True)
    kind = make_handle(link, 3, CLASS_BIT | 1, "class Gate", None)
    assert not isinstance(4, kind)
    assert link.asked == []
    assert isinstance(handle(link), kind)
    assert link.claims


def test_a_class_derived_from_the_rooms_is_made_there() -> None:
    """What stands for it here is what the room gives; an object is no class to derive from."""
    link = FakeLink(derive="the class there")
    kind = make_handle(link, 3, CLASS_BIT | 1, "class Gate", None)
    mine: Any = types.new_class("Mine", (kind,), {"size": 2}, lambda body: body.update(one=1))
    assert mine == "the class there"
    assert link.asked == [("derive", [kind], {"one": ["value", 1]}, {"size": 2})]
    assert link.claims
    with pytest.raises(HandleError, match="no class"):
        types.new_class("Mine", (handle(link),))


def test_a_class_claimed_by_the_room_is_a_class_of_this_room() -> None:
    """``isinstance`` goes by ``__class__``, which is a real class or the handle's own."""
    link = FakeLink()
    link.kind = int
    one = handle(link)
    assert isinstance(one, int)
    assert one != 4
    with pytest.raises(HandleError):
        one + 1


def test_whether_it_is_a_function_of_this_room_is_the_rooms_word() -> None:
    """What an answer has chosen among functions that both rooms have is compared with them."""
    link = FakeLink(same=lambda function: function is len)
    one = handle(link)
    assert one == len
    assert one != max
    assert room_is(link, one, len)
    assert room_is(link, len, one)
    assert not room_is(link, one, max)
    assert not room_is(link, one, "len")
    assert {asked[0] for asked in link.asked} == {"same"}
    assert link.claims[0].startswith("whether ")
    assert link.claims[0].endswith(" is len")


def test_whether_it_is_the_tests_own_model_is_the_rooms_word() -> None:
    """However often that went over; what never did isn't asked about."""
    model, other = LinearRegression(), LinearRegression()
    link = FakeLink(same_copy=lambda numbers: 2 in numbers)
    assert [link.copies.add([one]) for one in (model, other, model)] == [0, 1, 2]
    one = handle(link)
    assert room_is(link, one, model)
    assert not room_is(link, one, other)
    assert not room_is(link, one, LinearRegression())
    assert link.asked == [("same_copy", [0, 2]), ("same_copy", [1])]
    assert link.claims[0].endswith(" is the test's LinearRegression")


def test_a_handle_that_is_gone_is_freed() -> None:
    """The room may forget an object when nothing here holds it."""
    link = FakeLink()
    one = handle(link, number=9)
    assert number_of(one) == 9
    del one
    assert link.freed == [9]


def test_what_a_cell_shows_of_a_handle_is_made_here() -> None:
    """A result that is a handle can't look like a number."""
    link = FakeLink(repr="5.0")
    shown = handle(link)._repr_mimebundle_()["text/plain"]
    assert shown.startswith("<the student's object of class Thing")
    assert link.asked == []


def test_a_handle_that_never_came_to_be_goes_silently() -> None:
    """At the end of the stack one exists before it has a link; an error there is told on stderr."""
    kind = type(make_handle(FakeLink(), 1, 0, "Thing", None))  # type: ignore[arg-type]
    unfinished = kind.__new__(kind)
    kind.__del__(unfinished)
    whole = FakeLink()
    made = make_handle(whole, 7, 0, "Thing", None)  # type: ignore[arg-type]
    del made
    assert whole.freed == [7]
