"""The same work graded by nbgrader itself and by us: the same points, and the same files."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest
from nbgrader.api import Gradebook

from autograder.grade import grade_class
from autograder.notebook import cell_kind, grade_id, read_notebook

pytestmark = pytest.mark.filterwarnings("ignore:Object of type.*not in session")
LAB = "05_sums"


_GRADE = """\
import logging, sys
from nbgrader.apps import NbGraderAPI
from traitlets.config.loader import PyFileConfigLoader

logging.disable(logging.CRITICAL)
api = NbGraderAPI(config=PyFileConfigLoader("nbgrader_config.py", path=".").load_config())
assignment, *students = sys.argv[1:]
steps = [api.generate_assignment(assignment)]
steps += [api.autograde(assignment, student) for student in students]
for done in steps:
    assert done["success"], done.get("error") or done["log"]
"""


def python(*words: object, cwd: Path) -> "subprocess.CompletedProcess[str]":
    scripts = sysconfig.get_path("scripts")
    path = os.pathsep.join([scripts, os.environ["PATH"]])
    home = str(cwd.parent / "home")
    done = subprocess.run(
        [sys.executable, *map(str, words)],
        cwd=cwd, env=os.environ | {"PATH": path, "HOME": home, "IPYTHONDIR": home},
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done


def scores(root: Path, course_id: str) -> dict[tuple[str, str], Any]:
    with Gradebook(f"sqlite:///{root / 'gradebook.db'}", course_id) as book:
        return {
            (submission.student.id, grade.name): (
                grade.auto_score, grade.max_score, grade.needs_manual_grade,
            )
            for submission in book.assignment_submissions(LAB)
            for notebook in submission.notebooks
            for grade in notebook.grades
        }  # fmt: skip


@pytest.mark.whole_way
def test_both_give_the_same_points(
    small_course: Any, tmp_path: Path, borrowing_engine: Any, alembic_asked_once: None
) -> None:
    """Every cell of a right, a wrong and an untouched submission, in either room.

    nbgrader makes the release anew before it grades, and it is the one that was built.
    """

    # nbgrader knows of no personal parameters.
    for name in ("source", "release"):
        settings = small_course.root / name / LAB / "lab.toml"
        settings.write_text(settings.read_text("utf-8").replace('"seed"', ""), "utf-8")
    small_course.hand_in("ann", {"why": "Because."})
    only_visible = "def add(a, b):\n    return abs(a) + abs(b)"
    small_course.hand_in("bea", {"q1": only_visible, "why": "So."})
    small_course.hand_in_blank("cyd")
    stock = tmp_path / "stock"
    shutil.copytree(small_course.root, stock)
    course_id = small_course.course.config.course_id or "default_course"
    (stock / "release" / LAB / f"{LAB}.ipynb").unlink()
    python("-c", _GRADE, LAB, "ann", "bea", "cyd", cwd=stock)
    theirs = scores(stock, course_id)
    given_out = Path("release", LAB, f"{LAB}.ipynb")
    built, made = read_notebook(small_course.root / given_out), read_notebook(stock / given_out)
    assert [dict(cell) for cell in made.cells] == [dict(cell) for cell in built.cells]
    assert [cell_kind(cell) for cell in made.cells].count("test") == 2
    for tests in ("examiner", "student"):
        grade_class(small_course.course, LAB, engine=borrowing_engine(tests=tests), workers=2)
        ours = scores(small_course.root, course_id)
        assert ours == theirs, tests
    assert ours["ann", "q1_test"] == (3, 3, False)
    assert (ours["bea", "q1_test"][0], ours["bea", "q2_test"][0]) == (0, 2)
    for student in ("ann", "bea", "cyd"):
        path = Path("autograded", student, LAB, f"{LAB}.ipynb")
        mine, other = read_notebook(small_course.root / path), read_notebook(stock / path)
        assert [grade_id(cell) for cell in mine.cells] == [grade_id(cell) for cell in other.cells]


def test_nbgraders_own_check_reads_the_release(small_course: Any) -> None:
    """`nbgrader validate` runs the students' version and names the cells that fail."""
    done = python(
        "-m", "nbgrader", "validate", small_course.course.release(LAB), cwd=small_course.root
    )
    assert "NotImplementedError" in done.stdout
