"""Attacks by doing nothing: rooms that wait for ever cost their own students time, nobody else."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from autograder import room_orders

BLOCKED = (
    "import ctypes, signal, time\n"
    "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\n"
    "for number in (signal.SIGALRM, signal.SIGPROF): signal.signal(number, signal.SIG_IGN)\n"
)
SILENT = {
    "a call that never ends": f"{BLOCKED}def solve(x): time.sleep(10**6)",
    "a call that holds the interpreter": (
        f"{BLOCKED}def solve(x): ctypes.PyDLL(None).sleep(10**6)"
    ),
    "half a message, then nothing": (
        f"THE_ROOM\n{BLOCKED}def solve(x):\n"
        "    questions._socket.sendall(b'agw1\\0\\1')\n"
        "    time.sleep(10**6)\n"
    ),
    "a message that arrives byte by byte": (
        f"THE_ROOM\n{BLOCKED}def solve(x):\n"
        "    questions._socket.sendall(b'agw1\\0\\1\\0\\0\\0\\0\\0\\0')\n"
        "    while True:\n"
        "        questions._socket.sendall(b' ')\n"
        "        time.sleep(0.1)\n"
    ),
    "questions that nobody reads": (
        f"THE_ROOM\n{BLOCKED}room.answerer.answer = lambda frame: time.sleep(10**6)\n"
        "def solve(x): return x * x"
    ),
    "orders that nobody reads": f"THE_ROOM\n{BLOCKED}room._obey = lambda order: time.sleep(10**6)",
    "a child that keeps the sockets open": (
        "import os, time\n"
        "def solve(x):\n"
        "    if os.fork() == 0: time.sleep(10**6)\n"
        "    os._exit(0)\n"
    ),
    "a cell that never ends": f"{BLOCKED}def solve(x): return 0\ntime.sleep(10**6)",
    "a lock that nobody opens": (
        f"{BLOCKED}import threading\nlock = threading.Lock()\nlock.acquire()\n"
        "def solve(x): lock.acquire()"
    ),
    "a program that waits": (
        f"{BLOCKED}import subprocess\ndef solve(x): subprocess.run(['sleep', '1000000'])"
    ),
}


def test_silence_earns_nothing_and_ends(arena: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every room that doesn't answer is ended; all of them at once, beside an honest student."""
    # What stands behind the limits on CPU time is generous; here it needn't be.
    monkeypatch.setattr(room_orders, "WALL_EXTRA", 8.0)
    monkeypatch.setattr(room_orders, "REPORT_SECONDS", 4.0)
    monkeypatch.setattr(room_orders, "SETTLE_SECONDS", 5.0)
    teacher = arena.teacher({})
    work = {name: {"q1": arena.render(text)} for name, text in SILENT.items()}
    work["honest"] = {"q1": "def solve(x): return x * x", "q2": "def half(x): return x // 2"}
    files = [(name, arena.hand_in(teacher, answers)) for name, answers in work.items()]
    with arena.unharmed(teacher) as warm, ThreadPoolExecutor(len(work)) as pool:
        verdicts = pool.map(lambda entry: arena.grade(warm, teacher, *entry), files)
        scores = {name: found.score for name, found in zip(work, verdicts, strict=True)}
    assert scores == {**dict.fromkeys(SILENT, 0.0), "honest": 4.0}
