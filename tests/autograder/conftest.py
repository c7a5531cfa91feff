"""A small lab, its course, and the command line, for the tests of the autograder."""
# ruff: noqa: E501

import ast
import builtins
import copy
import functools
import io
import os
import re
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from autograder import sandbox
from autograder.engine import CellRun, Execution, Limits
from autograder.rooms import RoomsEngine, preload_for
from autograder.zygote import WarmProcess

# One lab with every kind of cell: given code, parameters, two questions with hidden tests, one
# test that gives a share of its points, a reflection, a task and a plain cell.
SMALL_LAB = '''\
# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "story", "grade": false, "solution": false, "locked": true, "task": false}
# # Sums, with a café

# %% tags=["parameters"] nbgrader={"schema_version": 3, "grade_id": "setup", "grade": false, "solution": false, "locked": true, "task": false}
SEED = 1  # whose data
NAMES = ["a"]

# %% nbgrader={"schema_version": 3, "grade_id": "q1", "grade": false, "solution": true, "locked": false, "task": false}
def add(a, b):
    """Add two numbers."""
    ### BEGIN SOLUTION
    secret_sum = a + b
    return secret_sum
    ### END SOLUTION

# %% nbgrader={"schema_version": 3, "grade_id": "q1_test", "grade": true, "solution": false, "locked": true, "task": false, "points": 3}
assert add(1, 2) == 3, "Add the two numbers."
### BEGIN HIDDEN TESTS
### HINT Try numbers below zero.
assert add(-1, -2) == -3, "hidden negative sum"
### HINT Try words.
assert add("a", "b") == "ab", "hidden words"
### END HIDDEN TESTS

# %%
print("a plain cell of the teacher's", SEED)

# %% nbgrader={"schema_version": 3, "grade_id": "q2", "grade": false, "solution": true, "locked": false, "task": false}
total = add(20, 22) + len(open("numbers.txt").read()) * 0

# %% nbgrader={"schema_version": 3, "grade_id": "q2_test", "grade": true, "solution": false, "locked": true, "task": false, "points": 2}
assert total == 42
### BEGIN HIDDEN TESTS
assert isinstance(total, int), "hidden kind"
### END HIDDEN TESTS

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "why", "grade": true, "solution": true, "locked": false, "task": false, "points": 2}
# The secret reflection of the teacher.

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "task", "grade": false, "solution": false, "locked": true, "task": true, "points": 1}
# Draw a sum.
# ### BEGIN MARK SCHEME
# A secret marking scheme.
# ### END MARK SCHEME
'''

SMALL_SETTINGS = """\
title = "Sums"
chapter = "05-sums"
minutes = 10
points = 8
packages = ["math"]
personal = ["seed"]

[parameters]
seed = 5

[limits]
cell_seconds = 2
total_seconds = 20

[questions.q1_test]
title = "Add two numbers"
"""

WRONG = """\
# score = 2
# fails = ["q1_test"]
# why = "Gives a number of its own."

# %% q1
def add(a, b):
    return 42
"""

RIGHT = """\
# why = "The other way round."

# %% q1
def add(a, b):
    return b + a if isinstance(a, int) else a + b
"""

SECRETS = ("secret", "hidden", "HIDDEN", "SOLUTION", "MARK SCHEME", "HINT")


@pytest.fixture
def small_labs(tmp_path: Path) -> Path:
    """A folder of labs that holds one small lab, 05_sums."""
    lab = tmp_path / "labs" / "05_sums"
    for name in ("files", "wrong", "right"):
        (lab / name).mkdir(parents=True)
    (lab / "lab.py").write_text(SMALL_LAB, "utf-8")
    (lab / "lab.toml").write_text(SMALL_SETTINGS, "utf-8")
    (lab / "README.md").write_text("# Sums\n", "utf-8")
    (lab / "files" / "numbers.txt").write_text("1 2 3\n", "utf-8")
    (lab / "wrong" / "constant.py").write_text(WRONG, "utf-8")
    (lab / "right" / "swapped.py").write_text(RIGHT, "utf-8")
    return lab.parent


@pytest.fixture
def secrets() -> tuple[str, ...]:
    """Words of the small lab that only its teacher may see."""
    return SECRETS


@pytest.fixture
def run_autograder(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run an ``autograder`` command in a folder: exit code, standard output, standard error."""
    from autograder.cli import app, run_reporting_errors

    def run(*words: object, cwd: Path) -> tuple[int, str, str]:
        monkeypatch.chdir(cwd)
        monkeypatch.setenv("COLUMNS", "300")
        monkeypatch.setattr(sys, "argv", ["autograder", *map(str, words)])
        capsys.readouterr()
        code = run_reporting_errors(app)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


class FakeEngine:
    """Runs cells in this process, without IPython; a word in an answer decides a worse fate.

    ``fates`` maps a text to the status of each cell that holds it; ``seen`` are the notebooks
    that were run.
    """

    name = "fake"
    isolation = "process"
    room: Any = "shared"

    def __init__(self) -> None:
        self.prepared: list[Any] = []
        self.seen: list[Any] = []
        self.fates: dict[str, Any] = {}
        self.closed = threading.Event()

    def prepare(self, source: Any) -> None:
        self.prepared.append(source)

    def run(self, notebook: Any, files: Path | None, limits: Limits) -> Execution:
        self.seen.append(notebook)
        executed = copy.deepcopy(notebook)
        names: dict[str, Any] = {"__builtins__": builtins}
        if files is not None:
            names["open"] = lambda name: io.StringIO((files / name).read_text("utf-8"))
        runs, problems = [], ()
        for index, cell in enumerate(executed.cells):
            if cell.cell_type != "code":
                continue
            status = next((self.fates[text] for text in self.fates if text in cell.source), None)
            if isinstance(status, Exception):
                raise status
            if problems:
                run = self._made(index, cell, "not-run")
            elif status is None:
                run = self._ran(index, cell, names)
            else:
                run = self._made(index, cell, status)
                problems = ("The kernel died.",) if status == "died" else ()
            cell["outputs"] = [_node(output) for output in run.outputs]
            runs.append(run)
        return Execution(executed, tuple(runs), problems, 0.25)

    def close(self) -> None:
        self.closed.set()

    @staticmethod
    def _made(index: int, cell: Any, status: Any) -> CellRun:
        return CellRun(index, _name(cell), status)

    @staticmethod
    def _ran(index: int, cell: Any, names: dict[str, Any]) -> CellRun:
        outputs: list[Mapping[str, Any]] = []

        def say(*words: object, **_: object) -> None:
            text = " ".join(map(str, words)) + "\n"
            outputs.append({"output_type": "stream", "name": "stdout", "text": text})

        names["print"] = say
        names["show"] = lambda data: outputs.append(
            {"output_type": "display_data", "data": data, "metadata": {}}
        )
        try:
            tree = ast.parse(cell.source)
            last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
            exec(compile(tree, "cell", "exec"), names)
            if isinstance(last, ast.Expr):
                value = eval(compile(ast.Expression(last.value), "cell", "eval"), names)
                if value is not None:
                    data = {"text/plain": repr(value)}
                    outputs.append({"output_type": "execute_result", "data": data,
                                    "metadata": {}, "execution_count": 1})  # fmt: skip
        except Exception as error:
            frames = traceback.extract_tb(error.__traceback__)
            own = [frame.lineno for frame in frames if frame.name == "<module>"]
            kind, text = type(error).__name__, str(error)
            outputs.append(
                {"output_type": "error", "ename": kind, "evalue": text, "traceback": [text]}
            )
            line = own[-1] if own and frames[-1].filename == "cell" else None
            return CellRun(index, _name(cell), "error", tuple(outputs), kind, text, line)
        return CellRun(index, _name(cell), "ok", tuple(outputs))


def _name(cell: Any) -> str:
    return str(cell.metadata.get("nbgrader", {}).get("grade_id", ""))


def _node(output: Mapping[str, Any]) -> Any:
    import nbformat

    return nbformat.from_dict(dict(output))


# What some cells of the tests use beside NumPy and pandas, and the words that tell those cells.
LIBRARIES = (
    *("matplotlib.pyplot", "matplotlib_inline.backend_inline", "pytest", "joblib", "doctest"),
    *("sklearn.linear_model", "sklearn.metrics", "sklearn.pipeline", "sklearn.model_selection"),
    *("sklearn.dummy", "sklearn.tree", "fastapi.testclient", "unittest.mock"),
)
USES_LIBRARIES = re.compile(
    "matplotlib|plt|figure|pytest|joblib|doctest|sklearn|fastapi|pydantic|mock|raises|plot"
)


class WarmProcesses:
    """Two warm processes for all tests, confined as well as this machine can, on demand.

    One has imported the libraries and is for cells that use them. A room forked from the other
    costs half as much.
    """

    def __init__(self) -> None:
        self.level = os.environ.get("AUTOGRADER_TEST_ISOLATION") or sandbox.best()
        self._started: dict[bool, WarmProcess] = {}

    def __call__(self, text: str) -> WarmProcess:
        """Give the process for cells of that text."""
        uses_libraries = bool(USES_LIBRARIES.search(text))
        if uses_libraries not in self._started:
            *modules, last = preload_for(None)
            more = LIBRARIES if uses_libraries else ()
            warm = sandbox.start([*modules, *more, last], isolation=self.level)
            self._started[uses_libraries] = warm
        return self._started[uses_libraries]

    def close(self) -> None:
        for warm in self._started.values():
            warm.close()


@pytest.fixture(scope="session")
def warm_for() -> Iterator[WarmProcesses]:
    """A warm process for cells of a text; the environment of their starter holds a secret."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADER_SECRET", "secret of the graders environment")
        processes = WarmProcesses()
        yield processes
        processes.close()


class Borrowed:
    """A warm process that stays for the next test when an engine closes it."""

    def __init__(self, warm: WarmProcess) -> None:
        self.spawn = warm.spawn
        self.branch = warm.branch
        self.left_out = warm.left_out
        self.loaded = warm.loaded

    def close(self) -> None:
        """Leave it as it is."""


@pytest.fixture(scope="session")
def borrowed() -> Callable[[WarmProcess], Borrowed]:
    """Lend a warm process to an engine."""
    return Borrowed


@pytest.fixture(scope="session")
def borrowing_engine(warm_for: WarmProcesses) -> Callable[..., RoomsEngine]:
    """Make an engine of two rooms, as the sandbox makes them, that starts no process of its own."""

    def make(*, tests: str = "examiner") -> RoomsEngine:
        return RoomsEngine(
            lambda modules, *_: Borrowed(warm_for(" ".join(modules))),
            compatible=tests == "student",
            isolation=warm_for.level,
        )

    return make


@pytest.fixture(scope="session")
def alembic_asked_once() -> Iterator[None]:
    """For each gradebook, nbgrader starts a program that takes seconds to say the same."""
    import nbgrader.api

    with pytest.MonkeyPatch.context() as patch:
        asked = functools.cache(nbgrader.api.get_alembic_version)
        patch.setattr(nbgrader.api, "get_alembic_version", asked)
        yield


@pytest.fixture
def fake_engine() -> FakeEngine:
    """An engine that is fast and does as it is told."""
    return FakeEngine()


class SmallCourse:
    """A course with the small lab; its students' work is handed in by calling ``hand_in``."""

    def __init__(self, labs: Path, root: Path) -> None:
        from autograder.course import Course
        from autograder.labs import load_lab, source_notebook
        from autograder.release import build_course

        build_course(labs, root)
        self.course = Course.open(root)
        self.root = self.course.root
        self.source = source_notebook(load_lab(labs / "05_sums"))

    def notebook(self, answers: Mapping[str, str] | None = None) -> Any:
        """Make the work of a student: what ``answers`` leaves out is answered well."""
        from autograder.answers import submission_from

        return submission_from(self.source, answers or {})

    def hand_in(self, student: str, answers: Mapping[str, str] | bytes | None = None) -> Path:
        """Put a submission where nbgrader collects it, as a notebook or as mere bytes."""
        from autograder.notebook import notebook_bytes

        path = self.root / "submitted" / student / "05_sums" / "05_sums.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        is_raw = isinstance(answers, bytes)
        path.write_bytes(answers if is_raw else notebook_bytes(self.notebook(answers)))
        return path

    def hand_in_blank(self, student: str) -> Path:
        """Hand in the notebook as it was given out."""
        return self.hand_in(student, self.course.release("05_sums").read_bytes())


@pytest.fixture
def small_course(small_labs: Path, tmp_path: Path) -> SmallCourse:
    """A course built from the small lab, in which nobody has handed in anything yet."""
    return SmallCourse(small_labs, tmp_path / "course")
