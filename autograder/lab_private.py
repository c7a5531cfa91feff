"""Which names of locked cells are the examiner's own: those that only its tests use.

An object and its class must be of one room. So a class is among them only where nothing of it gets
to an answer, through whatever locked cells make of it.
"""

import ast
import builtins
from collections.abc import Iterable, Sequence, Set

from autograder.examiner_source import (
    DEFINITIONS,
    bound_names,
    globals_of,
    globals_used,
    names_in,
    names_of,
    parse_cell,
    targets,
    targets_of,
    words,
)
from autograder.lab_changes import changed_names, changing_by

__all__ = ["kept_names", "private_names", "watched_names"]

# What an answer does to an object to get another one of its class, or all that is in it.
_REMAKING = frozenset(
    {
        *("replace", "copy", "deepcopy", "vars", "type", "__class__", "__dict__"),
        *("__new__", "__replace__", "dumps", "model_copy", "model_dump", "evolve"),
    }
)
_IMPORTS = (ast.Import, ast.ImportFrom)
_BINDING = (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.NamedExpr)
_LOOPS = (ast.For, ast.AsyncFor, ast.comprehension)


def _statements(texts: Iterable[str]) -> list[ast.stmt]:
    return [node for text in texts for node in parse_cell(text).body]


def _closure(start: Set[str], statements: Sequence[ast.stmt]) -> set[str]:
    """Add to names those that the functions and classes of these names use."""
    found, before = set(start), 0
    while len(found) != before:
        before = len(found)
        for node in statements:
            if isinstance(node, DEFINITIONS) and node.name in found:
                found |= names_of(node)
    return found


def private_names(answers: Sequence[str], locked: Sequence[str]) -> set[str]:
    """Give the names that locked cells bind and no answer has to do with.

    Examples
    --------
    >>> sorted(private_names(["y = f(x)"], ["x = [1]", "seed = 3", "truth = [seed]"]))
    ['seed', 'truth']
    """
    statements = _statements(locked)
    mentioned = _closure(set().union(*map(words, answers)), statements)
    return {name for node in statements for name in targets(node)} - mentioned


def watched_names(answers: Sequence[str], locked: Sequence[str], tests: Sequence[str]) -> set[str]:
    """Give the names of values that locked cells make, that answers use and tests go by.

    Those that anything of the lab changes in place aren't among them.

    Examples
    --------
    >>> locked = ["xs, ys = make(3)", "log = []", "def f(xs): return len(xs)", "seed = 3"]
    >>> sorted(watched_names(["y = f(xs); log.append(y)"], locked, ["assert f(xs, ys) == log"]))
    ['xs']
    >>> watched_names(["shuffle(xs)"], locked, ["assert xs"])
    set()
    """
    statements = _statements(locked)
    made = (node for node in statements if isinstance(node, (ast.Assign, ast.AnnAssign)))
    bound = {name for node in made for name in targets(node)}
    used = _closure(set().union(*map(words, tests)), statements)
    functions = [node for node in statements if isinstance(node, DEFINITIONS)]
    functions += [node for node in _statements(answers) if isinstance(node, DEFINITIONS)]
    changed = set().union(*map(_changed_by, (*functions, *_statements(answers))))
    changers = {node.name for node in functions if _changes_arguments(node)}
    for node in (inner for statement in _statements(answers) for inner in ast.walk(statement)):
        if isinstance(node, ast.Call) and changers & names_in(node.func):
            changed |= {name for value in node.args for name in names_in(value)}
    return (bound & used) - private_names(answers, locked) - changed - changed_names(tests)


def _changes_arguments(node: ast.stmt) -> bool:
    """Say whether a statement may define a function that changes its arguments in place."""
    if isinstance(node, ast.ClassDef):
        return any(map(_changes_arguments, node.body))
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return False
    taken = {inner.arg for inner in ast.walk(node.args) if isinstance(inner, ast.arg)}
    return any(taken & changing_by(inner) for inner in node.body)


def _changed_by(node: ast.stmt) -> set[str]:
    """Give the notebook's names of what a statement may change in place, or binds in a function."""
    changed = set(changing_by(node))
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        changed &= globals_used(node)
    return changed | globals_of(node)


def kept_names(answers: Sequence[str], locked: Sequence[str], tests: Sequence[str]) -> set[str]:
    r"""Give the names that locked cells bind and tests use, and that no answer has to do with.

    A class of which an answer may get an object isn't among them: both are the student's room's.

    Examples
    --------
    >>> sorted(kept_names(["y = f(x)"], ["x = [1]", "truth = [2]"], ["assert y == truth, x"]))
    ['truth']
    >>> given = "class Case: x = 1\ncases = [Case()]"
    >>> sorted(kept_names(["y = f(x)"], [given], ["assert y == cases[0].x"]))
    ['Case', 'cases']
    >>> sorted(kept_names(["y = cases[0].x"], [given], ["assert isinstance(cases[0], Case)"]))
    []
    """
    statements = _statements(locked)
    private = private_names(answers, locked)
    classes = {node.name for node in statements if isinstance(node, ast.ClassDef)}
    used = _with_derived(set().union(*map(words, tests)), statements)
    flows = _flows(statements)
    kept = private & used
    for name in classes & private & _made_of(used, flows, statements):
        reached = _reached_by(name, flows)
        if reached <= private and not _is_handed(name, reached, answers, tests):
            kept.add(name)
        else:
            kept.discard(name)
    return kept


def _with_derived(start: Set[str], statements: Sequence[ast.stmt]) -> set[str]:
    """Add to names those that they use, and the classes derived from those: bases may know them."""
    found, before = _closure(start, statements), 0
    while len(found) != before:
        before = len(found)
        classes = (node for node in statements if isinstance(node, ast.ClassDef))
        made = {n.name for n in classes if any(found & names_of(base) for base in n.bases)}
        found = _closure(found | made, statements)
    return found


def _flows(statements: Sequence[ast.stmt]) -> list[tuple[Set[str], Set[str]]]:
    """Give for each statement the names whose values it may make or change, and what it uses."""
    values = [node for node in statements if not isinstance(node, (*DEFINITIONS, *_IMPORTS))]
    bound = {target for node in values for target in targets_of(node)}
    return [
        (bound & (targets_of(node) | changing_by(node)), used)
        for node in values
        for used in [_closure(names_of(node), statements)]
    ]


def _made_of(
    used: Set[str], flows: list[tuple[Set[str], Set[str]]], statements: Sequence[ast.stmt]
) -> set[str]:
    """Add to names those of what their values are made of."""
    found, before = set(used), 0
    while len(found) != before:
        before = len(found)
        found = _closure(found.union(*(of for made, of in flows if found & made)), statements)
    return found


def _reached_by(name: str, flows: list[tuple[Set[str], Set[str]]]) -> set[str]:
    """Give the names of values that may hold objects of a class, or were made of some."""
    found, before = {name}, 0
    while len(found) != before:
        before = len(found)
        found = found.union(*(made for made, of in flows if found & of))
    return found


def _is_handed(name: str, reached: Set[str], answers: Sequence[str], tests: Sequence[str]) -> bool:
    """Say whether tests hand a class to answers, or objects to answers that make others like them.

    What an answer then makes is of the student's room's class.
    """
    nodes = [node for text in tests for node in ast.walk(parse_cell(text))]
    theirs = _followed(set().union(*map(bound_names, answers)), nodes)
    objects = (_followed(reached, nodes) - {name}) | {f"{name}()"}
    remakes = any(words(text) & _REMAKING for text in answers)
    for call in (node for node in nodes if isinstance(node, ast.Call)):
        given = set().union(*map(_handed, call.args), *(_handed(k.value) for k in call.keywords))
        if name in given and theirs & names_in(call.func):
            return True
        if remakes and objects & given and not hasattr(builtins, getattr(call.func, "id", "")):
            return True
    return False


def _followed(names: Set[str], nodes: Sequence[ast.AST]) -> set[str]:
    """Add to names those that tests bind to what is made of theirs."""
    found, before = set(names), 0
    while len(found) != before:
        before = len(found)
        for node in nodes:
            if isinstance(node, _BINDING) and node.value and found & names_in(node.value):
                found |= set(targets(node))
            elif isinstance(node, _LOOPS) and found & names_in(node.iter):
                found |= set(targets(node.target))
    return found


def _handed(arg: ast.expr) -> set[str]:
    """Give the names of values that an argument hands over whole, or items of which it does.

    A call is one of its function's name and ``()``.
    """
    match arg:
        case ast.Call(func=ast.Name(id=name)):
            return {f"{name}()"}
        case ast.Name(id=name):
            return {name}
        case ast.Starred(value=value) | ast.Subscript(value=value):
            return _handed(value)
        case ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items):
            return set().union(*map(_handed, items))
    return set()
