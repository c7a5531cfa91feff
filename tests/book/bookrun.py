"""Runs a page as Quarto does: its cells in order, in one fresh kernel, inline values included."""

import ast
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import nbformat
from bookpages import INLINE, Page
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

__all__ = ["PageRun", "run_page"]

QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
SECONDS_PER_CELL = 120


@dataclass
class PageRun:
    """What came out of a page.

    ``outputs`` holds the notebook outputs of each executed block, by the block's place on the
    page; ``values`` the text of each inline expression, in order.
    """

    outputs: dict[int, list[Any]] = field(default_factory=dict)
    values: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    finished: bool = True

    def pictures(self, place: int) -> list[str]:
        """List the pictures (base64 PNG) that a block drew."""
        outputs = self.outputs.get(place, [])
        return [o["data"]["image/png"] for o in outputs if "image/png" in o.get("data", {})]


def run_page(page: Page, *, kernel: str = "python3") -> PageRun:
    """Execute a page's cells and inline expressions from top to bottom, in a kernel of its own."""
    run = PageRun()
    notebook, places = _notebook(page)
    with tempfile.TemporaryDirectory() as folder, mock.patch.dict(os.environ, QUIET):
        client = NotebookClient(
            notebook,
            timeout=SECONDS_PER_CELL,
            kernel_name=kernel,
            resources={"metadata": {"path": folder}},
        )
        try:
            client.execute()
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as problem:
            run.finished = False
            run.problems.append(_first_failure(page, notebook, places, problem))
        litter = sorted(path.name for path in Path(folder).iterdir())
    if litter:
        run.problems.append(
            f"{page.name}: its cells left {litter} in the working folder; "
            "write to a temporary folder instead."
        )
    _collect(page, notebook, places, run)
    return run


def _notebook(page: Page) -> tuple[Any, list[tuple[int, int]]]:
    """Make a notebook of the page's code; each cell's place is (block, line)."""
    cells, places = [], []
    for place, block in enumerate(page.blocks):
        if block.kind == "cell":
            cells.append(nbformat.v4.new_code_cell(block.text))
            places.append((place, block.line))
        elif block.kind == "prose":
            for offset, text in enumerate(block.text.split("\n")):
                for expression in INLINE.findall(text):
                    cells.append(nbformat.v4.new_code_cell(expression))
                    places.append((-1, block.line + offset))
    return nbformat.v4.new_notebook(cells=cells), places


def _first_failure(
    page: Page, notebook: Any, places: list[tuple[int, int]], problem: Exception
) -> str:
    for cell, (_, line) in zip(notebook.cells, places, strict=True):
        for output in cell.outputs:
            if output.output_type == "error":
                return f"{page.name}:{line}: the code raised {output.ename}: {output.evalue}"
    return f"{page.name}: the code stopped: {type(problem).__name__}"


def _collect(page: Page, notebook: Any, places: list[tuple[int, int]], run: PageRun) -> None:
    for cell, (place, line) in zip(notebook.cells, places, strict=True):
        if place < 0:
            run.values.append(_value(page, cell, line, run))
            continue
        run.outputs[place] = cell.outputs
        if _warned(cell) and not page.blocks[place].options.get("warning"):
            said = "".join(o.text for o in cell.outputs if o.get("name") == "stderr").strip()
            run.problems.append(f"{page.name}:{line}: the cell wrote to stderr: {said[:200]}")


def _warned(cell: Any) -> bool:
    return any(output.get("name") == "stderr" for output in cell.outputs)


def _value(page: Page, cell: Any, line: int, run: PageRun) -> str:
    """Take an inline value as Quarto does: its plain text, without the quotes of a string."""
    for output in cell.outputs:
        if output.output_type == "execute_result":
            text = str(output["data"]["text/plain"])
            try:
                plain = ast.literal_eval(text)
            except (SyntaxError, ValueError):
                plain = text
            return plain if isinstance(plain, str) else text
    if run.finished:
        said = f"{page.name}:{line}: the inline expression `{cell.source}` has no value"
        run.problems.append(said)
    return ""
