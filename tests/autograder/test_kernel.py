"""Cells on the student's own machine: whatever they do, the check goes on or ends cleanly."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from autograder import kernel as kernel_module
from autograder.engine import Limits
from autograder.kernel import Kernel, fresh_kernel

# What ends is waited for, however slow the machine; what never ends isn't waited for long.
LIMITS = Limits(cell_seconds=120, total_seconds=600, output_kb=20)
SHORT = replace(LIMITS, cell_seconds=0.7)
Living = Callable[[list[int]], list[int]]


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
def test_a_cell_without_end_is_stopped_and_the_next_one_runs(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    """Neither silence nor a flood of output keeps it going, and the flood isn't kept."""
    monkeypatch.setattr(kernel_module, "_STOP_SECONDS", 60.0)
    monkeypatch.setattr(kernel, "_limits", SHORT)
    outcome = kernel.run(code)
    monkeypatch.setattr(kernel, "_limits", LIMITS)
    assert outcome.status in ("timeout", "error")
    assert sum(len(str(out)) for out in outcome.outputs) < 100_000
    after = kernel.run("'alive'")
    assert after.outputs[0]["data"]["text/plain"] == "'alive'"


def test_a_kernel_that_ends_itself_is_noticed_and_everything_is_cleared_up(
    tmp_path: Path, living: Living
) -> None:
    """The cell died, the next don't run, no process stays."""
    with fresh_kernel(tmp_path, LIMITS) as running:
        pid = int(running.run("import os\nos.getpid()").outputs[0]["data"]["text/plain"])
        assert pid != os.getpid()
        assert running.run("os._exit(3)").status == "died"
        assert running.run("1").status == "died"
    assert living([pid]) == []


def test_a_cell_that_cannot_be_interrupted_ends_the_session(
    tmp_path: Path, living: Living, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Code that ignores the interruption is left behind with its kernel."""
    stubborn = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass"
    monkeypatch.setattr(kernel_module, "_STOP_SECONDS", 1.0)
    with fresh_kernel(tmp_path, LIMITS) as running:
        pid = int(running.run("import os\nos.getpid()").outputs[0]["data"]["text/plain"])
        monkeypatch.setattr(running, "_limits", SHORT)
        assert running.run(stubborn).status == "timeout"
        assert running.run("1").status == "died"
    assert living([pid]) == []
