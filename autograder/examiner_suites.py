"""Suites of a test's that hold test cases which students have written.

Such a suite runs where its cases are: what a class sets up for all of them belongs to that class.
What it finds goes into the test's own result.
"""

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any
from unittest.suite import BaseTestSuite, TestSuite

from autograder.handles import number_of

__all__ = ["patch_suites"]


def patch_suites(ask: Callable[..., Any]) -> None:
    """Have suites of students' test cases run in the students' room.

    Parameters
    ----------
    ask : callable
        Asks that room.
    """
    run_here = TestSuite.run

    @wraps(run_here)
    def run(self: Any, result: Any, debug: bool = False) -> Any:
        cases = list(_cases(self))
        if not cases or any(number_of(case) is None for case in cases):
            return run_here(self, result, debug)
        suite = ask("call", ask("get", ask("module", "unittest"), "TestSuite"), cases)
        ask("call", ask("get", suite, "run"), result, debug)
        return result

    setattr(TestSuite, "run", run)  # noqa: B010 - its stub says it can't be set


def _cases(suite: Iterable[Any]) -> Iterable[Any]:
    """Give the cases of a suite and of those within it."""
    for test in suite:
        if isinstance(test, BaseTestSuite):
            yield from _cases(test)
        else:
            yield test
