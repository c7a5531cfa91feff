"""What a lab's own text shows, before anything is run: leaks, untested tests, idle tags."""

from collections.abc import Sequence

from nbformat import NotebookNode

from autograder.answers import Answer
from autograder.fresh_rooms import is_fresh
from autograder.hidden_regions import hidden_lines
from autograder.notebook import cell_kind, grade_id
from autograder.release import release_notebook

__all__ = ["idle_tags", "leaks", "untested"]

_SHORTEST_LINE = 4


def leaks(source: NotebookNode) -> list[str]:
    """Look in the release for any line that only the teacher should see."""
    shown: set[str] = set()
    secret: set[str] = set()
    for cell in source.cells:
        private = hidden_lines(cell.source) | _solution_lines(cell)
        for number, line in enumerate(cell.source.split("\n"), 1):
            (secret if number in private else shown).add(line.strip())
    released = {
        line.strip() for cell in release_notebook(source).cells for line in cell.source.split("\n")
    }
    leaked = (secret - shown) & released
    return [
        f"the release shows a line of a solution or a hidden test: {line}"
        for line in sorted(leaked)
        if len(line) >= _SHORTEST_LINE
    ]


def _solution_lines(cell: NotebookNode) -> frozenset[int]:
    """Give the numbers of the lines between the marks of a solution; all, where it has none."""
    if cell_kind(cell) not in ("answer", "manual"):
        return frozenset()
    lines = cell.source.split("\n")
    inside, found = False, set()
    for number, line in enumerate(lines, 1):
        if "BEGIN SOLUTION" in line:
            inside = True
        elif "END SOLUTION" in line:
            inside = False
        elif inside:
            found.add(number)
    return frozenset(found or range(1, len(lines) + 1))


def untested(source: NotebookNode, wrong: Sequence[Answer]) -> list[str]:
    """Find tests that no wrong answer fails: nothing shows that they can fail."""
    failed = {name for answer in wrong for name in answer.fails}
    tests = [grade_id(cell) for cell in source.cells if cell_kind(cell) == "test"]
    problems = [f"no wrong answer fails {name}" for name in tests if name not in failed]
    strangers = failed - set(tests)
    if strangers:
        problems.append(f"wrong answers name {', '.join(sorted(strangers))}, which are no tests")
    return problems


def idle_tags(source: NotebookNode) -> list[str]:
    """Find cells that the tag for fresh rooms does nothing for: it is for given code."""
    return [
        f"the tag 'fresh-room' does nothing on {grade_id(cell) or 'a cell without an id'}: give it "
        "to locked cells of code, whose functions the tests then call"
        for cell in source.cells
        if is_fresh(cell) and (cell.cell_type != "code" or cell_kind(cell) != "locked")
    ]
