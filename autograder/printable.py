"""Names and messages in which something may stand that strangers chose, as one line of text."""

__all__ = ["printable"]


def printable(text: str, *, keep: str = "") -> str:
    r"""Write a text so that it shows all it holds, and tells a terminal nothing.

    Parameters
    ----------
    text : str
        A file's name, say, which need not even be text.
    keep : str
        Characters that are left as they are.

    Examples
    --------
    >>> printable("lab\n\x1b[2J\u202e.ipynb")
    'lab\\n\\x1b[2J\\u202e.ipynb'
    """
    return "".join(c if c.isprintable() or c in keep else ascii(c)[1:-1] for c in text)
