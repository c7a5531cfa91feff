"""The project's own book: everything that it promises holds, and all of its code runs."""

import ast

import bookcheck
import booklists
import pytest
from bookcheck import Book
from bookrun import PageRun


def questions_of(book: Book, name: str) -> set[str]:
    """Give the graded cells of the lab that shares a chapter's number."""
    match = bookcheck.CHAPTER.fullmatch(name)
    assert match
    return booklists.graded_cells(book.root)[
        f"{match['number']}_{match['topic'].replace('-', '_')}"
    ]


def test_the_configuration_fits_what_exists(book: Book) -> None:
    """`_quarto.yml` lists every page once, in its part, and sets what the book promises."""
    assert bookcheck.check_config(book) == []


def test_every_chapter_has_the_shape(book: Book) -> None:
    """Question, goals, principle, code, tool, lab, limits, self-check, sources: in this order."""
    assert book.chapters
    for name, page in book.chapters.items():
        assert bookcheck.check_chapter(page, questions_of(book, name)) == []


def test_chapters_and_labs_come_in_pairs(book: Book) -> None:
    """There is no chapter without a lab and no lab without a chapter."""
    assert bookcheck.check_labs(book) == []


def test_every_reference_link_and_citation_resolves(book: Book) -> None:
    """Nothing on a page points at nothing."""
    assert bookcheck.check_references(book) == []
    assert bookcheck.check_links(book) == []
    assert bookcheck.check_citations(book) == []


@pytest.mark.whole_way
def test_every_cell_runs(book: Book, runs: dict[str, PageRun]) -> None:
    """Each page's code runs in a fresh kernel, warns of nothing and leaves no files behind."""
    assert {name for name, page in book.pages.items() if page.cells} == set(runs)
    assert [problem for run in runs.values() for problem in run.problems] == []


@pytest.mark.whole_way
def test_every_inline_value_is_there(book: Book, runs: dict[str, PageRun]) -> None:
    """Each number in the prose is computed, and none of them is nan or empty."""
    for name, run in runs.items():
        assert len(run.values) == len(book.pages[name].inline_expressions())
        assert all(run.values), name
        assert not any("nan" in value for value in run.values), name


def test_inline_values_stand_only_where_a_kernel_runs(book: Book) -> None:
    """A page without cells has no expressions that nobody would compute."""
    for page in book.pages.values():
        assert page.cells or not page.inline_expressions(), page.name


@pytest.mark.whole_way
def test_every_picture_has_words(book: Book, runs: dict[str, PageRun]) -> None:
    """Each figure has a caption and an alternative text."""
    problems = [bookcheck.check_alt_text(page, runs.get(n)) for n, page in book.pages.items()]
    assert [problem for found in problems for problem in found] == []


def test_no_measured_number_is_typed(book: Book) -> None:
    """Decimals and percentages in a chapter's prose come from cells."""
    found = [
        problem for page in book.chapters.values() for problem in bookcheck.check_numbers(page)
    ]
    assert found == []


def test_principles_and_practice_match(book: Book) -> None:
    """No principle without practice, no practice without a principle."""
    principles = booklists.load_list(book.root / "book" / "principles.yml", "principles")
    assert booklists.check_principles(book, principles) == []


def test_the_vocabulary_is_in_use(book: Book) -> None:
    """Chapters use the list's words, the kit has its names, and no avoided word occurs."""
    terms = booklists.load_list(book.root / "book" / "vocabulary.yml", "terms")
    assert booklists.check_vocabulary(book, terms) == []


def test_the_cover_marks_the_chapters_that_are_written(book: Book) -> None:
    """The map's filled boxes are the chapters that exist."""
    cell = ast.parse(book.pages["index.qmd"].cells[0].text)
    written = next(
        ast.literal_eval(node.value)
        for node in cell.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "WRITTEN"
    )
    chapters = {m["number"] for m in map(bookcheck.CHAPTER.fullmatch, book.chapters) if m}
    assert written == chapters
