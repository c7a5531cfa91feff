"""Each check of the book fails on a page that breaks its rule, and only then."""

from pathlib import Path
from typing import Any

import bookcheck
import pytest
import yaml
from bookcheck import PARTS, Book, load_book
from bookpages import parse_page
from bookrun import PageRun

CHAPTER = """# 05 · Track {#sec-track}

## Opening question

Why?

## You will be able to

- **pin** chance (lab question 1);

## Principle

### One {#sec-track-one}

- A point [@key].

## In code

```{python}
#| label: fig-a
#| fig-cap: "A caption"
#| fig-alt: "Words enough to say what the picture shows."
from mlops_kit import tracking
```

## In a real tool

Text.

## The lab

Text.

## Where it fails

Text.

## Check yourself

1. A?

::: {.callout-note collapse="true" title="Answer"}
B
:::

2. A?

::: {.callout-note collapse="true" title="Answer"}
B
:::

3. A?

::: {.callout-note collapse="true" title="Answer"}
B
:::

## Sources

@key.
"""


def config() -> dict[str, Any]:
    """Give a configuration that is right for a book of one chapter."""
    pages = {"Part II · Build": ["book/05-track.qmd"]}
    parts = [
        {"part": p, "chapters": [*pages.get(p, []), f"book/p{i}.qmd"]} for i, p in enumerate(PARTS)
    ]
    return {
        "project": {"type": "book", "output-dir": "_book"},
        "jupyter": "python3",
        "license": "CC BY",
        "bibliography": "book/references.bib",
        "execute": {"freeze": "auto"},
        "format": {"html": {"theme": {"light": "cosmo", "dark": "darkly"}}},
        "book": {
            "search": True,
            "repo-url": "https://example.org/r",
            "repo-actions": ["edit"],
            "page-footer": "CC BY",
            "chapters": ["index.qmd", *parts],
        },
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project with one right chapter, its lab, a cover and a page for each part."""
    (tmp_path / "book").mkdir()
    for number in range(len(PARTS)):
        (tmp_path / "book" / f"p{number}.qmd").write_text("# Part {.unnumbered}\n")
    (tmp_path / "index.qmd").write_text("Text, [chapter](book/05-track.qmd#sec-track-one).\n")
    (tmp_path / "book" / "05-track.qmd").write_text(CHAPTER)
    (tmp_path / "book" / "references.bib").write_text("@article{key,\n title = {T}}\n")
    (tmp_path / "labs" / "05_track").mkdir(parents=True)
    (tmp_path / "labs" / "05_track" / "lab.py").write_text("# %%\n")
    (tmp_path / "_quarto.yml").write_text(yaml.safe_dump(config()))
    return tmp_path


def changed(folder: Path, name: str, old: str, new: str) -> Book:
    """Load the book after one replacement in one of its pages."""
    path = folder / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return load_book(folder)


def chapter_problems(old: str = "", new: str = "") -> list[str]:
    """Check the right chapter's shape after one replacement."""
    assert old in CHAPTER
    page = parse_page("book/05-track.qmd", CHAPTER.replace(old, new, 1))
    return bookcheck.check_chapter(page, {"q1_same", "q1_other"})


def test_a_right_book_has_no_problems(folder: Path) -> None:
    """The checks are silent where nothing is wrong."""
    book = load_book(folder)
    assert bookcheck.check_config(book) == []
    assert bookcheck.check_labs(book) == []
    assert bookcheck.check_references(book) == []
    assert bookcheck.check_citations(book) == []
    assert bookcheck.check_links(book) == []
    assert chapter_problems() == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("# 05 · Track", "# Track", "starts with '05 · '"),
        ("{#sec-track}", "{#sec-other}", "the title's id is sec-other"),
        ("## Where it fails", "## Limits", "the sections are"),
        ("Why?", "So.", "asks nothing"),
        ("- **pin** chance", "- chance", "lacks its verb or its question"),
        ("question 1)", "question 2)", "the lab asks ['1']"),
        ("{#sec-track-one}", "", "needs an id"),
        ("- A point", "A paragraph", "take-away points"),
        ("from mlops_kit import tracking", "x = 1", "no executed cell imports"),
        ("#| label: fig-a", "#| label: cell-a", "no figure"),
        ("2. A?", "", "2 questions to check oneself, 3 folded"),
        (' collapse="true"', "", "3 questions to check oneself, 2 folded"),
    ],
)
def test_a_chapter_out_of_shape_is_named(old: str, new: str, said: str) -> None:
    """Each part of a chapter's shape is missed when it isn't there."""
    assert any(said in problem for problem in chapter_problems(old, new))


def test_a_chapter_without_sources_is_named() -> None:
    """A chapter cites at least one source."""
    text = CHAPTER.replace("[@key]", "").replace("@key", "")
    problems = bookcheck.check_chapter(parse_page("book/05-track.qmd", text), {"q1"})
    assert problems == ["book/05-track.qmd: no source is cited."]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: c["book"]["chapters"].append("book/06-more.qmd"), "which doesn't exist"),
        (lambda c: c["book"]["chapters"][2]["chapters"].remove("book/p1.qmd"), "doesn't list"),
        (lambda c: c["book"]["chapters"].append("book/p1.qmd"), "twice"),
        (lambda c: c["book"]["chapters"].insert(0, "book/p1.qmd"), "the first page"),
        (lambda c: c["book"]["chapters"].pop(), "the parts are"),
        (lambda c: c["book"]["chapters"][3].update(chapters=[]), "has no page"),
        (
            lambda c: c["book"]["chapters"][3]["chapters"].append(
                c["book"]["chapters"][2]["chapters"].pop(0)
            ),
            "wanted 'Part II · Build'",
        ),
        (lambda c: c["project"].update(type="website"), "project.type"),
        (lambda c: c.pop("jupyter"), "jupyter"),
        (lambda c: c["book"].pop("search"), "book.search"),
        (lambda c: c["book"].pop("repo-url"), "book.repo-url"),
        (lambda c: c["format"]["html"].update(theme={"light": "cosmo"}), "a dark theme"),
        (lambda c: c.pop("license"), "licence"),
        (lambda c: c["execute"].clear(), "execute.freeze"),
        (lambda c: c.update(bibliography="book/none.bib"), "book/none.bib"),
    ],
)
def test_a_wrong_configuration_is_named(folder: Path, change: Any, said: str) -> None:
    """Each rule for ``_quarto.yml`` can be broken."""
    settings = config()
    change(settings)
    (folder / "_quarto.yml").write_text(yaml.safe_dump(settings))
    assert any(said in problem for problem in bookcheck.check_config(load_book(folder)))


def test_chapters_out_of_order_are_named(folder: Path) -> None:
    """Chapters are listed by their number."""
    settings = config()
    settings["book"]["chapters"][2]["chapters"].append("book/04-data.qmd")
    (folder / "book" / "04-data.qmd").write_text("# 04 · Data {#sec-data}\n")
    (folder / "_quarto.yml").write_text(yaml.safe_dump(settings))
    assert bookcheck.check_config(load_book(folder)) == [
        "_quarto.yml: the chapters are in the order [5, 4]."
    ]


def test_a_chapter_or_a_lab_alone_is_named(folder: Path) -> None:
    """Chapter and lab come in pairs."""
    (folder / "labs" / "06_pipeline").mkdir()
    (folder / "labs" / "06_pipeline" / "lab.py").write_text("# %%\n")
    (folder / "labs" / "05_track" / "lab.py").unlink()
    assert bookcheck.check_labs(load_book(folder)) == [
        "Chapter 05_track has no lab.",
        "Lab 06_pipeline has no chapter.",
    ]


@pytest.mark.parametrize(
    ("check", "new", "said"),
    [
        (bookcheck.check_references, "@sec-nowhere", "@sec-nowhere leads nowhere"),
        (bookcheck.check_references, "@fig-nowhere", "@fig-nowhere leads nowhere"),
        (bookcheck.check_references, "## X {#sec-track}", "The label sec-track is given twice"),
        (bookcheck.check_references, "## X {#sec-x .unnumbered}\n@sec-x", "is unnumbered"),
        (bookcheck.check_citations, "[see @nobody1999]", "no source has the key nobody1999"),
        (bookcheck.check_links, "[x](book/06-none.qmd)", "isn't a page of the book"),
        (bookcheck.check_links, "[x](labs/05_track/lab.py)", "isn't a page of the book"),
        (bookcheck.check_links, "[x](book/05-track.qmd#sec-none)", "names an anchor"),
        (bookcheck.check_links, "[x](#none)", "names an anchor"),
        (bookcheck.check_links, "![words](book/none.png)", "leads nowhere"),
        (bookcheck.check_links, "[x](http://example.org)", "isn't https"),
    ],
)
def test_what_points_at_nothing_is_named(folder: Path, check: Any, new: str, said: str) -> None:
    """Each kind of pointer can break."""
    problems = check(changed(folder, "index.qmd", "Text", f"Text\n\n{new}\n\n"))
    assert len(problems) == 1
    assert said in problems[0]


def test_a_source_that_nobody_cites_is_named(folder: Path) -> None:
    """The bibliography holds only what is used."""
    book = changed(folder, "book/references.bib", "@article", "@book{other,\n}\n@article")
    assert bookcheck.check_citations(book) == ["The source other is never cited."]


def picture(place: int) -> PageRun:
    """Give the run of a page whose block at ``place`` drew something."""
    return PageRun(outputs={place: [{"output_type": "display_data", "data": {"image/png": "x"}}]})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ('#| label: fig-a\n#| fig-cap: "C"', "no fig-alt"),
        ('#| label: fig-a\n#| fig-cap: "C"\n#| fig-alt: "plot"', "no fig-alt"),
        ('#| fig-alt: "Words enough to say what is shown."', "no label"),
        ('#| label: fig-a\n#| fig-alt: "Words enough to say what is shown."', "no fig-cap"),
    ],
)
def test_a_picture_without_words_is_named(options: str, said: str) -> None:
    """A cell that draws needs a label, a caption and an alternative text."""
    page = parse_page("p.qmd", f"```{{python}}\n{options}\ndraw()\n```\n")
    assert any(said in problem for problem in bookcheck.check_alt_text(page, picture(0)))


def test_diagrams_and_files_need_words_too() -> None:
    """Mermaid diagrams and pictures from files aren't exempt; an empty figure is named."""
    page = parse_page("p.qmd", "```{mermaid}\nflowchart LR\n```\n\n![](a.png)\n")
    said = "\n".join(bookcheck.check_alt_text(page, None))
    assert "has no fig-alt" in said
    assert "a.png has no alternative text" in said
    empty = parse_page("p.qmd", CHAPTER)
    assert any("draws nothing" in p for p in bookcheck.check_alt_text(empty, PageRun()))


@pytest.mark.parametrize("typed", ["an error of 4.1 rides", "in 43% of the pairs", "12.5 % more"])
def test_a_typed_measurement_is_named(typed: str) -> None:
    """A decimal or a percentage in prose is a number that no cell computed."""
    assert len(bookcheck.check_numbers(parse_page("p.qmd", f"It has {typed}.\n"))) == 1


def test_computed_numbers_counts_and_versions_are_fine() -> None:
    """Inline values, whole numbers, code and the licence's name aren't measurements."""
    text = 'CC BY 4.0, `{python} f"{x:.2f}"`, `1.5`, 60 to 90 minutes, [a](b1.2.html), v1.2.3.\n'
    assert bookcheck.check_numbers(parse_page("p.qmd", text)) == []
