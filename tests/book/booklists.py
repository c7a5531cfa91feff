"""The book's two lists, checked both ways: principles with their practice, words with their use."""

import importlib
import inspect
import re
from pathlib import Path
from typing import Any

import jupytext
import yaml
from bookcheck import CHAPTER, Book
from bookpages import Page

__all__ = [
    "PLATFORMS",
    "check_principles",
    "check_vocabulary",
    "graded_cells",
    "load_list",
    "principle_sections",
    "public_functions",
    "resolve_name",
]

PLATFORMS = {"google", "microsoft", "aws", "databricks", "mlflow"}
KINDS = {"actor", "action", "artifact"}


def load_list(path: Path, key: str) -> list[dict[str, Any]]:
    """Read the list that stands under ``key`` in a YAML file."""
    return list(yaml.safe_load(path.read_text(encoding="utf-8"))[key])


def graded_cells(root: Path) -> dict[str, set[str]]:
    """Map each lab's name to the ids of its graded cells."""
    found = {}
    for path in sorted((root / "labs").glob("*/lab.py")):
        cells = jupytext.read(path, fmt="py:percent").cells
        graded = [
            c.metadata["nbgrader"] for c in cells if c.metadata.get("nbgrader", {}).get("grade")
        ]
        found[path.parent.name] = {str(cell["grade_id"]) for cell in graded}
    return found


def resolve_name(dotted: str) -> Any:
    """Import what a dotted name such as ``tracking.rerun`` means inside ``mlops_kit``."""
    module_name, _, attributes = dotted.partition(".")
    found = importlib.import_module(f"mlops_kit.{module_name}")
    for name in attributes.split(".") if attributes else []:
        found = getattr(found, name)
    return found


def _unresolved(dotted: str) -> bool:
    try:
        resolve_name(dotted)
    except (ImportError, AttributeError):
        return True
    return False


def check_principles(book: Book, principles: list[dict[str, Any]]) -> list[str]:
    """No principle without section, question and function; none of these without a principle."""
    labs = graded_cells(book.root)
    questions = {f"{lab}:{cell}" for lab, cells in labs.items() for cell in cells}
    sections = {
        h.anchor: (page.name, h.level) for page in book.pages.values() for h in page.headings()
    }
    problems = _double(principles, "id")
    for principle in principles:
        name = principle.get("id", "?")
        missing = {"id", "says", "section", "lab", "kit", "templates"} - set(principle)
        if missing:
            problems.append(f"Principle {name} lacks {sorted(missing)}.")
            continue
        if principle["section"] not in sections:
            problems.append(f"Principle {name}: no section has the id {principle['section']}.")
        if not principle["lab"] or not principle["kit"]:
            problems.append(f"Principle {name} has no lab question or no function: no practice.")
        for question in set(principle["lab"]) - questions:
            problems.append(f"Principle {name}: no lab has the graded cell {question}.")
        for function in filter(_unresolved, principle["kit"]):
            problems.append(f"Principle {name}: mlops_kit.{function} can't be imported.")
        for template in principle["templates"]:
            if not (book.root / "templates" / template).exists():
                problems.append(f"Principle {name}: templates/{template} doesn't exist.")
    return problems + _without_principle(book, principles, questions)


def _without_principle(
    book: Book, principles: list[dict[str, Any]], questions: set[str]
) -> list[str]:
    sections = {str(p.get("section")) for p in principles}
    stated = {a for page in book.chapters.values() for a in principle_sections(page)}
    problems = [f"Section {a} states no principle of the list." for a in sorted(stated - sections)]
    practised = {question for p in principles for question in p.get("lab", [])}
    problems += [f"Question {q} practises no principle." for q in sorted(questions - practised)]
    functions = {function for p in principles for function in p.get("kit", [])}
    taught = {name.partition(".")[0] for name in functions}
    for module in sorted(taught):
        if not _unresolved(module):
            public = {f"{module}.{name}" for name in public_functions(module)}
            problems += [f"mlops_kit.{f} serves no principle." for f in sorted(public - functions)]
    return problems


def principle_sections(page: Page) -> list[str]:
    """List the ids of the third-level headings under a chapter's Principle."""
    found, inside = [], False
    for heading in page.headings():
        if heading.level <= 2:
            inside = heading.text == "Principle"
        elif inside and heading.level == 3:
            found.append(heading.anchor)
    return found


def public_functions(module: str) -> list[str]:
    """List the public functions of a module of the kit."""
    loaded = resolve_name(module)
    return [name for name in loaded.__all__ if inspect.isroutine(getattr(loaded, name))]


def check_vocabulary(book: Book, terms: list[dict[str, Any]]) -> list[str]:
    """Chapters use the words of the list, the words exist in the kit, and no other word is used."""
    problems = _double(terms, "term")
    known = {str(term["term"]) for term in terms}
    for term in terms:
        name = term["term"]
        missing = {"term", "kind", "definition", "chapters"} - set(term)
        if missing:
            problems.append(f"Term {name} lacks {sorted(missing)}.")
            continue
        if term["kind"] not in KINDS:
            problems.append(f"Term {name} is a {term['kind']}, wanted one of {sorted(KINDS)}.")
        if term.get("kit") and _unresolved(term["kit"]):
            problems.append(f"Term {name}: mlops_kit.{term['kit']} can't be imported.")
        for platform in set(term.get("elsewhere", {})) - PLATFORMS:
            problems.append(f"Term {name}: nobody knows the platform {platform}.")
        for other in set(term.get("see", [])) - known:
            problems.append(f"Term {name} points to {other}, which isn't a term.")
        problems += _check_use(book, term)
    introduced = [
        (page.name, _singular(mark.target, known))
        for page in book.pages.values()
        for mark in page.terms()
    ]
    problems += [
        f"{n} introduces {t!r}, which isn't a term." for n, t in introduced if t not in known
    ]
    return problems + _check_avoided(book, terms)


def _singular(word: str, known: set[str]) -> str:
    lower = word.lower()
    return lower[:-1] if lower not in known and lower.endswith("s") else lower


def _check_use(book: Book, term: dict[str, Any]) -> list[str]:
    problems = []
    for stem in term["chapters"]:
        page = book.pages.get(f"book/{stem}.qmd")
        if page is None or not CHAPTER.fullmatch(page.name):
            problems.append(f"Term {term['term']}: there is no chapter {stem}.")
        elif not _used(str(term["term"]), page):
            problems.append(f"Term {term['term']} isn't used in chapter {stem}.")
    return problems


def _used(words: str, page: Page) -> bool:
    pattern = r"\b" + r"\s+".join(map(re.escape, words.split())) + r"(e?s|n?ing|ed)?\b"
    text = " ".join(line for _, line in page.plain())
    return bool(re.search(pattern, text, re.IGNORECASE))


def _check_avoided(book: Book, terms: list[dict[str, Any]]) -> list[str]:
    return [
        f"{page.name} says {word!r}; the book's word is {term['term']!r}."
        for term in terms
        for word in term.get("avoid", [])
        for page in book.pages.values()
        if _used(word, page)
    ]


def _double(items: list[dict[str, Any]], key: str) -> list[str]:
    names = [str(item.get(key)) for item in items]
    return [f"{name} is listed twice." for name in sorted(set(names)) if names.count(name) > 1]
