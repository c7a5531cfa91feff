"""The documents are forms that stay true: heads, principles, links, commands and calls exist."""

import ast
import dataclasses
import importlib
import inspect
import re
import shlex
import types
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
import yaml

from mlops_kit.cli import app
from mlops_kit.drift import ALARMS
from mlops_kit.monitor import Limits

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "templates" / "documents"
INDEX = FOLDER / "README.md"
PRINCIPLES = yaml.safe_load((ROOT / "book" / "principles.yml").read_text("utf-8"))["principles"]
TERMS = yaml.safe_load((ROOT / "book" / "vocabulary.yml").read_text("utf-8"))["terms"]
ROLES = {term["term"] for term in TERMS if term["kind"] == "actor"}
HEAD = {"title", "owner", "principle", "written", "reviewed", "replaces"}
DOCUMENTS = sorted(path for path in FOLDER.glob("*.md") if path != INDEX)
PAGES = [*DOCUMENTS, INDEX]
KIT = ("data", "drift", "edge", "gates", "monitor", "registry", "serve", "tracking")
COMMAND = typer.main.get_command(app)

each_document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
each_page = pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)


def parts(path: Path) -> tuple[dict[str, str], str]:
    """The head and the body of a document."""
    _, head, body = path.read_text("utf-8").split("---\n", 2)
    return yaml.safe_load(head), body


def code(text: str) -> list[str]:
    """All code spans, with the lines of shell blocks."""
    blocks = re.findall(r"^```(?:bash|console)\n(.*?)^```", text, re.M | re.S)
    commented = re.findall(r"^\s+((?:mlops-kit|\w+\.)\S*.*)$", text, re.M)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))
    return [*spans, *commented, *(line for block in blocks for line in block.splitlines())]


def tables(text: str) -> Iterator[list[list[str]]]:
    """Every table as rows of cells, the line below the heading left out."""
    for block in re.findall(r"(?:^\|.*\n)+", text, re.M):
        rows = [[cell.strip() for cell in line[1:-1].split("|")] for line in block.splitlines()]
        assert set("".join(rows[1])) == {"-"}, f"{rows[0]} has no line below it"
        yield [rows[0], *rows[2:]]


def command_problem(line: str) -> str:
    """What the CLI itself would refuse about a command, without running it."""
    words = shlex.split(line)[1:]
    command = COMMAND
    while words and hasattr(command, "commands"):
        name = words.pop(0)
        if name not in command.commands:
            return f"there is no command {name!r} in {line!r}"
        command = command.commands[name]
    if not words:
        return ""
    try:
        command.make_context("mlops-kit", words)
    except Exception as error:
        return f"{line!r}: {error}"
    return ""


def resolve(node: ast.expr) -> object:
    """What a call's text leads to: a module, an object, or the type of what a call returns.

    None stands for what can't be known from annotations.
    """
    if isinstance(node, ast.Name):
        return importlib.import_module(f"mlops_kit.{node.id}") if node.id in KIT else None
    if isinstance(node, ast.Call):
        called = resolve(node.func)
        if called is None:
            return None
        known = inspect.signature(called).parameters
        wrong = {word.arg for word in node.keywords} - set(known)
        assert not wrong, f"{ast.unparse(node)}: there is no {wrong}"
        needed = [p for p in known.values() if p.default is p.empty and p.kind is p.KEYWORD_ONLY]
        assert {p.name for p in needed} <= {word.arg for word in node.keywords}, ast.unparse(node)
        if inspect.isclass(called):
            return called
        return plain_class(typing.get_type_hints(called).get("return"))
    if isinstance(node, ast.Attribute):
        owner = resolve(node.value)
        return None if owner is None else member(owner, node.attr, ast.unparse(node))
    return None


def member(owner: object, name: str, said: str) -> object:
    """A public name of a module, or an attribute of a class; fields lead to their class."""
    if isinstance(owner, types.ModuleType):
        assert name in owner.__all__, f"{said}: {owner.__name__} has no public {name}"
        return getattr(owner, name)
    if dataclasses.is_dataclass(owner) and name in {f.name for f in dataclasses.fields(owner)}:
        try:
            return plain_class(typing.get_type_hints(owner).get(name))
        except NameError:
            return None
    assert hasattr(owner, name), f"{said}: {owner} has no {name}"
    found = getattr(owner, name)
    return None if isinstance(found, property) else found


def plain_class(hint: object) -> object:
    """The class, where the annotation is one of the kit's own."""
    mine = inspect.isclass(hint) and hint.__module__.startswith("mlops_kit")
    return hint if mine else None


def call_problem(text: str) -> str:
    """What is wrong with a call to the kit."""
    try:
        resolve(ast.parse(text, mode="eval").body)
    except (AssertionError, AttributeError, ImportError, SyntaxError, TypeError) as error:
        return f"{text!r}: {error}"
    return ""


def test_the_index_lists_every_document_with_its_owner() -> None:
    """README's table has a row for each of the ten, and no other."""
    (rows,) = tables(INDEX.read_text("utf-8"))
    listed = {row[0]: row[2] for row in rows[1:]}
    heads = {path.name: parts(path)[0] for path in DOCUMENTS}
    assert listed == {f"[{head['title']}]({name})": head["owner"] for name, head in heads.items()}
    assert len(DOCUMENTS) == 10


@each_document
def test_a_document_has_its_head(path: Path) -> None:
    """Title, owner (a role of the vocabulary), principle, dates and what it replaces."""
    head, body = parts(path)
    assert set(head) == HEAD
    assert all(isinstance(value, str) and value.strip() for value in head.values())
    assert head["owner"] in ROLES
    title = re.search(r"^# (.+)$", body, re.M)
    assert title
    assert title[1].startswith(head["title"].split()[0])


@each_document
def test_a_document_states_its_principle_as_the_book_does(path: Path) -> None:
    """The id is the book's, the sentence is the book's, and the book's list points back."""
    head, body = parts(path)
    (entry,) = [entry for entry in PRINCIPLES if entry["id"] == head["principle"]]
    assert re.findall(r"^> (.+)$", body, re.M) == [entry["says"]]
    assert f"documents/{path.name}" in entry["templates"]


def test_principles_name_only_documents_that_serve_them() -> None:
    """A document listed beside a principle carries that principle in its head."""
    for entry in PRINCIPLES:
        for template in entry["templates"]:
            if template.startswith("documents/"):
                assert parts(ROOT / "templates" / template)[0]["principle"] == entry["id"]


@each_document
def test_a_document_is_a_form_with_an_example_and_signs_of_rot(path: Path) -> None:
    """Tables to fill in, an example line, and at least three signs that it no longer holds."""
    _, body = parts(path)
    cells = [cell for table in tables(body) for row in table[1:] for cell in row]
    assert "" in cells, "nothing to fill in"
    assert "*e.g.*" in body or "| *e.g. " in body or "| [ ] | *e.g. " in body
    assert len(re.findall(r"^- ", body.split("## Rotten when\n")[1], re.M)) >= 3


@each_page
def test_tables_are_whole(path: Path) -> None:
    """Each row has as many cells as its heading."""
    for table in tables(path.read_text("utf-8")):
        assert {len(row) for row in table} == {len(table[0])}, table[0]


@each_page
def test_links_resolve(path: Path) -> None:
    """A link leads to a file in the folder: the documents can be copied together."""
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text("utf-8")):
        assert (FOLDER / target).is_file(), f"{path.name}: {target}"
        assert "/" not in target


@each_page
def test_words_are_the_projects_own(path: Path) -> None:
    """No filler, nothing of the course, and none of the words that the vocabulary avoids."""
    text = path.read_text("utf-8")
    avoided = [word for term in TERMS for word in term.get("avoid", [])]
    filler = ["todo", "tbd", "fixme", "lorem", "ipsum", "xxx", "course", "student", "homework"]
    found = [w for w in avoided + filler if re.search(rf"\b{re.escape(w)}\b", text, re.I)]
    assert not found, f"{path.name}: {found}"


@each_page
def test_commands_are_what_the_cli_takes(path: Path) -> None:
    """Each command exists with the options and arguments that stand there."""
    lines = [text for text in code(path.read_text("utf-8")) if text.startswith("mlops-kit ")]
    problems = [problem for problem in map(command_problem, lines) if problem]
    assert not problems


@each_page
def test_calls_are_what_the_kit_has(path: Path) -> None:
    """Each call leads from a public name to what is read off it, with keywords that exist."""
    starts = re.compile(rf"(?:{'|'.join(KIT)})\.")
    calls = [text for text in code(path.read_text("utf-8")) if starts.match(text)]
    problems = [problem for problem in map(call_problem, calls) if problem]
    assert not problems
    for block in re.findall(r"^```python\n(.*?)^```", path.read_text("utf-8"), re.M | re.S):
        for statement in ast.parse(block).body:
            if isinstance(statement, ast.ImportFrom):
                assert statement.module == "mlops_kit"
                assert {name.name for name in statement.names} <= set(KIT)
            if isinstance(statement, ast.Expr):
                assert not call_problem(ast.unparse(statement))


def test_calls_and_commands_were_found() -> None:
    """The two checks above see something: most documents name the kit."""
    texts = [text for path in DOCUMENTS for text in code(path.read_text("utf-8"))]
    assert sum(text.startswith("mlops-kit ") for text in texts) > 20
    assert sum(text.startswith(("registry.", "gates.", "data.")) for text in texts) > 30


@pytest.mark.parametrize(
    "line",
    [
        "mlops-kit guard gate.yaml",
        "mlops-kit gate gate.yaml --rapport x",
        "mlops-kit track again RUN",
        "mlops-kit edge-check model.onnx",
    ],
)
def test_a_wrong_command_is_noticed(line: str) -> None:
    """An unknown command, option or a missing argument is a problem."""
    assert command_problem(line)


@pytest.mark.parametrize(
    "text",
    [
        "registry.demote('a')",
        "registry.get('a').hash_of_model",
        "registry.trace(answer).version.lineage.seeds",
        "registry.promote('a', 1, report, because='x')",
        "registry.rollback('a')",
        "registry.get('a'",
        "gates.read_yaml(path)",
    ],
)
def test_a_wrong_call_is_noticed(text: str) -> None:
    """A name that doesn't exist or isn't public, a wrong or missing keyword, a torn call."""
    assert call_problem(text)


def test_the_runbook_answers_every_alert() -> None:
    """Each alarm and each limit that the monitor knows has a line; each line names an alert."""
    body = parts(FOLDER / "runbook.md")[1]
    (table,) = [table for table in tables(body) if table[0][0] == "Alert"]
    rows = [row for row in table[1:] if not row[0].startswith("*e.g.*")]
    named = {name for row in rows for name in re.findall(r"`([^`]+)`", row[0])}
    notes = set(re.findall(r"`([^`]+)`", body.split("Notes (")[1].split(")")[0]))
    limits = {check[0] for check in Limits(p99_ms=1.0).checks()}
    assert set(ALARMS) | limits <= named | notes
    sources = [*(ROOT / "mlops_kit").glob("monitor*.py"), *(ROOT / "mlops_kit").glob("drift*.py")]
    raised = "".join(source.read_text("utf-8") for source in sources)
    assert [name for name in sorted(named | notes) if f'"{name}"' not in raised] == []


def test_every_activity_has_one_who_answers_and_one_who_does() -> None:
    """RACI: letters only, exactly one A and at least one R a row, and known roles."""
    body = parts(FOLDER / "raci.md")[1]
    roles, activities = (t for t in tables(body) if t[0][0] in ("Short", "Activity"))
    assert {row[1] for row in roles[1:]} <= ROLES
    assert [row[0] for row in roles[1:]] == activities[0][2:]
    for row in activities[1:]:
        letters = [letter for cell in row[2:] if cell for letter in cell.split("/")]
        assert set(letters) <= set("RACI"), row[0]
        assert letters.count("A") == 1, row[0]
        assert "R" in letters, row[0]
