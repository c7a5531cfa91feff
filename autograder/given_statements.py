"""What a statement of a locked cell is made of."""

import ast
import re
from collections.abc import Mapping
from functools import lru_cache

import pandas as pd

from autograder.examiner_source import DEFINITIONS
from autograder.lab_changes import SHOWING, changed_in

__all__ = [
    "as_assignment",
    "changed_definitions",
    "closed",
    "decorating",
    "extends",
    "handed_to_decorators",
    "handed_whole",
    "is_literal",
    "is_of_outside",
    "roots_of",
    "uses_files",
]

_FILES = frozenset(
    {"open", "Path", "load", "loads", "read_text", "read_bytes", "exists", "glob", "iterdir"}
    | {name for name in vars(pd) if name.startswith("read_")}
    | {"loadtxt", "genfromtxt", "fromfile", "load_npz", "imread", "connect"}
)
_OUTSIDE = frozenset(
    {
        *("input", "time", "now", "today", "utcnow", "perf_counter", "monotonic", "environ"),
        *("getenv", "uuid1", "uuid4", "getcwd", "cwd", "sleep", "print", "display", "globals"),
    }
)
_SHARED_STATE = re.compile(
    r"\brandom\.(?!default_rng\(|RandomState\(|Random\(|SeedSequence\(|Generator\(|PCG64\()"
)


def as_assignment(node: ast.stmt) -> ast.Assign | None:
    """Give a statement as an assignment, without what it says of a type; None if it isn't one."""
    if isinstance(node, ast.AnnAssign) and node.value is not None:
        plain = ast.Assign([node.target], node.value)
        return ast.fix_missing_locations(ast.copy_location(plain, node))
    return node if isinstance(node, ast.Assign) else None


def is_literal(value: ast.expr) -> bool:
    """Say whether an expression is written out: numbers, texts and containers of them."""
    try:
        ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    return True


def roots_of(node: ast.AST) -> set[str]:
    """Give the name that an expression of attributes, items and calls begins with, in two forms.

    With a dot where something of it is used, so that a module and its name differ.
    """
    plain = True
    while isinstance(node, (ast.Attribute, ast.Call, ast.Subscript)):
        node = node.func if isinstance(node, ast.Call) else node.value
        plain = False
    if not isinstance(node, ast.Name):
        return set()
    return {node.id} if plain else {node.id, f"{node.id}."}


def decorating(node: ast.stmt) -> list[ast.expr]:
    """Give the decorators of a definition; none for any other statement."""
    return node.decorator_list if isinstance(node, DEFINITIONS) else []


def handed_to_decorators(node: ast.stmt) -> frozenset[str]:
    """Give the names of what the decorators of a definition get, such as a list to fill."""
    calls = (one for one in decorating(node) if isinstance(one, ast.Call))
    values = (value for one in calls for value in (*one.args, *(k.value for k in one.keywords)))
    return frozenset(value.id for value in values if isinstance(value, ast.Name))


def extends(decorator: ast.expr) -> bool:
    """Say whether a decorator is something of what it begins with, such as ``show.register``."""
    function = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(function, ast.Attribute)


@lru_cache(maxsize=4096)
def changed_definitions(node: ast.stmt) -> frozenset[str]:
    r"""Give the names of functions and classes that a statement may change; nobody changes it.

    By an attribute or an item, by what they have, as a decorator too, or by deriving from them.

    Examples
    --------
    >>> texts = "Shape.size = 1", "@show.register\ndef _(x: int): ...", "setattr(Shape, 'x', f)"
    >>> [sorted(changed_definitions(ast.parse(text).body[0])) for text in texts]
    [['Shape'], ['show'], ['Shape']]
    >>> sorted(changed_definitions(ast.parse("class Square(Shape): pass").body[0]))
    ['Shape']
    """
    if isinstance(node, DEFINITIONS):
        found = set().union(*(roots_of(one) for one in node.decorator_list if extends(one)))
        parts = [] if not isinstance(node, ast.ClassDef) else [*node.bases]
        parts += [] if not isinstance(node, ast.ClassDef) else [k.value for k in node.keywords]
        found = found.union(*map(roots_of, parts))
        return frozenset(name for name in found if not name.endswith("."))
    found = set(changed_in(node))
    for call in (inner.value for inner in ast.walk(node) if isinstance(inner, ast.Expr)):
        if isinstance(call, ast.Call):
            if isinstance(call.func, ast.Attribute) and call.func.attr not in SHOWING:
                found |= {_owner_of(call.func)}
            if isinstance(call.func, ast.Name) and call.func.id == "setattr":
                found |= set(map(_owner_of, call.args[:1]))
    return frozenset(found - {""})


@lru_cache(maxsize=4096)
def handed_whole(node: ast.stmt) -> frozenset[str]:
    """Give the names of what a statement hands to what is called for what it does."""
    found: set[str] = set()
    for call in (inner.value for inner in ast.walk(node) if isinstance(inner, ast.Expr)):
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") not in SHOWING:
            values = (*call.args, *(keyword.value for keyword in call.keywords))
            found |= {value.id for value in values if isinstance(value, ast.Name)}
    return frozenset(found)


def _owner_of(node: ast.expr) -> str:
    """Name what an expression of attributes and items is of, if that is a name."""
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def closed(found: frozenset[str], of: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """Add to names those of what they stand for, as often as there are any."""
    before = 0
    while len(found) != before:
        before = len(found)
        found = found.union(*(of[name] for name in found if name in of))
    return found


def is_of_outside(found: frozenset[str], text: str) -> bool:
    """Say whether what is used gives something else in each room, or at each time."""
    return not _OUTSIDE.isdisjoint(found) or bool(_SHARED_STATE.search(text))


def uses_files(found: frozenset[str]) -> bool:
    """Say whether what is used may read files."""
    return not _FILES.isdisjoint(found)
