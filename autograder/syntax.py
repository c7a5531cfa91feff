"""Parse Python, from as many threads at once as there are.

Until Python 3.11.8 and 3.12.1 all threads count the depth of a tree that is being built with one
counter: a thread that parses while another one's parsing lets it run (where the garbage collector
begins, for instance) makes the other fail with a :class:`SystemError`.
"""

import ast
import threading

__all__ = ["parse_python"]

_ONE_AT_A_TIME = threading.RLock()


def parse_python(text: str | bytes) -> ast.Module:
    """Parse a text as :func:`ast.parse` does, one thread after the other.

    Raises
    ------
    SyntaxError, ValueError, RecursionError, MemoryError
        As :func:`ast.parse` does.

    Examples
    --------
    >>> ast.unparse(parse_python("x=1"))
    'x = 1'
    """
    with _ONE_AT_A_TIME:
        return ast.parse(text)
