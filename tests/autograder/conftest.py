"""A small lab, its course, and the command line, for the tests of the autograder."""
# ruff: noqa: E501

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

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
