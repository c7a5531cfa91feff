"""Parameters of a test's functions that have a default, as student code sees them.

That there is a default is told, and what it is isn't: it may be what is expected. What stands for
it is left out when a call comes back, so that the test's own default counts.
"""

import inspect
from typing import Any

__all__ = ["LEFT_OUT", "annotations_of", "without_left_out"]


class _LeftOut:
    """What stands for a default; called, as libraries call such that are made anew, it is None."""

    __slots__ = ()

    def __call__(self) -> None:
        """Give what counts as nothing."""

    def __repr__(self) -> str:
        return "..."

    def __copy__(self) -> "_LeftOut":
        return self

    def __deepcopy__(self, _: Any) -> "_LeftOut":
        return self

    def __reduce__(self) -> str:
        return "LEFT_OUT"


LEFT_OUT = _LeftOut()


def annotations_of(function: Any) -> dict[str, Any]:
    """Give the annotations that the signature of a test's function tells."""
    signature = function.__signature__
    told = {name: item.annotation for name, item in signature.parameters.items()}
    told["return"] = signature.return_annotation
    return {name: kind for name, kind in told.items() if kind is not inspect.Parameter.empty}


def without_left_out(
    function: Any, args: tuple[Any, ...], names: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Give the arguments of a call without those that stand for a default.

    What comes after such a one is handed over by name.
    """
    given = {name: value for name, value in names.items() if value is not LEFT_OUT}
    first = next((place for place, value in enumerate(args) if value is LEFT_OUT), None)
    if first is None:
        return args, given
    parameters = list(function.__signature__.parameters)[first:]
    later = zip(parameters, args[first:], strict=False)
    return args[:first], {name: value for name, value in later if value is not LEFT_OUT} | given
