"""The shells and tables that a room needs, made once in a warm process and inherited by fork.

Making a shell takes a tenth of a second and more; a process that forks rooms calls
:func:`warm_up` before its first fork, and each room takes what is there.
"""

import sys
from typing import Any

from autograder.examiner_compiler import CellCompiler
from autograder.examiner_names import TestNames
from autograder.examiner_pythons import ExaminerShell
from autograder.shell import RoomShell, make_shell
from autograder.wire_classes import ClassTable

__all__ = ["class_table", "examiner_shell", "student_shell", "warm_up"]

_made: dict[str, Any] = {}


def warm_up() -> None:
    """Make what the rooms need, so that those forked from here find it ready."""
    _made["examiner"] = _examiner()
    _made["student"] = _student()
    _made["classes"] = ClassTable()


def _student() -> tuple[RoomShell, dict[str, Any]]:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    shell = make_shell(namespace)
    shell.name_inner_cells()
    return shell, namespace


def _examiner() -> tuple[ExaminerShell, TestNames]:
    names = TestNames()
    shell = make_shell(names, CellCompiler, ExaminerShell)
    # Figures are drawn in the other room, whose backend ``%matplotlib inline`` can't change.
    object.__setattr__(shell, "enable_matplotlib", lambda gui=None: (gui, "agg"))
    return shell, names


def student_shell() -> tuple[RoomShell, dict[str, Any]]:
    """Give the student's room's shell and its namespace."""
    made: tuple[RoomShell, dict[str, Any]] = _made.get("student") or _student()
    _install(made[0])
    return made


def examiner_shell() -> tuple[ExaminerShell, TestNames]:
    """Give the examiner's room's shell and its names."""
    made: tuple[ExaminerShell, TestNames] = _made.get("examiner") or _examiner()
    _install(made[0])
    return made


def class_table() -> ClassTable:
    """Give the table of classes; taken now, if it wasn't before."""
    return _made.get("classes") or ClassTable()


def _install(shell: RoomShell) -> None:
    RoomShell.clear_instance()
    kinds: Any = type(shell)._walk_mro()
    for kind in kinds:
        kind._instance = shell
    sys.modules["__main__"] = shell.user_module
