"""Texts of the student's by which a library would find an object, or a file, of this room's.

A dotted name that an answer gives is looked up in its own room; what a library looks up here by
itself may be no more than what a test has written.
"""

import argparse
import importlib
from collections.abc import Callable
from functools import wraps
from typing import Any

from autograder.handles import HandleError

__all__ = ["patch_import_strings", "patch_imports"]

_TAG = "Tag the test cell 'student-room' so that it runs beside the student's code."


def patch_imports(own: Callable[[], str]) -> None:
    """Keep libraries from finding a test's own objects by texts that the test hasn't written.

    And a parser of arguments from reading files that an answer names.

    Parameters
    ----------
    own : callable
        Gives the text of the tests and given cells.
    """
    found, read = importlib.import_module, argparse.ArgumentParser._read_args_from_files

    @wraps(found)
    def import_module(name: str, package: str | None = None) -> Any:
        if str(name).partition(".")[0] == "__main__" and "__main__." not in own():
            raise HandleError(f"the text {name[:80]!r} names what is the test's own. {_TAG}")
        return found(name, package)

    @wraps(read)
    def read_files(self: Any, arg_strings: Any) -> Any:
        if "fromfile_prefix_chars" not in own():
            raise HandleError(f"files of the examiner's room aren't read for an answer. {_TAG}")
        return read(self, arg_strings)

    importlib.import_module = import_module
    setattr(argparse.ArgumentParser, "_read_args_from_files", read_files)  # noqa: B010


def patch_import_strings(own: Callable[[], str]) -> None:
    """Have pydantic import what a test names itself, and nothing that an answer does."""
    from pydantic._internal import _validators

    found = _validators.import_string
    if hasattr(found, "__wrapped__"):
        return

    @wraps(found)
    def import_string(value: Any) -> Any:
        if isinstance(value, str) and value not in own():
            raise HandleError(
                f"the text {value[:80]!r} would be imported in the examiner's room. {_TAG}"
            )
        return found(value)

    setattr(_validators, "import_string", import_string)  # noqa: B010
