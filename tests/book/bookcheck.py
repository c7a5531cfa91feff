"""What must be true of the book: each check lists its problems, one sentence each."""

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import yaml
from bookpages import Page, read_page
from bookrun import PageRun

__all__ = [
    "CHAPTER",
    "PARTS",
    "SHAPE",
    "Book",
    "check_alt_text",
    "check_chapter",
    "check_citations",
    "check_config",
    "check_labs",
    "check_links",
    "check_numbers",
    "check_references",
    "listed_pages",
    "load_book",
]

CHAPTER = re.compile(r"book/(?P<number>\d\d)-(?P<topic>[a-z0-9-]+)\.qmd")
SHAPE = (
    "Opening question",
    "You will be able to",
    "Principle",
    "In code",
    "In a real tool",
    "The lab",
    "Where it fails",
    "Check yourself",
    "Sources",
)
PARTS = (
    "Part I · Why",
    "Part II · Build",
    "Part III · Ship",
    "Part IV · Operate",
    "Part V · Beyond the server",
    "Part VI · Organise",
)
# Where each chapter stands: chapters up to this number belong to the part, in order.
LAST_CHAPTER = (3, 8, 11, 15, 18, 20)
DECIMAL = re.compile(r"(?<![\w.])\d+\.\d+(?![\w.])|(?<![\w.])\d+(?:\.\d+)?\s?%")
FOLDED = re.compile(r"^:::+\s*\{\.callout-[a-z]+[^}]*collapse=\"?true\"?[^}]*\}", re.MULTILINE)


@dataclass(frozen=True)
class Book:
    """The configuration, the pages it lists, the pages that exist, and the keys of the sources."""

    root: Path
    config: dict[str, Any]
    pages: dict[str, Page]
    sources: tuple[str, ...]

    @property
    def chapters(self) -> dict[str, Page]:
        """The numbered chapters, by path."""
        return {name: page for name, page in self.pages.items() if CHAPTER.fullmatch(name)}


def load_book(root: Path) -> Book:
    """Read ``_quarto.yml``, every .qmd of the book and the bibliography."""
    config = yaml.safe_load((root / "_quarto.yml").read_text(encoding="utf-8"))
    names = [p.relative_to(root).as_posix() for p in sorted((root / "book").rglob("*.qmd"))]
    if (root / "index.qmd").exists():
        names.insert(0, "index.qmd")
    sources: list[str] = []
    bibliography = root / str(config.get("bibliography", ""))
    if bibliography.is_file():
        text = bibliography.read_text(encoding="utf-8")
        sources = re.findall(r"^@\w+\{\s*([^,\s]+)", text, re.MULTILINE)
    return Book(root, config, {n: read_page(root, n) for n in names}, tuple(sources))


def listed_pages(config: dict[str, Any]) -> list[tuple[str, str]]:
    """List the pages of ``book.chapters`` and ``book.appendices``, each with its part or ""."""
    book = config.get("book", {})
    found: list[tuple[str, str]] = []
    for item in [*(book.get("chapters") or []), *(book.get("appendices") or [])]:
        if isinstance(item, str):
            found.append(("", item))
        else:
            found += [(item["part"], page) for page in item.get("chapters") or []]
    return found


def check_config(book: Book) -> list[str]:
    """Compare ``_quarto.yml`` with what exists and with what the book promises."""
    listed = listed_pages(book.config)
    names = [page for _, page in listed]
    problems = [
        f"_quarto.yml lists {n}, which doesn't exist." for n in names if n not in book.pages
    ]
    problems += [f"_quarto.yml doesn't list {n}." for n in book.pages if n not in names]
    problems += [f"_quarto.yml lists {n} twice." for n in set(names) if names.count(n) > 1]
    if names[:1] != ["index.qmd"]:
        problems.append("_quarto.yml: the first page must be index.qmd, the cover.")
    items = book.config["book"].get("chapters") or []
    parts = [item["part"] for item in items if isinstance(item, dict)]
    if tuple(parts) != PARTS:
        problems.append(f"_quarto.yml: the parts are {parts}, wanted {list(PARTS)}.")
    for item in items:
        if isinstance(item, dict) and not item.get("chapters"):
            problems.append(f"_quarto.yml: part {item['part']!r} has no page; Quarto wants one.")
    numbers = []
    for part, name in listed:
        chapter = CHAPTER.fullmatch(name)
        if chapter:
            number = int(chapter["number"])
            numbers.append(number)
            wanted = PARTS[sum(number > last for last in LAST_CHAPTER)]
            if part != wanted:
                problems.append(f"_quarto.yml: {name} stands in {part!r}, wanted {wanted!r}.")
    if numbers != sorted(numbers):
        problems.append(f"_quarto.yml: the chapters are in the order {numbers}.")
    return problems + _check_settings(book)


def _check_settings(book: Book) -> list[str]:
    config = book.config
    html = config.get("format", {}).get("html", {})
    wanted = {
        "project.type: book": config.get("project", {}).get("type") == "book",
        "project.output-dir: _book": config["project"].get("output-dir") == "_book",
        "jupyter: python3": config.get("jupyter") == "python3",
        "book.search: true": config["book"].get("search") is True,
        "book.repo-url with repo-actions [edit]": bool(config["book"].get("repo-url"))
        and "edit" in config["book"].get("repo-actions", []),
        "a light and a dark theme": {"light", "dark"} <= set(html.get("theme", {})),
        "execute.freeze": "freeze" in config.get("execute", {}),
        "a licence notice (CC BY)": "CC BY" in str(config.get("license"))
        and "CC BY" in str(config["book"].get("page-footer")),
    }
    problems = [f"_quarto.yml: {name} is missing." for name, there in wanted.items() if not there]
    files = [config.get("bibliography"), html.get("css")]
    problems += [
        f"_quarto.yml names {name}, which doesn't exist."
        for name in files
        if name and not (book.root / name).is_file()
    ]
    return problems


def check_chapter(page: Page, grade_ids: set[str]) -> list[str]:
    """Check a chapter's shape: its sections in order, each with what it's there for."""
    match = CHAPTER.fullmatch(page.name)
    assert match, f"{page.name} isn't a chapter"
    problems = []
    headings = page.headings()
    top = [h for h in headings if h.level == 1]
    number = match["number"]
    if len(top) != 1 or not top[0].text.startswith(f"{number} · "):
        problems.append(f"{page.name}: wanted one title that starts with '{number} · '.")
    elif top[0].anchor != f"sec-{match['topic']}":
        problems.append(f"{page.name}: the title's id is {top[0].anchor}.")
    found = tuple(h.text for h in headings if h.level == 2)
    if found != SHAPE:
        problems.append(f"{page.name}: the sections are {list(found)}, wanted {list(SHAPE)}.")
        return problems
    sections = page.sections()
    problems += _check_goals(page, sections["You will be able to"], grade_ids)
    problems += [
        f"{page.name}:{h.line}: the principle {h.text!r} needs an id #sec-{match['topic']}-…"
        for h in headings
        if h.level == 3
        and _within(page, h.line) == "Principle"
        and not h.anchor.startswith(f"sec-{match['topic']}-")
    ]
    if "?" not in sections["Opening question"]:
        problems.append(f"{page.name}: the opening question asks nothing.")
    if not re.search(r"^- ", sections["Principle"], re.MULTILINE):
        problems.append(f"{page.name}: the principle isn't given as take-away points.")
    code = "\n".join(cell.text for cell in page.cells)
    if not re.search(r"^\s*(from|import) mlops_kit\b", code, re.MULTILINE):
        problems.append(f"{page.name}: no executed cell imports mlops_kit.")
    figures = [b for b in page.blocks if str(b.options.get("label", "")).startswith("fig-")]
    if not figures:
        problems.append(f"{page.name}: no figure is drawn by code or Mermaid.")
    questions = len(re.findall(r"^\d+\. ", sections["Check yourself"], re.MULTILINE))
    answers = len(FOLDED.findall(sections["Check yourself"]))
    if questions < 3 or answers != questions:
        problems.append(f"{page.name}: {questions} questions to check oneself, {answers} folded.")
    if not page.citations():
        problems.append(f"{page.name}: no source is cited.")
    return problems


def _within(page: Page, line: int) -> str:
    above = [h.text for h in page.headings() if h.level == 2 and h.line <= line]
    return above[-1] if above else ""


def _check_goals(page: Page, text: str, grade_ids: set[str]) -> list[str]:
    """Each goal starts with a verb in bold and names a question of the lab."""
    problems, named = [], set()
    for goal in re.findall(r"^- (.*)", text, re.MULTILINE):
        question = re.search(r"question (\d+)\)", goal)
        if not re.match(r"\*\*\w+\*\*", goal) or not question:
            problems.append(f"{page.name}: the goal {goal!r} lacks its verb or its question.")
        else:
            named.add(question[1])
    asked = {m[1] for m in (re.match(r"q(\d+)", grade_id) for grade_id in grade_ids) if m}
    if named != asked:
        problems.append(
            f"{page.name}: the goals name the lab questions {sorted(named)}; "
            f"the lab asks {sorted(asked)}."
        )
    return problems


def check_labs(book: Book) -> list[str]:
    """No chapter without a lab, and no lab without a chapter."""
    chapters = {f"{m['number']}_{m['topic']}" for m in map(CHAPTER.fullmatch, book.chapters) if m}
    chapters = {name.replace("-", "_") for name in chapters}
    labs = {path.parent.name for path in (book.root / "labs").glob("*/lab.py")}
    return [f"Chapter {name} has no lab." for name in sorted(chapters - labs)] + [
        f"Lab {name} has no chapter." for name in sorted(labs - chapters)
    ]


def check_references(book: Book) -> list[str]:
    """Resolve every @sec-, @fig- and @tbl-, and every label must be unique in the book."""
    labels = [a for page in book.pages.values() for a in page.anchors() if _is_label(a)]
    problems = [
        f"The label {a} is given twice." for a in sorted(set(labels)) if labels.count(a) > 1
    ]
    unnumbered = {
        a
        for page in book.pages.values()
        for _, text in page.plain()
        if ".unnumbered" in text
        for a in re.findall(r"#([\w-]+)", text)
    }
    for page in book.pages.values():
        for reference in page.cross_references():
            if reference.target not in labels:
                problems.append(f"{page.name}:{reference.line}: @{reference.target} leads nowhere.")
            elif reference.target in unnumbered:
                problems.append(
                    f"{page.name}:{reference.line}: @{reference.target} is unnumbered, "
                    "so Quarto can't refer to it; use a link."
                )
    return problems


def _is_label(anchor: str) -> bool:
    return anchor.partition("-")[0] in {"sec", "fig", "tbl", "lst", "eq"}


def check_citations(book: Book) -> list[str]:
    """Each citation has a source, and each source is cited."""
    problems, cited = [], set()
    for page in book.pages.values():
        for citation in page.citations():
            cited.add(citation.target)
            if citation.target not in book.sources:
                problems.append(
                    f"{page.name}:{citation.line}: no source has the key {citation.target}."
                )
    problems += [f"The source {key} is never cited." for key in book.sources if key not in cited]
    return problems


def check_links(book: Book) -> list[str]:
    """Each link inside the repository leads to a page of the book, to a picture or an anchor."""
    problems = []
    for page in book.pages.values():
        for link in page.links():
            parts = urlsplit(link.target)
            where = f"{page.name}:{link.line}: the link {link.target}"
            if parts.scheme in {"http", "https", "mailto"}:
                if parts.scheme == "http":
                    problems.append(f"{where} isn't https.")
                continue
            name = _resolve(page.name, parts.path) if parts.path else page.name
            if name in book.pages:
                if parts.fragment and parts.fragment not in book.pages[name].anchors():
                    problems.append(f"{where} names an anchor that {name} hasn't.")
            elif name.endswith((".qmd", ".md", ".ipynb", ".py")):
                problems.append(f"{where} leads to something that isn't a page of the book.")
            elif not (book.root / name).is_file():
                problems.append(f"{where} leads nowhere.")
    return problems


def _resolve(page: str, path: str) -> str:
    if path.startswith("/"):
        return path.lstrip("/")
    parts: list[str] = []
    for part in (PurePosixPath(page).parent / path).parts:
        if part == "..":
            parts = parts[:-1] if parts and parts[-1] != ".." else [*parts, ".."]
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def check_alt_text(page: Page, run: PageRun | None) -> list[str]:
    """Each picture says in words what it shows; each labelled figure has a caption."""
    problems = []
    for place, block in enumerate(page.blocks):
        where = f"{page.name}:{block.line}"
        label = str(block.options.get("label", ""))
        drawn = bool(run and run.pictures(place)) or block.kind == "diagram"
        if (drawn or label.startswith("fig-")) and len(str(block.options.get("fig-alt", ""))) < 30:
            problems.append(f"{where}: the figure {label} has no fig-alt worth reading.")
        if drawn and not label.startswith("fig-"):
            problems.append(f"{where}: the figure has no label fig-….")
        if label.startswith("fig-") and not block.options.get("fig-cap"):
            problems.append(f"{where}: the figure {label} has no fig-cap.")
        if label.startswith("fig-") and block.kind == "cell" and run and not run.pictures(place):
            problems.append(f"{where}: the cell of {label} draws nothing.")
    for image in page.images():
        if not image.text and "fig-alt" not in image.attributes:
            problems.append(f"{page.name}:{image.line}: {image.target} has no alternative text.")
    return problems


def check_numbers(page: Page) -> list[str]:
    """Decimals and percentages in a chapter's prose come from cells, never from the keyboard."""
    return [
        f"{page.name}:{line}: {number!r} is typed; let a cell compute it."
        for line, text in page.plain()
        for number in DECIMAL.findall(re.sub(r"\]\([^)]*\)|CC BY 4\.0", "", text))
    ]
