"""The process in which nbgrader's Execute runs one notebook; started by ``nbgrader_engine``."""

import asyncio
import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode

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
    """Read a job from standard input, run it, and write one line a cell to its result file."""
    warnings.simplefilter("ignore")
    if sys.platform == "win32":
        asyncio.set_event_loop_policy(asyncio.WindowsSelectorEventLoopPolicy())
    job = json.load(sys.stdin)
    notebook = nbformat.reads(job["notebook"], as_version=4)  # type: ignore[no-untyped-call]
    with Path(job["results"]).open("w", encoding="utf-8") as file:

        def write(line: dict[str, Any]) -> None:
            file.write(json.dumps(line) + "\n")
            file.flush()

        _run(job, notebook, write)
        write({"cpu_seconds": _cpu_seconds()})


def _cpu_seconds() -> float:
    times = os.times()
    return times.children_user + times.children_system


if __name__ == "__main__":
    main()
