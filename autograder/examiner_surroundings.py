"""What surrounds a test and the code it tests in one process, kept alike across two rooms.

Environment variables and how NumPy treats floating-point errors are brought to the student's room
before a question; variables that the test names are brought back. All of it only for test cells
that speak of such things.
"""

import ast
import os
import re
from collections.abc import Set
from typing import Any, Protocol

import numpy as np

from autograder.examiner_source import cell_tree
from autograder.wire_values import need

__all__ = ["Surroundings"]

_ENVIRONMENT = frozenset({"environ", "getenv", "setenv", "delenv", "putenv", "unsetenv"})
_NAMES_IT = re.compile(r"environb?(?![a-z])")  # in a text: a "working environment" is none
_ERRORS = frozenset({"errstate", "seterr"})
_VALUE = 32_000


class _Link(Protocol):
    def ask(self, op: str, /, *args: Any, **kwargs: Any) -> Any:
        """Ask the student's room."""


class Surroundings:
    """Carries them between the rooms around each question."""

    def __init__(self, link: _Link) -> None:
        self._link = link
        self._environment = dict(os.environ)
        self._errors: dict[str, Any] = dict(np.geterr())
        self._named: list[str] = []
        self._active = False

    def begin(self, words: Set[str], text: str) -> None:
        """Start a test cell in which these names and attributes occur."""
        speaks_of_it = bool(words & _ENVIRONMENT) or _NAMES_IT.search(text) is not None
        self._active = speaks_of_it or bool(words & _ERRORS)
        texts = _texts(text) if speaks_of_it else set()
        self._named = sorted(name for name in texts if name.isidentifier())
        self.fetch()

    def carry(self) -> None:
        """Bring to the student's room what changed here."""
        if not self._active:
            return
        now, errors = dict(os.environ), dict(np.geterr())
        before, self._environment = self._environment, now
        changes: dict[str, str | None] = {name: None for name in before if name not in now}
        changes |= {name: value for name, value in now.items() if before.get(name) != value}
        new_errors = errors if errors != self._errors else {}
        self._errors = errors
        if changes or new_errors:
            self._link.ask("surround", changes, new_errors)

    def fetch(self) -> None:
        """Bring here the variables that the test names, as they are in the student's room."""
        if not self._named:
            return
        found = self._link.ask("environment", self._named)
        need(type(found) is dict and set(found) <= set(self._named), "environment variables")
        for name in self._named:
            value = found.get(name)
            if value is None:
                os.environ.pop(name, None)
            elif type(value) is str and len(value) < _VALUE and "\0" not in value:
                os.environ[name] = value
        self._environment = dict(os.environ)


def _texts(text: str) -> set[str]:
    nodes = (node for node in ast.walk(cell_tree(text)) if isinstance(node, ast.Constant))
    return {node.value for node in nodes if isinstance(node.value, str)}
