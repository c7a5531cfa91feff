"""What the text of a lab says that the examiner's room must know before its first cell runs.

Whose names are whose: what students define, what only the release and its tests use, what is
changed in place, and which of the shipped files students are asked to change.
"""

import ast
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from autograder.examiner_source import (
    bound_names,
    names_in,
    parse_cell,
    targets,
    words,
)

if TYPE_CHECKING:
    from nbformat import NotebookNode

__all__ = [
    "DEFINITIONS",
    "changed_names",
    "class_members",
    "facts_of",
    "is_to_change",
    "kept_names",
]

_WRITING = frozenset(
    {
        *("write", "write_text", "write_bytes", "writelines", "writerow", "writerows", "dump"),
        *("to_csv", "to_json", "to_parquet", "to_pickle", "to_excel", "to_sql", "save", "savez"),
        *("savetxt", "savefig", "connect", "create_engine", "unlink", "remove", "rename"),
        *("replace", "copy", "copyfile", "copytree", "move", "rmtree", "touch", "mkdir"),
        *("start_run", "log_artifact", "imsave", "extractall"),
    }
)
_CHANGING = frozenset(
    {
        *("append", "extend", "insert", "add", "update", "pop", "popitem", "remove", "clear"),
        *("discard", "setdefault", "sort", "reverse", "appendleft", "popleft", "extendleft"),
    }
)
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def _statements(texts: Iterable[str]) -> list[ast.stmt]:
    return [node for text in texts for node in parse_cell(text).body]


def _closure(start: set[str], statements: Sequence[ast.stmt]) -> set[str]:
    """Add to names those that the functions and classes of these names use."""
    found, before = set(start), 0
    while len(found) != before:
        before = len(found)
        for node in statements:
            if isinstance(node, DEFINITIONS) and node.name in found:
                found |= names_in(node)
    return found


def kept_names(answers: Sequence[str], locked: Sequence[str], tests: Sequence[str]) -> set[str]:
    """Give the names that locked cells bind and tests use, and that no answer has to do with.

    A class that other locked code uses isn't among them: its objects may be the student's room's.

    Examples
    --------
    >>> sorted(kept_names(["y = f(x)"], ["x = [1]", "truth = [2]"], ["assert y == truth, x"]))
    ['truth']
    """
    statements = _statements(locked)
    used = _closure(set().union(*map(words, tests)), statements)
    mentioned = _closure(set().union(*map(words, answers)), statements)
    kept = {name for node in statements for name in targets(node)} & used - mentioned
    classes = {node.name: node for node in statements if isinstance(node, ast.ClassDef)}
    for node in statements:
        kept -= {name for name in classes.keys() & names_in(node) if classes[name] is not node}
    return kept


def facts_of(reference: "NotebookNode | None") -> dict[str, Any]:
    """Give what the examiner's room must know of a lab before its first cell runs.

    Which names and classes are the student's to define, what the reference imports, which names
    only the release and its tests use, which it changes in place, and the text that speaks of
    files to change: empty where neither the reference nor a locked cell writes any.
    """
    from autograder.notebook import cell_kind  # not in rooms: it imports nbformat

    texts: dict[str, list[str]] = {"answer": [], "locked": [], "test": []}
    for cell in reference.cells if reference is not None else ():
        if cell.cell_type == "code":
            texts.setdefault(cell_kind(cell), []).append(cell.source)
    answers, locked, tests = (texts[kind] for kind in ("answer", "locked", "test"))
    writes = set().union(*map(words, (*answers, *locked))) & _WRITING
    return {
        "known": reference is not None,
        "students": sorted(set().union(*map(bound_names, answers))),
        "classes": {name: sorted(has) for name, has in class_members(answers).items()},
        "imports": answers,
        "kept": sorted(kept_names(answers, locked, tests)),
        "changing": sorted(changed_names((*answers, *locked))),
        "changes": "\n".join((*answers, *locked, *tests)) if writes else "",
    }


def class_members(texts: Iterable[str]) -> dict[str, set[str]]:
    r"""Give what each class of these texts has: methods, fields, and what it sets on its objects.

    Examples
    --------
    >>> sorted(class_members(["class Gate:\n  size = 1\n  def passes(self): self.n = 2"])["Gate"])
    ['n', 'passes', 'size']
    """
    found: dict[str, set[str]] = {}
    for node in _statements(texts):
        if isinstance(node, ast.ClassDef):
            has = {name for inner in node.body for name in targets(inner)}
            stored = (inner for inner in ast.walk(node) if isinstance(inner, ast.Attribute))
            has |= {inner.attr for inner in stored if isinstance(inner.ctx, ast.Store)}
            has |= _made_by_decorators(node)
            for base in node.bases:
                has |= found.get(base.id, set()) if isinstance(base, ast.Name) else set()
            found[node.name] = found.get(node.name, set()) | has
    return found


def _made_by_decorators(node: ast.ClassDef) -> set[str]:
    """Give the methods that ``dataclass`` and ``total_ordering`` write."""
    order = {"__lt__", "__le__", "__gt__", "__ge__"}
    made: set[str] = set()
    for item in node.decorator_list:
        text = ast.unparse(item)
        if "total_ordering" in text:
            made |= order
        if "dataclass" in text:
            made.add("__eq__")
            made |= order if "order=True" in text else set()
            made |= {"__hash__"} if "frozen=True" in text or "hash=True" in text else set()
    return made


def changed_names(texts: Sequence[str]) -> set[str]:
    """Give the names of what a text changes in place: a list it appends to, a dict it fills.

    Examples
    --------
    >>> sorted(changed_names(["def log(x): seen.append(x)", "rates['a'] = 1; print(limits)"]))
    ['rates', 'seen']
    """
    found: set[str] = set()
    for node in (inner for text in texts for inner in ast.walk(parse_cell(text))):
        place: ast.AST = node
        if isinstance(node, ast.Call):
            if not isinstance(node.func, ast.Attribute) or node.func.attr not in _CHANGING:
                continue
            place = node.func.value
        elif isinstance(node, ast.AugAssign):
            place = node.target
        elif not isinstance(node, (ast.Subscript, ast.Attribute)) or isinstance(node.ctx, ast.Load):
            continue
        while isinstance(place, (ast.Subscript, ast.Attribute)):
            place = place.value
        if isinstance(place, ast.Name):
            found.add(place.id)
    return found


def is_to_change(name: str, text: str) -> bool:
    """Say whether a text speaks of a file, by its name, its folder or its kind."""
    path = PurePosixPath(name)
    parts = {path.stem, *path.parts[:-1], f"*{path.suffix}"}
    return bool(text) and any(len(part) > 1 and part in text for part in parts)
