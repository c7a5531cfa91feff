"""Which lines of a cell were running, told by the error alone."""

from typing import Any

import pytest

from autograder.cell_frames import cell_lines


def raised(text: str, names: dict[str, Any] | None = None) -> BaseException:
    try:
        exec(compile(text, "<cell 1>", "exec"), names if names is not None else {})
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def test_the_lines_run_from_the_outermost_to_the_innermost() -> None:
    """A function of the cell that is called by the cell adds its own line."""
    error = raised("def check():\n    assert False\n\ncheck()")
    assert cell_lines(error, "<cell 1>") == [4, 2]
    assert cell_lines(error, "<cell 2>") == []
    assert cell_lines(None, "<cell 1>") == []


def test_the_error_behind_an_error_counts_too() -> None:
    """A test that turns one failure into another tells where both were, as a traceback does."""
    text = "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    raise ValueError{}"
    assert cell_lines(raised(text.format("")), "<cell 1>") == [2, 4]
    assert cell_lines(raised(text.format("(1) from error")), "<cell 1>") == [2, 4]
    assert cell_lines(raised(text.format("(1) from None")), "<cell 1>") == [4]


def test_a_cell_that_is_not_python_has_the_line_of_the_mistake() -> None:
    """There is no frame then."""
    assert cell_lines(raised("x = 1\ny = ("), "<cell 1>") == [2]


def test_deep_recursion_gives_few_lines() -> None:
    """Each line stands once."""
    error = raised("def f(n):\n    return f(n + 1)\nf(0)")
    assert cell_lines(error, "<cell 1>") == [3, 2]


@pytest.mark.parametrize(
    "name", ["__cause__", "__context__", "__traceback__", "__suppress_context__"]
)
def test_an_error_of_a_students_class_is_not_asked(name: str) -> None:
    """Its attributes could raise, lie or never end."""
    text = f"class E(Exception):\n    @property\n    def {name}(self): raise SystemExit\nraise E"
    assert cell_lines(raised(text), "<cell 1>") == [4]


def test_a_syntax_error_of_a_students_class_is_not_asked() -> None:
    """Nor is its line."""
    text = "class E(SyntaxError):\n    lineno = property(lambda self: 1 / 0)\nraise E('x')"
    assert cell_lines(raised(text), "<cell 1>") == [3]
