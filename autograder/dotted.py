"""Find what a dotted name stands for: a module, or something within one."""

import importlib
from typing import Any

__all__ = ["find_dotted"]


def find_dotted(name: str) -> Any:
    """Give a module, or the class within one, of that name.

    Raises
    ------
    ImportError, AttributeError
        If there is none.

    Examples
    --------
    >>> find_dotted("random.Random").__name__
    'Random'
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        above, _, last = name.rpartition(".")
        if not above:
            raise
        return getattr(find_dotted(above), last)
