"""What of a test cell's text explains why it fails here, though nothing was refused.

A test that relies on being the notebook's next cell: it sets what answers read, or looks at what
the notebook has recorded of them.
"""

import ast
from collections.abc import Iterable

from autograder.examiner_source import (
    DEFINITIONS,
    bound_names,
    cell_tree,
    globals_used,
    names_of,
    targets,
)

__all__ = ["hints"]

_RECORDS = frozenset({"In", "Out", "_", "__", "___", "_i", "_ii", "_iii", "_ih", "_oh"})
_IMPORTS = (ast.Import, ast.ImportFrom)


def hints(text: str, tests: Iterable[str], answers: Iterable[str]) -> list[str]:
    r"""Say what a failed test cell relies on that isn't so in a room of its own.

    Parameters
    ----------
    text : str
        The cell.
    tests, answers : iterable of str
        The test cells up to this one, and the cells that students wrote.

    Examples
    --------
    >>> answer = "def solve(x): return scale * x"
    >>> [said[:32] for said in hints("scale = 3\nassert solve(2) == 6", ["scale = 3"], [answer])]
    ["'scale' is bound by a test cell,"]
    >>> [said[:33] for said in hints("assert _ == 42", [], ["6 * 7"])]
    ["'_' is what this room's notebook "]
    """
    found = []
    read = frozenset[str]().union(
        *(
            globals_used(node)
            for answer in answers
            for node in cell_tree(answer).body
            if isinstance(node, DEFINITIONS)
        )
    )
    bound = {
        name
        for test in tests
        for node in cell_tree(test).body
        if not isinstance(node, _IMPORTS)
        for name in targets(node)
    }
    for name in sorted(read & bound)[:1]:
        found.append(
            f"{name!r} is bound by a test cell, and the answers read such a name: they "
            "don't see the test's. Hand it over as an argument, or tag the test cell 'student-room'."
        )
    for name in sorted((_RECORDS & names_of(cell_tree(text))) - bound_names(text) - bound)[:1]:
        found.append(
            f"{name!r} is what this room's notebook has recorded, not the student's. Tag the test "
            "cell 'student-room' so that it runs beside the student's code."
        )
    return found
