"""nbgrader's own execution, in real kernels: what ran, what failed where, and nothing left over."""

import os
import re
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder.engine import CellRun, Execution, Limits
from autograder.errors import GraderError
from autograder.nbgrader_engine import NbgraderEngine

# Naps that no other run of these tests on this machine takes.
NAPS = [f"{seconds}.{os.getpid()}" for seconds in (300, 301, 302)]
CELLS = {
    "print": "print('words')",
    "where": "import os; print(sorted(os.listdir()), open('numbers.txt').read())",
    "environment": "print(dict(os.environ))",
    "result": "2.5",
    "function": "def fails():\n    x = 1\n    raise ValueError('no')",
    "fails": "a = 1\n\nassert a == 2, 'two'\n",
    "calls": "\nfails()",
    "nested": (
        "\n\ndef check(x):\n    assert x < 2, f'saw {x}'\n\ncheck(1)\n"
        "### BEGIN HIDDEN TESTS\ncheck(2)\n### END HIDDEN TESTS"
    ),
    "pretends": (
        "def odd():\n    raise ValueError(f'Cell In[{get_ipython().execution_count}], line 1')\n"
        "### BEGIN HIDDEN TESTS\nodd()\n### END HIDDEN TESTS"
    ),
    "magic": "%%time\n### BEGIN HIDDEN TESTS\nassert 1 == 2, 'two'\n### END HIDDEN TESTS",
    "syntax": "a = (1,",
    "stderr": "import sys\nprint('warned', file=sys.stderr)",
    "flood": "for _ in range(50):\n    print('x' * 20_000)\n1.5",
    "nothing": "",
    "disk": (
        "import pathlib\n"
        "word = 'hid' + 'den marker'\n"
        "files = [p for p in pathlib.Path().resolve().parent.rglob('*') if p.is_file()]\n"
        "print('seen:', [p.name for p in files if word.encode() in p.read_bytes()])\n"
        "print('all:', [p.name for p in files])"
    ),
    "test": "assert True  # hidden marker",
    "daemon": (
        "import subprocess\n"
        f"print(subprocess.Popen(['sleep', '{NAPS[0]}'], start_new_session=True).pid)\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork() == 0:\n"
        f"        os.execvp('sleep', ['sleep', '{NAPS[1]}'])\n"
        "    os._exit(0)"
    ),
    "nameless": (
        "import shutil\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork() == 0:\n"
        f"        os.execve(shutil.which('sleep'), ['sleep', '{NAPS[2]}'], {{}})\n"
        "    os._exit(0)\n"
        "os.wait()\n"
        "import tempfile; print(tempfile.mkdtemp())"
    ),
}


def notebook(cells: dict[str, str]) -> Any:
    book = new_notebook()
    book.cells = [new_markdown_cell("# Title", id="title")]
    for name, text in cells.items():
        meta = {"nbgrader": {"grade_id": name, "grade": False, "solution": False, "locked": True,
                             "schema_version": 3, "task": False}}  # fmt: skip
        book.cells.append(new_code_cell(text, id=name, metadata=meta))
    return book


def sleepers() -> list[int]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = process.info["cmdline"] or []
        if line[:1] == ["sleep"] and line[1] in NAPS:
            found.append(process.pid)
    return found


@pytest.fixture(scope="module")
def lab_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lab")
    (folder / "numbers.txt").write_text("1 2 3")
    (folder / "05_sums.ipynb").write_text("hidden marker")
    (folder / "lab.toml").write_text("hidden marker")
    return folder


@pytest.fixture(scope="module")
def executed(lab_files: Path) -> Execution:
    """One notebook with a cell for each thing that can happen."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SECRET_TOKEN", "token-of-the-grader")
        limits = Limits(cell_seconds=120, total_seconds=600, output_kb=100)
        return NbgraderEngine().run(notebook(CELLS), lab_files, limits)


@pytest.fixture(scope="module")
def runs(executed: Execution) -> dict[str, CellRun]:
    return {run.grade_id: run for run in executed.cells}


def text(run: CellRun) -> str:
    return "".join(str(out.get("text", "")) for out in run.outputs)


def test_every_code_cell_has_its_status(runs: dict[str, CellRun], executed: Execution) -> None:
    """An error doesn't keep the next cells from running."""
    bad = {name: run.status for name, run in runs.items() if run.status != "ok"}
    assert bad == dict.fromkeys(
        ("fails", "calls", "nested", "pretends", "magic", "syntax"), "error"
    )
    assert set(runs) == set(CELLS)
    assert executed.problems == ()
    assert executed.cpu_seconds > 0


def test_outputs_are_in_the_runs_and_in_the_notebook(
    runs: dict[str, CellRun], executed: Execution
) -> None:
    """The engine gives back the notebook that it got, with outputs."""
    assert text(runs["print"]) == "words\n"
    assert runs["result"].outputs[0]["data"]["text/plain"] == "2.5"
    assert runs["stderr"].outputs[0]["name"] == "stderr"
    cell = executed.notebook.cells[runs["print"].index]
    assert cell.outputs == list(runs["print"].outputs)
    assert [c.source for c in executed.notebook.cells[1:]] == list(CELLS.values())


@pytest.mark.parametrize(
    ("name", "error", "message", "line"),
    [("fails", "AssertionError", "two", 3), ("calls", "ValueError", "no", 2)],
)
def test_an_error_has_its_line_in_the_cell_itself(
    runs: dict[str, CellRun], name: str, error: str, message: str, line: int
) -> None:
    """Not the line of the function that the cell calls."""
    run = runs[name]
    assert (run.error, run.message, run.line) == (error, message, line)


@pytest.mark.parametrize(("name", "line"), [("nested", 8), ("pretends", 4), ("magic", None)])
def test_a_failing_hidden_test_is_never_taken_for_a_visible_one(
    runs: dict[str, CellRun], name: str, line: int | None
) -> None:
    """Not by a function of the cell, a message that looks like a traceback, or a magic command."""
    assert runs[name].status == "error"
    assert runs[name].line == line


def test_the_labs_files_are_there_without_the_teachers(runs: dict[str, CellRun]) -> None:
    """Cells run in a folder with what the lab ships: no notebook, no settings."""
    assert text(runs["where"]) == "['numbers.txt'] 1 2 3\n"


def test_secrets_of_the_environment_stay_outside(runs: dict[str, CellRun]) -> None:
    """Only what a kernel needs is passed on."""
    assert "PATH" in text(runs["environment"])
    assert "token-of-the-grader" not in text(runs["environment"])


def test_hidden_tests_are_not_on_the_disk(runs: dict[str, CellRun]) -> None:
    """The notebook travels through a pipe; neither it nor a history of it lies about."""
    assert "seen: []" in text(runs["disk"])
    assert "numbers.txt" in text(runs["disk"])


def test_a_flood_of_output_is_cut_and_keeps_the_result(runs: dict[str, CellRun]) -> None:
    """A test's number counts, whatever the student's code prints before it."""
    flood = runs["flood"]
    assert len(text(flood)) < 110_000
    assert "the rest of the output was cut" in text(flood)
    assert [out["data"]["text/plain"] for out in flood.outputs if "data" in out] == ["1.5"]


def test_nothing_is_left_running(runs: dict[str, CellRun], living: Any) -> None:
    """Not even what left its session, its family and, on Linux, its environment to survive."""
    assert runs["daemon"].status == runs["nameless"].status == "ok"
    child = int(re.findall(r"\d+", text(runs["daemon"]))[0])
    napping = living([child, *sleepers()])
    assert child not in napping
    assert len(napping) <= (sys.platform != "linux")


def test_scratch_folders_go_with_the_run(runs: dict[str, CellRun]) -> None:
    """What students' code puts where temporary files belong isn't left to the grader's machine."""
    assert not Path(text(runs["nameless"]).strip()).exists()


def test_a_kernel_that_does_not_start_is_nobodys_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine lacks something: grading stops and says so, and nobody loses a point."""
    (tmp_path / "ipykernel_launcher.py").write_text("raise SystemExit(1)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(GraderError, match="no Jupyter kernel started"):
        NbgraderEngine().run(notebook({"a": "1"}), None, Limits(total_seconds=60))


@pytest.mark.whole_way
def test_a_cell_that_takes_too_long_is_cut_and_a_dead_kernel_ends_it() -> None:
    """After a timeout the notebook goes on; after its kernel's death nothing does."""
    cells = {
        "loop": "import time\nwhile True:\n    time.sleep(0.1)",
        "after": "1 + 1",
        "exits": "import os\nos._exit(1)",
        "late": "print('never')",
        "empty": "",
    }
    execution = NbgraderEngine().run(notebook(cells), None, Limits(cell_seconds=4))
    statuses = {run.grade_id: run.status for run in execution.cells}
    assert statuses == {
        "loop": "timeout", "after": "ok", "exits": "died", "late": "not-run", "empty": "ok",
    }  # fmt: skip
    assert execution.problems == ("The notebook's kernel died.",)


def test_the_time_in_all_is_limited() -> None:
    """However many cells share it out among them."""
    cells = {"sleeps": "import time\ntime.sleep(300)", "late": "1"}
    execution = NbgraderEngine().run(notebook(cells), None, Limits(total_seconds=1))
    assert {run.status for run in execution.cells} <= {"died", "not-run"}
    assert execution.problems == ("The notebook took longer than 1 seconds in all.",)
    assert execution.cells[-1].message == execution.problems[0]


def test_memory_is_limited() -> None:
    """The kernel's whole family counts."""
    execution = NbgraderEngine().run(notebook({"a": "1"}), None, Limits(memory_mb=1))
    assert execution.problems == ("The notebook used more than 1 MB of memory.",)
    assert execution.cells[0].status == "not-run"


def test_a_closed_engine_returns_early() -> None:
    """What runs when grading is interrupted ends, with a word on why."""
    engine = NbgraderEngine()
    engine.close()
    execution = engine.run(notebook({"a": "1"}), None, Limits())
    assert execution.problems == ("Grading was interrupted.",)
