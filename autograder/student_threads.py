"""Calls that several threads of a test make at once, made in as many threads here."""

import threading
from collections.abc import Iterable
from typing import Any

__all__ = ["call_together", "rethrow"]


def call_together(calls: Iterable[tuple[Any, Any, Any]]) -> tuple[tuple[bool, Any], ...]:
    """Make calls in a thread each; give whether each went well, and what it gave or raised."""
    found: dict[int, tuple[bool, Any]] = {}

    def make(place: int, target: Any, args: Any, names: Any) -> None:
        try:
            found[place] = True, target(*args, **dict(names))
        except BaseException as error:
            found[place] = False, error

    threads = [
        threading.Thread(target=make, args=(place, *call), daemon=True)
        for place, call in enumerate(calls)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return tuple(found[place] for place in range(len(threads)))


def rethrow(error: BaseException) -> None:
    """Raise what a call in a thread has raised."""
    raise error
