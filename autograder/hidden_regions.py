"""Which lines of a test cell students don't get to read."""

__all__ = ["hidden_lines", "visible_text"]


def hidden_lines(source_text: str) -> frozenset[int]:
    r"""Give the line numbers, from 1, of a cell's hidden regions with their delimiters.

    Examples
    --------
    >>> text = "assert a\n### BEGIN HIDDEN TESTS\nassert b\n### END HIDDEN TESTS\nassert c"
    >>> sorted(hidden_lines(text))
    [2, 3, 4]
    """
    hidden: set[int] = set()
    inside = False
    for number, line in enumerate(source_text.split("\n"), 1):
        inside = inside or "BEGIN HIDDEN TESTS" in line
        if inside:
            hidden.add(number)
        if "END HIDDEN TESTS" in line:
            inside = False
    return frozenset(hidden)


def visible_text(source_text: str) -> str:
    r"""Give a cell's text without its hidden regions.

    Examples
    --------
    >>> visible_text("a\n### BEGIN HIDDEN TESTS\nb\n### END HIDDEN TESTS\nc")
    'a\nc'
    """
    hidden = hidden_lines(source_text)
    lines = enumerate(source_text.split("\n"), 1)
    return "\n".join(line for number, line in lines if number not in hidden)
