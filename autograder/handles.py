"""Handles: the student's objects, seen from the examiner's room.

A handle passes attributes, calls, items, iteration and the like over the wire; each answer is
plain data, a real object of this room, or another handle. What would let an object speak for its
own correctness doesn't go over: a handle never equals a value, and it takes no part in ordering,
arithmetic, conversion or a library's functions; those say so and name the two ways out. What the
student's room says about truth, length, membership and class is believed, and noted as a claim.
"""

import sys
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from autograder.wire_abilities import ABILITIES, CLASS_BIT

__all__ = [
    "Handle",
    "HandleError",
    "HandleTypeError",
    "Link",
    "base_of",
    "describe",
    "label_of",
    "make_handle",
    "number_of",
    "refusal",
]

MAX_ITEMS = 200_000
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


class Link(Protocol):
    """What a handle needs of the link to the student's room.

    ``may_swallow`` says whether the lab asks for a context that swallows an error of its block.
    """

    may_swallow: bool

    def ask(self, op: str, *args: Any, **kwargs: Any) -> Any:
        """Ask the student's room and give its answer."""

    def claim(self, what: str) -> None:
        """Note that something was believed."""

    def note(self, what: str) -> None:
        """Note something that helps to understand a failure."""

    def free(self, number: int) -> None:
        """Let the student's room forget an object."""

    def class_of(self, handle: Any) -> type:
        """Give the nearest class of this room that the object claims to be of."""

    def instead_of(self, handle: Any, name: str) -> Any:
        """Refuse attributes by which an object would judge itself, or give what does it instead."""

    def believes(self, handle: Any) -> bool:
        """Say whether an object's word counts on what it contains."""

    def may_operate(self, handle: Any, method: str, others: tuple[Any, ...]) -> bool:
        """Say whether the lab asks students to write this operator for such objects."""

    def is_librarys_object(self, handle: Any) -> bool:
        """Say whether an object is of a library's own class, as its room says."""

    def refused(self, handle: Any, method: str, others: tuple[Any, ...], what: str) -> HandleError:
        """Give the error for an operator that handles don't have."""

    def source_signature(self, handle: Any) -> Any:
        """Give the signature of a callable."""


# Read on request; every other special name is refused, so that a library that probes an object
# for a protocol (``__array__``, ``__dataframe__``, ``__iter__`` ...) finds what its class offers.
_READABLE = frozenset(
    {
        *("__name__", "__qualname__", "__doc__", "__module__", "__annotations__", "__dict__"),
        *("__defaults__", "__kwdefaults__", "__wrapped__", "__version__", "__code__", "__self__"),
        *("__func__", "__file__", "__all__", "__members__", "__dataclass_fields__", "__slots__"),
        *("__bases__", "__mro__", "__cause__", "__context__", "__notes__", "__init__", "__call__"),
        *("__abstractmethods__", "__isabstractmethod__", "__match_args__", "__fields__"),
        *("__traceback__", "__sklearn_tags__", "__sklearn_clone__", "__sklearn_is_fitted__"),
    }
)

# Names by which pandas, ctypes and IPython ask an object what it is.
_PROBES = ("_typ", "_mgr", "_constructor", "_as_parameter_", "_repr_", "_ipython_")

_get: Callable[[Any, str], Any] = object.__getattribute__


class Handle:
    """An object in the student's room; :func:`make_handle` gives its class its abilities."""

    __slots__ = ("__weakref__", "_base", "_label", "_link", "_mask", "_number")

    def __init__(self, link: Link, number: int, mask: int, label: str, base: str | None) -> None:
        put = object.__setattr__
        put(self, "_link", link)
        put(self, "_number", number)
        put(self, "_mask", mask)
        put(self, "_label", label)
        put(self, "_base", base)

    def __del__(self) -> None:
        _get(self, "_link").free(_get(self, "_number"))

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return _get(self, "_link").class_of(self)

    @property
    def __signature__(self) -> Any:
        return _get(self, "_link").source_signature(self)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__") and name not in _READABLE:
            raise AttributeError(f"{describe(self)} doesn't show {name!r} to the examiner")
        if name.startswith(_PROBES):
            raise AttributeError(name)
        link = _get(self, "_link")
        instead = link.instead_of(self, name)
        return link.ask("get", self, name) if instead is None else instead

    def __setattr__(self, name: str, value: Any) -> None:
        _get(self, "_link").ask("set", self, name, value)

    def __delattr__(self, name: str) -> None:
        _get(self, "_link").ask("del", self, name)

    def __dir__(self) -> list[str]:
        return [str(name) for name in _get(self, "_link").ask("dir", self)]

    def __bool__(self) -> bool:
        mask = _get(self, "_mask")
        if mask & CLASS_BIT:
            return True
        _get(self, "_link").claim(f"the truth of {describe(self)}")
        return _get(self, "_link").ask("bool", self) is True

    def __eq__(self, other: object) -> Any:
        if self is other:
            return True
        if _get(self, "_base") == "tuple" and issubclass(type(other), (tuple, Handle)):
            return _same_items(self, other)
        if number_of(other) is not None:
            if _get(self, "_link").may_operate(self, "__eq__", (other,)):
                return _get(self, "_link").ask("operate", "__eq__", self, other) is True
            raise refusal(self, "isn't compared with another of the student's objects")
        _get(self, "_link").note(
            f"{describe(self)} was compared with a value: a handle never equals a value. {WAYS_OUT}"
        )
        return False

    def __ne__(self, other: object) -> Any:
        return not self.__eq__(other)

    def __hash__(self) -> int:
        if _get(self, "_link").may_operate(self, "__hash__", ()):
            return hash(_get(self, "_link").ask("operate", "__hash__", self))
        return object.__hash__(self)

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
            return False
        _get(self, "_link").claim(f"{describe(value)} is an instance of {describe(self)}")
        return _get(self, "_link").ask("isinstance", value, self) is True

    def __subclasscheck__(self, kind: Any) -> bool:
        if number_of(kind) is None:
            return False
        _get(self, "_link").claim(f"{describe(kind)} is a subclass of {describe(self)}")
        return _get(self, "_link").ask("issubclass", kind, self) is True

    def __mro_entries__(self, bases: Any) -> tuple[type, ...]:
        raise refusal(self, "can't be subclassed by a test in the examiner's room")

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise refusal(self, "can't be pickled or copied in the examiner's room")


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
    while frame is not None:
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if package != "autograder":
            return package == "__main__"
        frame = frame.f_back
    return False


def _same_items(one: Any, other: Any) -> bool:
    """Compare a named tuple, item by item, here."""
    if number_of(other) is not None and _get(other, "_base") != "tuple":
        return False
    return tuple(one) == tuple(other)


def _operator(method: str, what: str) -> Callable[..., Any]:
    def operate(self: Any, *others: Any, **_: Any) -> Any:
        if not _get(self, "_link").may_operate(self, method, others):
            raise _get(self, "_link").refused(self, method, others, what)
        return _get(self, "_link").ask("operate", method, self, *others)

    operate.__name__ = method
    return operate


_BINARY = (
    *("add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "pow"),
    *("lshift", "rshift", "and", "or", "xor"),
)
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
        *("arrow_array", "dlpack", "copy", "deepcopy", "array_namespace"),
    ),
}
for _what, _names in _REFUSED.items():
    for _name in _names:
        setattr(Handle, f"__{_name}__", _operator(f"__{_name}__", _what))


def _call(self: Any, *args: Any, **kwargs: Any) -> Any:
    return _get(self, "_link").ask("call", self, *args, **kwargs)


def _len(self: Any) -> int:
    size = _get(self, "_link").ask("len", self)
    if type(size) is not int or size < 0:
        raise refusal(self, "has no length that is a number")
    _get(self, "_link").claim(f"the length of {describe(self)}")
    return size


def _iterate(self: Any) -> Iterator[Any]:
    """Give the items one by one, as they are asked for."""
    items = _get(self, "_link").ask("iter", self)
    if number_of(items) is None:
        return iter(items)
    return _each(self, items)


def _each(owner: Any, items: Any) -> Iterator[Any]:
    link = _get(owner, "_link")
    for _ in range(MAX_ITEMS):
        try:
            item = link.ask("next", items)
        except StopIteration:
            return
        yield item
    raise HandleError(f"{describe(owner)} gave {MAX_ITEMS} items and doesn't end.")


def _next(self: Any) -> Any:
    return _get(self, "_link").ask("next", self)


def _iter_self(self: Any) -> Iterator[Any]:
    return _each(self, self)


def _contains(self: Any, key: Any) -> bool:
    link = _get(self, "_link")
    if _get(self, "_base") in ("str", "bytes", "ndarray", "DataFrame", "Series", "Index"):
        raise refusal(self, "isn't searched")
    if _get(self, "_base") is None and link.believes(self):
        link.claim(f"what {describe(self)} contains")
        return link.ask("contains", self, key) is True
    if not hasattr(type(self), "__iter__"):
        raise refusal(self, "isn't asked what it contains")
    if type(key) is not str or not link.is_librarys_object(self):
        return any(item is key or item == key for item in iter(self))
    # Headers and the like take names in either case, and list them in one.
    wanted = key.casefold()
    return any(type(item) is str and wanted == item.casefold() for item in iter(self))


def _ask(op: str) -> Callable[..., Any]:
    def operate(self: Any, *args: Any) -> Any:
        return _get(self, "_link").ask(op, self, *args)

    return operate


def _swallows(self: Any, op: str, error: BaseException | None) -> bool:
    """Leave a context; student code can't swallow a failed assertion or a refusal."""
    link = _get(self, "_link")
    swallowed = link.ask(op, self, error) is True
    if not swallowed or error is None:
        return False
    if not link.may_swallow:
        link.note(
            f"{describe(self)} would have swallowed this error at the end of its `with` block, "
            "which the lab doesn't ask for."
        )
        return False
    return isinstance(error, Exception) and not isinstance(error, (AssertionError, HandleError))


def _leave(self: Any, _: Any, error: BaseException | None, __: Any) -> bool:
    return _swallows(self, "exit", error)


async def _leave_async(self: Any, _: Any, error: BaseException | None, __: Any) -> bool:
    return _swallows(self, "aexit", error)


def _await(self: Any) -> Any:
    yield from ()  # what ``__await__`` gives must be an iterator
    return _get(self, "_link").ask("await", self)


async def _next_async(self: Any) -> Any:
    return _get(self, "_link").ask("anext", self)


async def _enter_async(self: Any) -> Any:
    return _get(self, "_link").ask("aenter", self)


_METHODS: dict[str, Callable[..., Any]] = {
    "call": _call,
    "len": _len,
    "iter": _iterate,
    "next": _next,
    "item": _ask("item"),
    "setitem": _ask("setitem"),
    "delitem": _ask("delitem"),
    "contains": _contains,
    "with": _ask("enter"),
    "await": _await,
    "aiter": _ask("aiter"),
    "anext": _next_async,
    "awith": _enter_async,
}
_classes: dict[int, type] = {}
_DOC = property(lambda self: _get(self, "_link").ask("get", self, "__doc__"))


def make_handle(link: Link, number: int, mask: int, label: str, base: str | None) -> Any:
    """Make a handle with the abilities of a mask."""
    kind = _classes.get(mask)
    if kind is None:
        body: dict[str, Any] = {"__slots__": (), "__module__": __name__, "__doc__": _DOC}
        for bit, (ability, method) in enumerate(ABILITIES):
            if mask >> bit & 1:
                body[method] = _METHODS[ability]
        if "__enter__" in body:
            body["__exit__"] = _leave
        if "__aenter__" in body:
            body["__aexit__"] = _leave_async
        if "__next__" in body:
            body["__iter__"] = _iter_self
        kind = _classes[mask] = type("Handle", (Handle,), body)
    return kind(link, number, mask, label, base)
