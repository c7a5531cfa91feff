"""The process in which nbgrader's Execute runs one notebook; started by ``nbgrader_engine``."""

import asyncio
import contextlib
import json
import os
import signal
import sys
import warnings
from typing import Any

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode

from autograder import linux
from autograder.nbgrader_engine import end_descendants

__all__ = ["main"]

_RESULT = 200


class _ThisPython(AsyncKernelManager):
    """Starts kernels of the running Python only, never a "python3" installed elsewhere."""

    def __init__(self, **options: Any) -> None:
        specs = KernelSpecManager()
        specs.kernel_dirs = []
        super().__init__(**(options | {"kernel_spec_manager": specs, "kernel_name": "python3"}))


def _bounded(outputs: list[NotebookNode], room: int) -> list[NotebookNode]:
    kept = []
    for output in outputs:
        size = len(json.dumps(output))
        if size > room and output.output_type == "stream":
            output["text"] = output["text"][:room] + "\n… the rest of the output was cut"
            size = room
        elif size > room and output.output_type == "execute_result":
            # A test's result decides its points, so its beginning stays whatever came before.
            output["data"] = {"text/plain": str(output["data"].get("text/plain", ""))[:_RESULT]}
        elif size > room and output.output_type != "error":
            continue
        room -= min(size, room)
        kept.append(output)
    return kept


def _run(job: dict[str, Any], notebook: NotebookNode, write: Any) -> None:
    from nbgrader.preprocessors import Execute

    def started(cell: NotebookNode, cell_index: int) -> None:  # noqa: ARG001
        write({"start": cell_index})

    class Reporting(Execute):  # type: ignore[misc]
        def on_cell_executed(self, **event: Any) -> None:
            super().on_cell_executed(**event)
            cell = event["cell"]
            outputs = _bounded(cell.outputs, job["output_bytes"])
            write({"index": event["cell_index"], "count": cell.execution_count, "outputs": outputs})

    execute = Reporting(
        timeout=max(1, round(job["cell_seconds"])), kernel_manager_class=_ThisPython
    )
    execute.on_cell_start = started
    try:
        execute.preprocess(notebook, {"metadata": {"path": job["work"]}})
    except DeadKernelError:
        write({"died": "The notebook's kernel died."})


def main() -> None:
    """Read a job from standard input, run it, and write one line a cell to standard output."""
    warnings.simplefilter("ignore")
    results = _own_output()
    _stay_responsible()
    if sys.platform == "win32":
        asyncio.set_event_loop_policy(asyncio.WindowsSelectorEventLoopPolicy())
    job = json.load(sys.stdin)
    notebook = nbformat.reads(job["notebook"], as_version=4)  # type: ignore[no-untyped-call]
    with os.fdopen(results, "w", encoding="utf-8") as file:

        def write(line: dict[str, Any]) -> None:
            file.write(json.dumps(line) + "\n")
            file.flush()

        _run(job, notebook, write)
        end_descendants(os.getpid())
        write({"cpu_seconds": _cpu_seconds()})


def _own_output() -> int:
    """Keep standard output for the results: the kernel inherits an empty one."""
    results = os.dup(1)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.close(nothing)
    return results


def _stay_responsible() -> None:
    """End with the grader, and adopt what student code leaves behind, where Linux offers it."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # Some containers forbid the calls.
            linux.set_parent_death_signal(signal.SIGKILL)
            linux.set_subreaper()


def _cpu_seconds() -> float:
    times = os.times()
    return times.children_user + times.children_system


if __name__ == "__main__":
    main()
