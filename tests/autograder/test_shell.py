"""The shell of a room: cells run as IPython would run them, plain ones without its rewriting."""

import asyncio
from collections.abc import Iterator

import pytest

from autograder.capture import Capture
from autograder.cell_text import plain_python
from autograder.shell import RoomShell, make_shell

NAMES: dict[str, object] = {}


@pytest.fixture(scope="module")
def shell() -> Iterator[RoomShell]:
    """A shell, and the instance that was there before put back."""
    NAMES.update({"__name__": "__main__"})
    made = make_shell(NAMES)
    yield made
    RoomShell.clear_instance()


def run(shell: RoomShell, text: str) -> tuple[str, Capture]:
    """Run a cell; give the kind of its error and what it showed."""
    capture = Capture()
    shell.capture_into(capture)
    loop = asyncio.new_event_loop()
    try:
        error = shell.run_text(text, loop).error
    finally:
        loop.close()
    return type(error).__name__ if error else "", capture


def test_a_word_that_is_a_magic_alone_on_its_line_still_is_one(shell: RoomShell) -> None:
    """`pwd` is a name to Python and a command to IPython; a cell of it is the command."""
    error, shown = run(shell, "pwd")
    assert error == ""
    assert shown.take()[0]["output_type"] == "execute_result"


@pytest.mark.parametrize(
    "text", ["%time x = 3\ny = 4", "y = 4\n%time x = 3", ">>> x = 3\n>>> y = 4", "  x = 3\n  y = 4"]
)
def test_magics_prompts_and_indents_are_rewritten(shell: RoomShell, text: str) -> None:
    """What isn't Python as it stands is brought into form first."""
    NAMES.pop("x", None)
    NAMES.pop("y", None)
    assert plain_python(text) is None
    assert run(shell, text)[0] == ""
    assert (NAMES["x"], NAMES["y"]) == (3, 4)


def test_a_cell_that_changes_how_cells_are_read_is_obeyed(shell: RoomShell) -> None:
    """A transformer that a cell puts in place sees the cells after it, plain ones too."""
    try:
        run(
            shell,
            "def _swap(lines):\n    return [line.replace('before', 'after') for line in lines]\n"
            "get_ipython().input_transformers_cleanup.append(_swap)",
        )
        run(shell, "seen = 'before'\nmore = 1")
        assert NAMES["seen"] == "after"
    finally:
        shell.input_transformers_cleanup.pop()


def test_lines_keep_their_numbers(shell: RoomShell) -> None:
    """An error in a plain cell is in the line in which the cell has it."""
    error, shown = run(shell, "x = 1\n\n1 / 0")
    assert error == "ZeroDivisionError"
    assert "line 3" in "".join(shown.take()[0]["traceback"])
