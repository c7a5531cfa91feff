"""Cells on the student's own machine: whatever they do, the check goes on or ends cleanly."""

import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from autograder.engine import Limits
from autograder.kernel import Kernel, fresh_kernel

LIMITS = Limits(cell_seconds=1.5, total_seconds=30, output_kb=20)


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    with fresh_kernel(tmp_path_factory.mktemp("work"), LIMITS) as running:
        yield running


def test_a_cell_keeps_its_names_and_gives_its_outputs(kernel: Kernel) -> None:
    """Cells share one session; what they show is kept as a notebook would."""
    assert kernel.run("x = 41").status == "ok"
    outcome = kernel.run("print('hello')\nx + 1")
    assert outcome.status == "ok"
    assert [out["output_type"] for out in outcome.outputs] == ["stream", "execute_result"]
    assert outcome.outputs[1]["data"]["text/plain"] == "42"
    assert outcome.count == 2


def test_an_error_is_an_outcome(kernel: Kernel) -> None:
    """The next cell runs all the same."""
    outcome = kernel.run("1 / 0")
    assert outcome.status == "error"
    assert outcome.error is not None
    assert outcome.error["ename"] == "ZeroDivisionError"
    assert kernel.run("1").status == "ok"


@pytest.mark.parametrize(
    "code",
    [
        "while True: pass",
        "while True: print('x' * 1000)",
        "import time\ntime.sleep(60)",
        "input('your name? ')\nwhile True: pass",
    ],
)
def test_a_cell_without_end_is_stopped_and_the_next_one_runs(kernel: Kernel, code: str) -> None:
    """Neither silence nor a flood of output keeps it going, and the flood isn't kept."""
    outcome = kernel.run(code)
    assert outcome.status in ("timeout", "error")
    assert sum(len(str(out)) for out in outcome.outputs) < 100_000
    after = kernel.run("'alive'")
    assert after.outputs[0]["data"]["text/plain"] == "'alive'"


def test_a_kernel_that_ends_itself_is_noticed_and_everything_is_cleared_up(tmp_path: Path) -> None:
    """The cell died, the next don't run, no process stays."""
    with fresh_kernel(tmp_path, LIMITS) as running:
        pid = int(running.run("import os\nos.getpid()").outputs[0]["data"]["text/plain"])
        assert pid != os.getpid()
        assert running.run("os._exit(3)").status == "died"
        assert running.run("1").status == "died"
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_cell_that_cannot_be_interrupted_ends_the_session(tmp_path: Path) -> None:
    """Code that ignores the interruption is left behind with its kernel."""
    stubborn = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass"
    with fresh_kernel(tmp_path, Limits(cell_seconds=0.5, total_seconds=20)) as running:
        pid = int(running.run("import os\nos.getpid()").outputs[0]["data"]["text/plain"])
        assert running.run(stubborn).status == "timeout"
        assert running.run("1").status == "died"
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
