"""What the body of a test's class binds, for a class that is made in the student's room.

Some libraries read such a body: the fields that it annotates, functions with a decorator of theirs,
a class within it. So what isn't plain is packed: a library's object is named or copied, and each
function of the test's in it is lent and becomes a method there. What can't be told so isn't left
out: the test gets an error.
"""

import copyreg
import functools
import io
import pickle
import re
import sys
from collections.abc import Mapping
from types import FunctionType
from typing import Any, ForwardRef

from autograder.examiner_codec import LinkEncoder, Packed, is_own
from autograder.examiner_texts import WrittenText, worked_out
from autograder.handles import WAYS_OUT, number_of
from autograder.student_derived import fill, method_of, nested_class
from autograder.wire_values import Json, TooLargeError

__all__ = ["BodyItem", "annotations_of", "hung_on", "meant"]

_OF_CLASSES = frozenset({"__dict__", "__weakref__", "__module__", "__qualname__"})
_ANNOTATING = ("__annotate_func__", "__annotate__")
_MAKING: Any = vars(copyreg)["__newobj__"]
_LOOKED_UP = re.compile(r"_room_name\('(\w+)'\)")  # what is made of a name in a class body


class BodyItem(Packed):
    """One thing that a class body binds, or an annotation of it.

    Parameters
    ----------
    name : str
        What it is called there.
    value : object
        What is bound.
    within : str
        What the class is called: a class within it is of the body, another isn't.
    is_read : bool
        Whether a library reads the body; any other class may have what only stands for the item.
    """

    def __init__(self, name: str, value: Any, *, within: str, is_read: bool) -> None:
        self.name, self.value, self.within, self.is_read = name, value, within, is_read

    def encoded(self, encoder: LinkEncoder) -> Json:
        """Encode the item: packed where a library reads it, as any value elsewhere."""
        if not self.is_read:
            return encoder.encode(self.value)
        file = io.BytesIO()
        try:
            _Packer(file, encoder, self).dump(self.value)
        except Exception as error:
            raise TooLargeError(
                f"{self.name!r} in the body of {self.within}, which a library reads where the base "
                f"is ({error}). {WAYS_OUT}"
            ) from None
        return ["pk", encoder.blob(file.getvalue())]


def annotations_of(namespace: dict[str, Any]) -> dict[str, Any]:
    """Give the annotations of a class body."""
    found = namespace.get("__annotations__")
    annotate = next((namespace[name] for name in _ANNOTATING if namespace.get(name)), None)
    if found is None and annotate is not None:
        lib: Any = __import__("annotationlib")
        if (cell := namespace.get("__classdictcell__")) is not None:
            cell.cell_contents = namespace
        found = lib.call_annotate_function(annotate, lib.Format.FORWARDREF)
    return found or {}


def meant(annotation: Any) -> Any:
    """Give what an annotation that is a text of the test's says; the text, if that isn't known yet.

    Another text isn't worked out here: it may be the student's.
    """
    if type(annotation) is WrittenText:
        return worked_out(annotation, _names_of_the_test())
    return _LOOKED_UP.sub(r"\1", annotation) if type(annotation) is str else annotation


def _names_of_the_test() -> Mapping[str, Any]:
    frame: Any = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__") != "__main__":
        frame = frame.f_back
    return {} if frame is None else frame.f_globals


class _Function:
    """Stands for a function of the test's while it is packed."""

    def __init__(self, function: Any) -> None:
        self.function = function


class _Packer(pickle.Pickler):
    """Packs one item of a body."""

    def __init__(self, file: io.BytesIO, encoder: LinkEncoder, item: BodyItem) -> None:
        super().__init__(file, protocol=5)
        self._encoder, self._item = encoder, item

    def persistent_id(self, value: Any) -> Any:
        """Refer to functions of the test's, and to what is the student's."""
        if type(value) is _Function:
            return self._encoder.validator(value.function)
        number = number_of(value)
        return None if number is None else ["o", number]

    def reducer_override(self, value: Any) -> Any:
        """Say how to make there what can't be named or copied."""
        kind = type(value)
        if kind is FunctionType and is_own(value):
            return method_of, (_Function(value), self._hints(value))
        if kind in (classmethod, staticmethod):
            return kind, (value.__func__,), hung_on(value)
        if kind is property:
            return property, (value.fget, value.fset, value.fdel)
        if kind is functools.cached_property:
            return functools.cached_property, (value.func,)
        if kind is ForwardRef:
            return ForwardRef, (value.__forward_arg__,)
        if not is_own(value):
            asks = hasattr(kind, "__getattr__") and not isinstance(value, type)
            return _as_filled(value) if asks else NotImplemented
        if value is self._item.value and self._is_within(value):
            body = {name: part for name, part in vars(value).items() if name not in _OF_CLASSES}
            outer = self._item.within.rpartition(".")[2]
            return nested_class, (value.__name__, outer, value.__bases__, body)
        raise pickle.PicklingError("a class of the test's own, or an object of one, is in it")

    def _is_within(self, value: Any) -> bool:
        within = f"{self._item.within}.{getattr(value, '__name__', '')}"
        return type(value) is type and value.__qualname__ == within

    def _hints(self, function: Any) -> dict[str, Any]:
        """Give the annotations of a function, as far as they can be told."""
        hints = getattr(function, "__annotations__", {})
        return {name: hint for name, hint in hints.items() if self._can_tell(hint)}

    def _can_tell(self, hint: Any) -> bool:
        try:
            _Packer(io.BytesIO(), self._encoder, self._item).dump(hint)
        except Exception:
            return False
        return True


def hung_on(method: Any) -> dict[str, Any]:
    """Give what a decorator has hung on a method of a class."""
    known = {*functools.WRAPPER_ASSIGNMENTS, "__wrapped__", "__annotate__", "__annotations__"}
    return {name: value for name, value in vars(method).items() if name not in known}


def _as_filled(value: Any) -> Any:
    """Say how to make an object that can't be asked for anything before it has what is in it."""
    reduced = value.__reduce_ex__(4)
    if type(reduced) is tuple and reduced[0] is _MAKING and type(reduced[2]) is dict:
        return *reduced[:3], None, None, fill
    return reduced
