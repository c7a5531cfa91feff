"""Lets the book's tests and its preview script import the checker that lies beside them."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from bookcheck import Book, load_book
from bookrun import PageRun, run_page

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def book() -> Book:
    """The project's own book, parsed."""
    return load_book(ROOT)


@pytest.fixture(scope="session")
def runs(book: Book) -> dict[str, PageRun]:
    """Every page with code, executed once in a kernel of its own."""
    return {name: run_page(page) for name, page in book.pages.items() if page.cells}
