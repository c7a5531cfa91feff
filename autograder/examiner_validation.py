"""Pydantic's validation errors from the student's room, which can't be made as other errors are.

Their class has no constructor. One is built from what the error says as text: its title, and for
each of its errors the place, the message and the type.
"""

import ast
import re
import sys
from contextlib import suppress
from typing import Any

__all__ = ["validation_error"]

_HEAD = re.compile(r"\d+ validation errors? for (.{1,200})")
_ERROR = re.compile(
    r"  (.{1,2000}?) \[type=(\w{1,100})(?:, input_value=(.{1,500}), input_type=\w+)?(?:, .*)?\]",
    re.DOTALL,
)
_MOST = 50


def validation_error(kind: type[BaseException], text: str) -> BaseException | None:
    """Build a validation error; None where the class isn't that one, or the text not its own."""
    core: Any = sys.modules.get("pydantic_core")
    wanted: Any = kind
    if core is None or wanted is not core.ValidationError:
        return None
    head, *lines = text.split("\n")
    title = _HEAD.fullmatch(head)
    if title is None:
        return None
    details: list[Any] = []
    place = ""
    for line in lines:
        found = _ERROR.fullmatch(line)
        if found is not None and len(details) < _MOST:
            told = core.PydanticCustomError(found[2], found[1])
            details.append({"type": told, "loc": _location(place), "input": _input(found[3])})
        place = "" if line.startswith(" ") else line
    error: BaseException = wanted.from_exception_data(title[1], details)
    return error


def _input(text: str | None) -> Any:
    """Give what was found, where its text says it whole."""
    with suppress(ValueError, SyntaxError, MemoryError, RecursionError):
        return ast.literal_eval(text) if text else None
    return None


def _location(place: str) -> tuple[int | str, ...]:
    parts = place.split(".") if place else []
    return tuple(int(part) if part.isdigit() else part for part in parts)
