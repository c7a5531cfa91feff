"""What the text of a cell says before it runs: its names, its imports, and whose those are.

Nothing here runs anything.
"""

import ast
import importlib.util
import re
import symtable
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any

from IPython.core.inputtransformer2 import TransformerManager

from autograder.cell_text import plain_python
from autograder.syntax import parse_python

__all__ = [
    "DEFINITIONS",
    "PURE_MODULES",
    "bound_names",
    "cell_tree",
    "definition",
    "globals_of",
    "globals_used",
    "has_coroutines",
    "imported_modules",
    "lives_in_room",
    "makes_tuples",
    "names_in",
    "names_of",
    "needs_room",
    "parse_cell",
    "room_imports",
    "targets",
    "targets_of",
    "words",
    "written_at",
]

ROOM_MODULES = (
    *(
        "mlflow",
        "matplotlib.pyplot",
        "matplotlib.figure",
        "pylab",
        "matplotlib.pylab",
        "fastapi",
        "starlette",
    ),
    *("typer", "click", "hamilton", "joblib", "pickle", "cloudpickle", "dill", "shelve", "marshal"),
    *("subprocess", "sqlite3", "importlib", "runpy", "doctest", "code", "multiprocessing"),
    *("pkgutil", "pydoc"),
    *("dask", "distributed", "jinja2", "mako", "tracemalloc", "resource", "psutil"),
    *("cProfile", "profile", "pstats"),
)
"""Modules whose state, files or programs are the student's room's, or that would run its code."""

PURE_MODULES = frozenset(
    {
        *("numpy", "pandas", "math", "cmath", "statistics", "json", "re", "itertools", "operator"),
        *("collections", "datetime", "string", "functools", "typing", "dataclasses", "decimal"),
        *("fractions", "time", "copy", "random", "calendar", "textwrap", "hashlib", "heapq"),
    }
)
"""Modules without state: the student's are as good as the examiner's own, which are used."""

DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_WAITING = (ast.Await, ast.AsyncFor, ast.AsyncWith, ast.AsyncFunctionDef)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_SCOPES = (*DEFINITIONS, *_COMPREHENSIONS, ast.Lambda)
_IMPORTS_MLFLOW = re.compile(r"^\s*(?:import|from)\s+mlflow\b", re.MULTILINE)
_IMPORTS = re.compile(r"^\s*(?:from\s+([\w.]+)\s+import|import\s+([\w.]+))", re.MULTILINE)
_CELL = re.compile(r"<cell (\d{1,6})>")
_STATE_FOLLOWED = 40
_CONSTANTS = 200_000
_TRANSFORMER: Any = TransformerManager()  # type: ignore[no-untyped-call]
# A process that forks examiners' rooms reads a lab's cells once for all of them.
_CELLS, _STATEMENTS = 512, 4096


def parse_cell(text: str) -> ast.Module:
    """Parse a cell as IPython would; an empty module where it has a syntax error."""
    if plain_python(text) is not None:
        return parse_python(text)
    return _rewritten(text)


def cell_tree(text: str) -> ast.Module:
    """Parse a cell as :func:`parse_cell` does, to be looked at only."""
    return plain_python(text) or _rewritten(text)


def _rewritten(text: str) -> ast.Module:
    try:
        return parse_python(_TRANSFORMER.transform_cell(text))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.Module([], [])


def targets(node: ast.AST) -> Iterable[str]:
    """Give the names that a statement binds, outside of functions and classes."""
    waiting = [node]  # and no recursion: a student's sum may be of a thousand terms
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, DEFINITIONS):
            yield node.name
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                yield (alias.asname or alias.name).split(".")[0]
        elif isinstance(node, ast.ExceptHandler) and node.name:
            yield node.name
        if not isinstance(node, _SCOPES):
            waiting += [*ast.iter_child_nodes(node)][::-1]


@lru_cache(maxsize=_STATEMENTS)
def targets_of(node: ast.AST) -> frozenset[str]:
    """Give what :func:`targets` gives of a statement that nobody changes."""
    return frozenset(targets(node))


@lru_cache(maxsize=_STATEMENTS)
def globals_of(node: ast.AST) -> frozenset[str]:
    """Give the names that functions within a statement declare global; nobody changes it."""
    found = (inner.names for inner in ast.walk(node) if isinstance(inner, ast.Global))
    return frozenset(name for names in found for name in names)


@lru_cache(maxsize=_STATEMENTS)
def globals_used(node: ast.AST) -> frozenset[str]:
    """Give the names that a piece of a cell takes from its notebook; nobody changes it.

    Unlike :func:`names_of`, without attributes, and without what functions have for themselves.

    Examples
    --------
    >>> sorted(globals_used(ast.parse("def top(d, k=2): return sorted(d)[:k] + more")))
    ['more', 'sorted']
    """
    try:
        top = symtable.symtable(ast.unparse(node), "", "exec")
    except SyntaxError:
        return names_of(node)
    found, waiting = set[str](), [top]
    while waiting:
        table = waiting.pop()
        for symbol in table.get_symbols():
            # Python takes what a function called `top` has for itself to be global as well.
            of_notebook = symbol.is_declared_global() or not symbol.is_local()
            if symbol.is_referenced() and (table is top or (symbol.is_global() and of_notebook)):
                found.add(symbol.get_name())
        waiting += table.get_children()
    return frozenset(found)


@lru_cache(maxsize=_CELLS)
def bound_names(text: str) -> frozenset[str]:
    """Give the names that a cell binds at its top level."""
    return frozenset(targets(cell_tree(text)))


def makes_tuples(node: ast.stmt) -> bool:
    """Say whether a statement defines a class of named tuples that is nothing more than that.

    Examples
    --------
    >>> texts = "P = namedtuple('P', 'x y')", "class P(NamedTuple): x: int", "P = named('P')"
    >>> [makes_tuples(ast.parse(text).body[0]) for text in texts]
    [True, True, False]
    """
    if isinstance(node, ast.ClassDef):
        plain = (isinstance(inner, (ast.AnnAssign, ast.Expr, ast.Pass)) for inner in node.body)
        bases = [names_in(base) & {"NamedTuple"} for base in node.bases]
        return len(bases) == 1 and bool(bases[0]) and all(plain) and not node.decorator_list
    if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Call):
        return False
    function = node.value.func
    name = getattr(function, "attr", getattr(function, "id", ""))
    return name in ("namedtuple", "NamedTuple") and isinstance(node.targets[0], ast.Name)


def imported_modules(text: str) -> set[str]:
    """Give the dotted names of the modules that a cell imports anywhere."""
    found: set[str] = set()
    for node in ast.walk(cell_tree(text)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
    return found


@lru_cache(maxsize=_CELLS)
def words(text: str) -> frozenset[str]:
    """Give every name and attribute that occurs in a cell."""
    return frozenset(names_in(cell_tree(text)))


@lru_cache(maxsize=_CELLS)
def has_coroutines(text: str) -> bool:
    """Say whether a cell awaits something, or has functions that do."""
    return any(isinstance(node, _WAITING) for node in ast.walk(cell_tree(text)))


@lru_cache(maxsize=_STATEMENTS)
def names_of(node: ast.AST) -> frozenset[str]:
    """Give what :func:`names_in` gives of a piece of a cell that nobody changes."""
    return frozenset(names_in(node))


def names_in(tree: ast.AST) -> set[str]:
    """Give every name, attribute and imported name that occurs in a piece of a cell."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.alias):
            found.update(node.name.split("."))
    return found


@cache
def lives_in_room(module: str) -> bool:
    """Say whether a module's state is the student's room's: listed, or a user of MLflow."""
    if any(module == name or module.startswith(f"{name}.") for name in ROOM_MODULES):
        return True
    package = module.split(".", maxsplit=1)[0]
    if package in sys.stdlib_module_names or package in ("pandas", "numpy", "sklearn", "scipy"):
        return False
    waiting, seen = [module], {package}
    while waiting and len(seen) < _STATE_FOLLOWED:
        source = _source_of(waiting.pop())
        if _IMPORTS_MLFLOW.search(source):
            return True
        for match in _IMPORTS.finditer(source):
            name = match[1] or match[2]
            if name.split(".")[0] == package and name not in seen:
                seen.add(name)
                waiting.append(name)
    return False


def _source_of(module: str) -> str:
    """Read a module's source without importing it; an ``__init__`` counts for itself only."""
    try:
        spec = _spec_of(module)
        origin = Path(spec.origin) if spec and spec.origin else None
        if origin is None or origin.suffix != ".py" or origin.stat().st_size > _CONSTANTS:
            return ""
        return origin.read_text(encoding="utf-8", errors="replace")
    except (ImportError, ValueError, OSError, AttributeError):
        return ""


def _spec_of(module: str) -> ModuleSpec | None:
    """Find a module; `find_spec` alone would import the packages that it is in."""
    top, *parts = module.split(".")
    spec, name = importlib.util.find_spec(top), top
    for part in parts:
        if spec is None or spec.submodule_search_locations is None:
            return None
        name = f"{name}.{part}"
        spec = PathFinder.find_spec(name, list(spec.submodule_search_locations))
    return spec


def definition(texts: Iterable[str], qualname: str, *, called: str = "") -> str | None:
    """Find the text of the last function or class of that name in the cells.

    None if the name was bound to something else since, unless it is made of what it was before,
    as a decorator makes it.

    Parameters
    ----------
    texts : iterable of str
        The cells.
    qualname : str
        The name that the object has, as its room says.
    called : str
        The name by which a test knows it. Where that name is bound to something that has a name
        of its own, the statement must speak of it: an object can say anything of its name.
    """
    cells = [cell_tree(text).body for text in texts]
    pairs = list(zip(texts, cells, strict=True))
    if called:
        found, last = _last(pairs, called)
        if found is not None or last is None:
            return found
        if qualname.split(".", maxsplit=1)[0] not in names_in(last):
            return ast.unparse(last) + "\n" if _is_lambda(last) else None
    return _last(pairs, qualname)[0]


def written_at(texts: Sequence[str], file: str, line: int, found: str) -> str | None:
    """Give the text of the function whose code begins in a line of a cell; None where none does.

    ``found`` is what the cells have under its name: a lambda's text, if there is one in that line.
    """
    number = _CELL.fullmatch(file)
    if number is None or not 0 < int(number[1]) <= len(texts):
        return None
    text = texts[int(number[1]) - 1]
    if text[:1].isspace():  # the shell takes empty lines off, and counts otherwise
        return found
    is_lambda = False
    for node in ast.walk(cell_tree(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and _first(node) == line:
            return _lines(text, node)
        is_lambda = is_lambda or (isinstance(node, ast.Lambda) and node.lineno == line)
    return found if is_lambda else None


def _first(node: Any) -> int:
    return int(min([node.lineno, *(item.lineno for item in node.decorator_list)]))


def _lines(text: str, node: Any) -> str:
    lines = text.split("\n")  # Python knows no other end of a line
    return "\n".join(lines[_first(node) - 1 : node.end_lineno]) + "\n"


def _last(pairs: list[tuple[str, list[ast.stmt]]], name: str) -> tuple[str | None, Any]:
    """Give the text that defines a name, and the statement that binds it to something else."""
    found, binding = None, None
    top = name.split(".", maxsplit=1)[0]
    for text, cell in pairs:
        rebinding = [node for node in cell if _rebinds(node, top)]
        if rebinding:
            found, binding = None, rebinding[-1]
        rebound = binding.lineno if rebinding and binding is not None else 0
        body: list[Any] = cell
        node: Any = None
        for part in [part for part in name.split(".") if part != "<locals>"]:
            matching = [item for item in _statements(body) if getattr(item, "name", None) == part]
            node = matching[-1] if matching else None
            body = node.body if node is not None else []
        if node is not None and node.lineno > rebound:
            found = _lines(text, node)
    return found, binding


def _rebinds(node: ast.stmt, name: str) -> bool:
    """Say whether a statement binds a name to something that isn't made of what it was."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return False
    if name not in targets(node):
        return False
    if not isinstance(node, (ast.Assign, ast.AnnAssign)):
        # Where a definition stands within (if, try, with), it is found as what binds the name.
        return not any(getattr(inner, "name", None) == name for inner in ast.walk(node))
    decorates = isinstance(node.value, ast.Call) and name in names_in(node.value)
    return node.value is not None and not decorates


def _is_lambda(node: Any) -> bool:
    return isinstance(getattr(node, "value", None), ast.Lambda)


def _statements(body: list[Any]) -> Iterable[Any]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    for node in body:
        if isinstance(node, kinds):
            yield node
        else:
            yield from _statements([n for n in ast.walk(node) if isinstance(n, kinds)])


def needs_room(module: str) -> bool:
    """Say whether an import must bind the student's room's module."""
    if lives_in_room(module):
        return True
    try:
        return importlib.util.find_spec(module.split(".", maxsplit=1)[0]) is None
    except (ImportError, ValueError, AttributeError):
        return False


@lru_cache(maxsize=_CELLS)
def room_imports(text: str) -> Mapping[str, str]:
    """Give the names that a cell's imports bind in the student's room, and the modules."""
    found: dict[str, str] = {}
    for node in ast.walk(cell_tree(text)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                found |= {alias.asname or top: alias.name} if lives_in_room(alias.name) else {}
        elif isinstance(node, ast.ImportFrom) and node.module and lives_in_room(node.module):
            found |= {alias.asname or alias.name: node.module for alias in node.names}
    return found
