"""Names that a class body of a test takes from the student's room.

Python looks up a name in a class body in the body and then in the plain dictionary of the globals,
past what the examiner's room has put in its place: a name of the student's wouldn't be found. So
such a name is looked up by a function, as everywhere else in the cell.
"""

import ast
import builtins
from collections.abc import Set
from typing import Any

from autograder.examiner_source import targets

__all__ = ["bound_in_function", "globals_in_function", "with_names_looked_up"]

_LOOK_UP = "_room_name"
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)


def with_names_looked_up(node: ast.ClassDef, outer: Set[str]) -> ast.ClassDef:
    r"""Have the names of a class body that may be the student's looked up by a function.

    Parameters
    ----------
    node : ast.ClassDef
        The class; it is changed. Classes within it have been seen to.
    outer : set of str
        The names of the functions around it, which are none of the cell's.

    Examples
    --------
    >>> body = "class A:\n    size = 2\n    half = f(size)\n    def m(self, n=g): return h(n)"
    >>> print(ast.unparse(with_names_looked_up(ast.parse(body).body[0], frozenset())))
    class A:
        size = 2
        half = _room_name('f')(size)
    <BLANKLINE>
        def m(self, n=_room_name('g')):
            return h(n)
    """
    own = {name for statement in node.body for name in targets(statement)}
    own |= {parameter.name for parameter in getattr(node, "type_params", [])}
    transformer = _Body(own | outer)
    node.body = [transformer.visit(statement) for statement in node.body]
    return ast.fix_missing_locations(node)


def bound_in_function(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> set[str]:
    """Give the names that are bound anywhere in a function."""
    found = {inner.arg for inner in ast.walk(node) if isinstance(inner, ast.arg)}
    found |= {parameter.name for parameter in getattr(node, "type_params", [])}
    body = node.body if isinstance(node.body, list) else [node.body]
    return found | {name for inner in body for part in ast.walk(inner) for name in targets(part)}


def globals_in_function(
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda,
) -> frozenset[str]:
    """Give the names that a function itself declares global, not one within it."""
    found = set[str]()
    waiting: list[ast.AST] = list(node.body) if isinstance(node.body, list) else []
    while waiting:
        part = waiting.pop()
        if isinstance(part, ast.Global):
            found.update(part.names)
        if not isinstance(part, _SCOPES):
            waiting += ast.iter_child_nodes(part)
    return frozenset(found)


class _Body(ast.NodeTransformer):
    """Goes through what is worked out in a class body itself."""

    def __init__(self, own: Set[str]) -> None:
        self._own = own

    def visit_Name(self, node: ast.Name) -> Any:
        name = node.id
        is_other = name in self._own or hasattr(builtins, name) or name.startswith("__")
        if is_other or name.startswith("_room_") or not isinstance(node.ctx, ast.Load):
            return node
        function = ast.Name(_LOOK_UP, ast.Load())
        return ast.copy_location(ast.Call(function, [ast.Constant(name)], []), node)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Any:
        node.decorator_list = [self.visit(item) for item in node.decorator_list]
        self._signature(node.args)
        if not getattr(node, "type_params", []):
            for argument in ast.walk(node.args):
                if isinstance(argument, ast.arg) and argument.annotation is not None:
                    argument.annotation = self.visit(argument.annotation)
            node.returns = node.returns and self.visit(node.returns)
        return node

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815 - what `ast` calls it

    def visit_Lambda(self, node: ast.Lambda) -> Any:
        self._signature(node.args)
        return node

    def _signature(self, arguments: ast.arguments) -> None:
        arguments.defaults = [self.visit(value) for value in arguments.defaults]
        arguments.kw_defaults = [value and self.visit(value) for value in arguments.kw_defaults]

    def visit_ClassDef(self, node: ast.ClassDef) -> Any:
        if not getattr(node, "type_params", []):
            node.bases = [self.visit(base) for base in node.bases]
            for keyword in node.keywords:
                keyword.value = self.visit(keyword.value)
        node.decorator_list = [self.visit(item) for item in node.decorator_list]
        return node

    def _comprehension(self, node: Any) -> Any:
        """The first iterable is worked out here, all else in a function of its own."""
        node.generators[0].iter = self.visit(node.generators[0].iter)
        return node

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension  # noqa: N815

    def visit_match_case(self, node: ast.match_case) -> Any:
        """A pattern may hold names only, no calls."""
        node.guard = node.guard and self.visit(node.guard)
        node.body = [self.visit(statement) for statement in node.body]
        return node
