"""Whether the tests' own databases may stay with the tests.

A database that a test makes in memory and asks itself, with the text of a student's query, needs
nothing of the student's room, where an answer could have put another ``sqlite3`` in its place.
One that answers are handed has to be there.
"""

import ast
import builtins
from collections.abc import Iterable, Sequence, Set

from autograder.examiner_source import cell_tree

__all__ = ["keeps_databases"]

_MODULE = "sqlite3"
_IN_MEMORY = ":memory:"
_LIBRARIES = frozenset({"pandas", "numpy", "polars", "contextlib", "pytest", _MODULE})
_PYTHONS = frozenset(dir(builtins)) - {"setattr", "exec", "eval", "map", "filter"}
_RETURNING = (ast.Return, ast.Yield, ast.YieldFrom, ast.Lambda, ast.Global, ast.Nonlocal)


def keeps_databases(tests: Sequence[str], others: Iterable[str] = ()) -> bool:
    r"""Say whether test cells make databases in memory only, and hand none of them over.

    Parameters
    ----------
    tests : sequence of str
        The test cells.
    others : iterable of str, optional
        The given cells: where these speak of ``sqlite3``, a database may be theirs.

    Examples
    --------
    >>> begin = "import sqlite3\ncon = sqlite3.connect(':memory:')\n"
    >>> keeps_databases([begin + "assert con.execute(query()).fetchall() == [(1,)]"])
    True
    >>> keeps_databases([begin + "assert total(con) == 3"])
    False
    >>> keeps_databases([begin.replace(":memory:", "sales.db")])
    False
    """
    given = [node for text in others for node in ast.walk(cell_tree(text))]
    nodes = [node for text in tests for node in ast.walk(cell_tree(text))]
    if any(isinstance(node, ast.Name) and node.id == _MODULE for node in given):
        return False
    libraries = _imported([*given, *nodes])
    if libraries is None or not _all_in_memory(nodes):
        return False
    derived = _derived(nodes)
    return derived is not None and all(
        _is_kept(node, derived, libraries) for node in nodes if not isinstance(node, ast.stmt)
    )


def _imported(nodes: Iterable[ast.AST]) -> frozenset[str] | None:
    """Give the names of libraries that take no part of a database elsewhere.

    None where ``sqlite3`` goes by another name.
    """
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith(_MODULE) and (alias.asname or alias.name) != _MODULE:
                    return None
                if alias.name.partition(".")[0] in _LIBRARIES:
                    found.add(alias.asname or alias.name.partition(".")[0])
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            if node.module.startswith(_MODULE):
                return None
            if node.module.partition(".")[0] in _LIBRARIES:
                found |= {alias.asname or alias.name for alias in node.names}
    return frozenset(found)


def _all_in_memory(nodes: Iterable[ast.AST]) -> bool:
    """Say whether the module is used to open databases in memory, and for its errors."""
    opened = {
        id(node.func)
        for node in nodes
        if isinstance(node, ast.Call)
        and len(node.args) == 1
        and isinstance(node.args[0], ast.Constant)
        and node.args[0].value == _IN_MEMORY
    }
    used = [
        node
        for node in nodes
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == _MODULE
    ]
    whole = sum(isinstance(node, ast.Name) and node.id == _MODULE for node in nodes)
    fit = all(id(node) in opened or node.attr[:1].isupper() for node in used)
    return fit and whole == len(used) and any(node.attr == "connect" for node in used)


def _derived(nodes: Sequence[ast.AST]) -> frozenset[str] | None:
    """Give the names of databases and of what is taken from them; None if that can't be told."""
    found = {_MODULE}
    while True:
        before = len(found)
        for node in nodes:
            if isinstance(node, _RETURNING) and _speaks_of(node, found):
                return None
            for target, value in _bindings(node):
                if _speaks_of(value, found):
                    names = _bound(target, found)
                    if names is None:
                        return None
                    found |= names
        if len(found) == before:
            return frozenset(found)


def _bindings(node: ast.AST) -> list[tuple[ast.expr, ast.expr]]:
    if isinstance(node, ast.Assign):
        return [(target, node.value) for target in node.targets]
    if isinstance(node, (ast.AnnAssign, ast.NamedExpr, ast.AugAssign)):
        return [(node.target, node.value)] if node.value is not None else []
    if isinstance(node, (ast.For, ast.comprehension)):
        return [(node.target, node.iter)]
    if isinstance(node, ast.withitem) and node.optional_vars is not None:
        return [(node.optional_vars, node.context_expr)]
    return []


def _bound(target: ast.expr, found: Set[str]) -> set[str] | None:
    """Give the names that a target is made of; None where something else keeps the value."""
    if isinstance(target, ast.Name):
        return {target.id}
    if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name):
        name = target.value.id
        return {name} if name in found else None  # a setting of a connection, say
    names = [_bound(one, found) for one in getattr(target, "elts", [])]
    known = [name for name in names if name is not None]
    return set[str]().union(*known) if known and len(known) == len(names) else None


def _speaks_of(node: ast.AST, names: Iterable[str]) -> bool:
    wanted = set(names)
    return any(isinstance(inner, ast.Name) and inner.id in wanted for inner in ast.walk(node))


def _is_kept(node: ast.AST, derived: frozenset[str], libraries: frozenset[str]) -> bool:
    """Say whether a call, if it is one, hands nothing of a database to who may be the student."""
    if not isinstance(node, ast.Call):
        return True
    handed = [*node.args, *(keyword.value for keyword in node.keywords)]
    if not any(_speaks_of(value, derived) for value in handed):
        return True
    root: ast.AST = node.func
    while isinstance(root, (ast.Attribute, ast.Subscript, ast.Call)):
        root = root.func if isinstance(root, ast.Call) else root.value
    if not isinstance(root, ast.Name):
        return isinstance(root, ast.Constant)  # a text's method
    writes = isinstance(node.func, ast.Attribute) and node.func.attr == "to_sql"  # a table's
    is_pythons = root is node.func and root.id in _PYTHONS
    return root.id in derived | libraries or writes or is_pythons
