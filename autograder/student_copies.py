"""Objects of libraries that a test hands over: what student code did to the copies here.

They cross as copies, a model to be trained or a namespace of settings, and in one process would
be the test's own. What is plain of their attributes is told to the examiner's room, and what can
be told of a model's.
"""

from functools import partial
from typing import Any, NamedTuple

from autograder.student_given import given_number
from autograder.student_objects import RoomEncoder
from autograder.wire import Bounds, WireError, to_json
from autograder.wire_changes import may_hold, whole_of
from autograder.wire_models import check_attribute, check_model, encode_part
from autograder.wire_values import Encoder, Json, TooLargeError

__all__ = ["attributes_of", "changed_copies"]

_MOST_LOST = 50
_MANY = 200


class _Look(NamedTuple):
    """What an attribute holds, to compare."""

    told: tuple[str, list[bytes]] | None
    """As it is encoded; None where it can't be."""
    held: tuple[Any, ...]
    """The object, and what is in it if it is a list or a dictionary."""


States = dict[int, dict[str, _Look]]


def attributes_of(copies: dict[int, Any]) -> States:
    """Give what is in the attributes of objects, to compare."""
    numbers = _numbers(copies)
    return {number: _look(copy, numbers) for number, copy in copies.items()}


def changed_copies(copies: dict[int, Any], before: States, encoder: RoomEncoder) -> list[Json]:
    """Give the objects of which attributes have changed.

    Each with what has, which are gone, and which have changed and can't be told.
    """
    changes: list[Json] = []
    numbers = _numbers(copies)
    for number, copy in copies.items():
        now, known = _look(copy, numbers), before[number]
        new = [name for name, look in now.items() if look.told and _is_new(look, known.get(name))]
        lost = [
            name for name, look in now.items() if not look.told and _is_new(look, known.get(name))
        ]
        gone = [name for name in known if name not in now]
        if new and not (hasattr(copy, "__dict__") and _fits(copy)):
            new, lost = [], new + lost
        if new or gone or lost:
            values, told = getattr(copy, "__dict__", {}), []
            if may_hold(copy):
                new, lost = [*new, *lost], []
            for name in new:
                is_plain = now[name].told is not None
                encoder.instead = partial(_part, numbers=numbers) if is_plain else None
                is_same = _is_same(now[name], known.get(name))
                item = encoder.encode(values[name])
                told.append([name, item, int(is_same), int(is_plain)])
            changes.append([number, told, gone, lost[:_MOST_LOST]])
    encoder.instead = None
    return changes


def _numbers(copies: dict[int, Any]) -> dict[int, int]:
    return {id(copy): number for number, copy in copies.items()}


def _is_new(look: _Look, known: _Look | None) -> bool:
    """Say whether an attribute holds something else than it did."""
    if known is None:
        return True
    if look.told or known.told:
        return look.told != known.told
    return len(look.held) != len(known.held) or any(
        one is not other for one, other in zip(look.held, known.held, strict=True)
    )


def _is_same(look: _Look, known: _Look | None) -> bool:
    """Say whether an attribute holds the very object that it held."""
    return known is not None and look.held[0] is known.held[0]


def _look(copy: Any, numbers: dict[int, int]) -> dict[str, _Look]:
    if (whole := whole_of(type(copy))) is not None:
        try:
            return {"content": _Look(("", [whole(copy)]), (copy,))}
        except Exception:  # what can't be said isn't what it was
            return {"content": _Look(None, (object(),))}
    values = getattr(copy, "__dict__", None)
    found: dict[str, _Look] = {}
    for name, value in list(values.items())[:_MANY] if type(values) is dict else ():
        if type(name) is not str or name.startswith("__"):
            continue
        encoder = _PartEncoder(Bounds())
        encoder.numbers = numbers
        try:
            check_attribute(copy, name, value)
            text = to_json(encoder.encode(value))
            told = text, [bytes(blob) for blob in encoder.blobs]
        except (TooLargeError, WireError, ValueError, RecursionError):
            found[name] = _Look(None, _held(value))
        else:
            found[name] = _Look(told, (value,))
    return found


def _fits(copy: Any) -> bool:
    """Say whether what is in a model's attributes would be taken; so would another object's."""
    try:
        check_model(copy)
    except WireError:
        return False
    return True


def _held(value: Any) -> tuple[Any, ...]:
    if type(value) in (list, tuple):
        return (value, *value[:_MANY])
    return (value, *list(value.values())[:_MANY]) if type(value) is dict else (value,)


class _PartEncoder(Encoder):
    """Encodes attributes by value, or not at all."""

    numbers: dict[int, int]

    def fallback(self, value: Any) -> Json:
        """Encode what isn't plain of a model."""
        return _part(self, value, self.numbers)


def _part(encoder: Encoder, value: Any, numbers: dict[int, int]) -> Json:
    """Encode what isn't plain of a model; what the examiner has lent goes back to it."""
    number = given_number(value)
    return encode_part(encoder, value, numbers) if number is None else ["C", number]
