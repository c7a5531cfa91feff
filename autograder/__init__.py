"""Build, grade and report notebook labs."""

import importlib
import importlib.util
import sys
from types import ModuleType
from typing import Any

__all__: list[str] = []

_ADDRESSES = "rfc3987_syntax"


class _Later(ModuleType):
    """Stands for a module until somebody wants something of it."""

    def is_valid_syntax(self, kind: str, text: str) -> bool:
        """Say whether a text is an international address; jsonschema asks for this by name."""
        return bool(self.__getattr__("is_valid_syntax")(kind, text))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if sys.modules.get(_ADDRESSES) is self:
            del sys.modules[_ADDRESSES]
        return getattr(importlib.import_module(_ADDRESSES), name)


# jsonschema, and so nbformat, makes forty grammars of international addresses when it is imported.
# That takes longer than all the rest of this package, and no notebook's schema has such addresses.
if _ADDRESSES not in sys.modules and importlib.util.find_spec(_ADDRESSES):
    sys.modules[_ADDRESSES] = _Later(_ADDRESSES)
