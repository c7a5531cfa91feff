"""What acts in a browser, however it is written, and what only shows itself."""

from typing import Any

import pytest

from autograder.active_markup import acts, as_plain_markdown, fetches
from autograder.room_outputs import clean_outputs

ACTING = [
    "<script>alert(1)</script>",
    "<ScRiPt\n>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<img alt='x'onerror=alert(1)>",
    '<a href="javascript:alert(1)">x</a>',
    '<a href="java&#115;cript:alert(1)">x</a>',
    '<a href="java\tscr\nipt:alert(1)">x</a>',
    '<a href="&#x01;javascript&colon;alert(1)">x</a>',
    "[x](javascript:alert(1))",
    "[x](<javascript:alert(1)>)",
    "[x]: javascript:alert(1)",
    r"$\href{javascript:alert(1)}{x}$",
    '<a href="data:text/html,<b>x</b>">x</a>',
    '<svg><a><animate attributeName="href" values="javascript:alert(1)"/></a></svg>',
    "<form action=//example.org><button>x</button></form>",
    "<iframe src=x></iframe>",
    "<meta http-equiv=refresh content=0>",
    "<base href=//example.org>",
]
FETCHING = [
    "<img src=//example.org/x>",
    '<img srcset="https://example.org/x 2x">',
    "<video poster='https://example.org/x'>",
    '<table background="https://example.org/x">',
    "<div style='background: url(https://example.org/x)'>",
    r"<div style='background: u\72l(https://example.org/x)'>",
    "<div style='background: u&#114;l(https://example.org/x)'>",
    "<style>@import 'https://example.org/x';</style>",
    '<svg><image href="https://example.org/x"/></svg>',
    '<svg><use xlink:href="https://example.org/x#y"/></svg>',
    "![x](https://example.org/x)",
]
HARMLESS = [
    "<b>bold</b>, a &lt; b and c > d",
    "if on = 1 and x<y then y>x",
    "Talk of JavaScript, <https://example.org> and [a page](https://example.org)",
    "<img src='data:image/png;base64,iVBORw0KGgo='>",
    '<img src =  " data:image/png;base64,iVBORw0KGgo=">',
    "<a href='https://example.org'>a page</a><svg><path d='M0 0'/></svg>",
    "<div style='fill: url(#gradient)'><svg><use xlink:href='#glyph'/></svg></div>",
    "<style scoped>.dataframe tbody tr th { vertical-align: top; }</style><table><tr><td>1",
    "`source = x`, the data = y, a_src = 2",
]


@pytest.mark.parametrize("text", ACTING)
def test_what_acts_is_seen(text: str) -> None:
    """A browser reads more ways of writing it than one."""
    assert acts(text)
    assert acts(text, is_written=True)


@pytest.mark.parametrize("text", FETCHING)
def test_what_calls_home_is_seen(text: str) -> None:
    """Pictures and styles from elsewhere, written plainly or not."""
    assert fetches(text)


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_shows_itself_may_stay(text: str) -> None:
    """Tables, pictures within the text, and talk of other things."""
    assert not acts(text)
    if "style" not in text:
        assert not acts(text, is_written=True)
    if "data =" not in text:
        assert not fetches(text)


def test_the_name_of_a_language_is_no_address_in_what_a_person_writes() -> None:
    """In an output, which nobody needs to write so, it is taken for one wherever it stands."""
    for text in ("JavaScript: the good parts", "x javascript : y", "vbscript:"):
        assert acts(text)
        assert not acts(text, is_written=True)


def test_a_style_is_for_outputs_only() -> None:
    """In an answer it would change the page of whoever marks it."""
    assert acts("<style>.score { display: none }</style>", is_written=True)
    assert acts("<p style='position: fixed'>", is_written=True)


@pytest.mark.parametrize(
    "text", [*ACTING, "$$\n<script>1</script>\n$$", "```\n```\n<script>", "- x\n\n\t<b onclick=x>"]
)
def test_what_is_shown_as_it_was_written_does_nothing(text: str) -> None:
    """In the very page that formgrader makes of it."""
    from nbconvert.filters import markdown2html  # type: ignore[attr-defined]

    page = markdown2html(as_plain_markdown(f"{text}\x0c{text}\u2028{text}"))
    assert "<pre><code>" in page.replace("\n", "")
    assert not [
        tag for tag in ("<script", "<img", "<svg", "<a", "<b", "<form", "<i") if tag in page
    ]


@pytest.mark.parametrize("text", [*ACTING, *FETCHING])
@pytest.mark.parametrize("kind", ["text/html", "text/ht\x00ml", "text/markdown"])
def test_outputs_keep_nothing_that_acts(text: str, kind: str) -> None:
    """Also where a sign that is taken away had stood within a word."""
    for written in (text, text.replace("r", "r\x00"), text.replace("s", "s\x1b[5n")):
        data = {kind: written, "text/plain": "fine"}
        [output] = clean_outputs([{"output_type": "display_data", "data": data}], 1 << 20)
        assert dict(output["data"]) == {"text/plain": "fine"}


def test_what_is_too_long_to_be_kept_isnt_looked_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """However much a room says it has shown."""
    looked: list[str] = []
    monkeypatch.setattr("autograder.room_outputs.acts", looked.append)
    outputs = [
        {"output_type": "display_data", "data": {"text/html": "<b>" * length}}
        for length in (1, 1 << 20)
    ]
    assert len(clean_outputs(outputs, 1 << 20)) == 1
    assert looked == ["<b>"]


def test_outputs_keep_what_shows_itself() -> None:
    """A table of a frame, a drawing."""
    shown: dict[str, Any] = {
        "text/html": next(text for text in HARMLESS if "<table" in text),
        "image/svg+xml": "<svg><style>*{fill: none}</style><use xlink:href='#a'/></svg>",
    }
    [output] = clean_outputs([{"output_type": "display_data", "data": shown}], 1 << 20)
    assert dict(output["data"]) == shown


@pytest.mark.parametrize("part", ["<use ", "<", " on", "href= ", "src  ", "<image x='"])
def test_many_beginnings_that_come_to_nothing_keep_no_class_waiting(part: str) -> None:
    """Looking takes as long as the text is; with its square, this would end tomorrow."""
    text = part * 200_000
    assert not acts(text, is_written=True)
    assert not fetches(text)


def test_a_reference_of_thousands_of_digits_is_read_as_a_browser_does() -> None:
    """Python gives up on such a number; one answer of a class would have kept all from marks."""
    assert not acts("&#" + "1" * 5_000 + ";")
    assert not acts("&#x" + "f" * 5_000 + ";")
    assert acts("java&#" + "0" * 5_000 + "115;cript:x")
    assert acts("java&#x" + "0" * 5_000 + "73;cript:x")
    assert not acts("&# &#; &#x;")


def test_many_spaces_are_looked_through_once() -> None:
    """Each was taken with each other one: a megabyte of them would have taken hours."""
    for quote in ("", "'", '"'):
        assert fetches("url(" + " " * 400_000 + quote + " " * 400_000 + "x")
    assert not fetches("url(" + " " * 400_000 + "'" + " " * 400_000 + "#x")
