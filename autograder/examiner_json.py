"""JSON of a test in which objects of the student's lie that are plain values too.

A member of an enumeration of texts, a named tuple and an object of a class derived from ``dict``
are written as what they are derived from, as Python writes them in one process.
"""

import json.encoder
import operator
from collections.abc import Callable
from functools import wraps
from typing import Any

from autograder.handles import number_of

__all__ = ["patch_json"]


def patch_json(has_value: Callable[[Any], bool], value_of: Callable[[Any], Any]) -> None:
    """Have JSON written of the plain values of handles that have one.

    Parameters
    ----------
    has_value : callable
        Says whether a handle's object is of a class derived from a plain one.
    value_of : callable
        Gives that value.
    """

    def plain(value: Any, within: tuple[int, ...] = ()) -> Any:
        """Give a value without such handles: itself, if there are none in it."""
        if number_of(value) is not None:
            return plain(value_of(value), within) if has_value(value) else value
        kind = type(value)
        if kind not in (dict, list, tuple) or id(value) in within:
            return value
        within = (*within, id(value))
        if kind is not dict:
            items = [plain(item, within) for item in value]
            return value if all(map(operator.is_, items, value)) else kind(items)
        pairs = [(plain(key, within), plain(item, within)) for key, item in value.items()]
        flat = [part for pair in value.items() for part in pair]
        new = [part for pair in pairs for part in pair]
        return value if all(map(operator.is_, new, flat)) else dict(pairs)

    def knowing(make: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(make)
        def made(markers: Any, default: Callable[[Any], Any], *rest: Any) -> Any:
            if markers is None:  # as of the link's own messages, in which no handles are
                return make(markers, default, *rest)
            encode = make(markers, lambda value: plain(default(value)), *rest)
            return lambda value, level: encode(plain(value), level)

        return made

    of_all = json.encoder.JSONEncoder.encode

    @wraps(of_all)
    def encode(self: Any, o: Any) -> str:
        return of_all(self, plain(o))

    module: Any = json.encoder
    module.JSONEncoder.encode = encode
    module._make_iterencode = knowing(module._make_iterencode)
    if module.c_make_encoder is not None:
        module.c_make_encoder = knowing(module.c_make_encoder)
