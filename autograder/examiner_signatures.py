"""What student code is told of the parameters of a test's function: enough to call it.

Names, kinds, and annotations that are types: those of libraries and the student's own, and what is
made of them. Values in an annotation are the test's, unless they are in the student's room anyway.
"""

import inspect
import sys
import types
import typing
from collections.abc import Mapping
from typing import Any

from autograder.examiner_texts import WrittenText, worked_out
from autograder.handles import number_of
from autograder.wire_classes import find_class
from autograder.wire_signatures import LEFT_OUT

__all__ = ["annotations_told", "signature_of"]

_NONE = inspect.Parameter.empty
_DEPTH = 8


def signature_of(target: Any) -> inspect.Signature:
    """Give the parameters of a test's function or class, with what stands for their defaults."""
    signature = inspect.signature(target)
    names = getattr(target, "__globals__", {})
    parameters = [
        item.replace(default=_default(item.default), annotation=_told(item.annotation, names))
        for item in signature.parameters.values()
    ]
    told = _told(signature.return_annotation, names)
    return inspect.Signature(parameters, return_annotation=told)


def annotations_told(kind: type) -> dict[str, Any]:
    """Give the annotations of a class that the test has written; what is the test's alone as Any.

    A class of the test's is one that is handed over.
    """
    names = vars(sys.modules.get(kind.__module__, sys))
    found = {name: _told(each, names) for name, each in inspect.get_annotations(kind).items()}
    own = {name: each for name, each in inspect.get_annotations(kind).items() if _is_own(each)}
    told = {name: typing.Any if each is _NONE else each for name, each in found.items()}
    return told | own


def _is_own(annotation: Any) -> bool:
    return issubclass(type(annotation), type) and annotation.__module__ == "__main__"


def _default(value: Any) -> Any:
    return value if value is _NONE or number_of(value) is not None else LEFT_OUT


def _told(annotation: Any, names: Mapping[str, Any]) -> Any:
    """Give an annotation, without what is the test's in it."""
    if type(annotation) is WrittenText:  # another text may be the student's
        annotation = worked_out(annotation, names)
    if typing.get_origin(annotation) is typing.Annotated and not _is_known(annotation):
        annotation = annotation.__origin__
    return annotation if annotation is _NONE or _is_known(annotation) else _NONE


def _is_known(part: Any, depth: int = 0) -> bool:
    """Say whether a part of an annotation is a type of a library's or the student's."""
    if number_of(part) is not None or part is None or part is ...:
        return True
    if depth > _DEPTH:
        return False
    if type(part) is list:
        return all(_is_known(one, depth + 1) for one in part)
    kind, args = typing.get_origin(part), typing.get_args(part)
    if kind is None:
        return issubclass(type(part), type) and _is_librarys(part)
    if kind is typing.Annotated:
        known = all(number_of(one) is not None for one in args[1:])
        return known and _is_known(args[0], depth + 1)
    if kind is not typing.Union and kind is not types.UnionType and not _is_librarys(kind):
        return False
    return all(_is_known(one, depth + 1) for one in args)


def _is_librarys(kind: Any) -> bool:
    if not issubclass(type(kind), type) or kind.__module__ == "__main__":
        return False
    return find_class(kind.__module__, kind.__qualname__) is kind
