"""What a warm process does once for all rooms works, and leaves nothing that a fork would lack."""

import subprocess
import sys

import pytest

from autograder.room_libraries import _STEPS

STEP = """
import importlib, sys, threading
from pathlib import Path
from autograder import room_libraries
importlib.import_module(sys.argv[1])
room_libraries._STEPS[sys.argv[1]]()
print(threading.active_count(), len(list(Path("/proc/self/task").glob("*"))))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="threads are counted by the system")
@pytest.mark.parametrize("module", _STEPS)
def test_a_library_is_used_without_a_thread_left(module: str) -> None:
    """A step that fails would be passed over in silence, so it is seen to work here."""
    # Arrow's allocator keeps a thread of its own, unless it is told not to, as in rooms.
    env = {"JE_ARROW_MALLOC_CONF": "background_thread:false", "OPENBLAS_NUM_THREADS": "1"}
    words = [sys.executable, "-c", STEP, module]
    done = subprocess.run(words, capture_output=True, text=True, env=env | {"PATH": ""})
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["1", "1"]
