"""The lists' checks fail on each kind of broken link between principle, practice and words."""

from pathlib import Path
from typing import Any

import booklists
import pytest
from bookcheck import Book
from bookpages import parse_page

CHAPTER = """# 05 · Track {#sec-track}

## Principle

### One {#sec-track-one}

Keep each [run]{.term} with its seeds.

### Two {#sec-track-two}

## In code

### Not a principle
"""
COMMON = '"schema_version": 3, "task": false'
ANSWER = '"grade_id": "q1", "grade": false, "solution": true, "locked": false'
TEST = '"grade_id": "q1_same", "grade": true, "solution": false, "locked": true, "points": 1'
LAB = "".join(f"# %% nbgrader={{{COMMON}, {cell}}}\n1\n" for cell in (ANSWER, TEST))


@pytest.fixture
def book(tmp_path: Path) -> Book:
    """A book of one chapter with two principles and a lab with one graded cell."""
    (tmp_path / "labs" / "05_track").mkdir(parents=True)
    (tmp_path / "labs" / "05_track" / "lab.py").write_text(LAB)
    page = parse_page("book/05-track.qmd", CHAPTER)
    return Book(tmp_path, {}, {page.name: page}, ())


def principle(**changes: Any) -> dict[str, Any]:
    """Give a right principle with some fields changed."""
    return {
        "id": "one",
        "says": "Something.",
        "section": "sec-track-one",
        "lab": ["05_track:q1_same"],
        "kit": ["errors.KitError"],
        "templates": [],
        **changes,
    }


def term(**changes: Any) -> dict[str, Any]:
    """Give a right term with some fields changed."""
    return {
        "term": "run",
        "kind": "artifact",
        "definition": "One execution.",
        "chapters": ["05-track"],
        **changes,
    }


def both(**changes: Any) -> list[dict[str, Any]]:
    """Give a right list of principles, the first of them changed."""
    return [principle(**changes), principle(id="two", section="sec-track-two")]


def test_right_lists_have_no_problems(book: Book) -> None:
    """The checks are silent where nothing is wrong."""
    assert booklists.check_principles(book, both()) == []
    assert booklists.check_vocabulary(book, [term()]) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"section": "sec-none"}, "no section has the id sec-none"),
        ({"section": "sec-track-two"}, "Section sec-track-one states no principle"),
        ({"lab": ["05_track:q7"]}, "no lab has the graded cell 05_track:q7"),
        ({"lab": ["05_track:q1"]}, "no lab has the graded cell 05_track:q1"),
        ({"lab": []}, "no practice"),
        ({"kit": []}, "no practice"),
        ({"kit": ["errors.Nothing"]}, "mlops_kit.errors.Nothing can't be imported"),
        ({"kit": ["nothing.at_all"]}, "mlops_kit.nothing.at_all can't be imported"),
        ({"templates": ["service/none"]}, "templates/service/none doesn't exist"),
        ({"id": "two"}, "two is listed twice"),
    ],
)
def test_a_broken_principle_is_named(book: Book, changes: dict[str, Any], said: str) -> None:
    """Each link of a principle can break."""
    assert any(said in p for p in booklists.check_principles(book, both(**changes)))


def test_practice_without_a_principle_is_named(book: Book, monkeypatch: Any) -> None:
    """A graded cell and a public function need a principle; a missing field is named."""
    monkeypatch.setattr(booklists, "public_functions", lambda module: ["extra"])
    unpractised = [principle(lab=["05_track:none"]), principle(id="two", section="sec-track-two")]
    unpractised[1]["lab"] = ["05_track:none"]
    problems = booklists.check_principles(book, unpractised)
    assert "Question 05_track:q1_same practises no principle." in problems
    assert "mlops_kit.errors.extra serves no principle." in problems
    del unpractised[0]["says"]
    assert "Principle one lacks ['says']." in booklists.check_principles(book, unpractised)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"kind": "thing"}, "is a thing"),
        ({"kit": "errors.Nothing"}, "can't be imported"),
        ({"elsewhere": {"acme": "job"}}, "platform acme"),
        ({"see": ["nothing"]}, "points to nothing"),
        ({"chapters": ["06-none"]}, "there is no chapter 06-none"),
        ({"term": "journey"}, "journey isn't used in chapter 05-track"),
        ({"term": "journey"}, "introduces 'run', which isn't a term"),
        ({"avoid": ["seed"]}, "says 'seed'; the book's word is 'run'"),
    ],
)
def test_a_broken_term_is_named(book: Book, changes: dict[str, Any], said: str) -> None:
    """Each link of a term can break."""
    assert any(said in p for p in booklists.check_vocabulary(book, [term(**changes)]))


def test_a_term_without_a_definition_or_listed_twice_is_named(book: Book) -> None:
    """Each term is defined, once."""
    twice = [term(), term()]
    del twice[0]["definition"]
    problems = booklists.check_vocabulary(book, twice)
    assert "run is listed twice." in problems
    assert "Term run lacks ['definition']." in problems
