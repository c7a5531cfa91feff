"""How the cells of the examiner's room are compiled: prepared, and once for all that fork later.

A lab's test cells are the same for everybody. What a process has compiled, the rooms that are
forked from it have.
"""

import __future__

import ast
from functools import lru_cache
from types import CodeType
from typing import Any

from IPython.core.compilerop import CachingCompiler

from autograder.examiner_preparation import Preparation

__all__ = ["CellCompiler"]

_FUTURES = sum(getattr(__future__, name).compiler_flag for name in __future__.all_feature_names)
_codes: dict[tuple[ast.AST, str, str, int], CodeType] = {}


class CellCompiler(CachingCompiler):
    """Compiles cells as :class:`Preparation` changes them."""

    flags: int

    def ast_parse(self, source: str, filename: str = "<unknown>", symbol: str = "exec") -> ast.AST:
        """Parse a cell and prepare it; statements that are known already are given again."""
        if symbol != "exec":
            return super().ast_parse(source, filename, symbol)
        return ast.Module([*_statements(source, self.flags)], [])

    def __call__(self, source: Any, filename: str, symbol: str, **options: Any) -> CodeType:
        """Compile a text or a tree; a statement that was compiled before is known."""
        nodes = source.body if isinstance(source, (ast.Module, ast.Interactive)) else []
        if len(nodes) != 1 or options:
            made: CodeType = super().__call__(source, filename, symbol, **options)
            return made
        key = (nodes[0], filename, symbol, self.flags)
        code = _codes.get(key)
        if code is None:
            code = _codes[key] = super().__call__(source, filename, symbol)
        self.flags |= code.co_flags & _FUTURES  # a future statement holds from here on
        return code


@lru_cache(maxsize=512)
def _statements(source: str, flags: int) -> tuple[ast.stmt, ...]:
    tree: Any = compile(source, "<cell>", "exec", flags | ast.PyCF_ONLY_AST, dont_inherit=True)
    are_texts = bool(flags & __future__.annotations.compiler_flag)
    prepared: ast.Module = ast.fix_missing_locations(
        Preparation(texts=are_texts, of_test=True).visit(tree)
    )
    return tuple(prepared.body)
