"""Run a notebook with nbgrader's own Execute: a kernel a submission, tests beside the answers.

It is the comparison for faster and safer engines. The kernel runs as the user who grades, in a
process tree that is ended as a whole; nothing more keeps it from the rest of the machine.
"""

import contextlib
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import IO, Any, Literal

import nbformat
import psutil
from nbformat import NotebookNode

from autograder.engine import CellRun, Execution, Limits, Room
from autograder.errors import GraderError
from autograder.failing_line import failing_line
from autograder.notebook import grade_id, notebook_bytes

__all__ = ["NbgraderEngine", "end_descendants"]

_MARK = "AUTOGRADER_RUN"
_LOOK_SECONDS = 0.1
_INTERRUPTED = "Grading was interrupted."
_ROUNDS = 20
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_MB = 1024 * 1024


class NbgraderEngine:
    """nbgrader's execution behind the :class:`~autograder.engine.Engine` interface."""

    name = "nbgrader"
    isolation = "process"
    room: Room = "shared"

    def __init__(self) -> None:
        self._closed = threading.Event()

    def prepare(self, source: NotebookNode) -> None:
        """Do nothing: each submission has a kernel of its own, which imports by itself."""

    def run(self, notebook: NotebookNode, files: Path | None, limits: Limits) -> Execution:
        """Run every code cell in order, within ``limits``.

        Raises
        ------
        GraderError
            If no kernel starts: that is the machine's fault, never the submission's.
        """
        with tempfile.TemporaryDirectory(prefix="autograder-", ignore_cleanup_errors=True) as name:
            room = Path(name)
            work = room / "work"
            if files is not None and files.is_dir():
                shutil.copytree(files, work, ignore=shutil.ignore_patterns("*.ipynb", "lab.toml"))
            else:
                work.mkdir()
            # nbgrader's working copy would hold the hidden tests beside the student's code, so
            # the notebook travels through a pipe, and results through a file without a name.
            with tempfile.TemporaryFile() as results:
                ended = self._supervise(notebook, room, work, limits, results)
                results.seek(0)
                lines = _result_lines(results.read())
        if not lines and not ended:
            raise GraderError(
                f"no Jupyter kernel started with {sys.executable}. "
                "See what is missing with 'autograder doctor'."
            )
        return _execution(notebook, lines, ended)

    def close(self) -> None:
        """End everything that still runs."""
        self._closed.set()

    def _supervise(
        self, notebook: NotebookNode, room: Path, work: Path, limits: Limits, results: IO[bytes]
    ) -> str:
        """Run the worker to its end or to a limit; say what ended it early."""
        if self._closed.is_set():
            return _INTERRUPTED
        mark = secrets.token_hex(16)
        job = {
            "notebook": notebook_bytes(notebook).decode(),
            "work": str(work),
            "cell_seconds": limits.cell_seconds,
            "output_bytes": limits.output_kb * 1024,
        }
        worker = subprocess.Popen(
            [sys.executable, "-m", "autograder.nbgrader_worker"],
            stdin=subprocess.PIPE,
            stdout=results,
            stderr=subprocess.DEVNULL,
            env=_environment(room, mark),
            cwd=room,
        )
        try:
            assert worker.stdin is not None
            with contextlib.suppress(BrokenPipeError), worker.stdin as pipe:
                pipe.write(json.dumps(job).encode())
            return self._watch(worker, limits)
        finally:
            _end(worker, mark)

    def _watch(self, worker: "subprocess.Popen[bytes]", limits: Limits) -> str:
        deadline = time.monotonic() + limits.total_seconds
        while worker.poll() is None:
            if self._closed.is_set():
                return _INTERRUPTED
            if time.monotonic() > deadline:
                return f"The notebook took longer than {limits.total_seconds:g} seconds in all."
            if _memory_mb(worker.pid) > limits.memory_mb:
                return f"The notebook used more than {limits.memory_mb} MB of memory."
            with contextlib.suppress(subprocess.TimeoutExpired):
                worker.wait(_LOOK_SECONDS)
        return ""


def _environment(room: Path, mark: str) -> dict[str, str]:
    kept = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "TZ", "VIRTUAL_ENV", "PYTHONPATH")
    home, scratch = str(room), str(room / "tmp")
    Path(scratch).mkdir()
    return {key: os.environ[key] for key in kept if key in os.environ} | {
        "HOME": home,
        "USERPROFILE": home,
        "IPYTHONDIR": home,
        "JUPYTER_CONFIG_DIR": home,
        "JUPYTER_RUNTIME_DIR": home,
        "XDG_CONFIG_HOME": home,
        "TMPDIR": scratch,
        "TEMP": scratch,
        "TMP": scratch,
        # Fonts and ready-made stores are slow to make anew for every student.
        "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache")),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "NBGRADER_EXECUTION": "autograde",
        "OMP_NUM_THREADS": "1",
        "PYTHONHASHSEED": "0",
        _MARK: mark,
    }


def _memory_mb(pid: int) -> float:
    total = 0
    with contextlib.suppress(psutil.Error):
        parent = psutil.Process(pid)
        for process in [parent, *parent.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                total += process.memory_info().rss
    return total / _MB


def _end(worker: "subprocess.Popen[bytes]", mark: str) -> None:
    """Kill the worker, its kernel and whatever they started, also what left their group."""
    end_descendants(worker.pid)
    worker.kill()
    worker.wait()
    # Should student code have killed the worker first, what it started still bears the mark.
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(_MARK) == mark:
                process.kill()


def end_descendants(pid: int) -> None:
    """Kill all that a process started; again while more of it comes up."""
    for _ in range(_ROUNDS):
        doomed: list[psutil.Process] = []
        with contextlib.suppress(psutil.Error):
            doomed = psutil.Process(pid).children(recursive=True)
        alive = [process for process in doomed if _is_alive(process)]
        if not alive:
            return
        for process in alive:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(alive, timeout=_LOOK_SECONDS)


def _is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _result_lines(data: bytes) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    for text in data.decode("utf-8", errors="replace").splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            break
        if isinstance(line, dict):
            lines.append(line)
    return lines


def _execution(notebook: NotebookNode, lines: list[dict[str, Any]], ended: str) -> Execution:
    """Put what the worker wrote back into the notebook; what it didn't write didn't run."""
    executed = nbformat.from_dict(notebook)  # type: ignore[no-untyped-call]
    done = {line["index"]: line for line in lines if "outputs" in line}
    started = [line["start"] for line in lines if "start" in line]
    cpu = sum(line.get("cpu_seconds", 0.0) for line in lines)
    died = next((line["died"] for line in lines if "died" in line), "")
    reason = ended or died or "The notebook's process ended unexpectedly."
    runs = []
    for index, cell in enumerate(executed.cells):
        if cell.cell_type != "code":
            continue
        line = done.get(index)
        if line is not None:
            cell["outputs"] = [
                nbformat.from_dict(output)  # type: ignore[no-untyped-call]
                for output in line["outputs"]
            ]
            cell["execution_count"] = line["count"]
            runs.append(_cell_run(index, cell))
        elif cell.source.strip():
            status: Literal["died", "not-run"] = (
                "died" if started and started[-1] == index else "not-run"
            )
            runs.append(CellRun(index, grade_id(cell), status, message=reason))
        else:
            runs.append(CellRun(index, grade_id(cell), "ok"))
    problems = (reason,) if any(run.status in ("died", "not-run") for run in runs) else ()
    return Execution(executed, tuple(runs), problems, cpu)


def _cell_run(index: int, cell: NotebookNode) -> CellRun:
    outputs = tuple(cell.outputs)
    errors = [output for output in outputs if output.output_type == "error"]
    if not errors:
        return CellRun(index, grade_id(cell), "ok", outputs)
    error = errors[-1]
    return CellRun(
        index,
        grade_id(cell),
        "timeout" if error.ename == "CellTimeoutError" else "error",
        outputs,
        error=str(error.ename),
        message=str(error.evalue),
        line=_failing_line(cell, error.get("traceback", [])),
    )


def _failing_line(cell: NotebookNode, traceback: list[str]) -> int | None:
    """Read from an IPython traceback which line of the cell itself was running, if it says so."""
    text = _ANSI.sub("", "\n".join(map(str, traceback)))
    found = re.findall(rf"Cell In\[{cell.execution_count}\], line (\d+)", text)
    return failing_line(cell.source, [int(line) for line in found])
