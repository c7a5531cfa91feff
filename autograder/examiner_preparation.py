"""How a test cell is prepared for the examiner's room, and what a locked cell gives there.

The preparation keeps every line where it is and changes only what can't work across rooms
otherwise:

- an import of a module whose state lives in the student's room (``mlflow``, ``pyplot``, a test
  client ...) binds that room's module;
- ``type(x)``, ``x.__class__``, ``issubclass(x, y)``, ``super()`` and ``dir()`` go through functions
  that know both rooms; so does ``x is y``;
- a name in a class body is looked up as anywhere else in the cell, a class in a pattern before
  its ``match``;
- what a function binds as ``global`` is bound as the cell's own statements bind it, so that the
  student's room hears of it;
- a class that an answer decorates is made in the student's room, if the decorator changes it;
- ``format`` of such a text goes through a function that keeps it to what it is handed;
- ``!command`` runs in the student's room;
- ``exec``, ``eval``, ``compile`` and ``__import__`` of a text that isn't written in the test itself
  run in the student's room: such a text may be the student's.
"""

import ast
from contextlib import suppress
from copy import deepcopy
from functools import lru_cache
from types import CodeType
from typing import Any

from autograder.class_bodies import bound_in_function, globals_in_function, with_names_looked_up
from autograder.examiner_source import needs_room
from autograder.match_patterns import with_classes_looked_up

__all__ = ["Preparation", "prepared"]

# A process that forks examiners' rooms prepares a lab's cells once for all of them.
_STATEMENTS = 4096
_PLAIN = {"int", "float", "str", "bool", "bytes", "list", "dict", "tuple", "set", "object"}
_LOOKING = frozenset(
    {
        *("items", "keys", "values", "copy", "list", "sorted", "set", "tuple", "dict", "filter"),
        *("map", "enumerate", "any", "all", "frozenset"),
    }
)
_OF_TEXTS = ("exec", "eval", "compile", "__import__")
_OF_LIBRARIES = frozenset({"dataclass", "dataclasses", "functools", "total_ordering", "pytest"})
_ASKED = {"__class__": "_room_class", "format": "_room_format", "format_map": "_room_format"}


class Preparation(ast.NodeTransformer):
    """Prepares a test cell, or what a locked cell gives, for the examiner's room.

    Parameters
    ----------
    texts : bool, default: False
        Whether annotations are kept as texts, by a future statement of an earlier cell.
    of_test : bool, default: False
        Whether it is a test cell.
    """

    def __init__(self, *, texts: bool = False, of_test: bool = False) -> None:
        self._texts = texts
        self._of_test = of_test
        self._outer: list[set[str]] = []
        self._globals: list[frozenset[str]] = []
        """The names that the functions around a place declare global."""
        self._firsts: list[str] = []
        """The first parameters of the functions around a place, an object within a method."""
        self._derived = 0
        self._decorating: dict[str, list[str]] = {}
        """What classes are handed to in a call that may decorate them, by what they are called."""

    def visit_Module(self, node: ast.Module) -> Any:
        """Look for classes that a call decorates."""
        for call in ast.walk(node) if self._of_test else ():
            if isinstance(call, ast.Call) and len(call.args) == 1 and not call.keywords:
                argument, names = call.args[0], _root_of(call.func)
                if isinstance(argument, ast.Name) and names:
                    self._decorating.setdefault(argument.id, []).extend(names)
        return self.generic_visit(node)

    def visit_FunctionDef(self, node: Any) -> Any:
        """Know the names of a function for the classes within it."""
        self._outer.append(bound_in_function(node))
        self._globals.append(globals_in_function(node))
        first = next(iter([*node.args.posonlyargs, *node.args.args]), None)
        self._firsts.append(first.arg if first else "")
        self.generic_visit(node)
        self._outer.pop()
        self._globals.pop()
        self._firsts.pop()
        if getattr(node, "returns", None) is not None:
            node.returns = self._checked(node.returns)
        return node

    visit_AsyncFunctionDef = visit_Lambda = visit_FunctionDef  # noqa: N815 - what `ast` calls them

    def visit_Name(self, node: ast.Name) -> Any:
        """Bind a global name as the cell's own statements do."""
        is_global = bool(self._globals) and node.id in self._globals[-1]
        return node if isinstance(node.ctx, ast.Load) or not is_global else _global(node)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> Any:
        """Leave the name within an expression what it has to be."""
        node.value = self.visit(node.value)
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> Any:
        """Bind a global name anew after the statement that changes what it stands for."""
        bound = self.visit(node.target)
        node.value = self.visit(node.value)
        if not isinstance(node.target, ast.Name) or bound is node.target:
            return node
        value = ast.copy_location(ast.Name(node.target.id, ast.Load()), node)
        return [node, ast.copy_location(ast.Assign([bound], value), node)]

    def visit_arg(self, node: ast.arg) -> Any:
        """Look at the annotation of a parameter."""
        self.generic_visit(node)
        if node.annotation is not None:
            node.annotation = self._checked(node.annotation)
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        """Look at the annotation of a field."""
        self.generic_visit(node)
        node.annotation = self._checked(node.annotation)
        return node

    def _checked(self, annotation: ast.expr) -> ast.expr:
        return annotation if self._texts else _checked(annotation)

    def visit_ClassDef(self, node: ast.ClassDef) -> Any:
        """Find the student's names in a class body, and the class where its decorators are."""
        by = [name for each in node.decorator_list for name in _root_of(each)]
        by += [f"{name}." for name in by] + self._decorating.get(node.name, [])
        if self._of_test and not node.keywords and by:
            names = ast.Tuple([*map(ast.Constant, by)], ast.Load())
            base = ast.Call(ast.Name("_room_decorated", ast.Load()), [names, *node.bases], [])
            node.bases = [ast.copy_location(ast.Starred(base, ast.Load()), node)]
            ast.fix_missing_locations(node)
        self._derived += bool(node.bases)
        self._globals.append(frozenset())
        self.generic_visit(node)
        self._globals.pop()
        self._derived -= bool(node.bases)
        return with_names_looked_up(node, frozenset().union(*self._outer))

    def visit_Match(self, node: ast.Match) -> Any:
        """Find the student's classes in patterns."""
        self.generic_visit(node)
        return with_classes_looked_up(node)

    def visit_MatchValue(self, node: ast.MatchValue) -> Any:
        """Leave a pattern what a pattern may be."""
        return node

    def visit_Import(self, node: ast.Import) -> Any:
        """Bind the room's module where its state lives there."""
        made: list[ast.stmt] = []
        for alias in node.names:
            if alias.name != "weakref" and not needs_room(alias.name):
                made.append(ast.Import([alias]))
            elif alias.asname is None and "." in alias.name:
                top = alias.name.split(".")[0]
                made.append(_assign(top, [alias.name, top]))
            else:
                made.append(_assign(alias.asname or alias.name, [alias.name]))
        return [ast.fix_missing_locations(ast.copy_location(item, node)) for item in made]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> Any:
        """Bind attributes of the room's module where its state lives there."""
        module = node.module or ""
        made: list[ast.stmt] = []
        for alias in node.names:
            name = alias.asname or alias.name
            self._texts |= module == "__future__" and alias.name == "annotations"
            if node.level or alias.name == "*":
                made.append(ast.ImportFrom(node.module, [alias], node.level))
            elif needs_room(f"{module}.{alias.name}") and not needs_room(module):
                made.append(_assign(name, [f"{module}.{alias.name}"]))
            elif needs_room(module):
                made.append(_assign(name, [module, alias.name], "_room_part"))
            else:
                made.append(ast.ImportFrom(node.module, [alias], 0))
        return [ast.fix_missing_locations(ast.copy_location(item, node)) for item in made]

    def visit_Attribute(self, node: ast.Attribute) -> Any:
        """Let ``x.__class__`` give the student's class of a handle, ``x.format`` look at ``x``."""
        self.generic_visit(node)
        is_text = isinstance(node.value, (ast.Constant, ast.JoinedStr))
        if not isinstance(node.ctx, ast.Load) or node.attr not in _ASKED or is_text:
            return node
        args = [node.value, *([] if node.attr == "__class__" else [ast.Constant(node.attr)])]
        made = ast.Call(ast.Name(_ASKED[node.attr], ast.Load()), args, [])
        return ast.fix_missing_locations(ast.copy_location(made, node))

    def visit_Compare(self, node: ast.Compare) -> Any:
        """Let ``x is f`` be true of a function that both rooms have."""
        self.generic_visit(node)
        sides = (node.left, *node.comparators)
        if len(sides) != 2 or any(isinstance(side, ast.Constant) for side in sides):
            return node
        if not isinstance(node.ops[0], (ast.Is, ast.IsNot)):
            return node
        made: ast.expr = ast.Call(ast.Name("_room_is", ast.Load()), list(sides), [])
        if isinstance(node.ops[0], ast.IsNot):
            made = ast.UnaryOp(ast.Not(), ast.copy_location(made, node))
        return ast.fix_missing_locations(ast.copy_location(made, node))

    def visit_Subscript(self, node: ast.Subscript) -> Any:
        """Look up in the student's room a module that a text names."""
        self.generic_visit(node)
        is_read = isinstance(node.ctx, ast.Load) and not isinstance(node.slice, ast.Constant)
        is_own = isinstance(node.slice, ast.Name) and node.slice.id == "__name__"
        if not is_read or is_own or ast.unparse(node.value) != "sys.modules":
            return node
        made = ast.Call(ast.Name("_room_loaded", ast.Load()), [node.slice], [])
        return ast.fix_missing_locations(ast.copy_location(made, node))

    def visit_For(self, node: ast.For) -> Any:
        """Let a loop over ``globals()`` see the names of both rooms."""
        node.iter = _of_both(node.iter)
        return self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> Any:
        """Let a comprehension see them too."""
        node.iter = _of_both(node.iter)
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> Any:
        """Let functions that know handles do what the built-in ones can't."""
        if isinstance(node.func, ast.Attribute) and node.func.attr in _LOOKING:
            node.func.value = _of_both(node.func.value)
        elif isinstance(node.func, ast.Name) and node.func.id in _LOOKING:
            node.args = list(map(_of_both, node.args))
        self.generic_visit(node)
        if isinstance(node.func, ast.Attribute) and _is_shell_command(node.func):
            node.args.insert(0, ast.Constant(node.func.attr))
            node.func = ast.copy_location(ast.Name("_room_command", ast.Load()), node.func)
            return ast.fix_missing_locations(node)
        if not isinstance(node.func, ast.Name):
            return node
        if not node.args:
            if node.func.id == "dir" and not node.keywords:
                node.func.id = "_room_dir"
            if node.func.id == "super" and self._derived and self._firsts and self._firsts[-1]:
                names = ("__class__", self._firsts[-1])
                node.args = [ast.copy_location(ast.Name(n, ast.Load()), node) for n in names]
                node.func.id = "_room_super"
            return node
        name, first = node.func.id, node.args[0]
        plain = len(node.args) == 1 and not node.keywords
        if (
            (name == "type" and (plain or len(node.args) == 3))
            or name == "issubclass"
            or (name == "super" and len(node.args) == 2)
            or (name in _OF_TEXTS and not isinstance(first, ast.Constant))
        ):
            node.func.id = f"_room_{name}"
        return node


@lru_cache(maxsize=_STATEMENTS)
def prepared(node: ast.stmt) -> tuple[CodeType, ...]:
    """Compile a statement of a locked cell as the examiner's room carries it out.

    The statement stays as it is, and nobody changes it. What doesn't compile is left out.
    """
    codes = []
    for part in Preparation().visit(ast.Module([deepcopy(node)], [])).body:
        with suppress(Exception):
            codes.append(compile(ast.Module([part], []), "<given>", "exec"))
    return tuple(codes)


def _global(name: ast.Name) -> ast.expr:
    """Write ``globals()[name]``."""
    space = ast.Call(ast.Name("globals", ast.Load()), [], [])
    made = ast.Subscript(space, ast.Constant(name.id), name.ctx)
    return ast.fix_missing_locations(ast.copy_location(made, name))


def _of_both(node: ast.expr) -> ast.expr:
    """Have what goes through ``globals()`` go through the names of both rooms."""
    is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    if is_call and ast.unparse(node) == "globals()":
        return ast.copy_location(ast.Call(ast.Name("_room_names", ast.Load()), [], []), node)
    return node


def _root_of(decorator: ast.expr) -> list[str]:
    """Give the name that a decorator begins with, if it may be an answer's."""
    while isinstance(decorator, (ast.Call, ast.Attribute)):
        decorator = decorator.func if isinstance(decorator, ast.Call) else decorator.value
    name = decorator.id if isinstance(decorator, ast.Name) else ""
    return [name] if name and name not in _OF_LIBRARIES else []


def _is_shell_command(node: ast.Attribute) -> bool:
    """Say whether a node is what IPython makes of ``!command``, or of taking its output."""
    if node.attr not in ("system", "getoutput") or not isinstance(node.value, ast.Call):
        return False
    return isinstance(node.value.func, ast.Name) and node.value.func.id == "get_ipython"


def _checked(annotation: ast.expr) -> ast.expr:
    """Have an annotation looked at, unless it is made of plain types."""
    nodes = list(ast.walk(annotation))
    texts = [node for node in nodes if isinstance(node, ast.Constant) and type(node.value) is str]
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    if not texts and names <= _PLAIN and not any(isinstance(node, ast.Call) for node in nodes):
        return annotation
    args: list[ast.expr] = [annotation, *(ast.Constant(node.value) for node in texts)]
    made = ast.Call(ast.Name("_room_annotation", ast.Load()), args, [])
    return ast.fix_missing_locations(ast.copy_location(made, annotation))


def _assign(name: str, args: list[str], function: str = "_room_module") -> ast.Assign:
    """Write ``name = _room_module(*args)``, or of what else gives it."""
    constants: list[ast.expr] = [ast.Constant(arg) for arg in args]
    value = ast.Call(ast.Name(function, ast.Load()), constants, [])
    return ast.Assign([ast.Name(name, ast.Store())], value)
