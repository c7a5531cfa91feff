"""Texts of the student's that a library would run here: annotations, settings of loggers, YAML.

A text that stands as an annotation is Python to whoever asks for types; a logger's settings and
tags in YAML name functions that are called. What a student's code returned is none of these.
"""

import ast
import importlib
import inspect
import logging.config
import os
import re
import string
import sys
import typing
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache, wraps
from types import ModuleType
from typing import Any, ForwardRef

from autograder.handles import HandleError, number_of
from autograder.syntax import parse_python

__all__ = [
    "WrittenText",
    "check_annotation",
    "patch_formats",
    "patch_logging",
    "patch_references",
    "patch_yaml",
    "worked_out",
]

_DEEPEST = 8
_TAG = "Tag the test cell 'student-room' so that it runs beside the student's code."
_SPACES = re.compile(r"[\s'\"]")
_OF_LOGGING = frozenset(
    {
        *("logging.StreamHandler", "logging.NullHandler", "logging.Formatter", "logging.Filter"),
        *("logging.handlers.MemoryHandler", "logging.handlers.BufferingHandler"),
    }
)
"""Classes that open nothing; of others, a test names them itself."""
_WITH_FILES = frozenset(
    {
        *("logging.FileHandler", "logging.handlers.RotatingFileHandler"),
        *("logging.handlers.TimedRotatingFileHandler", "logging.handlers.WatchedFileHandler"),
    }
)
"""Classes that write to a file, which mustn't be there: it could be the test's."""
_CALLED = ("()", ".", "listener", "queue")
_STREAMS = ("ext://sys.stdout", "ext://sys.stderr")


class WrittenText(str):
    """A text that stands in a test as an annotation: it may be worked out here."""

    __slots__ = ()


def check_annotation(
    value: Any, written: tuple[str, ...], value_of: Callable[[str], Any] = lambda _: None
) -> Any:
    """Give an annotation of a test back, unless it holds a text that the test hasn't written.

    Parameters
    ----------
    value : object
        The annotation.
    written : tuple of str
        The texts that stand in it.
    value_of : callable, optional
        Gives what a name stands for; nothing, if it isn't given.

    Raises
    ------
    HandleError
        If it holds another text, or names one.

    Examples
    --------
    >>> check_annotation(list[int], (), lambda name: None)
    list[int]
    """
    found = [text for text in _texts(value) if text not in written]
    found += [text for name in _names(written) for text in _texts(value_of(name))]
    if found:
        raise HandleError(
            f"an annotation of the test is a text of the student's, {found[0][:80]!r}: a library "
            f"that looks at it would run that text in the examiner's room. {_TAG}"
        )
    return WrittenText(value) if type(value) is str else value


def worked_out(text: WrittenText, names: Mapping[str, Any]) -> Any:
    """Give what an annotation says that a test has written as a text; the text, where nothing yet.

    Parameters
    ----------
    text : WrittenText
        The annotation.
    names : mapping
        What names stand for.

    Raises
    ------
    HandleError
        If what it says holds a text that the test hasn't written.
    """
    try:
        found = eval(text, {}, names)  # noqa: S307 - the test's own
    except Exception:
        return str(text)
    return check_annotation(found, ())


def _texts(value: Any, depth: int = 0) -> Iterator[str]:
    """Give the texts in an annotation that are Python to whoever looks at it."""
    if number_of(value) is not None:
        return
    if issubclass(type(value), str):
        yield str.__str__(value)
    elif type(value) is ForwardRef:
        yield value.__forward_arg__
    elif depth < _DEEPEST and typing.get_origin(value) is not typing.Literal:
        is_annotated = typing.get_origin(value) is typing.Annotated
        parts = value if type(value) in (list, tuple) else typing.get_args(value)
        for part in parts[:1] if is_annotated else parts:
            yield from _texts(part, depth + 1)


def _names(texts: tuple[str, ...]) -> Iterator[str]:
    for text in texts:
        try:
            tree = parse_python(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        yield from (node.id for node in ast.walk(tree) if isinstance(node, ast.Name))


def patch_references(own: Callable[[], str], may_run: Callable[[str], bool]) -> None:
    """Have only texts evaluated as types that stand in a test, a given cell or a library.

    Parameters
    ----------
    own : callable
        Gives the text of the tests and given cells.
    may_run : callable
        Says whether another text may be run all the same.
    """
    evaluate: Any = vars(ForwardRef).get("_evaluate")
    if evaluate is None:  # from 3.14 on each has a method of its own to be asked with
        evaluate = ForwardRef.evaluate  # type: ignore[attr-defined]

    def check(text: str, spaces: tuple[Any, ...]) -> None:
        is_known = _bare(text) in _bare(own())
        if not is_known and not any(_is_tests(space) for space in spaces):
            is_known = may_run(text) or any(_bare(text) in _source(space) for space in spaces)
        if not is_known:
            raise HandleError(
                f"a type of the test holds the text {text[:80]!r}, which no test has written: it "
                f"would be run in the examiner's room. {_TAG}"
            )

    @wraps(evaluate)
    def checked(self: Any, *args: Any, **names: Any) -> Any:
        spaces = (*args[:2], names.get("globalns"), names.get("localns"), names.get("globals"))
        check(self.__forward_arg__, spaces)
        return evaluate(self, *args, **names)

    setattr(ForwardRef, evaluate.__name__, checked)
    try:
        others: Any = importlib.import_module("typing_extensions")
    except ImportError:
        return
    by_others = getattr(others, "evaluate_forward_ref", None)
    if by_others is None or hasattr(typing, "evaluate_forward_ref"):
        return  # it asks the reference itself

    @wraps(by_others)
    def checked_too(reference: Any, **names: Any) -> Any:
        check(reference.__forward_arg__, (names.get("globals"), names.get("locals")))
        return by_others(reference, **names)

    setattr(others, by_others.__name__, checked_too)


def _is_tests(space: Any) -> bool:
    return isinstance(space, dict) and dict.get(space, "__name__") == "__main__"


def _source(space: Any) -> str:
    """Give the source of the module that a namespace is of, without its spaces."""
    name = dict.get(space, "__name__") if isinstance(space, dict) else None
    module = sys.modules.get(name) if type(name) is str else None
    return _source_of(module) if module is not None and vars(module) is space else ""


@lru_cache(maxsize=64)
def _source_of(module: ModuleType) -> str:
    try:
        return _bare(inspect.getsource(module))
    except (OSError, TypeError):
        return ""


def _bare(text: str) -> str:
    return _SPACES.sub("", text)


def patch_logging(own: Callable[[], str]) -> None:
    """Refuse settings of loggers that name what isn't logging's own, or a test's.

    Parameters
    ----------
    own : callable
        Gives the text of the tests and given cells.
    """
    by_dict, by_file = logging.config.dictConfig, logging.config.fileConfig

    @wraps(by_dict)
    def checked(config: Any) -> None:
        for text in _called(config):
            if type(text) is not str or text not in own():
                raise HandleError(
                    f"the settings of loggers name {str(text)[:80]!r}, which would be called in "
                    f"the examiner's room. {_TAG}"
                )
        by_dict(config)

    @wraps(by_file)
    def refused(*_: Any, **__: Any) -> None:
        raise HandleError(
            "a file of settings for loggers holds Python, which isn't run in the examiner's room. "
            f"{_TAG}"
        )

    setattr(logging.config, "dictConfig", checked)  # noqa: B010 - its stub says it can't be set
    setattr(logging.config, "fileConfig", refused)  # noqa: B010


def patch_yaml() -> None:
    """Have YAML make plain values only, whatever loader a test takes: tags may name functions."""
    from yaml.constructor import FullConstructor, UnsafeConstructor

    def refused(*asked: Any, **_: Any) -> Any:
        raise HandleError(
            f"a text in YAML names {str(asked[1])[:80]!r}, which may be called in the examiner's "
            f"room. Read it with `yaml.safe_load`. {_TAG}"
        )

    for kind in (FullConstructor, UnsafeConstructor):
        for method in ("find_python_module", "find_python_name", "make_python_instance"):
            setattr(kind, method, refused)


def patch_formats(check: Callable[[str], None]) -> None:
    """Have texts looked at that are filled in by other ways than their own ``format``.

    Parameters
    ----------
    check : callable
        Refuses a text that asks for what is private of what it is filled in with.
    """
    field, style = string.Formatter.get_field, logging.StrFormatStyle
    formatted = style._format  # type: ignore[attr-defined]

    @wraps(field)
    def get_field(self: Any, field_name: str, args: Any, kwargs: Any) -> Any:
        check(f"{{{field_name}}}")
        return field(self, field_name, args, kwargs)

    @wraps(formatted)
    def of_style(self: Any, record: Any) -> str:
        check(self._fmt)
        return str(formatted(self, record))

    kinds: Any = string.Formatter, style
    kinds[0].get_field, kinds[1]._format = get_field, of_style


def _is_there(file: Any) -> bool:
    """Say whether a file is there that logging didn't make, or it can't be told."""
    if file is None:
        return False
    handlers = [handler() for handler in logging._handlerList]  # type: ignore[attr-defined]
    made = {getattr(handler, "baseFilename", None) for handler in handlers}
    try:
        path = os.path.realpath(os.fspath(file))
    except (TypeError, ValueError):
        return True
    return path not in made and os.path.lexists(path)


def _called(config: Any) -> Iterator[Any]:
    """Give what logging would look up and call, or change, beyond its own."""
    waiting = [config]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            for key, value in part.items():
                is_named = key == "class" and not isinstance(value, (dict, list, tuple))
                known = (
                    _OF_LOGGING if _is_there(part.get("filename")) else _OF_LOGGING | _WITH_FILES
                )
                is_strange = is_named and not (type(value) is str and value in known)
                if key in _CALLED or is_strange:
                    yield value
            waiting += part.values()
        elif isinstance(part, (list, tuple)):
            waiting += part
        elif isinstance(part, str) and part.startswith("ext://") and part not in _STREAMS:
            yield part
