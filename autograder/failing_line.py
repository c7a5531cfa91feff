"""Which line of a test cell failed, as far as students may be told."""

import ast
from collections.abc import Sequence

from autograder.hidden_regions import hidden_lines
from autograder.syntax import parse_python

__all__ = ["failing_line", "said_by_teacher"]


def failing_line(source: str, lines: Sequence[int]) -> int | None:
    r"""Pick from the lines of a cell that were running when it failed the one that counts.

    Where several were (a function of the cell calls another), or an error's message pretends so,
    a line of a hidden test is the one; otherwise the innermost.

    Parameters
    ----------
    source : str
        The cell's text.
    lines : sequence of int
        Line numbers as IPython counts them, from 1 at the first line that isn't empty; the
        outermost first.

    Returns
    -------
    int or None
        The line within ``source``, from 1; None where it can't be known.

    Examples
    --------
    >>> text = "\ncheck()\n### BEGIN HIDDEN TESTS\nassert f(2)\n### END HIDDEN TESTS\nlast()"
    >>> failing_line(text, [1, 3, 5]), failing_line(text, [1, 5]), failing_line(text, [])
    (4, 6, None)
    """
    if source.lstrip().startswith("%%"):
        return None  # The magic command runs the rest, under line numbers of its own.
    # IPython drops empty lines at the top before it counts.
    before = source[: len(source) - len(source.lstrip())].count("\n")
    there = [line + before for line in lines]
    hidden = hidden_lines(source)
    return next((line for line in there if line in hidden), there[-1] if there else None)


def said_by_teacher(source: str, line: int | None) -> str:
    r"""Give what the failed line of a test says by itself, with nothing of what was computed.

    An answer that a hidden test has called can carry the call into whatever it says or returns
    later, and so into a message; the words that stand in the cell it can't change.

    Parameters
    ----------
    source : str
        The cell's text.
    line : int or None
        The line that failed, from 1; None where it isn't known.

    Returns
    -------
    str
        The assertion's message with ``…`` for each computed part, else the line itself; empty
        where there is neither.

    Examples
    --------
    >>> cell = 'assert f(2) == 4, f"Two gives {f(2)}, not 4."\nassert f(3) == 9'
    >>> said_by_teacher(cell, 1)
    'Two gives …, not 4.'
    >>> said_by_teacher(cell, 2)
    'Not so: assert f(3) == 9'
    >>> said_by_teacher("table = f(3)", 1)
    'Stopped by an error at: table = f(3)'
    """
    lines = source.split("\n")
    if line is None or not 1 <= line <= len(lines):
        return ""
    text = lines[line - 1].strip()
    try:
        checks = [node for node in ast.walk(parse_python(source)) if isinstance(node, ast.Assert)]
    except SyntaxError:  # A magic command stands in the cell.
        return f"{'Not so' if text.startswith('assert') else 'Stopped by an error at'}: {text}"
    here = [one for one in checks if one.lineno <= line <= (one.end_lineno or one.lineno)]
    if not here:
        return f"Stopped by an error at: {text}"
    return _words(here[-1].msg) or f"Not so: {text}"


def _words(message: ast.expr | None) -> str:
    """Give the constant parts of an assertion's message, with ``…`` for the others."""
    parts = message.values if isinstance(message, ast.JoinedStr) else [message]
    words = [part.value if isinstance(part, ast.Constant) else "…" for part in parts if part]
    if not any(isinstance(part, ast.Constant) for part in parts):
        return ""
    return " ".join("".join(map(str, words)).split())
