"""Which class is meant: by the identity of the class object, never by its name.

In the student's room a table of all classes is taken before any student code runs. A class that
the student made, whatever it calls itself, isn't in it. What crosses is the name that a class had
*in the table*; in the examiner's room that name is looked up among the modules that are loaded
there already, without importing anything.
"""

import sys
import types
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["ClassTable", "find_class", "reaches_memory"]

_PARTS = 8
_OF_MEMORY = frozenset({"ctypes", "_ctypes", "mmap", "cffi", "_cffi_backend"})
# As Python knows them, whatever a class of classes says.
_module_of, _qualname_of = (vars(type)[name].__get__ for name in ("__module__", "__qualname__"))
_UNNAMED: dict[str, type] = {
    kind.__name__: kind
    for kind in vars(types).values()
    if isinstance(kind, type) and kind.__module__ == "builtins"
}
"""Classes that call themselves built in and have no name there: functions, generators ..."""


def find_class(module: object, qualname: object) -> type | None:
    """Give the class of this process with that name, if its module is loaded."""
    if type(module) is not str or type(qualname) is not str:
        return None
    if module == "builtins" and qualname in _UNNAMED:
        return _UNNAMED[qualname]
    found: Any = sys.modules.get(module)
    if type(found) is not ModuleType and not isinstance(found, ModuleType):
        return None
    for part in qualname.split(".")[:_PARTS]:
        namespace = (
            type.__getattribute__(found, "__dict__") if isinstance(found, type) else vars(found)
        )
        found = namespace.get(part)
        if not isinstance(found, (type, ModuleType)):
            return None
    return found if isinstance(found, type) else None


def reaches_memory(kind: type) -> bool:
    """Say whether objects of a class read and write the memory of their process."""
    return kind.__module__.partition(".")[0] in _OF_MEMORY


class ClassTable:
    """The classes that existed before student code ran, with the names they had then."""

    def __init__(self) -> None:
        # By identity: a class of a student's metaclass may be equal to any other.
        self._names: dict[int, tuple[type, str, str]] = {}
        self._folders = tuple({str(Path(sys.prefix)), str(Path(sys.base_prefix))})
        waiting: list[type] = [object]
        while waiting:
            kind = waiting.pop()
            if id(kind) in self._names:
                continue
            self._names[id(kind)] = (kind, str(kind.__module__), str(kind.__qualname__))
            waiting.extend(type.__subclasses__(kind))

    def name_of(self, kind: type) -> tuple[str, str] | None:
        """Give the module and name of a library's class; None for the student's own."""
        known = self._names.get(id(kind))
        if known is not None:
            return None if known[1] == "__main__" else known[1:]
        qualname = _qualname_of(kind)
        try:
            module = _module_of(kind)
        except AttributeError:
            return None
        if find_class(module, qualname) is not kind or not self._is_installed(module):
            return None
        return str(module), str(qualname)

    def _is_installed(self, module: object) -> bool:
        """Say whether a module that was imported later is installed, or one that the lab ships.

        A student's own module passes too: the examiner's room, which looks the name up among its
        own modules, has none of that name.
        """
        spec = getattr(sys.modules.get(str(module)), "__spec__", None)
        origin = getattr(spec, "origin", None)
        return isinstance(origin, str) and origin.startswith((*self._folders, str(Path.cwd())))
