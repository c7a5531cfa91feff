"""Thousands of damaged and odd notebooks, graded: what becomes of each kind of them.

uv run python benchmarks/fuzz.py [--quick] [--json] [--seed N] [--count N] [--only NUMBER]

Every mutant is read, put together and, where its answers differ from any before, run in two
rooms; its verdict is checked, recorded and read again. Beside it, nbgrader's own reading of the
same bytes.
"""

import argparse
import copy
import hashlib
import json
import os
import resource
import sys
import tempfile
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import nbformat

sys.path.insert(0, str(Path(__file__).parent))
from sides.mutants import Mutant, mutants

from autograder.engine import Engine, Execution, Limits
from autograder.engines import engine_named, trusting_isolation
from autograder.labs import Lab
from autograder.notebook import grade_id, notebook_bytes, points, read_notebook
from autograder.pool import each
from autograder.records import Record
from autograder.release import release_notebook
from autograder.teacher import Teacher
from autograder.verdict import Graded, Job, grade_job, recorded

COUNT, QUICK_COUNT = 10_000, 300
SECONDS = 10.0
SECRET = "the hidden test"

CELLS = (
    ("markdown", "intro", {"locked": True}, "# Sums, with a café"),
    ("code", "setup", {"locked": True}, "import math\nTWO = 2"),
    (
        *("code", "q1", {"solution": True}),
        "def add(a, b):\n    ### BEGIN SOLUTION\n    return a + b\n    ### END SOLUTION",
    ),
    (
        *("code", "q1_test", {"grade": True, "locked": True, "points": 3}),
        "assert add(1, TWO) == 3\n### BEGIN HIDDEN TESTS\n### HINT Try words.\n"
        f"assert add('a', 'b') == 'ab', '{SECRET}'\n### END HIDDEN TESTS",
    ),
    ("code", "", {}, "print('a plain cell')"),
    (
        *("code", "q2", {"solution": True}),
        "### BEGIN SOLUTION\nroot = math.sqrt(add(7, TWO))\n### END SOLUTION",
    ),
    ("code", "q2_test", {"grade": True, "locked": True, "points": 2}, "assert root == 3"),
    ("markdown", "why", {"grade": True, "solution": True, "points": 1}, "Say why."),
)
FLAGS = {"schema_version": 3, "grade": False, "solution": False, "locked": False, "task": False}
ANSWERS = {
    "right": {"q1": "def add(a, b):\n    return a + b", "q2": "root = math.sqrt(add(7, TWO))"},
    "partly": {"q1": "def add(a, b):\n    return abs(a) + abs(b)", "q2": "root = 3.0"},
    "explained": {"q1": "def add(a, b):\n    return b + a", "why": "Because."},
    "blank": {},
}
"""The answers of the notebooks that are changed; what isn't there is as it was given out."""


def source() -> nbformat.NotebookNode:
    """Make the teacher's notebook."""
    cells = []
    for kind, name, flags, text in CELLS:
        make = nbformat.v4.new_code_cell if kind == "code" else nbformat.v4.new_markdown_cell
        meta = {"nbgrader": {**FLAGS, "grade_id": name, **flags}} if name else {}
        cells.append(make(text, id=name or "plain", metadata=meta))
    return nbformat.v4.new_notebook(cells=cells)


def teachers() -> dict[str, Teacher]:
    """Make the lab as one of ours and as one of a course that was made elsewhere."""
    limits = Limits(cell_seconds=1.0, total_seconds=4.0, memory_mb=512, output_kb=64)
    ours = Lab(name="sums", title="Sums", folder=Path(), limits=limits)
    return {
        "ours": Teacher("sums", source(), None, ours),
        "foreign": Teacher("sums", source(), None, None, course_limits=limits),
    }


def bases() -> dict[str, dict[str, Any]]:
    """Make the notebooks that are changed, as students hand them in."""
    made = {}
    for name, answers in ANSWERS.items():
        notebook = release_notebook(source())
        for cell in notebook.cells:
            cell["source"] = answers.get(grade_id(cell), cell.source)
        made[name] = json.loads(notebook_bytes(notebook))
    return made


class Remembering:
    """Runs each notebook once: a mutant with the same text in all cells had the same run."""

    def __init__(self, engine: Engine) -> None:
        self.name, self.isolation, self.room = engine.name, engine.isolation, engine.room
        self.runs = 0
        self._engine = engine
        self._known: dict[bytes, Execution] = {}
        self._lock = threading.Lock()

    def prepare(self, notebook: nbformat.NotebookNode) -> None:
        """Show the engine the teacher's notebook."""
        self._engine.prepare(notebook)

    def run(self, notebook: nbformat.NotebookNode, files: Path | None, limits: Limits) -> Execution:
        """Run a notebook, or remember its run."""
        text = json.dumps([(cell.cell_type, cell.source) for cell in notebook.cells])
        key = hashlib.sha256(text.encode()).digest()
        execution = self._known.get(key)
        if execution is None:
            execution = self._engine.run(notebook, files, limits)
            with self._lock:
                self.runs += 1
                self._known[key] = execution
        executed = copy.deepcopy(notebook)
        for cell, ran in zip(executed.cells, execution.notebook.cells, strict=True):
            if cell.cell_type == "code":
                cell["outputs"] = copy.deepcopy(ran.outputs)
                cell["execution_count"] = ran.execution_count
        return Execution(executed, execution.cells, execution.problems, execution.cpu_seconds)

    def close(self) -> None:
        """End the engine."""
        self._engine.close()


@dataclass(slots=True)
class Outcome:
    """What became of one mutant."""

    mutant: Mutant
    status: str = ""
    full: bool = False
    seconds: float = 0.0
    peer: str = ""
    flaws: list[str] = field(default_factory=list)


class Bench:
    """Grades mutants and judges the verdicts."""

    def __init__(self, engine: Remembering, *, peer: bool) -> None:
        self.engine = engine
        self.teachers = teachers()
        self.peer = peer
        self.wanted: dict[tuple[str, str], float] = {}
        self.folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
        self.written: set[bytes] = set()
        engine.prepare(source())

    def settle(self, notebooks: dict[str, dict[str, Any]]) -> None:
        """Grade what the mutants are made from: those that change no answer have to get as much."""
        for name, notebook in notebooks.items():
            for lab, teacher in self.teachers.items():
                job = Job(name, "base", json.dumps(notebook).encode())
                self.wanted[lab, name] = grade_job(teacher, job, self.engine).result.score

    def work(self, mutant: Mutant, _: Engine) -> Outcome:
        """Grade one mutant, and have nbgrader read it."""
        lab = "foreign" if mutant.number % 4 == 3 else "ours"
        begin = time.thread_time()
        graded = grade_job(
            self.teachers[lab], Job("ann", f"{mutant.number}", mutant.data), self.engine
        )
        outcome = Outcome(mutant, graded.result.status, seconds=time.thread_time() - begin)
        wanted = self.wanted[lab, mutant.base] if mutant.keeps else None
        outcome.full = graded.result.score == self.wanted[lab, "right"]
        outcome.flaws = flaws(self.teachers[lab], graded, self.engine, wanted)
        outcome.flaws += self.unwritable(graded)
        if outcome.seconds > SECONDS:
            outcome.flaws.append(f"it took {outcome.seconds:.1f} s to read and put together")
        if self.peer:
            outcome.peer = self.nbgraders(mutant)
        return outcome

    def unwritable(self, graded: Graded) -> list[str]:
        """Write the notebook that was run, unless one like it was, and read it again."""
        if graded.notebook is None:
            return []
        try:
            data = notebook_bytes(graded.notebook)
            if data not in self.written:
                read_notebook(data)
                nbformat.validate(graded.notebook)
                self.written.add(data)
        except Exception as error:
            return [f"the notebook can't be written: {type(error).__name__}: {str(error)[:200]}"]
        return []

    def nbgraders(self, mutant: Mutant) -> str:
        """Read it as nbgrader's autograder does; give the class of what that raises."""
        from nbgrader import nbgraderformat

        path = self.folder / f"{mutant.number}.ipynb"
        path.write_bytes(mutant.data)
        try:
            nbgraderformat.read(path, as_version=4)
        except Exception as error:
            return type(error).__name__
        finally:
            path.unlink()
        return ""


def flaws(teacher: Teacher, graded: Graded, engine: Engine, wanted: float | None) -> list[str]:
    """Say what a verdict lacks: silence, points that can't be, what can't be written or read."""
    result = graded.result
    found = []
    if [cell.grade_id for cell in result.cells] != [grade_id(cell) for cell in teacher.graded]:
        found.append("the verdict isn't on the teacher's cells")
    for cell, graded_by in zip(result.cells, teacher.graded, strict=False):
        if cell.points != points(graded_by):
            found.append(f"{cell.grade_id} is worth {cell.points}")
        if cell.score is None and not result.needs_human:
            found.append(f"{cell.grade_id} has no score, and nobody is told")
        if cell.score is not None and not 0 <= cell.score <= cell.points:
            found.append(f"{cell.grade_id} has {cell.score} of {cell.points} points")
        if cell.score is not None and cell.score < cell.points and not cell.reason:
            found.append(f"{cell.grade_id} lost points without a reason")
    if result.score != sum(cell.score or 0.0 for cell in result.cells):
        found.append("the sum is wrong")
    if result.status in ("unreadable", "missing") and not any(result.problems):
        found.append("it wasn't graded, and nothing says why")
    if wanted is not None and result.score != wanted:
        found.append(
            f"{result.score} points instead of {wanted} ({'; '.join(result.problems)[:200]})"
        )
    told = [*result.problems, *(cell.reason for cell in result.cells)]
    if any(SECRET in text or "Traceback" in text for text in told):
        found.append("it tells what students mustn't see")
    record = recorded(teacher, "key", engine, graded)
    try:
        if Record.model_validate_json(record.model_dump_json().encode("utf-8")) != record:
            found.append("the record isn't the same when it is read again")
    except Exception as error:
        found.append(f"the record can't be written: {type(error).__name__}: {str(error)[:200]}")
    return found


def outcomes(bench: Bench, made: Iterable[Mutant], workers: int) -> Iterator[Outcome]:
    """Grade mutants, a few at a time; what raises is a crash."""
    for mutant, done in each(bench.work, made, workers=workers, engine=bench.engine):
        if isinstance(done, Exception):
            crash = f"crash: {type(done).__name__}: {str(done)[:200]}"
            yield Outcome(mutant, "crash", flaws=[crash])
        else:
            yield done


def report(found: list[Outcome], runs: int, took: float) -> dict[str, Any]:
    """Count by kind."""
    kinds = sorted({outcome.mutant.kind for outcome in found})
    rows = []
    for kind in kinds:
        of_kind = [outcome for outcome in found if outcome.mutant.kind == kind]
        rows.append(
            {
                "kind": kind,
                "mutants": len(of_kind),
                "verdicts": dict(sorted(Counter(one.status for one in of_kind).items())),
                "full_marks": sum(one.full for one in of_kind),
                "flaws": sum(bool(one.flaws) for one in of_kind),
                "slowest_cpu_seconds": round(max(one.seconds for one in of_kind), 3),
                "nbgrader_raises": dict(Counter(o.peer for o in of_kind if o.peer).most_common()),
            }
        )
    crashes = sum(outcome.status == "crash" for outcome in found)
    flawed = sum(bool(outcome.flaws) for outcome in found) - crashes
    return {
        "benchmark": "fuzz",
        "versions": {name: metadata.version(name) for name in ("nbformat", "nbgrader")},
        "mutants": len(found),
        "runs": runs,
        "verdicts": dict(sorted(Counter(outcome.status for outcome in found).items())),
        "wall_seconds": round(took, 1),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "rows": rows,
        "flaws": [
            {"number": o.mutant.number, "kind": o.mutant.kind, "what": o.flaws}
            for o in found
            if o.flaws
        ][:50],
        "ratios": {
            "crashes": crashes,
            "flawed_verdicts": flawed,
            "slowest_cpu_seconds": round(max(outcome.seconds for outcome in found), 3),
            "nbgrader_raises_share": round(sum(bool(o.peer) for o in found) / len(found), 3),
        },
        "wanted": {
            "crashes": {"max": 0},
            "flawed_verdicts": {"max": 0},
            "slowest_cpu_seconds": {"max": SECONDS},
        },
    }


def grade_mutants(
    *,
    count: int,
    seed: int,
    first: int = 0,
    workers: int = 1,
    isolation: str = "",
    peer: bool = True,
    move: Callable[[int], None] = lambda _: None,
) -> dict[str, Any]:
    """Make and grade mutants, and report on them."""
    begin = time.perf_counter()
    engine = Remembering(engine_named("rooms", isolation=isolation or trusting_isolation("rooms")))
    try:
        bench = Bench(engine, peer=peer)
        notebooks = bases()
        bench.settle(notebooks)
        found = []
        made = mutants(notebooks, count=count, seed=seed, first=first)
        for outcome in outcomes(bench, made, workers):
            outcome.mutant = Mutant(
                **{
                    slot: getattr(outcome.mutant, slot)
                    for slot in ("number", "kind", "base", "keeps")
                },
                data=b"",
            )
            found.append(outcome)
            move(len(found))
    finally:
        engine.close()
    bench.folder.rmdir()
    found.sort(key=lambda outcome: outcome.mutant.number)
    return report(found, engine.runs, time.perf_counter() - begin)


def show(result: dict[str, Any]) -> None:
    """Print a table of the kinds."""
    for row in result["rows"]:
        verdicts = ", ".join(f"{count} {status}" for status, count in row["verdicts"].items())
        raised = sum(row["nbgrader_raises"].values())
        sys.stdout.write(
            f"{row['kind']:28} {row['mutants']:5}  {verdicts:44}  nbgrader raises {raised}\n"
        )
    for flaw in result["flaws"]:
        sys.stdout.write(f"mutant {flaw['number']} ({flaw['kind']}): {'; '.join(flaw['what'])}\n")


def main() -> None:
    """Fuzz, and print one JSON object last."""
    from rich.console import Console
    from rich.progress import Progress

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smaller run of the same")
    parser.add_argument("--json", action="store_true", help="print the JSON only")
    parser.add_argument("--seed", type=int, default=1, help="which mutants")
    parser.add_argument("--count", type=int, default=0, help=f"how many; {COUNT:,} by default")
    parser.add_argument("--only", type=int, default=None, help="one mutant, by its number")
    parser.add_argument("--isolation", default="", help="how the rooms are confined")
    parser.add_argument("--workers", type=int, default=min(2, os.cpu_count() or 1))
    options = parser.parse_args()
    count = options.count or (QUICK_COUNT if options.quick else COUNT)
    warnings.simplefilter("ignore")
    count = 1 if options.only is not None else count
    with Progress(console=Console(stderr=True), redirect_stdout=False) as bar:
        task = bar.add_task("Grading mutants", total=count)
        result = grade_mutants(
            count=count,
            seed=options.seed,
            first=options.only or 0,
            workers=options.workers,
            isolation=options.isolation,
            move=lambda done: bar.update(task, completed=done),
        )
    if not options.json:
        show(result)
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
