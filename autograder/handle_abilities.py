"""What handles can do that not every object can: be called, counted, iterated, entered, awaited.

The student's room says which of these an object can do; a handle is made of a class that has them
and no others, so that ``callable``, ``iter`` and ``with`` see what they would see of the object.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, cast

from autograder.handle_link import Link
from autograder.handle_schemas import SCHEMAS
from autograder.handle_unions import UNIONS
from autograder.handles import (
    MAX_ITEMS,
    NUMBERS,
    Handle,
    HandleError,
    describe,
    label_of,
    number_of,
    refusal,
)
from autograder.wire_abilities import ABILITIES, CLASS_BIT

__all__ = ["make_handle"]

_get: Callable[[Any, str], Any] = object.__getattribute__


def _call(self: Any, /, *args: Any, **kwargs: Any) -> Any:
    return _get(self, "_link").ask("call", self, *args, **kwargs)


def _len(self: Any) -> int:
    link = _get(self, "_link")
    if link.sayings.is_value(self):
        return len(link.sayings.value_of(self))
    size = link.ask("len", self)
    if type(size) is not int or size < 0:
        raise refusal(self, "has no length that is a number")
    link.claim(f"the length of {describe(self)}")
    link.sayings.hold(self, "length", size)
    return size


def _iterate(self: Any) -> Iterator[Any]:
    """Give the items one by one, as they are asked for."""
    link = _get(self, "_link")
    if link.sayings.is_value(self):
        return iter(link.sayings.value_of(self))
    if link.sayings.is_old(self):
        len(self)
    items = link.ask("iter", self)
    if number_of(items) is None:
        items = list(items)
        for place, item in enumerate(items):
            link.contents.gives(self, place, item)
        _ended(self, len(items))
        return iter(items)
    return _each(self, items)


def _each(owner: Any, items: Any) -> Iterator[Any]:
    link = _get(owner, "_link")
    for count in range(MAX_ITEMS):
        try:
            item = link.ask("next", items)
        except StopIteration:
            _ended(owner, count)
            return
        link.contents.gives(owner, count, item)
        yield item
    raise HandleError(f"{describe(owner)} gave {MAX_ITEMS} items and doesn't end.")


def _reversed(self: Any) -> Iterator[Any]:
    """Give the items from the last one to the first, as the object itself does."""
    link = _get(self, "_link")
    if link.sayings.is_value(self):
        return iter(reversed(link.sayings.value_of(self)))
    link.claim(f"the order of {describe(self)} from its end")
    return iter(link.ask("operate", "__reversed__", self))


def _ended(owner: Any, count: int) -> None:
    link = _get(owner, "_link")
    link.sayings.hold(owner, "items", count)
    link.contents.ends(owner, count)


def _next(self: Any) -> Any:
    steps = _get(self, "_steps") + 1
    object.__setattr__(self, "_steps", steps)
    if steps > MAX_ITEMS:
        raise HandleError(f"{describe(self)} gave {MAX_ITEMS} items and doesn't end.")
    link = _get(self, "_link")
    try:
        item = link.ask("next", self)
    except StopIteration:
        link.sayings.end(self)
        raise
    link.sayings.step(self)
    return item


def _resuming(name: str) -> property:
    """Have a generator's method that goes on with it, and may be told that it has ended."""

    def method(self: Any) -> Callable[..., Any]:
        if label_of(self) != "generator":
            raise AttributeError(name)
        return partial(_get(self, "_link").ask, "resume", self, name)

    return property(method)


def _item(self: Any, key: Any) -> Any:
    link = _get(self, "_link")
    if link.sayings.is_value(self):
        value = link.sayings.value_of(self)
        # A kind of dict may make what it hasn't.
        if _get(self, "_base") != "dict" or key in value:
            return value[key]
    try:
        item = link.ask("item", self, key)
    except IndexError:
        if link.sayings.is_old(self):
            len(self)
        link.sayings.hold_place(self, key)
        raise
    link.contents.lies_at(self, key, item)
    return item


def _iter_self(self: Any) -> Iterator[Any]:
    """Ask an iterator for its iterator: itself mostly, but its own class may begin anew."""
    items = _get(self, "_link").ask("iter", self)
    if items is self:
        return cast("Iterator[Any]", self)
    return iter(items) if number_of(items) is None else _each(self, items)


_UNSEARCHED = frozenset({"str", "bytes", "ndarray", "DataFrame", "Series", "Index"})


def _contains(self: Any, key: Any) -> bool:
    link = _get(self, "_link")
    if link.sayings.is_value(self):
        return key in link.sayings.value_of(self)
    writes = link.judge.writes(self, "__contains__")
    if (own := link.bases.own_operator(self, "__contains__")) is not None:
        return bool(own(self, key))
    if not writes and _get(self, "_base") in _UNSEARCHED:
        raise refusal(self, "isn't searched")
    if writes or (_get(self, "_base") is None and link.believes(self)):
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
        # Where the test itself catches the error, it would go on as if nothing had been swallowed.
        link.refuse(self, "swallows errors at the end of its `with` block, unasked")
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
    "item": _item,
    "setitem": _ask("setitem"),
    "delitem": _ask("delitem"),
    "contains": _contains,
    "with": _ask("enter"),
    "await": _await,
    "aiter": _ask("aiter"),
    "anext": _next_async,
    "awith": _enter_async,
    "reversed": _reversed,
}
_classes: dict[tuple[int, str], type] = {}
_DOC = property(lambda self: _get(self, "_link").ask("get", self, "__doc__"))


def make_handle(
    link: Link, number: int, mask: int, label: str, base: str | None, *, name: str = "Handle"
) -> Any:
    """Make a handle with the abilities of a mask, of a class that goes by a name."""
    kind = _classes.get((mask, name))
    if kind is None:
        body: dict[str, Any] = {"__slots__": (), "__module__": Handle.__module__, "__doc__": _DOC}
        body |= SCHEMAS
        for bit, (ability, method) in enumerate(ABILITIES):
            if mask >> bit & 1:
                body[method] = _METHODS[ability]
        if mask & CLASS_BIT:
            body |= UNIONS
        if "__enter__" in body:
            body["__exit__"] = _leave
        if "__aenter__" in body:
            body["__aexit__"] = _leave_async
        if "__next__" in body:
            body |= {"__iter__": _iter_self, "send": _resuming("send"), "throw": _resuming("throw")}
        else:
            body |= NUMBERS
        kind = _classes[mask, name] = type(name, (Handle,), body)
    return kind(link, number, mask, label, base)
