"""One side of the grading benchmark, in a process of its own: does a job and says what came of it.

The job is JSON, the only argument: which side, the course, the lab, and what else it needs.
"""

import contextlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

OWN_RUNS = 5


def nbgrader_side(root: Path, lab: str) -> dict[str, Any]:
    """Autograde everybody with nbgrader, one by one as it does; time each."""
    import logging

    from nbgrader.apps.api import NbGraderAPI
    from traitlets.config import Config

    logging.disable(logging.CRITICAL)
    config = Config()
    config.CourseDirectory.root = str(root)
    api = NbGraderAPI(config=config)
    made = api.generate_assignment(lab)
    if not made["success"]:
        raise SystemExit(f"nbgrader can't generate {lab}: {made.get('error') or made['log']}")
    seconds, cpu = [], []
    for student in sorted(path.name for path in (root / "submitted").iterdir()):
        begin, before = time.perf_counter(), cpu_so_far()
        done = api.autograde(lab, student)
        if not done["success"]:
            raise SystemExit(f"nbgrader can't grade {student}: {done.get('error') or done['log']}")
        seconds.append(time.perf_counter() - begin)
        cpu.append(cpu_so_far() - before)
    with api.gradebook as book:
        scores = [float(entry.score) for entry in book.assignment_submissions(lab)]
    return {"seconds": seconds, "cpu": cpu, "scores": scores}


def rooms_side(root: Path, lab: str, workers: int) -> dict[str, Any]:
    """Grade the class in two rooms; give what the running class takes for each submission."""
    from autograder.course import Course
    from autograder.grade import grade_class
    from autograder.sandbox import rooms_engine

    engine = rooms_engine()
    begin = time.perf_counter()
    seen: dict[int, tuple[float, float]] = {}

    def note(_: object, done: int, total: int) -> None:
        # The first verdicts come while everything starts.
        if done in (1, 2 * workers, total):
            seen[done] = (time.perf_counter() - begin, cpu_of_family())

    report = grade_class(Course.open(root), lab, engine=engine, workers=workers, progress=note)
    first, last = sorted(seen)[-2:] if len(seen) > 1 else (0, 1)
    (from_s, from_cpu), (to_s, to_cpu) = seen.get(first, (0.0, 0.0)), seen[last]
    return {
        "isolation": engine.isolation,
        "first_seconds": seen[1][0],
        "seconds_each": (to_s - from_s) / (last - first),
        "cpu_each": (to_cpu - from_cpu) / (last - first),
        "scores": [result.score for result in report.submissions],
        "problems": sorted({text for one in report.submissions for text in one.problems}),
    }


def cpu_of_family() -> float:
    """CPU seconds of this process and all that came from it, alive or waited for."""
    import psutil

    total = cpu_so_far()
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def own_side(root: Path, lab: str) -> dict[str, Any]:
    """Run the reference's cells alone, where all that they ever load is imported; CPU seconds.

    What they draw is drawn, as in a notebook.
    """
    import importlib
    import linecache

    from autograder.course import Course
    from autograder.examiner_source import parse_cell
    from autograder.notebook import read_notebook

    # One thread each, as rooms have.
    os.environ.update({f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")})
    path = Course.open(root).source(lab)
    cells = []
    for place, cell in enumerate(read_notebook(path).cells):
        if cell.cell_type == "code":
            name = f"<cell {place}>"
            cells.append(compile(parse_cell(cell.source), name, "exec"))
            # Labs read the source of their own functions, as IPython lets them.
            lines = cell.source.splitlines(keepends=True)
            linecache.cache[name] = (len(cell.source), None, lines, name)
    listed = root.parent / "modules.json"

    def first() -> None:
        _run(cells, path.parent)
        listed.write_text(json.dumps([name for name in sys.modules if name != "__main__"]))

    _forked(first)
    for module in json.loads(listed.read_text()):
        with contextlib.suppress(Exception):
            importlib.import_module(module)
    return {"cpu": [_forked(lambda: _run(cells, path.parent)) for _ in range(OWN_RUNS)]}


def _run(cells: list[Any], files: Path) -> None:
    # A room's files lie in memory; on a disk the cells would take longer than they do there.
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        shutil.copytree(files, folder, dirs_exist_ok=True)
        os.chdir(folder)
        space: dict[str, Any] = {"__name__": "__main__"}
        for code in cells:
            exec(code, space)
            _show_figures()
        os.chdir("/")


def _show_figures(*_: Any, **__: Any) -> None:
    """Make pictures of the figures that are open, as a notebook does when they are shown."""
    plt = sys.modules.get("matplotlib.pyplot")
    if plt is None:
        return
    from IPython.core.pylabtools import print_figure

    plt.show = _show_figures
    for number in plt.get_fignums():
        print_figure(plt.figure(number), "png")
    plt.close("all")


def _forked(action: Callable[[], None]) -> float:
    """Do it in a fork of this process, silently; give its CPU seconds."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), 1)
            try:
                action()
            except BaseException:
                import traceback

                traceback.print_exc()
                os._exit(1)
            os._exit(0)
    _, status, usage = os.wait4(child, 0)
    if status:
        raise SystemExit("the reference's cells can't be run by themselves")
    return usage.ru_utime + usage.ru_stime


def cpu_so_far() -> float:
    """CPU seconds of this process and of its children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


SIDES: dict[str, Callable[..., dict[str, Any]]] = {
    "nbgrader": nbgrader_side,
    "rooms": rooms_side,
    "own": own_side,
}


def be_side(job: dict[str, Any]) -> None:
    """Do one side's work in this process and print what came of it."""
    import resource

    _adopt_orphans()
    done = SIDES[job["side"]](Path(job["root"]), job["lab"], **job.get("more", {}))
    done["coordinator_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    # What outlived its parent came here; waited for, its CPU time is counted too.
    for _ in range(100):
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            break
        time.sleep(0.05)
    sys.stdout.write("\n" + json.dumps(done) + "\n")


def _adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends (Linux)."""
    import ctypes

    set_child_subreaper = 36
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(set_child_subreaper, 1, 0, 0, 0)


if __name__ == "__main__":
    be_side(json.loads(sys.argv[1]))
