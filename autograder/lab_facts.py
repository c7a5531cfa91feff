"""What the text of a lab says that the examiner's room must know before its first cell runs.

Whose names are whose: what students define, what only the release and its tests use, what is
changed in place, and which of the shipped files students are asked to change.
"""

import ast
import re
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from autograder.examiner_source import (
    bound_names,
    globals_of,
    names_in,
    parse_cell,
    targets,
    words,
)
from autograder.lab_changes import (
    changed_names,
    changes_what_it_gets,
    class_decorators,
    registering,
)
from autograder.lab_databases import keeps_databases
from autograder.lab_fields import compared_fields
from autograder.lab_private import kept_names, private_names, watched_names

if TYPE_CHECKING:
    from nbformat import NotebookNode

__all__ = [
    "class_members",
    "facts_of",
    "is_to_change",
    "may_swallow",
    "set_names",
    "written_text",
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
_JOINING = frozenset({"Path", "PurePath", "PurePosixPath", "join", "str", "cwd"})
_SETTING = frozenset({"setattr", "vars", "__dict__", "__setattr__"})
_LEAVING = frozenset({"__exit__", "__aexit__"})


# What an object has of a library's class from which its own is derived: equal, ordered, joined.
_SETS = frozenset({"__eq__", "__lt__", "__and__", "__or__", "__sub__", "__xor__", "__contains__"})
_MADE_BY_BASES: dict[str, frozenset[str]] = {
    "Enum": frozenset({"__members__"}),
    "Protocol": frozenset({"_is_protocol"}),
    **dict.fromkeys(("Flag", "IntFlag"), (_SETS | {"__invert__", "__iter__"}) - {"__lt__"}),
    **dict.fromkeys(("Set", "MutableSet"), _SETS),
    **dict.fromkeys(("Mapping", "MutableMapping"), frozenset({"__eq__", "__contains__"})),
    **dict.fromkeys(("Sequence", "MutableSequence"), frozenset({"__contains__"})),
    **dict.fromkeys(("BaseModel", "Struct"), frozenset({"__eq__"})),
}
_FROZEN = re.compile(r"\bfrozen'?\s*[=:]\s*True\b")
_ATTRS = frozenset(
    {*("define", "frozen", "attr.s", "attrs.define", "attrs.frozen", "attr.define", "attr.frozen")}
)
_HASHED = re.compile(r"^(attrs?\.)?frozen\b|\b(frozen|\w*hash)=True")


def _statements(texts: Iterable[str]) -> list[ast.stmt]:
    return [node for text in texts for node in parse_cell(text).body]


def facts_of(reference: "NotebookNode | None") -> dict[str, Any]:
    """Give what the examiner's room must know of a lab before its first cell runs.

    Which names and classes are the student's to define and which of them functions bind, what the
    reference imports, which names only the release and its tests use, which it changes in place,
    whether databases of tests stay with them, and the text that speaks of files to change: empty
    where neither the reference nor a locked cell writes any.
    """
    from autograder.notebook import cell_kind  # not in rooms: it imports nbformat

    texts: dict[str, list[str]] = {"answer": [], "locked": [], "test": [], "plain": []}
    for cell in reference.cells if reference is not None else ():
        if cell.cell_type == "code":
            kind = cell_kind(cell)
            texts.setdefault(kind, []).append(cell.source)
            if kind == "plain":  # what a teacher didn't mark is as given as what is locked
                texts["locked"].append(cell.source)
    answers, locked, tests = (texts[kind] for kind in ("answer", "locked", "test"))
    rebound = set().union(*map(globals_of, _statements(answers)))
    students = set().union(rebound, *map(bound_names, answers))
    written = {node.name for node in _statements(answers) if isinstance(node, ast.ClassDef)}
    both = compared_fields((*locked, *answers)) if reference is not None else {}
    private = private_names(answers, locked)
    changing = changed_names((*answers, *locked)) | registering(answers)
    return {
        "known": reference is not None,
        "students": sorted(students),
        "rebound": sorted(rebound),
        "classes": {name: sorted(has) for name, has in class_members(answers).items()},
        "decorators": {name: sorted(has) for name, has in class_decorators(answers).items()},
        "fields": {name: of for name, of in both.items() if name in written},
        "given_fields": compared_fields(locked) if reference is not None else {},
        "imports": [*texts["plain"], *answers],
        "private": sorted(private),
        "watched": sorted(watched_names(answers, locked, tests) - students),
        "kept": sorted(kept_names(answers, locked, tests)),
        "databases": keeps_databases(tests, locked),
        "changing": sorted(changing | (changed_names(tests) - private)),
        "changes": written_text((*answers, *locked), tests, students),
        "swallows": reference is None or any(map(may_swallow, (*answers, *locked))),
        "sets": set_names((*answers, *locked)) if reference is not None else None,
        "reaches": reference is None or any(map(changes_what_it_gets, (*answers, *locked))),
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
            has |= _made_by_decorators(node) | _made_by_freezing(node)
            for base in node.bases:
                has |= _MADE_BY_BASES.get(ast.unparse(base).split(".")[-1], frozenset())
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
        if "dataclass" in text or text.partition("(")[0] in _ATTRS:
            made.add("__eq__")
            made |= order if "order=True" in text else set()
            made |= {"__hash__"} if _HASHED.search(text) else set()
    return made


def _made_by_freezing(node: ast.ClassDef) -> set[str]:
    """Give the method that a model has whose class says that it is frozen."""
    said: list[ast.AST] = [*node.keywords]
    for inner in node.body:
        if "model_config" in targets(inner) or getattr(inner, "name", "") == "Config":
            said.append(inner)
    found = {_FROZEN.search(ast.unparse(one)) for one in said}
    return {"__hash__"} if found - {None} else set()


def set_names(texts: Sequence[str]) -> list[str] | None:
    """Give the attributes that texts set on objects; None where that can't be read off them.

    Examples
    --------
    >>> set_names(["def f(result): result.value = 4; result.log += ['done']"])
    ['log', 'value']
    >>> set_names(["def f(result, name): setattr(result, name, 4)"])
    """
    if any(not _SETTING.isdisjoint(words(text)) for text in texts):
        return None
    nodes = (inner for text in texts for inner in ast.walk(parse_cell(text)))
    found = (inner for inner in nodes if isinstance(inner, ast.Attribute))
    return sorted({inner.attr for inner in found if isinstance(inner.ctx, ast.Store)})


def written_text(texts: Sequence[str], tests: Sequence[str], students: set[str]) -> str:
    r"""Give the statements of answers and given cells that write files, and what names them.

    A path may stand in an assignment, or be what a test hands to a function that students write.

    Examples
    --------
    >>> cells = ["x = read_csv('a.csv')", "OUT = 'b.csv'", "def log(to): to_csv(OUT), to_csv(to)"]
    >>> print(written_text(cells, ["log('c.csv')\nassert load('d.csv') == 1"], {"log"}))
    def log(to):
        (to_csv(OUT), to_csv(to))
    OUT = 'b.csv'
    'c.csv'
    """
    statements = _statements(texts)
    writing = [node for node in statements if not _WRITING.isdisjoint(names_in(node))]
    if not writing:
        return ""
    given = [arg for node in _statements(tests) for arg in _handed_over(node, students)]
    used = {name for node in (*writing, *given) for name in names_in(node)}
    paths = [
        node
        for node in (*statements, *_statements(tests))
        if isinstance(node, (ast.Assign, ast.AnnAssign))
        and not used.isdisjoint(targets(node))
        and _is_path(node.value)
    ]
    return "\n".join(map(ast.unparse, (*writing, *paths, *given)))


def _handed_over(node: ast.stmt, students: set[str]) -> list[ast.expr]:
    """Give the paths that a statement hands to what students write."""
    calls = (inner for inner in ast.walk(node) if isinstance(inner, ast.Call))
    return [
        arg
        for call in calls
        if not students.isdisjoint(names_in(call.func))
        for arg in (*call.args, *(keyword.value for keyword in call.keywords))
        if _is_path(arg)
    ]


def _is_path(value: ast.expr | None) -> bool:
    """Say whether an expression may be the path of a file, put together of texts and names."""
    match value:
        case ast.Constant(value=str()) | ast.Name() | ast.JoinedStr():
            return True
        case ast.BinOp(left=left, right=right):
            return _is_path(left) and _is_path(right)
        case ast.Call(func=function, args=args):
            return not _JOINING.isdisjoint(names_in(function)) and all(map(_is_path, args))
    return False


def may_swallow(text: str) -> bool:
    r"""Say whether a cell defines a context that swallows errors of its block, or may.

    Examples
    --------
    >>> may_swallow("class A:\n  def __exit__(self, *error): self.end()")
    False
    >>> may_swallow("class A:\n  def __exit__(self, kind, *_): return kind is KeyError")
    True
    """
    tree = parse_cell(text)
    if "suppress" in names_in(tree):
        return True
    return any(
        _swallows(node)
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
    )


def _swallows(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
    if isinstance(node, ast.ClassDef):  # by a function that was made elsewhere
        plain = (inner for inner in node.body if isinstance(inner, (ast.Assign, ast.AnnAssign)))
        return any(not _LEAVING.isdisjoint(targets(inner)) for inner in plain)
    inner = list(ast.walk(node))
    if node.name in _LEAVING:
        given = (one.value for one in inner if isinstance(one, ast.Return))
        return any(not _is_false(value) for value in given)
    tried = (one for one in inner if isinstance(one, (ast.Try, ast.TryStar)) and one.handlers)
    return any(
        isinstance(part, (ast.Yield, ast.YieldFrom))
        for one in tried
        for statement in one.body
        for part in ast.walk(statement)
    )


def _is_false(value: ast.expr | None) -> bool:
    return value is None or (isinstance(value, ast.Constant) and not value.value)


def is_to_change(name: str, text: str) -> bool:
    """Say whether a text speaks of a file, by its name, its folder or its kind."""
    path = PurePosixPath(name)
    parts = {path.stem, *path.parts[:-1], f"*{path.suffix}"}
    return bool(text) and any(len(part) > 1 and part in text for part in parts)
