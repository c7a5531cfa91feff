"""Tell a cell that is plain Python from one that IPython has to rewrite first.

IPython rewrites magics, shell commands and prompts token by token, which takes longer than most
cells run. None of them is Python, so a cell that parses as it stands is left as it is.
"""

import ast
from functools import lru_cache

from autograder.syntax import parse_python

__all__ = ["plain_python"]


@lru_cache(maxsize=512)
def plain_python(text: str) -> ast.Module | None:
    r"""Parse a cell as it stands; None where IPython would change it, or it has an error.

    The tree is the same one for all who ask: to be read, not changed.

    Examples
    --------
    >>> plain_python("x = 1") is None
    False
    >>> plain_python("%time x = 1") is None
    True
    >>> plain_python("\n\nx = 1") is None  # IPython takes empty lines at the beginning off
    True
    """
    if text[:1].isspace():
        return None
    try:
        return parse_python(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
