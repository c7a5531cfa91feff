"""Parsing in several threads at once."""

import ast
import gc
import threading

import pytest

from autograder.syntax import parse_python

TEXT = "\n".join(f"def double_{n}(x): return [(((x * 2) - 1) / y) for y in x]" for n in range(40))
EXPECTED = ast.dump(ast.parse(TEXT))


@pytest.fixture
def interrupted():
    """Have another thread parse as soon as the garbage collector begins in a parsing thread."""
    threshold = gc.get_threshold()
    begun = threading.Event()
    other = threading.Thread(target=lambda: parse_python("if x:\n    if y:\n        z = 1"))

    def let_it_parse(phase: str, _facts: dict[str, int]) -> None:
        if threading.current_thread() is threading.main_thread() and not begun.is_set():
            begun.set()
            other.start()
            other.join(0.2)  # it waits for its turn; nothing waits for it

    gc.callbacks.append(let_it_parse)
    gc.set_threshold(300)
    yield begun
    gc.set_threshold(*threshold)
    gc.callbacks.remove(let_it_parse)
    other.join()


def test_threads_that_parse_at_once_do_not_count_each_others_depth(interrupted):
    """Pythons before 3.11.8 have one counter of depths for all threads."""
    tree = parse_python(TEXT)
    assert interrupted.is_set(), "the collector didn't begin while the text was parsed"
    assert ast.dump(tree) == EXPECTED


def test_what_is_no_python_is_said_as_python_says_it():
    """The lock is free again afterwards."""
    with pytest.raises(SyntaxError, match="was never closed"):
        parse_python("f(")
    other = threading.Thread(target=parse_python, args=("x = 1",), daemon=True)
    other.start()
    other.join(10)
    assert not other.is_alive()
