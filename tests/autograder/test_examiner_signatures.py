"""What student code is told of the parameters of a test's function."""

import inspect
import typing
from pathlib import Path
from typing import Any

import pytest

from autograder.examiner_signatures import signature_of
from autograder.wire_signatures import LEFT_OUT

EMPTY = inspect.Parameter.empty
RAN: list[int] = []


class Own:
    """A test's class."""


Own.__module__ = "__main__"


def annotated(annotation: Any) -> Any:
    def function(x: Any, y: int = 42) -> Any:
        """Have a parameter."""

    function.__annotations__ = {"x": annotation, "return": annotation}
    return function


def test_that_there_is_a_default_is_told_and_not_which() -> None:
    """It may be what is expected."""
    told = signature_of(annotated(int))
    assert list(told.parameters) == ["x", "y"]
    assert told.parameters["y"].default is LEFT_OUT
    assert "42" not in str(told)


@pytest.mark.parametrize("kind", [int, Path, list[Path], dict[str, int], int | None, typing.Any])
def test_a_librarys_types_are_told(kind: Any) -> None:
    """Also within others."""
    told = signature_of(annotated(kind))
    assert told.parameters["x"].annotation == told.return_annotation
    assert told.return_annotation in (kind, EMPTY)
    assert told.return_annotation == kind or kind is typing.Any


@pytest.mark.parametrize("kind", [Own, list[Own], 42, typing.Literal[42], "RAN.append(1)", "int"])
def test_what_is_the_tests_is_not_told(kind: Any) -> None:
    """A text isn't evaluated: it may be what a name of the student's stands for."""
    told = signature_of(annotated(kind))
    assert told.parameters["x"].annotation is EMPTY
    assert told.return_annotation is EMPTY
    assert RAN == []


def test_what_stands_for_an_annotated_type_is_told_without_values() -> None:
    """Those are the test's."""
    assert signature_of(annotated(typing.Annotated[int, 42])).return_annotation is int
