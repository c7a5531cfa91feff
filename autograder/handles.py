"""Handles: the student's objects, seen from the examiner's room.

A handle passes attributes, calls, items, iteration and the like over the wire; each answer is
plain data, a real object of this room, or another handle. What would let an object speak for its
own correctness doesn't go over: a handle never equals a value, and it takes no part in ordering,
arithmetic, conversion or a library's functions; those say so and name the two ways out. What the
student's room says about truth, length, membership and class is believed, and noted as a claim.
"""

import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import MethodType
from typing import Any

from autograder.cell_frames import is_own_space
from autograder.handle_link import Link
from autograder.wire_abilities import ABILITIES, BAGS, CLASS_BIT

__all__ = [
    "Handle",
    "HandleError",
    "HandleTypeError",
    "base_of",
    "describe",
    "label_of",
    "number_of",
    "refusal",
]

MAX_ITEMS = 200_000
"""Classes whose objects are what is in them, and may be looked into."""
WAYS_OUT = (
    "Either let the student's code return plain data (numbers, text, lists, dicts, arrays, "
    "frames), or tag the test cell 'student-room' so that it runs beside the student's code."
)


class HandleError(Exception):
    """A handle was used in a way that only a value can be.

    A test that waits for a ``TypeError`` of the student's code doesn't get it from this.
    """


class HandleTypeError(HandleError, TypeError):
    """The same, told to a library that tries what an object can do."""


HandleTypeError.__name__ = HandleTypeError.__qualname__ = HandleError.__name__


# Read on request; every other special name is refused, so that a library that probes an object
# for a protocol (``__array__``, ``__dataframe__``, ``__iter__`` ...) finds what its class offers.
_READABLE = frozenset(
    {
        *("__name__", "__qualname__", "__doc__", "__module__", "__annotations__", "__dict__"),
        *("__defaults__", "__kwdefaults__", "__wrapped__", "__version__", "__code__", "__self__"),
        *("__func__", "__file__", "__all__", "__members__", "__dataclass_fields__", "__slots__"),
        *("__bases__", "__mro__", "__cause__", "__context__", "__notes__", "__init__", "__call__"),
        *("__abstractmethods__", "__isabstractmethod__", "__match_args__", "__fields__"),
        *("__closure__", "__suppress_context__", "__orig_bases__", "__origin__", "__args__"),
        *("__total__", "__required_keys__", "__optional_keys__", "__supertype__"),
        *("__traceback__", "__sklearn_tags__", "__sklearn_clone__", "__sklearn_is_fitted__"),
        *("__subclasses__", "__tablename__", "__table__", "__config__"),
    }
)

# Names by which pandas, ctypes and IPython ask an object what it is.
_PROBES = ("_typ", "_mgr", "_constructor", "_as_parameter_", "_repr_", "_ipython_")

_COMPARED = (int, float, complex, str, bytes, list, tuple, dict, set, frozenset)
_ASIDE = (
    *("sklearn.", "scipy.", "joblib.", "inspect", "typing"),
    *("unittest.loader", "unittest.suite"),
)
"""Modules that compare objects for ends of their own."""
_HASHED = frozenset({"int", "float", "complex", "str", "bytes", "tuple", "frozenset"})

_get: Callable[[Any, str], Any] = object.__getattribute__


class Handle:
    """An object in the student's room; :func:`make_handle` gives its class its abilities."""

    __slots__ = ("__weakref__", "_base", "_label", "_link", "_mask", "_number", "_steps")

    def __init__(self, link: Link, number: int, mask: int, label: str, base: str | None) -> None:
        put = object.__setattr__
        put(self, "_link", link)
        put(self, "_number", number)
        put(self, "_mask", mask)
        put(self, "_label", label)
        put(self, "_base", base)
        put(self, "_steps", 0)

    def __del__(self) -> None:
        with suppress(AttributeError):  # of one that never came to be, at the end of the stack
            _get(self, "_link").free(_get(self, "_number"))

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return _get(self, "_link").class_of(self)

    @property
    def __signature__(self) -> Any:
        return _get(self, "_link").source_signature(self)

    def __getattribute__(self, name: str) -> Any:
        """Give a special method that a test looks at as the object has it, not as a handle has."""
        if name in _SPECIAL and is_own_space(sys._getframe(1).f_globals):
            return _special(self, name)
        return _get(self, name)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__") and name not in _READABLE:
            raise AttributeError(
                f"{describe(self)} doesn't show {name!r} to the examiner. {WAYS_OUT}"
            )
        if name.startswith(_PROBES) and not _is_tests(sys._getframe(1)):
            raise AttributeError(name)
        link = _get(self, "_link")
        if name == "__sklearn_clone__" and _module_of(sys._getframe(1)) == "sklearn.base":
            link.ask("get", self, "get_params")  # else it is no estimator
            clone = link.ask("get", link.ask("module", "sklearn.base"), "clone")
            return partial(link.ask, "call", clone, self)
        instead = link.instead_of(self, name)
        return link.ask("get", self, name) if instead is None else instead

    def __setattr__(self, name: str, value: Any) -> None:
        link = _get(self, "_link")
        link.ask("set", self, name, value)
        link.bases.was_set(self, name, value)

    def __delattr__(self, name: str) -> None:
        _get(self, "_link").ask("del", self, name)

    def __dir__(self) -> list[str]:
        return [str(name) for name in _get(self, "_link").ask("dir", self)]

    def __bool__(self) -> bool:
        mask = _get(self, "_mask")
        if mask & CLASS_BIT:
            return True
        link = _get(self, "_link")
        if link.sayings.is_value(self):
            return bool(link.sayings.value_of(self))
        link.claim(f"the truth of {describe(self)}")
        truth = link.ask("bool", self) is True
        link.sayings.hold(self, "truth", int(truth))
        return truth

    def __eq__(self, other: object) -> Any:
        if self is other:
            return True
        link = _get(self, "_link")
        if number_of(other) is None:
            if link.sayings.has_value(self):
                return link.sayings.value_of(self) == other
            if (own := link.bases.own_operator(self, "__eq__")) is not None:
                return own(self, other)
            is_aside = _module_of(sys._getframe(1)).startswith(_ASIDE)
            if not is_aside and (same := link.is_named(self, other)) is not None:
                return same
            if type(other) in BAGS.values() and (same := link.equal_bags(self, other)) is not None:
                return same
            if (same := link.equal_by_fields(self, other)) is not None:
                return same
            if not is_aside:
                link.note(
                    f"{describe(self)} was compared with a value: a handle never equals a value. "
                    f"{WAYS_OUT}"
                )
            if isinstance(other, _COMPARED) and _is_tests(sys._getframe(1)):
                link.doubt(self)
            return False
        if (same := link.equal(self, other)) is not None:
            return same
        if (given := link.bases.operator_for(self, "__eq__")) is not None:
            return given(self, other)
        if not link.sayings.has_value(self) or not link.sayings.has_value(other):
            raise refusal(self, "isn't compared with another of the student's objects")
        return link.sayings.value_of(self) == link.sayings.value_of(other)

    def __ne__(self, other: object) -> Any:
        equal = self.__eq__(other)
        if equal is False and isinstance(other, _COMPARED) and _is_tests(sys._getframe(1)):
            link = _get(self, "_link")
            if not link.sayings.has_value(self) and (error := link.doubt(self)):
                raise error
        return not equal if isinstance(equal, bool) else equal != True  # noqa: E712 - arrays

    def __hash__(self) -> int:
        link = _get(self, "_link")
        if link.may_operate(self, "__hash__", ()):
            return hash(link.ask("operate", "__hash__", self))
        if (given := link.bases.operator_for(self, "__hash__")) is not None:
            return hash(given(self))
        if _get(self, "_base") in _HASHED:
            return hash(link.sayings.value_of(self))
        if not _get(self, "_mask") & CLASS_BIT and not link.is_hashable(self):
            raise TypeError(f"unhashable type: {label_of(self)!r}")
        return object.__hash__(self)

    def __sizeof__(self) -> int:
        sayings = _get(self, "_link").sayings
        if sayings.has_value(self):
            return int(sayings.value_of(self).__sizeof__())
        return object.__sizeof__(self)

    def __str__(self) -> str:
        return str(_get(self, "_link").ask("str", self))

    def __repr__(self) -> str:
        return str(_get(self, "_link").ask("repr", self))

    def __format__(self, spec: str) -> str:
        return str(_get(self, "_link").ask("format", self, spec))

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/plain": describe(self)}

    def __instancecheck__(self, value: Any) -> bool:
        if number_of(value) is None:
            base = _get(self, "_link").bases.made_for(self)
            return _follows(self, value) if base is None else isinstance(value, base)
        _get(self, "_link").claim(f"{describe(value)} is an instance of {describe(self)}")
        return _get(self, "_link").ask("isinstance", value, self) is True

    def __subclasscheck__(self, kind: Any) -> bool:
        if number_of(kind) is None:
            base = _get(self, "_link").bases.made_for(self)
            return _follows(self, kind) if base is None else issubclass(kind, base)
        _get(self, "_link").claim(f"{describe(kind)} is a subclass of {describe(self)}")
        return _get(self, "_link").ask("issubclass", kind, self) is True

    def __copy__(self) -> Any:
        return self._copied("copy")

    def __deepcopy__(self, _: Any) -> Any:
        return self._copied("deepcopy")

    def _copied(self, how: str) -> Any:
        """Have an object copied in its own room."""
        link = _get(self, "_link")
        return link.ask("call", link.ask("get", link.ask("module", "copy"), how), self)

    def __set_name__(self, owner: Any, name: str) -> None:
        """Be a method of a test's class, if this is a function; refuse to be a descriptor."""
        link = _get(self, "_link")
        if link.is_function(self):
            type.__setattr__(owner, name, Method(self))
        elif link.ask("can", self, ["__get__", "__set__", "__delete__"]) is True:
            what = f"can't be {name!r} of a test's class, where it would be bound to its objects"
            raise link.refuse(self, what)

    def __mro_entries__(self, bases: Any) -> tuple[type, ...]:
        if not _get(self, "_mask") & CLASS_BIT:
            raise refusal(self, "is no class to derive another from")
        return (_get(self, "_link").bases.base_for(self),)

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise refusal(self, "can't be pickled or copied in the examiner's room")


def _follows(handle: Any, value: Any) -> bool:
    """Say whether an object of this room has what a protocol of the student's asks for."""
    members = _get(handle, "_link").judge.asked_by_protocol(handle)
    return bool(members) and all(hasattr(value, name) for name in members)


class Method:
    """A function of the student's in a class of a test's: bound to its objects, as any other."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    def __get__(self, value: Any, _: Any = None) -> Any:
        return self._handle if value is None else MethodType(self._handle, value)


def number_of(value: Any) -> int | None:
    """Give the number of a handle; None for anything else, whatever that claims to be."""
    return int(_get(value, "_number")) if issubclass(type(value), Handle) else None


def label_of(value: Any) -> str:
    """Give what the student's room calls a handle's object."""
    return str(_get(value, "_label"))


def base_of(value: Any) -> str | None:
    """Name the value type that a handle's object is derived from, as its room says."""
    base: str | None = _get(value, "_base")
    return base


def describe(value: Any) -> str:
    """Name a handle in a sentence."""
    label, base = label_of(value), _get(value, "_base")
    of = f", a subclass of {base}" if base and not label.startswith(("class ", "function ")) else ""
    article = "" if label.startswith(("class ", "function ")) else "object of class "
    return f"<the student's {article}{label}{of}>"


def refusal(handle: Any, what: str) -> HandleError:
    """Make the error that names the handle, says why, and names the ways out."""
    is_tests = what != _BY_LIBRARIES and _is_tests(sys._getframe(1))
    kind = HandleError if is_tests else HandleTypeError
    return kind(
        f"{describe(handle)} {what}: it stays in the student's room, and what it says about "
        f"itself proves nothing. {WAYS_OUT}"
    )


def _is_tests(frame: Any) -> bool:
    """Say whether a test's own code runs in a frame, or waits for what runs there."""
    return _module_of(frame) == "__main__"


def _module_of(frame: Any) -> str:
    """Name the module whose code runs in a frame, or waits for what runs there."""
    while frame is not None:
        if is_own_space(frame.f_globals):
            return "__main__"
        name = str(frame.f_globals.get("__name__", ""))
        if name.partition(".")[0] != "autograder":
            return name
        frame = frame.f_back
    return ""


def _special(handle: Any, name: str) -> Any:
    """Give a special method of an object, or raise ``AttributeError`` where it has none."""
    link = _get(handle, "_link")
    if _get(handle, "_mask") & CLASS_BIT or name in _DATA:
        if link.ask("special", handle, name) is True:
            return link.ask("get", handle, name)
        return getattr(object, name)
    if name in _OPERATORS and link.ask("can", handle, [name]) is False:
        raise AttributeError(name)
    return _get(handle, name)


def _operator(method: str, what: str) -> Callable[..., Any]:
    def operate(self: Any, *others: Any, **_: Any) -> Any:
        if _get(self, "_link").may_operate(self, method, others):
            return _get(self, "_link").operated(self, method, others)
        if (given := _get(self, "_link").bases.operator_for(self, method)) is not None:
            return given(self, *others)
        found = _of_plain_values(self, method, others)
        if found is _NOTHING:
            raise _get(self, "_link").refused(self, method, others, what)
        return found

    operate.__name__ = method
    return operate


def _of_plain_values(handle: Any, method: str, others: tuple[Any, ...]) -> Any:
    """Give what an operator gives of the plain values that objects are, where the lab has no own.

    Of an enumeration of numbers, say, or of named tuples: whatever their class says of itself.
    """
    values = []
    for one in (handle, *others):
        if number_of(one) is None:
            values.append(one)
            continue
        link = _get(one, "_link")
        if not link.sayings.has_value(one) or link.judge.writes(one, method):
            return _NOTHING
        values.append(link.sayings.value_of(one))
    plain, *rest = values
    if method in _IN_PLACE:
        return _NOTHING if isinstance(plain, _CHANGING) else NotImplemented
    function = getattr(type(plain), method, None)
    return _NOTHING if function is None else function(plain, *rest)


_ORDER = ("__lt__", "__le__", "__gt__", "__ge__")
_BINARY = (
    *("add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "pow"),
    *("lshift", "rshift", "and", "or", "xor"),
)
_IN_PLACE = frozenset(f"__i{name}__" for name in _BINARY)
_CHANGING = (list, dict, set)
_NOTHING = object()
_BY_LIBRARIES = "takes no part in a library's functions"
_REFUSED = {
    "isn't ordered": ("lt", "le", "gt", "ge"),
    "takes no part in arithmetic": (
        *(f"{side}{name}" for name in _BINARY for side in ("", "r", "i")),
        *("divmod", "rdivmod", "neg", "pos", "abs", "invert"),
    ),
    "isn't converted to a number, bytes or a path": (
        *("int", "float", "complex", "index", "round", "trunc", "floor", "ceil", "bytes"),
        *("fspath", "buffer"),
    ),
    _BY_LIBRARIES: (
        *("array", "array_ufunc", "array_function", "array_wrap", "dataframe", "arrow_c_stream"),
        *("arrow_array", "dlpack", "array_namespace"),
    ),
}
_OPERATORS = frozenset(f"__{name}__" for names in _REFUSED.values() for name in names)
_DATA = frozenset({"__init__", "__module__", "__slots__", "__getattr__"})
_SPECIAL = (
    _OPERATORS
    | _DATA
    | {method for _, method in ABILITIES}
    | {"__exit__", "__aexit__", "__eq__", "__ne__", "__hash__", "__repr__", "__str__", "__bool__"}
    | {"__format__", "__setattr__", "__delattr__", "__getattribute__"}
)
"""What a handle has whatever its object has, or what a class has for its objects."""
NUMBERS: dict[str, Any] = {}
"""What an object has that libraries may take for a number: any but an iterator."""
for _what, _names in _REFUSED.items():
    for _name in _names:
        _method = _operator(f"__{_name}__", _what)
        if _name in ("int", "float", "index"):
            NUMBERS[f"__{_name}__"] = _method
        else:
            setattr(Handle, f"__{_name}__", _method)
