"""The engines there are, by name, and which one grades when nobody says."""

import os

from autograder.engine import Engine
from autograder.errors import GraderError, SandboxError

__all__ = [
    "DEFAULT_ENGINE",
    "ENGINES",
    "TESTS",
    "engine_named",
    "grading_engine",
    "is_at_least",
    "is_weak",
    "trusting_isolation",
]

ENGINES = ("rooms", "nbgrader")
TESTS = ("examiner", "student")
# Rooms are forked, which Windows can't do.
DEFAULT_ENGINE = "rooms" if hasattr(os, "fork") else "nbgrader"


def engine_named(name: str, *, isolation: str = "", tests: str = "") -> Engine:
    """Make the engine of that name.

    Parameters
    ----------
    name : str
        One of :data:`ENGINES`.
    isolation : str
        How far to confine student code, see :mod:`autograder.sandbox`; ``""`` is the best that
        works on this machine.
    tests : str
        ``"examiner"``, the default, keeps the tests out of the process that runs the student's
        code; ``"student"`` runs them in it, as nbgrader does, but still confined.

    Raises
    ------
    GraderError
        If there is no such engine, or not with that isolation; the message lists what there is.
    SandboxError
        If this machine can't confine student code as far as was asked, or enough to grade by.
    """
    if tests and tests not in TESTS:
        raise GraderError(f"tests run with 'examiner' or 'student', not {tests!r}.")
    if name == "rooms":
        from autograder.sandbox import LEVELS, rooms_engine

        if isolation and isolation not in LEVELS:
            raise GraderError(f"there is no isolation {isolation!r}; there: {', '.join(LEVELS)}.")
        return rooms_engine(isolation=isolation, compatible=tests == "student")
    if name == "nbgrader":
        if isolation not in ("", "process"):
            raise GraderError(
                "the engine 'nbgrader' runs students' code as your user, in isolation 'process'; "
                f"{isolation!r} needs --engine rooms."
            )
        if tests == "examiner":
            raise GraderError(
                "the engine 'nbgrader' runs tests beside the answers; keeping them apart needs "
                "--engine rooms."
            )
        from autograder.nbgrader_engine import NbgraderEngine

        return NbgraderEngine()
    raise GraderError(f"there is no engine {name!r}; there: {', '.join(ENGINES)}.")


def grading_engine(*, isolation: str = "", tests: str = "") -> Engine:
    """Make the engine that grades when nobody names one; arguments as for :func:`engine_named`.

    Raises
    ------
    SandboxError
        If this machine can't confine students' code and ``isolation`` doesn't say ``"process"``.
    """
    if DEFAULT_ENGINE == "rooms":
        return engine_named("rooms", isolation=isolation, tests=tests)
    if isolation != "process":
        raise SandboxError(
            "this system offers no way to confine students' code: they could read and write what "
            "you can. Grade on Linux (on Windows: in WSL); to grade all the same, say "
            "--isolation process."
        )
    return engine_named(DEFAULT_ENGINE, isolation=isolation, tests=tests)


def is_at_least(isolation: str, other: str) -> bool:
    """Say whether one isolation confines as much as another; one that isn't known never does.

    Examples
    --------
    >>> is_at_least("full", "process"), is_at_least("process", "landlock")
    (True, False)
    """
    from autograder.sandbox import LEVELS

    if isolation == other:
        return True
    known = isolation in LEVELS and other in LEVELS
    return known and LEVELS.index(isolation) <= LEVELS.index(other)


def is_weak(isolation: str) -> bool:
    """Say whether student code isn't confined enough to be graded without being told so."""
    from autograder.sandbox import FLOOR

    return not is_at_least(isolation, FLOOR)


def trusting_isolation(engine: str) -> str:
    """Give the isolation for notebooks that are one's own: the best there is, however weak."""
    if engine != "rooms":
        return ""
    from autograder.sandbox import best

    return best()
