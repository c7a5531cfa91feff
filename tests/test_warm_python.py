"""A program that is forked from a warm Python is like one that was started."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PROGRAM = str(Path(__file__).with_name("warm_python.py"))
ABOUT = """
import os, sys
print(sys.argv, os.getcwd(), os.environ.get("WORD"), sys.stdin.read(), sys.path[0])
print("beside", file=sys.stderr)
import beside
print(__name__, beside.__name__)
sys.exit(7)
"""

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="programs are forked")


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """A warm Python that has imported one module."""
    address = str(tmp_path_factory.mktemp("warm") / "s")
    command = [sys.executable, PROGRAM, "serve", address, "colorsys"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        yield [sys.executable, "-I", "-S", PROGRAM, "run", address]
        process.stdin.close()


@pytest.mark.parametrize("kind", ["file", "-m", "-c"])
def test_it_runs_as_if_it_had_been_started(warm: list[str], tmp_path: Path, kind: str) -> None:
    """With its arguments, folder, environment, streams, modules and exit code."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "beside.py").touch()
    (tmp_path / "about.py").write_text(ABOUT)
    words = {"file": ["about.py"], "-m": ["-m", "about"], "-c": ["-c", ABOUT]}[kind]
    found = [
        subprocess.run(
            [*python, *words, "a", "b c"],
            cwd=tmp_path,
            env=os.environ | {"WORD": "said", "PYTHONPATH": "own"},
            input="given",
            capture_output=True,
            text=True,
        )
        for python in (warm, [sys.executable])
    ]
    assert found[0].stdout == found[1].stdout
    assert (found[0].returncode, found[0].stderr) == (7, "beside\n")


def test_what_it_starts_may_be_as_warm(warm: list[str], tmp_path: Path) -> None:
    """Its own Python is then another one, and the programs below know nothing of that."""
    code = "import os, sys; print(sys.executable, 'WARM_PYTHON' in os.environ)"
    for given in ("", str(tmp_path / "python")):
        found = subprocess.run(
            [*warm, "-c", code], env=os.environ | {"WARM_PYTHON": given}, capture_output=True,
            text=True,
        )  # fmt: skip
        assert found.stdout == f"{given or sys.executable} False\n"


def test_what_was_imported_is_there(warm: list[str]) -> None:
    """That is what it is for; nothing else is."""
    code = "import sys; print([name in sys.modules for name in ('colorsys', 'wave')])"
    for python, there in ((warm, "[True, False]\n"), ([sys.executable], "[False, False]\n")):
        assert subprocess.run([*python, "-c", code], capture_output=True, text=True).stdout == there


def test_an_error_ends_it_as_it_would(warm: list[str]) -> None:
    """With a traceback and 1; with a message and 1; by a signal of its own."""
    ends = {"1 / 0": 1, "import sys; sys.exit('no')": 1, "import os; os.kill(os.getpid(), 15)": -15}
    for code, end in ends.items():
        done = subprocess.run([*warm, "-c", code], capture_output=True, text=True)
        assert done.returncode == end
        assert ("ZeroDivisionError" in done.stderr) == ("/" in code)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_it_ends_with_whoever_was_started(warm: list[str], living: Any, number: int) -> None:
    """A signal reaches it; if the one that stands for it is killed, so is it."""
    code = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    with subprocess.Popen([*warm, "-c", code], stdout=subprocess.PIPE) as process:
        pid = int(process.stdout.readline())
        process.send_signal(number)
        assert process.wait(120) == -number
    assert living([pid]) == []


def test_a_module_that_says_something_or_leaves_a_thread_is_refused(tmp_path: Path) -> None:
    """Programs would lack what it said, or its thread."""
    (tmp_path / "loud.py").write_text("import warnings; warnings.warn('careful')")
    busy = "threading.Thread(target=time.sleep, args=(9,), daemon=True).start()"
    (tmp_path / "busy.py").write_text(f"import threading, time; {busy}")
    for module, said in (("loud", "careful"), ("busy", "left a thread running")):
        done = subprocess.run(
            [sys.executable, PROGRAM, "serve", str(tmp_path / "s"), module],
            env=os.environ | {"PYTHONPATH": str(tmp_path)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 1
        assert said in done.stderr
        assert done.stdout == ""
