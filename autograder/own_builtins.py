"""Python's own names for this package alone, in processes where tests and answers run too.

A test may put others in their place (``builtins.len = forbidden``), and what runs it in the same
process would stumble over that.
"""

import builtins
import sys
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType
from typing import Any

__all__ = ["keep_own_builtins"]

_PACKAGE = __name__.partition(".")[0]


class _Loader(SourceFileLoader):
    """Runs a module's code with names of Python's that nothing else has."""

    _own: dict[str, Any] = vars(builtins).copy()

    def exec_module(self, module: ModuleType) -> None:
        """Run it; functions look such names up where their module does."""
        vars(module)["__builtins__"] = self._own
        super().exec_module(module)


class _Finder:
    """Finds the modules of this package."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Find one as Python does; it is loaded by the loader of this module."""
        if not name.startswith(f"{_PACKAGE}."):
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and type(spec.loader) is SourceFileLoader:
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


def keep_own_builtins() -> None:
    """Give modules of this package that are imported from now on Python's names as they are now."""
    if not any(finder is _Finder for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder)
