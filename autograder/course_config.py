"""What a course's ``nbgrader_config.py`` says that grading depends on, read without running it.

The file is a program; what people write into it are plain assignments. Those are read from its
syntax tree; a setting that matters and is computed in any other way is refused by name, because
guessing it would grade the wrong folder or show a hidden test.
"""

import ast
import math
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autograder.errors import CourseError
from autograder.syntax import parse_python

__all__ = ["CourseConfig", "read_config"]

CONFIG = "nbgrader_config.py"
NBGRADERS_STUB = "# YOUR CODE HERE\nraise NotImplementedError()"
_STRUCTURE = ("{nbgrader_step}", "{student_id}", "{assignment_id}")
_FOLDERS = ("source", "release", "source_with_tests", "submitted", "autograded", "feedback")
_PLACES = {f"{name}_directory": name for name in _FOLDERS} | {
    name: name for name in ("root", "db_url", "course_id", "directory_structure")
}
# nbgrader's own spelling of "delimiter".
_SETTINGS = {
    "CourseDirectory": _PLACES,
    "NbGrader": _PLACES,
    "ClearSolutions": {
        "begin_solution_delimeter": "begin_solution",
        "end_solution_delimeter": "end_solution",
        "code_stub": "code_stub",
        "text_stub": "text_stub",
    },
    "ClearHiddenTests": {
        "begin_test_delimeter": "begin_hidden",
        "end_test_delimeter": "end_hidden",
    },
    "ClearMarkScheme": {
        "begin_mark_scheme_delimeter": "begin_scheme",
        "end_mark_scheme_delimeter": "end_scheme",
    },
    "Execute": {"timeout": "timeout"},
    "ExecutePreprocessor": {"timeout": "timeout"},
}


@dataclass(frozen=True, slots=True)
class CourseConfig:
    """A course's settings; the defaults are nbgrader's own.

    Attributes
    ----------
    source, release, source_with_tests, submitted, autograded, feedback : str
        What its folders are called.
    root, db_url, course_id, directory_structure : str
        Where it is and where its marks go; ``""`` where nothing is said.
    begin_solution, end_solution, begin_hidden, end_hidden, begin_scheme, end_scheme : str
        What marks the regions that students never see.
    code_stub, text_stub : str
        What students find in place of an answer; ``None`` for nbgrader's.
    timeout : float
        How long a cell may take, in seconds; 0 where nothing is said, infinite for no limit.
    """

    source: str = "source"
    release: str = "release"
    source_with_tests: str = "source_with_tests"
    submitted: str = "submitted"
    autograded: str = "autograded"
    feedback: str = "feedback"
    root: str = ""
    db_url: str = ""
    course_id: str = ""
    directory_structure: str = ""
    begin_solution: str = "BEGIN SOLUTION"
    end_solution: str = "END SOLUTION"
    begin_hidden: str = "BEGIN HIDDEN TESTS"
    end_hidden: str = "END HIDDEN TESTS"
    begin_scheme: str = "BEGIN MARK SCHEME"
    end_scheme: str = "END MARK SCHEME"
    code_stub: str | None = None
    text_stub: str | None = None
    timeout: float = 0.0


class _NotPlainError(Exception):
    """An expression whose value isn't written in the file."""


def read_config(folder: Path) -> CourseConfig:
    """Read the settings of the course in ``folder``; the defaults where it has no configuration.

    Raises
    ------
    CourseError
        If the file isn't Python, or computes one of these settings from what isn't in it.
    """
    path = folder / CONFIG
    try:
        tree = parse_python(path.read_bytes())
    except FileNotFoundError:
        return CourseConfig()
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise CourseError(
            f"{path} can't be read: {str(error) or 'it is nested too deep'}."
        ) from None
    names: dict[str, str] = {"__file__": str(path)}
    found: dict[str, Any] = {}
    plain = [node for node in tree.body if isinstance(node, ast.Assign)]
    unsure = _bound_elsewhere(tree, plain)
    for node in plain:
        _take(node, names, found, path)
        for name in unsure:
            names.pop(name, None)
    for other in ast.walk(tree):
        if isinstance(other, (ast.Assign, ast.AugAssign, ast.AnnAssign)) and other not in plain:
            for setting, _ in _settings_of(other):
                raise _refusal(path, other.lineno, setting, "within a condition or the like")
    if "root" in found and not (folder / found["root"]).is_dir():
        raise CourseError(
            f"{path} sets root to {found['root']}, which isn't there. Remove the line: the course "
            "is the folder that the file is in."
        )
    structure = found.get("directory_structure", "")
    if structure and Path(structure).parts != _STRUCTURE:
        wanted = "/".join(_STRUCTURE)
        raise CourseError(
            f"{path} sets directory_structure to {structure!r}; only nbgrader's own, {wanted!r}, "
            "is read. Remove the line, and name the folders by source_directory and the like."
        )
    return CourseConfig(**found)


def _take(node: ast.Assign, names: dict[str, str], found: dict[str, Any], path: Path) -> None:
    settings = list(_settings_of(node))
    for setting, field in settings:
        try:
            found[field] = _value(field, node.value, names)
        except _NotPlainError:
            raise _refusal(path, node.lineno, setting, f"to {ast.unparse(node.value)}") from None
    for target in node.targets:
        if isinstance(target, ast.Name):
            names.pop(target.id, None)
            with suppress(_NotPlainError):
                names[target.id] = _text(node.value, names)


def _bound_elsewhere(tree: ast.Module, plain: list[ast.Assign]) -> set[str]:
    """Name what is bound in other ways than by a plain assignment, in a condition for example."""
    known = {id(target) for node in plain for target in node.targets}
    return {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name)
        and not isinstance(node.ctx, ast.Load)
        and id(node) not in known
    }


def _refusal(path: Path, line: int, setting: str, how: str) -> CourseError:
    return CourseError(
        f"{path} line {line} sets {setting} {how}, which can't be read without running the file. "
        f"Write its value out: c.{setting} = …."
    )


def _settings_of(node: ast.Assign | ast.AugAssign | ast.AnnAssign) -> Iterator[tuple[str, str]]:
    """Name the settings that ``c.CLASS.SETTING = …`` assigns to, with the field each goes into."""
    for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
        match target:
            case ast.Attribute(value=ast.Attribute(value=ast.Name(), attr=owner), attr=setting):
                field = _SETTINGS.get(owner, {}).get(setting)
                if field is not None:
                    yield f"{owner}.{setting}", field


def _value(field: str, node: ast.expr, names: dict[str, str]) -> str | float:
    """Give the value of a field, of the kind that the field wants."""
    if field == "timeout":
        return _seconds(node)
    if field == "code_stub" and isinstance(node, ast.Dict):
        stubs = dict(zip(map(_key, node.keys), node.values, strict=True))
        return _text(stubs["python"], names) if "python" in stubs else NBGRADERS_STUB
    return _text(node, names)


def _key(node: ast.expr | None) -> str:
    return _text(node, {}) if node is not None else ""


def _seconds(node: ast.expr) -> float:
    """Read a limit of time as nbgrader does: nothing, 0 and what is below are no limit."""
    try:
        value = ast.literal_eval(node)
    except (ValueError, SyntaxError, TypeError, RecursionError):
        raise _NotPlainError from None
    if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
        raise _NotPlainError
    return float(value) if value and value > 0 else math.inf


def _text(node: ast.expr, names: dict[str, str]) -> str:
    """Give the text that an expression is, from what the file itself says."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.Name(id=name) if name in names:
            return names[name]
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _text(left, names) + _text(right, names)
        case ast.JoinedStr(values=parts):
            return "".join(_text(part, names) for part in parts)
        case ast.FormattedValue(value=value, conversion=-1, format_spec=None):
            return _text(value, names)
        case ast.Call(func=function, args=args, keywords=[]) if ast.unparse(function) in _FUNCTIONS:
            try:
                return str(_FUNCTIONS[ast.unparse(function)](*(_text(arg, names) for arg in args)))
            except TypeError:
                raise _NotPlainError from None
        case _:
            raise _NotPlainError


# A course's configuration is read from its own folder, so that is where it runs.
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "os.path.join": os.path.join,
    "os.path.dirname": os.path.dirname,
    "os.path.abspath": os.path.normpath,
    "os.path.realpath": os.path.normpath,
    "str": str,
    "os.getcwd": lambda: ".",
}
