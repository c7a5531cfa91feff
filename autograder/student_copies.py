"""Objects of libraries that a test hands over: what student code did to the copies here.

They cross as copies, a model to be trained or a namespace of settings, and in one process would
be the test's own. What is plain of their attributes is told to the examiner's room.
"""

from typing import Any

from autograder.student_objects import RoomEncoder
from autograder.wire import Bounds, to_json
from autograder.wire_values import Encoder, Json, TooLargeError

__all__ = ["attributes_of", "changed_copies"]

States = dict[int, dict[str, tuple[str, list[bytes]] | None]]


def attributes_of(copies: dict[int, Any]) -> States:
    """Give what is plain of the attributes of objects, to compare."""
    return {number: _plain(copy) for number, copy in copies.items()}


def changed_copies(copies: dict[int, Any], before: States, encoder: RoomEncoder) -> list[Json]:
    """Give the objects of which attributes have changed, with what has, and which are gone."""
    changes = []
    for number, copy in copies.items():
        now, known = _plain(copy), before[number]
        new = [name for name, told in now.items() if told and told != known.get(name)]
        gone = [name for name in known if name not in now]
        if new or gone:
            values = vars(copy)
            changes.append([number, [[name, encoder.encode(values[name])] for name in new], gone])
    return changes


def _plain(copy: Any) -> dict[str, tuple[str, list[bytes]] | None]:
    """Give the attributes of an object, encoded; None for one that isn't plain."""
    values = getattr(copy, "__dict__", None)
    found: dict[str, tuple[str, list[bytes]] | None] = {}
    for name, value in list(values.items())[:200] if type(values) is dict else ():
        if type(name) is not str or name.startswith("__"):
            continue
        encoder = Encoder(Bounds())
        try:
            text = to_json(encoder.encode(value))
            found[name] = text, [bytes(blob) for blob in encoder.blobs]
        except (TooLargeError, ValueError, RecursionError):
            found[name] = None
    return found
