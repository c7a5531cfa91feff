"""Whether a text does more in a browser than show itself: runs something, or calls for it.

Whoever grades by hand looks at students' work on a page that may change everybody's marks.
"""

import html
import re
from collections.abc import Iterator

__all__ = ["acts", "as_plain_markdown", "fetches"]

_TAGS = re.compile(
    r"<\s*(?:script|iframe|object|embed|base|form|meta|link|portal|frame|frameset|applet)\b|"
    r"[\s/\"'`]on\w+\s*=|srcdoc\s*=",
    re.IGNORECASE,
)
_SCHEME = re.compile(r"[(<\[\"'`={:,;](?:javascript|vbscript|data:text/html)[:;,]", re.IGNORECASE)
_ANY_SCHEME = re.compile(r"(?:javascript|vbscript):|data:text/html[;,]", re.IGNORECASE)
_STYLE = re.compile(r"<\s*style\b|[\s/\"'`]style\s*=", re.IGNORECASE)
_PICTURE = r"data:(?:image|audio|video)/"
_FETCHING = re.compile(
    r"(?<![\w-])(?:src|srcset|imagesrcset|poster|background|data|lowsrc|ping)\s*+=\s*+"
    rf"(?![\"']?\s*{_PICTURE})|"
    rf"url\s*+\((?!\s*+(?:[\"']\s*+)?(?:#|{_PICTURE}))|@import|image-set\s*\(|!\[",
    re.IGNORECASE,
)
# A link asks for nothing until it is followed; these do, and which tag an address belongs to takes
# more than one look at each sign to say.
_DRAWING = re.compile(r"<\s*(?:image|use|feimage)\b", re.IGNORECASE)
_ADDRESS = re.compile(rf"href\s*+=\s*+(?![\"']?\s*(?:#|{_PICTURE}))", re.IGNORECASE)
_UNSEEN = re.compile(r"[\x00-\x20\x7f-\xa0\xad\u200b-\u200f\u2028-\u202f\ufeff]+")
_STYLE_ESCAPE = re.compile(r"\\([0-9a-fA-F]{1,6})\s?")
_LARGEST = 0x10FFFF
# A sign by its number; Python reads none of thousands of digits, and none has more than eight.
_NUMBERED = re.compile(r"&#(?:[xX]0*+([0-9a-fA-F]{0,8})[0-9a-fA-F]*|0*+([0-9]{0,8})[0-9]*)")
_NOTE = "*Shown as it was written, because it holds what would act in a browser.*"


def acts(text: str, *, is_written: bool = False) -> bool:
    """Say whether a browser that shows this text as a page would run something of it.

    Parameters
    ----------
    text : str
        HTML, or Markdown, in which HTML may stand.
    is_written : bool, default=False
        Whether a person wrote it for a page on which other things stand: a style acts there too,
        and the name of a language before a colon may be just that.

    Examples
    --------
    >>> acts("<b>bold</b>"), acts("<img src=x onerror=alert(1)>"), acts("[x](java&#115;cript:y)")
    (False, True, True)
    """
    scheme = _SCHEME if is_written else _ANY_SCHEME
    return any(
        _TAGS.search(one)
        or scheme.search(_UNSEEN.sub("", one))
        or (is_written and _STYLE.search(one))
        for one in _readings(text)
    )


def fetches(text: str) -> bool:
    """Say whether a browser that shows this text would ask somebody for a picture or the like.

    Who is asked learns of it, and with the address whatever was written into that.

    Examples
    --------
    >>> fetches('<img src="data:image/png;base64,xyz">'), fetches("<img src=//example.org/x>")
    (False, True)
    """
    return any(
        _FETCHING.search(one) or (_DRAWING.search(one) and _ADDRESS.search(one))
        for one in _readings(text)
    )


def _readings(text: str) -> Iterator[str]:
    """Give a text as it stands, and as a browser reads it."""
    yield text
    read = html.unescape(_NUMBERED.sub(_short, text))
    if read != text:
        yield read
    if "\\" in read:
        yield _STYLE_ESCAPE.sub(lambda found: chr(min(int(found[1], 16), _LARGEST)), read)


def _short(found: re.Match[str]) -> str:
    return f"&#{found[2]}" if found[1] is None else f"&#x{found[1]}"


def as_plain_markdown(text: str) -> str:
    """Write Markdown that shows a text as it stands, whatever stands in it.

    Examples
    --------
    >>> print(as_plain_markdown("<script>x</script>"))
    *Shown as it was written, because it holds what would act in a browser.*
    <BLANKLINE>
        <script>x</script>
    """
    lines = "\n".join(text.splitlines()).expandtabs(4).split("\n")
    return "\n".join([_NOTE, "", *(f"    {line}" for line in lines)])
