"""Whose code runs in a frame, and where in a cell's own text an error rose."""

from typing import Any

__all__ = ["cell_lines", "is_own_space"]

_FRAMES = 10_000
_LINES = 200
_CHAIN = 20
_PREPARED = "_room_name"


def is_own_space(space: Any) -> bool:
    """Say whether globals are those of test cells, or of a module that a lab ships.

    Its code is prepared as theirs is.

    Examples
    --------
    >>> is_own_space({"__name__": "__main__"}), is_own_space({"__name__": "json"})
    (True, False)
    """
    if not isinstance(space, dict):
        return False
    return dict.get(space, "__name__") == "__main__" or dict.__contains__(space, _PREPARED)


def cell_lines(error: BaseException | None, file: str) -> list[int]:
    """Give the lines of the cell called ``file`` that were running when ``error`` rose.

    The outermost first, each once; those of the errors that led to it before its own, as in a
    traceback. The error may be of a student's class: none of its own attributes is asked.
    """
    lines: list[int] = []
    for one in reversed(_chain(error)):
        if issubclass(type(one), SyntaxError):
            name, line = _plain(one, "filename"), _plain(one, "lineno")
            if type(name) is str and name == file and type(line) is int:
                lines.append(line)
        trace = _plain(one, "__traceback__")
        for _ in range(_FRAMES):
            if trace is None:
                break
            if trace.tb_frame.f_code.co_filename == file:
                lines.append(trace.tb_lineno)
            trace = trace.tb_next
    innermost_first = list(dict.fromkeys(reversed(lines)))[:_LINES]
    return innermost_first[::-1]


def _chain(error: BaseException | None) -> list[BaseException]:
    """Follow an error to those it was raised from or while handling."""
    found: list[BaseException] = []
    while error is not None and len(found) < _CHAIN and not any(error is one for one in found):
        found.append(error)
        cause = _plain(error, "__cause__")
        implied = None if _plain(error, "__suppress_context__") else _plain(error, "__context__")
        error = implied if cause is None else cause
    return found


def _plain(error: BaseException, name: str) -> Any:
    """Read what Python itself keeps in an error, whatever its class says of that attribute."""
    kind = SyntaxError if name in ("filename", "lineno") else BaseException
    return vars(kind)[name].__get__(error)
