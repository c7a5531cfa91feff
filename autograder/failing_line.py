"""Which line of a test cell failed, as far as students may be told."""

from collections.abc import Sequence

from autograder.release import hidden_lines

__all__ = ["failing_line"]


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
