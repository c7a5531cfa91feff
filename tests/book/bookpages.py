"""A page of the book as parts: prose, cells that run, diagrams and listings that don't."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

__all__ = [
    "CODE_SPAN",
    "CROSSREF_KINDS",
    "INLINE",
    "MENTION",
    "Block",
    "Heading",
    "Image",
    "Page",
    "Reference",
    "parse_page",
    "read_page",
]

CROSSREF_KINDS = ("sec", "fig", "tbl", "lst", "eq")
FENCE = re.compile(r"^(?P<mark>`{3,}|~{3,})\s*(?P<info>.*?)\s*$")
HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*(\{[^{}]*\})?\s*$")
INLINE = re.compile(r"`\{python\}\s+([^`]+)`")
CODE_SPAN = re.compile(r"(`+)(?!`)(.+?)(?<!`)\1(?!`)")
IMAGE = re.compile(r"!\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]+)[^)]*\)(?P<attributes>\{[^}]*\})?")
LINK = re.compile(r"(?<!!)\[(?:[^\[\]]|\[[^\]]*\])*\]\((?P<target>[^)\s]+)[^)]*\)")
MENTION = re.compile(r"(?<![\w@/.])-?@(\{?)([A-Za-z][\w:]*(?:[-.:][\w]+)*)")
ATTRIBUTE_ID = re.compile(r"\{[^{}]*#([\w:.-]+)[^{}]*\}")
TERM = re.compile(r"\[([^\[\]]+)\]\{\.term\}")
MARKERS = {"python": "#|", "mermaid": "%%|"}


@dataclass(frozen=True)
class Block:
    """One part of a page: ``kind`` is prose, cell (executed), diagram or listing (shown only)."""

    kind: str
    text: str
    line: int
    language: str = ""
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Heading:
    """A heading with the anchor that pandoc gives it."""

    level: int
    text: str
    anchor: str
    line: int


@dataclass(frozen=True)
class Reference:
    """Something that points: a link's target, a cross-reference or a citation key."""

    target: str
    line: int


@dataclass(frozen=True)
class Image:
    """A picture from a file, with what is said for those who don't see it."""

    target: str
    text: str
    attributes: str
    line: int


@dataclass(frozen=True)
class Page:
    """A parsed .qmd file; ``name`` is its path from the project's root, with forward slashes."""

    name: str
    front: dict[str, Any]
    blocks: tuple[Block, ...]

    @property
    def cells(self) -> tuple[Block, ...]:
        """The blocks that are executed, in order."""
        return tuple(block for block in self.blocks if block.kind == "cell")

    def prose(self) -> Iterator[tuple[int, str]]:
        """Yield line number and text of each line of prose."""
        for block in self.blocks:
            if block.kind == "prose":
                yield from enumerate(block.text.split("\n"), start=block.line)

    def plain(self) -> Iterator[tuple[int, str]]:
        """Yield the lines of prose without their code spans."""
        for line, text in self.prose():
            yield line, CODE_SPAN.sub("", text)

    def headings(self) -> list[Heading]:
        """List the headings in order."""
        found = []
        for line, text in self.prose():
            match = HEADING.match(text)
            if match:
                given = ATTRIBUTE_ID.search(match[3] or "")
                anchor = given[1] if given else _automatic_anchor(match[2])
                found.append(Heading(len(match[1]), match[2], anchor, line))
        return found

    def anchors(self) -> list[str]:
        """List everything on the page that can be pointed at."""
        given = [m for _, text in self.plain() for m in ATTRIBUTE_ID.findall(text)]
        labels = [str(b.options["label"]) for b in self.blocks if "label" in b.options]
        automatic = [h.anchor for h in self.headings() if h.anchor not in given]
        return given + labels + automatic

    def mentions(self) -> list[Reference]:
        """List what is pointed at with @: cross-references and citations together."""
        return [
            Reference(match[2], line)
            for line, text in self.plain()
            for match in MENTION.finditer(text)
        ]

    def cross_references(self) -> list[Reference]:
        """List the references to sections, figures, tables, listings and equations."""
        return [m for m in self.mentions() if m.target.split("-")[0].lower() in CROSSREF_KINDS]

    def citations(self) -> list[Reference]:
        """List the references to sources."""
        return [m for m in self.mentions() if m.target.split("-")[0].lower() not in CROSSREF_KINDS]

    def links(self) -> list[Reference]:
        """List the targets of links and pictures."""
        return [
            Reference(match["target"], line)
            for line, text in self.plain()
            for pattern in (LINK, IMAGE)
            for match in pattern.finditer(text)
        ]

    def images(self) -> list[Image]:
        """List the pictures that come from files."""
        return [
            Image(match["target"], match["text"], match["attributes"] or "", line)
            for line, text in self.plain()
            for match in IMAGE.finditer(text)
        ]

    def inline_expressions(self) -> list[Reference]:
        """List the expressions whose values stand in the prose, in order."""
        return [Reference(m, line) for line, text in self.prose() for m in INLINE.findall(text)]

    def terms(self) -> list[Reference]:
        """List the terms that the page introduces, written ``[run]{.term}``."""
        return [Reference(m, line) for line, text in self.plain() for m in TERM.findall(text)]

    def sections(self, level: int = 2) -> dict[str, str]:
        """Map each heading of a level to the prose below it, up to the next such heading."""
        found: dict[str, list[str]] = {}
        current: list[str] = []
        for _, text in self.prose():
            match = HEADING.match(text)
            if match and len(match[1]) <= level:
                current = found.setdefault(match[2], []) if len(match[1]) == level else []
            else:
                current.append(text)
        return {name: "\n".join(lines) for name, lines in found.items()}


def _automatic_anchor(text: str) -> str:
    kept = re.sub(r"[^\w\s.-]", "", re.sub(r"[*`]", "", text)).strip().lower()
    return re.sub(r"^[^a-z]+", "", re.sub(r"\s+", "-", kept)) or "section"


def read_page(root: Path, name: str) -> Page:
    """Parse the page at ``root / name``."""
    return parse_page(name, (root / name).read_text(encoding="utf-8"))


def parse_page(name: str, text: str) -> Page:
    """Split a page's text into its front matter and blocks."""
    lines = text.split("\n")
    front: dict[str, Any] = {}
    start = 0
    if lines and lines[0].strip() == "---":
        start = lines.index("---", 1) + 1
        front = yaml.safe_load("\n".join(lines[1 : start - 1])) or {}
    return Page(name, front, tuple(_blocks(lines, start)))


def _blocks(lines: list[str], start: int) -> Iterator[Block]:
    prose_from, index = start, start
    while index < len(lines):
        fence = FENCE.match(lines[index])
        if not fence:
            index += 1
            continue
        if index > prose_from:
            yield Block("prose", "\n".join(lines[prose_from:index]), prose_from + 1)
        end = index + 1
        while end < len(lines) and not _closes(lines[end], fence["mark"]):
            end += 1
        yield _fenced(fence["info"], lines[index + 1 : end], index + 2)
        index = prose_from = end + 1
    if prose_from < len(lines):
        yield Block("prose", "\n".join(lines[prose_from:]), prose_from + 1)


def _closes(line: str, mark: str) -> bool:
    stripped = line.strip()
    return len(stripped) >= len(mark) and set(stripped) == {mark[0]}


def _fenced(info: str, lines: list[str], line: int) -> Block:
    executed = re.fullmatch(r"\{(\w+)\}", info)
    if not executed:
        return Block("listing", "\n".join(lines), line, info.strip("{}. "))
    language = executed[1]
    marker = MARKERS.get(language, "#|")
    heads = [text for text in lines if text.startswith(marker)]
    options = yaml.safe_load("\n".join(text[len(marker) :].strip() for text in heads)) or {}
    body = "\n".join("" if text.startswith(marker) else text for text in lines)
    kind = "cell" if language == "python" else "diagram"
    return Block(kind, body, line, language, options)
