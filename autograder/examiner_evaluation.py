"""Texts that are compiled while a test runs: a test's own, or sums of plain names; no others.

``map(eval, terms())``, a formula that a statistics library works out, ``timeit`` and the like run
a text beside the tests, whoever wrote it. One that stands in a test or a given cell may do
anything. Any other gets numbers, columns, operators and NumPy's functions of numbers; what has to
do with the test's names or with Python's insides is refused before it runs.
"""

import ast
import builtins
import importlib
import math
import re
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, wraps
from types import FrameType, ModuleType
from typing import Any

import numpy as np

from autograder.examiner_names import TestNames
from autograder.examiner_source import cell_tree
from autograder.handles import HandleError
from autograder.syntax import parse_python

__all__ = ["Evaluation", "patch_formulas"]

_SPACES = re.compile(r"\s")
_NAMES = re.compile(r"[^\W\d]\w*")
_FORMULA = re.compile(r"[\w\s.~+\-*/:|^()`]+")
_PROSE = re.compile(r"\w\s+\w")
_LONG = 30
_MAKING = frozenset(
    {
        *("autograder", "collections", "dataclasses", "enum", "typing", "pydantic", "numba"),
        *("decorator", "_pytest", "hypothesis", "jinja2", "makefun", "torch"),
    }
)
"""Packages that compile what they write themselves, or whose texts are looked at elsewhere."""
_MODULES = frozenset(
    {
        *("scipy.stats._distn_infrastructure", "sympy.utilities.lambdify", "unittest.mock"),
        *("sqlalchemy.util.langhelpers", "sqlalchemy.sql.lambdas"),
    }
)
_ATTRS = "attr._make"
_IMPORTING = ("importlib", "_frozen_importlib", "zipimport")
_INNER = frozenset({"IPython", "codeop"})
_PLAIN = frozenset(
    {
        *("abs", "bool", "bytes", "complex", "dict", "divmod", "float", "frozenset", "int", "len"),
        *("list", "max", "min", "object", "pow", "range", "round", "set", "str", "sum", "tuple"),
        "type",
    }
)
_NODES = (
    *(ast.Module, ast.Expr, ast.Pass, ast.Constant, ast.Name, ast.Load, ast.Tuple, ast.List),
    *(ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Subscript, ast.Slice),
    *(ast.Call, ast.keyword, ast.Attribute, ast.operator, ast.unaryop, ast.boolop, ast.cmpop),
    *(ast.Dict, ast.Set, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp),
    *(ast.comprehension, ast.Store, ast.Assign, ast.AugAssign, ast.For, ast.If),
)
_FUNCTIONS: dict[str, ModuleType] = {"np": np, "numpy": np, "math": math}


class Evaluation:
    """Looks at what is compiled.

    Parameters
    ----------
    names : TestNames
        The globals of the tests.
    own : callable
        Gives the texts of the tests and given cells.
    """

    def __init__(self, names: TestNames, own: Callable[[], Iterable[str]]) -> None:
        self._names = names
        self._own = own

    def compiling(self, source: Any, frame: FrameType | None) -> None:
        """Look at what somebody is about to compile.

        Raises
        ------
        HandleError
            If a test waits for that, and it isn't the test's own and more than a sum.
        """
        if frame is None or _is_making(frame) or not self._is_waited_for(frame):
            return
        for text in _texts(source, frame):
            if not self.may_run(text):
                raise HandleError(
                    f"the text {text.strip()[:80]!r} would be run in the examiner's room, and no "
                    "test has written it: it may be the student's. Tag the test cell "
                    "'student-room' so that it runs beside the student's code."
                )

    def may_be_a_type(self, text: str) -> bool:
        """Say whether a text may be evaluated as a type, for a test or while a library loads."""
        return not self._is_waited_for(sys._getframe(1)) or self.may_run(text)

    def finding(self, name: str) -> None:
        """Look at a name of a formula that isn't a column's, and means a variable of whoever calls.

        Raises
        ------
        HandleError
            If a test waits for that, and no formula of its own has the name.
        """
        if self._is_waited_for(sys._getframe(1)) and not self._is_of_a_formula(name):
            raise HandleError(
                f"a formula speaks of {name!r}, which is no column of its table, and no formula "
                "of a test has it: it may be the student's. Tag the test cell 'student-room' so "
                "that it runs beside the student's code."
            )

    def _is_of_a_formula(self, name: str) -> bool:
        return any(name in names for cell in self._own() for names in _formulas(cell))

    def may_run(self, text: str) -> bool:
        """Say whether a text may be run beside the tests."""
        return self._is_own(text) or self._is_harmless_text(text)

    def _is_own(self, text: str) -> bool:
        """Say whether a text stands in a test or a given cell as one, or as a part of a formula."""
        wanted = _bare(text)
        if not wanted:
            return True
        within = re.compile(rf"(?<!\w){re.escape(wanted)}(?!\w)")
        return any(
            wanted == written
            or (len(wanted) >= _LONG and wanted in written)
            or ("~" in written and within.search(written))
            for cell in self._own()
            for written in _constants(cell)
        )

    def _is_harmless_text(self, text: str) -> bool:
        """Say whether a text is made of operators, numbers and names that the test hasn't."""
        try:
            nodes = list(ast.walk(parse_python(text.strip())))
        except (SyntaxError, ValueError):
            return True  # nothing comes of it
        except (RecursionError, MemoryError):
            return False
        if any("coding" in line for line in text.lstrip().splitlines()[:2]):
            return False  # bytes that say how they are read may be read otherwise
        parts = {id(node.value) for node in nodes if isinstance(node, ast.Attribute)}
        here = self._names_here()
        return all(
            isinstance(node, _NODES) and self._is_harmless(node, id(node) in parts, here)
            for node in nodes
        )

    def _names_here(self) -> frozenset[str]:
        """Give the names of what is local to the test's functions that wait for this."""
        found = set[str]()
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            if frame.f_globals is self._names:
                code = frame.f_code
                found.update(code.co_varnames, code.co_cellvars, code.co_freevars)
            frame = frame.f_back
        return frozenset(found)

    def _is_harmless(self, node: ast.AST, is_part: bool, here: frozenset[str]) -> bool:
        if isinstance(node, ast.Name):
            is_read = isinstance(node.ctx, ast.Load)
            known = node.id in here or not self._may_name(node.id, is_part)
            return not known and (is_read or not hasattr(builtins, node.id))
        if isinstance(node, ast.Constant):
            value = node.value
            return not (isinstance(value, str) and (value in here or self._is_tests(value)))
        if isinstance(node, ast.Attribute):
            module = _FUNCTIONS.get(node.value.id) if isinstance(node.value, ast.Name) else None
            if not isinstance(node.ctx, ast.Load):
                return False
            found = vars(module).get(node.attr) if module else None
            return isinstance(found, (np.ufunc, float)) or module is math
        return True

    def _may_name(self, name: str, is_part: bool) -> bool:
        if name in _FUNCTIONS and is_part:
            known = dict.get(self._names, name, _FUNCTIONS[name])
            return known is _FUNCTIONS[name]
        if name.startswith("_") or self._is_tests(name):
            return False
        return not hasattr(builtins, name) or name in _PLAIN

    def _is_tests(self, name: str) -> bool:
        return dict.__contains__(self._names, name) or name in self._names.given

    def _is_waited_for(self, frame: FrameType | None) -> bool:
        """Say whether a test waits for what a frame does, other than for an import."""
        while frame is not None:
            if frame.f_globals is self._names:
                return True
            if _module(frame).startswith(_IMPORTING):
                return False
            frame = frame.f_back
        # What other threads do is done for a test.
        return threading.current_thread() is not threading.main_thread()


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


def _is_making(frame: FrameType) -> bool:
    """Say whether this is somebody who compiles nothing but what they have made."""
    module = _module(frame)
    if module == "ast" and frame.f_code.co_name == "parse":
        return True  # a tree runs nothing
    if module == _ATTRS:
        return _has_plain_names(frame)
    return module in _MODULES or module.partition(".")[0] in _MAKING


def _has_plain_names(frame: FrameType | None) -> bool:
    """Say whether the class that attrs writes methods for has names alone: it believes any text."""
    while frame is not None and _module(frame) == _ATTRS:
        fields = getattr(frame.f_locals.get("self"), "_attrs", None)
        if isinstance(fields, tuple):
            names = [name for field in fields for name in (field.name, field.alias) if name]
            return all(type(name) is str and name.isidentifier() for name in names)
        frame = frame.f_back
    return False


def _texts(source: Any, frame: FrameType) -> Iterator[str]:
    """Give the texts to look at; ``timeit`` puts them into one of its own."""
    module = _module(frame)
    if module == "timeit" and "stmt" in frame.f_locals:
        for name in ("stmt", "setup"):
            text = frame.f_locals.get(name)
            if isinstance(text, str) and text != f"_{name}()":  # which calls what isn't a text
                yield text
    elif isinstance(source, ast.AST):
        if module.partition(".")[0] not in _INNER:  # where a text comes before its tree
            yield ast.unparse(source)
    elif isinstance(source, (bytes, bytearray)):
        yield bytes(source).decode("utf-8", "replace")
    elif isinstance(source, str):
        yield source


def patch_formulas(finding: Callable[[str], None]) -> None:
    """Have formulaic tell which variables it is to find: it compiles no plain name.

    Parameters
    ----------
    finding : callable
        Is told such a name, and may refuse it.
    """
    materializer = importlib.import_module("formulaic.materializers.base").FormulaMaterializer
    look_up = materializer._lookup
    if hasattr(look_up, "__wrapped__"):
        return

    @wraps(look_up)
    def checked(self: Any, name: str) -> Any:
        layer = self.layered_context.get_layer_name_for_key(name)
        if layer not in ("data", "transforms"):
            finding(name)
        return look_up(self, name)

    materializer._lookup = checked


def _bare(text: str) -> str:
    return _SPACES.sub("", text)


@lru_cache(maxsize=256)
def _formulas(cell: str) -> tuple[frozenset[str], ...]:
    """Give the names in each text of a cell that may be a formula."""
    return tuple(
        frozenset(_NAMES.findall(node.value))
        for node in ast.walk(cell_tree(cell))
        if isinstance(node, ast.Constant)
        and type(node.value) is str
        and _FORMULA.fullmatch(node.value)
        and not _PROSE.search(node.value)
    )


@lru_cache(maxsize=256)
def _constants(cell: str) -> tuple[str, ...]:
    """Give the texts that stand in a cell, without their spaces."""
    return tuple(
        _bare(node.value)
        for node in ast.walk(cell_tree(cell))
        if isinstance(node, ast.Constant) and type(node.value) is str
    )
