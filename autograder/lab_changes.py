"""What the text of a cell may change in place: by a method, an item, an attribute or a call."""

import ast
from collections.abc import Sequence
from functools import lru_cache

from autograder.examiner_source import cell_tree, names_in, targets_of

__all__ = [
    "SHOWING",
    "changed_in",
    "changed_names",
    "changing_by",
    "changing_in",
    "may_change",
    "registering",
]

_CHANGING = frozenset(
    {
        *("append", "extend", "insert", "add", "update", "pop", "popitem", "remove", "clear"),
        *("discard", "setdefault", "sort", "reverse", "appendleft", "popleft", "extendleft"),
    }
)
SHOWING = frozenset(
    {
        *("print", "display", "head", "tail", "describe", "info", "sample", "plot", "hist", "len"),
        *("mean", "sum", "max", "min", "items", "keys", "values", "round", "to_string", "show"),
    }
)
"""What is called to look at something."""


def changed_names(texts: Sequence[str]) -> set[str]:
    """Give the names of what a text changes in place: a list it appends to, a dict it fills.

    Examples
    --------
    >>> sorted(changed_names(["def log(x): seen.append(x)", "rates['a'] = 1; print(limits)"]))
    ['rates', 'seen']
    """
    return set[str]().union(*(changed_in(cell_tree(text)) for text in texts))


def changed_in(tree: ast.AST) -> set[str]:
    """Give what :func:`changed_names` gives of a piece of a cell."""
    found: set[str] = set()
    for node in ast.walk(tree):
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


def registering(texts: Sequence[str]) -> set[str]:
    r"""Give the names of functions and classes with which texts register what is theirs.

    Examples
    --------
    >>> sorted(registering(["@show.register\ndef _(x: int): ...", "Shape.register(Square)"]))
    ['Shape', 'show']
    """
    nodes = (node for text in texts for node in ast.walk(cell_tree(text)))
    found = (node for node in nodes if isinstance(node, ast.Attribute) and node.attr == "register")
    return {node.value.id for node in found if isinstance(node.value, ast.Name)}


def may_change(text: str, name: str) -> bool:
    """Say whether a cell may change in place what a name stands for.

    Examples
    --------
    >>> [may_change(cell, "t") for cell in ("x = f(t)", "t.head()", "t.sort()", "t['a'] = 1")]
    [False, False, True, True]
    """
    return name in changing_in(text)


@lru_cache(maxsize=512)
def changing_in(text: str) -> frozenset[str]:
    """Give the names of all that a cell binds, or may change in place.

    Examples
    --------
    >>> sorted(changing_in("x = f(t); t.sort(); print(u); v.fill(out=w)"))
    ['fill', 'sort', 't', 'v', 'w', 'x']
    """
    return changing_by(cell_tree(text))


@lru_cache(maxsize=4096)
def changing_by(tree: ast.AST) -> frozenset[str]:
    """Give what :func:`changing_in` gives of a piece of a cell that nobody changes."""
    found = changed_in(tree) | targets_of(tree)
    for decorator in getattr(tree, "decorator_list", ()):
        found |= names_in(decorator)  # a registry, say
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            words = {keyword.arg for keyword in node.keywords}
            if "inplace" in words or "out" in words:
                found |= names_in(node)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            function = node.value.func
            called = function.attr if isinstance(function, ast.Attribute) else ""
            called = function.id if isinstance(function, ast.Name) else called
            if called not in SHOWING:
                found |= names_in(node)
    return frozenset(found)
