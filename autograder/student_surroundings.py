"""What surrounds student code in its process, where a test of the examiner's room looks at it.

Environment variables, and how numbers are worked out.
"""

import decimal
import os
from typing import Any

import numpy as np

__all__ = ["decimals", "environment", "surround"]


def surround(changes: dict[str, str | None], errors: dict[str, Any]) -> None:
    """Change environment variables (None: delete) and how NumPy treats errors."""
    for name, value in changes.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    if errors:
        np.seterr(**errors)


def decimals(precision: int = 0, rounding: str = "") -> tuple[int, str]:
    """Give how decimal numbers are worked out; change it first, if it is told how."""
    context = decimal.getcontext()
    if precision:
        context.prec, context.rounding = precision, rounding
    return context.prec, context.rounding


def environment(names: list[str]) -> dict[str, str]:
    """Give the environment variables of these names that there are."""
    return {name: os.environ[name] for name in names if name in os.environ}
