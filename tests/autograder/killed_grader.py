"""Grade a course again and again, killed at seeded moments, and compare what is there at the end.

Run as a program: the pristine course, a folder for copies, a seed and how many kills. It prints
one JSON object. Each grading is a forked child that ends itself by SIGKILL a moment after some
event (a file opened, renamed, a database connected), counted from an undisturbed run.
"""

import functools
import importlib.util
import json
import os
import random
import shutil
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbgrader.api

from autograder.course import Course
from autograder.grade import grade_class

LAB = "05_sums"
_ROUNDS = 10
_LATEST = 0.02
_EVENTS = ("open", "os.rename", "os.remove", "os.mkdir", "sqlite3.connect")


def quick_engine() -> Any:
    """Load the engine of the other tests, which runs cells in this process."""
    place = Path(__file__).with_name("conftest.py")
    spec = importlib.util.spec_from_file_location("tests_conftest", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.FakeEngine()


def grade(root: Path) -> None:
    grade_class(Course.open(root), LAB, engine=quick_engine(), workers=2)


def in_child(work: Callable[[], None], *, listen: Callable[[], None] | None = None) -> int:
    """Do the work in a forked child, calling ``listen`` at each event; give how it ended."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    try:
        if listen is not None:
            sys.addaudithook(lambda event, _: listen() if event in _EVENTS else None)
        work()
        os._exit(0)
    except BaseException as error:
        print(repr(error), file=sys.stderr)
        os._exit(1)


def count_events(root: Path, counts: Path) -> int:
    """Say how many events a whole grading has."""
    seen = [0]

    def listen() -> None:
        seen[0] += 1

    def work() -> None:
        grade(root)
        counts.write_text(str(seen[0]))

    assert in_child(work, listen=listen) == 0
    return int(counts.read_text())


def killed(root: Path, event: int, delay: float) -> bool:
    """Grade, and be killed that long after that event; say whether it came to that."""
    left = [event]

    def end() -> None:
        time.sleep(delay)
        os.kill(os.getpid(), signal.SIGKILL)

    def listen() -> None:
        left[0] -= 1
        if left[0] == 0:
            threading.Thread(target=end, daemon=True).start()

    status = in_child(lambda: grade(root), listen=listen)
    assert status == 0 or os.WTERMSIG(status) == signal.SIGKILL, status
    return status != 0


def state(root: Path) -> dict[str, Any]:
    """Give all that a teacher would look at: marks, graded notebooks, the index of records."""
    base = sqlite3.connect(root / "gradebook.db")
    marks = base.execute(
        "select s.student_id, c.name, g.auto_score, g.needs_manual_grade, s.timestamp "
        "from grade g join base_cell c on c.id = g.cell_id "
        "join submitted_notebook n on n.id = g.notebook_id "
        "join submitted_assignment s on s.id = n.assignment_id"
    ).fetchall()
    cells = base.execute("select name, type from base_cell").fetchall()
    version = base.execute("select count(*) from alembic_version").fetchall()
    base.close()
    folder = root / "autograded"
    return {
        "marks": sorted(marks),
        "cells": sorted(cells),
        "version": version,
        "notebooks": {
            str(path.relative_to(folder)): path.read_text("utf-8")
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        },
        "index": json.loads((root / "records" / LAB / "index.json").read_text("utf-8")),
        "half-written": sorted(path.name for path in root.rglob("*.part")),
    }


def main(pristine: Path, folder: Path, seed: int, kills: int) -> dict[str, Any]:
    """Kill that often, each course ten times before it is graded to the end."""
    # nbgrader asks alembic, a program that takes seconds, what never changes.
    nbgrader.api.get_alembic_version = functools.cache(nbgrader.api.get_alembic_version)
    undisturbed = folder / "undisturbed"
    shutil.copytree(pristine, undisturbed)
    grade(undisturbed)  # Here, so that children find everything imported.
    wanted = state(undisturbed)
    counted = folder / "counted"
    shutil.copytree(pristine, counted)
    events = count_events(counted, folder / "count")
    draw = random.Random(seed)
    done, differing, kept = 0, [], set()
    while done < kills:
        root = folder / f"course-{done}"
        shutil.copytree(pristine, root)
        for number in range(_ROUNDS):
            # The first kill comes early, before there are verdicts; later ones at any moment.
            last, wait = (events, _LATEST) if number else (1 + events // 20, 0.0)
            done += killed(root, draw.randint(1, last), draw.uniform(0, wait))
            kept.add(len(list((root / "records" / LAB).glob("?" * 64 + ".json"))))
        grade(root)
        found = state(root)
        differing += [f"{root.name}: {key}" for key in wanted if found[key] != wanted[key]]
        shutil.rmtree(root)
    return {"kills": done, "events": events, "differing": differing, "kept": sorted(kept),
            "marks": len(wanted["marks"])}  # fmt: skip


if __name__ == "__main__":
    place, copies, number, often = sys.argv[1:]
    print(json.dumps(main(Path(place), Path(copies), int(number), int(often))))
