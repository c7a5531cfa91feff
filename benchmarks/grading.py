"""Grade the same class with stock nbgrader and with the rooms: rate, CPU time, memory, growth.

uv run python benchmarks/grading.py [--quick] [--json]

Each side works in a process of its own, on the same cores, through the door that a teacher uses:
nbgrader's own `autograde`, and `grade_class` with the engine of two rooms at the best isolation
that this machine offers. A side's CPU time is what the operating system counted for its process and
for all that came from it. Rates are those of a running class: what is paid once (imports, the warm
process, the run that learns what to import) is left out on both sides and reported by itself;
nbgrader's first submission isn't counted.

nbgrader imports everything anew for each submission, so its rate depends on whether this Python
finds its libraries compiled. It is measured both ways: where bytecode is kept, as on most laptops,
and where none is, as in images that set PYTHONDONTWRITEBYTECODE. The rooms import once.
The cells' own CPU time is that of the same cells run one after the other in one process that has
imported everything they load, their figures drawn as a notebook draws them. A large class is graded
by the rooms only: nbgrader isn't run on it, and nothing about it is reckoned from smaller ones.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SIDES = Path(__file__).parent / "sides" / "graders.py"
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "MPLBACKEND": "agg"}
LOOK_SECONDS = 0.2
# Reading how much memory a family of large processes shares takes longer than anything else that
# is done beside the grading; the measured are to have the cores.
LOOK_SHARE = 0.02

# What a notebook of this course imports, then two seconds of work that any machine takes.
LONG = """\
import matplotlib.pyplot as plt
import mlflow
import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestRegressor
from mlops_kit import tracking, worlds
"""
BURN = "import time\nbegin = time.process_time()\nwhile time.process_time() - begin < 2: pass"


@dataclass(frozen=True)
class Sizes:
    """How many submissions of what the rooms grade, and how many nbgrader."""

    lab: int
    theirs: int
    long: int
    growth: tuple[int, ...]


FULL = Sizes(lab=40, theirs=6, long=40, growth=(250, 500, 1000))
QUICK = Sizes(lab=24, theirs=2, long=16, growth=(20, 40))


def bytecode(folder: Path, *, kept: bool) -> dict[str, str]:
    """Give the settings with which a Python finds its libraries compiled, or never does."""
    place = folder / ("bytecode" if kept else "no-bytecode")
    return {
        "PYTHONPYCACHEPREFIX": str(place),
        "PYTHONDONTWRITEBYTECODE": "" if kept else "1",
    }


def measured(
    side: str, root: Path, lab: str, settings: dict[str, str] | None = None, **more: Any
) -> dict[str, Any]:
    """Run one side; add its wall and CPU seconds and its peak memory, descendants included."""
    job = {"side": side, "root": str(root), "lab": lab, "more": more}
    home = root.parent / f"home-{root.name}-{side}"
    home.mkdir(exist_ok=True)
    kept = {
        "HOME": str(home),
        "IPYTHONDIR": str(home),
        "XDG_CACHE_HOME": str(root.parent / "cache"),
    }
    scripts = str(Path(sys.executable).parent)
    path = os.pathsep.join([scripts, os.environ.get("PATH", "")])
    begin = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, str(SIDES), json.dumps(job)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=root.parent,
        env=os.environ | QUIET | kept | {"PATH": path, "PYTHONPATH": str(ROOT)} | (settings or {}),
    )
    watch = Watch(process.pid)
    watch.start()
    assert process.stdout is not None
    assert process.stderr is not None
    errors: list[str] = []
    reader = threading.Thread(target=lambda: errors.append(process.stderr.read()))  # type: ignore[union-attr]
    reader.start()
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    watch.stop()
    reader.join()
    if process.returncode:
        raise SystemExit(f"{side} failed on {lab}:\n{errors[0][-4000:]}")
    done: dict[str, Any] = json.loads(printed.strip().splitlines()[-1])
    cpu = usage.ru_utime + usage.ru_stime
    return done | {"wall_s": wall, "cpu_s": cpu, "peak_mb": watch.peak_mb}


class Watch(threading.Thread):
    """Follows the memory of a process and all that comes from it; shared pages count once.

    Looking takes a fiftieth of one core at most, so what lasts shorter than that allows isn't seen.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._ended = threading.Event()
        self.peak_mb = 0.0

    def run(self) -> None:
        """Look now and then."""
        import psutil

        pause = LOOK_SECONDS
        while not self._ended.wait(pause):
            begin = time.thread_time()
            try:
                parent = psutil.Process(self._pid)
                family = [parent, *parent.children(recursive=True)]
            except psutil.Error:
                continue
            self.peak_mb = max(self.peak_mb, sum(map(_memory_mb, family)))
            pause = max(LOOK_SECONDS, (time.thread_time() - begin) / LOOK_SHARE)

    def stop(self) -> None:
        """Look no more."""
        self._ended.set()
        self.join()


def _memory_mb(process: Any) -> float:
    """Give a process's share of the memory; with the shared pages where that can't be read."""
    import psutil

    try:
        text = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
        return sum(int(line.split()[1]) for line in text.splitlines() if line[:4] == "Pss:") / 1024
    except OSError:
        try:
            return float(process.memory_info().rss) / (1 << 20)
        except psutil.Error:
            return 0.0


def make_course(root: Path, lab: str, cells: list[tuple[str, str]] | None = None) -> None:
    """Build a course that has lab 05, or a lab of the given (kind, text) cells."""
    from autograder.notebook import write_notebook
    from autograder.release import build_course, release_notebook

    if cells is None:
        build_course(ROOT / "labs", root, names=(lab,))
        return
    source = notebook_of(cells)
    for kind, notebook in (("source", source), ("release", release_notebook(source))):
        (root / kind / lab).mkdir(parents=True)
        write_notebook(notebook, root / kind / lab / f"{lab}.ipynb")
    (root / "nbgrader_config.py").write_text("c = get_config()\n", "utf-8")


def notebook_of(cells: list[tuple[str, str]]) -> Any:
    """Make a teacher's notebook of (kind, text) cells."""
    import nbformat

    notebook = nbformat.v4.new_notebook()
    notebook.metadata["kernelspec"] = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    for place, (kind, text) in enumerate(cells):
        cell = nbformat.v4.new_code_cell(text, id=f"cell-{place}")
        cell.metadata["nbgrader"] = {
            "schema_version": 3,
            "grade_id": f"{kind}{place}",
            "grade": kind == "test",
            "solution": kind == "answer",
            "locked": kind != "answer",
            "task": False,
            **({"points": 1} if kind == "test" else {}),
        }
        notebook.cells.append(cell)
    return notebook


def hand_in(root: Path, lab: str, count: int) -> None:
    """Have so many students hand in the reference's answers."""
    from autograder.answers import submission_from
    from autograder.notebook import notebook_bytes, read_notebook

    source = read_notebook(root / "source" / lab / f"{lab}.ipynb")
    work = notebook_bytes(submission_from(source, {}))
    for number in range(count):
        folder = root / "submitted" / f"student{number:04d}" / lab
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{lab}.ipynb").write_bytes(work)


SOLUTION = "def solve(x):\n    ### BEGIN SOLUTION\n    return x * x\n    ### END SOLUTION"
TEST = "assert solve(3) == 9\n### BEGIN HIDDEN TESTS\nassert solve(-2) == 4\n### END HIDDEN TESTS"
NOTEBOOKS: dict[str, list[tuple[str, str]] | None] = {
    "05_track": None,
    "two_seconds": [("locked", LONG), ("locked", BURN), ("answer", SOLUTION), ("test", TEST)],
    "tiny": [("answer", SOLUTION), ("test", TEST)],
}


class Bench:
    """The measurements, and the notes on what went otherwise than it should."""

    def __init__(self, folder: Path, workers: int) -> None:
        self.folder = folder
        self.workers = workers
        self.problems: list[str] = []

    def course(self, lab: str, side: str, count: int) -> Path:
        """Make a course of its own for one run of one side."""
        root = self.folder / f"{lab}-{side}-{count}"
        make_course(root, lab, NOTEBOOKS[lab])
        hand_in(root, lab, count)
        return root

    def rooms(self, lab: str, count: int) -> dict[str, Any]:
        """Grade a class of our kind; forget its folder afterwards."""
        root = self.course(lab, "rooms", count)
        done = measured("rooms", root, lab, workers=self.workers)
        shutil.rmtree(root)
        self.problems += [f"{lab}: {text}" for text in done["problems"]]
        return done

    def nbgrader(self, lab: str, count: int, *, kept: bool) -> dict[str, Any]:
        """Grade with nbgrader so many submissions, and one before that isn't counted."""
        root = self.course(lab, f"nbgrader-{'with' if kept else 'without'}", count + 1)
        done = measured("nbgrader", root, lab, bytecode(self.folder, kept=kept))
        for key in ("seconds", "cpu"):
            done[key] = statistics.median(done[key][1:])
        return done

    def beside(self, lab: str, count: int, theirs: int) -> dict[str, Any]:
        """Measure both sides on one notebook."""
        stock, bare = (self.nbgrader(lab, theirs, kept=kept) for kept in (True, False))
        # The first grading of a lab learns what to import ahead.
        first = self.rooms(lab, 1)
        # A machine isn't as fast at any time: the cells alone before and after.
        root = self.course(lab, "own", 1)
        alone = measured("own", root, lab)["cpu"]
        many = self.rooms(lab, count)
        own = statistics.median([*alone, *measured("own", root, lab)["cpu"]])
        if len({*stock["scores"], *bare["scores"], *many["scores"]}) != 1:
            self.problems.append(f"{lab}: the two sides don't give everybody the same score")
        their_seconds, their_cpu = stock["seconds"], stock["cpu"]
        seconds, cpu = many["seconds_each"], many["cpu_each"]
        return {
            "notebook": lab,
            "isolation": many["isolation"],
            "submissions": {"nbgrader": theirs, "rooms": count},
            "nbgrader_per_minute": round(60 / their_seconds, 2),
            "nbgrader_per_minute_without_bytecode": round(60 / bare["seconds"], 2),
            "rooms_per_minute": round(60 / seconds, 2),
            "rooms_per_minute_with_start": round(60 * count / many["wall_s"], 2),
            "own_cpu_s": round(own, 3),
            "nbgrader_cpu_s": round(their_cpu, 3),
            "nbgrader_cpu_s_without_bytecode": round(bare["cpu"], 3),
            "rooms_cpu_s": round(cpu, 3),
            "nbgrader_overhead_cpu_s": round(their_cpu - own, 3),
            "rooms_overhead_cpu_s": round(cpu - own, 3),
            "nbgrader_peak_mb": round(stock["peak_mb"]),
            "rooms_peak_mb": round(many["peak_mb"]),
            "coordinator_mb": round(many["coordinator_mb"]),
            "first_verdict_s": round(many["first_seconds"], 2),
            "first_verdict_ever_s": round(first["first_seconds"], 2),
            "ratio": round(their_seconds / seconds, 2),
            "ratio_without_bytecode": round(bare["seconds"] / seconds, 2),
            "cpu_ratio": round(their_cpu / cpu, 2),
        }

    def growth(self, counts: tuple[int, ...]) -> list[dict[str, Any]]:
        """Grade classes of growing size, all of a tiny notebook."""
        rows = []
        self.rooms("tiny", 1)
        for count in counts:
            done = self.rooms("tiny", count)
            rows.append(
                {
                    "notebook": "tiny",
                    "submissions": count,
                    "wall_s": round(done["wall_s"], 2),
                    "cpu_s_each": round(done["cpu_each"], 4),
                    "coordinator_mb": round(done["coordinator_mb"], 1),
                    "peak_mb": round(done["peak_mb"]),
                    "rooms_per_minute": round(60 * count / done["wall_s"], 1),
                    "nbgrader": "not run",
                }
            )
        return rows


def result_of(sizes: Sizes, bench: Bench) -> dict[str, Any]:
    """Measure everything, and put it into the form for machines."""
    lab = bench.beside("05_track", sizes.lab, sizes.theirs)
    long = bench.beside("two_seconds", sizes.long, sizes.theirs)
    tiny = bench.growth(sizes.growth)
    first, last = tiny[0], tiny[-1]
    return {
        "benchmark": "grading",
        "versions": {name: metadata.version(name) for name in ("nbgrader", "mlflow", "pandas")},
        "rows": [lab, long, *tiny],
        "ratios": {
            "lab_throughput": lab["ratio"],
            "lab_throughput_without_bytecode": lab["ratio_without_bytecode"],
            "lab_cpu": lab["cpu_ratio"],
            "lab_overhead_cpu_s": lab["rooms_overhead_cpu_s"],
            "two_seconds_throughput": long["ratio"],
            "two_seconds_throughput_without_bytecode": long["ratio_without_bytecode"],
            "two_seconds_cpu": long["cpu_ratio"],
            "class_time_growth": round(last["cpu_s_each"] / first["cpu_s_each"], 3),
            "class_memory_growth": round(last["coordinator_mb"] / first["coordinator_mb"], 3),
        },
        "wanted": {
            "lab_throughput": {"min": 25},
            "lab_throughput_without_bytecode": {"min": 25},
            "lab_overhead_cpu_s": {"max": 0.15},
            "two_seconds_throughput": {"min": 7},
            "two_seconds_throughput_without_bytecode": {"min": 7},
            "class_time_growth": {"max": 1.1},
            "class_memory_growth": {"max": 1.1},
        },
        "cores": bench.workers,
        "problems": bench.problems,
    }


def main() -> None:
    """Measure both sides on the same cores, and print one JSON object last."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smaller run of the same")
    parser.add_argument("--json", action="store_true", help="print the JSON only")
    parser.add_argument("--cores", type=int, default=2, help="how many cores both sides get")
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))[: options.cores]
    os.sched_setaffinity(0, cores)
    with tempfile.TemporaryDirectory(prefix="grading-") as name:
        result = result_of(QUICK if options.quick else FULL, Bench(Path(name), len(cores)))
    if not options.json:
        for row in result["rows"]:
            sys.stdout.write("  ".join(f"{key} {value}" for key, value in row.items()) + "\n")
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
