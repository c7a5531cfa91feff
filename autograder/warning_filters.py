"""Which warnings Python shows, as either room has been told: the filters, and who listens."""

import re
import warnings
from typing import Any

__all__ = ["Change", "Filter", "changed_since", "put_filters"]

Filter = tuple[str, str, Any, str, int]
"""What is done, with a message (a pattern), of a class, in a module (a pattern), in a line."""
Change = tuple[bool, list[Filter]]
"""Whether all filters were put aside, and those that were put before them."""
_MOST = 200


def changed_since(base: list[Any]) -> Change:
    """Give what was done to the filters since they were ``base``.

    Examples
    --------
    >>> with warnings.catch_warnings():
    ...     base = list(warnings.filters)
    ...     warnings.filterwarnings("ignore", "too much", UserWarning)
    ...     changed_since(base)
    (False, [('ignore', 'too much', <class 'UserWarning'>, '', 0)])
    """
    now = list(warnings.filters)
    kept = len(now) - len(base)
    if kept >= 0 and now[kept:] == base:
        return False, [_as_told(item) for item in now[:kept][:_MOST]]
    return True, [_as_told(item) for item in now[:_MOST]]


def put_filters(base: list[Any], change: Change) -> None:
    """Have the filters be ``base`` and what was done to others like them."""
    put_aside, added = change
    found = [
        (what, _compiled(message, re.IGNORECASE), kind, _compiled(module), line)
        for what, message, kind, module, line in added
    ]
    warnings.filters[:] = [*found, *(() if put_aside else base)]  # type: ignore[index]
    warnings._filters_mutated()  # type: ignore[attr-defined]


def _as_told(item: Any) -> Filter:
    what, message, kind, module, line = item
    return (what, _pattern(message), kind, _pattern(module), line)


def _pattern(compiled: Any) -> str:
    return str(getattr(compiled, "pattern", compiled) or "")


def _compiled(pattern: str, flags: int = 0) -> re.Pattern[str] | None:
    return re.compile(pattern, flags) if pattern else None
