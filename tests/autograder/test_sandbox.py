"""The walls of a room, looked at from within, at every level that this machine has."""

import json
import os
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from autograder import landlock, namespaces, sandbox
from autograder.engine import Limits
from autograder.errors import SandboxError
from autograder.room_orders import Orders
from autograder.zygote import RoomEnd, WarmProcess, clean_environment

CONFINED = [level for level in sandbox.LEVELS if level != "process"]
PROBE = "autograder.room_probe:main"
STUDENT = "autograder.student_room:main"


@pytest.fixture
def seen(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What a room at this level found when it tried its walls."""
    found = sandbox.tried(request.param)
    if "problem" in found:
        pytest.skip(f"{request.param}: {found['problem']}")
    return found


def at_each(*levels: str) -> Any:
    return pytest.mark.parametrize("seen", levels, indirect=True)


@at_each(*CONFINED)
def test_a_confined_room_has_no_rights(seen: dict[str, Any]) -> None:
    """It has no capabilities, can't get any, and its system calls are filtered."""
    assert int(seen["capabilities"], 16) == 0
    assert seen["no_new_privileges"] == "1"
    assert seen["seccomp"] == "2"


@at_each(*CONFINED)
def test_a_confined_room_writes_its_own_folder_only(seen: dict[str, Any]) -> None:
    """Its own folder is writable, Python's isn't, and root's home can't be listed."""
    assert seen["writes_home"]
    assert not seen["writes_outside"]
    assert not seen["reads_roots_home"]


@at_each(*CONFINED)
def test_a_confined_room_reaches_no_network(seen: dict[str, Any]) -> None:
    """At most a loopback of its own is there, and no way to the kernel's network settings."""
    assert set(seen["interfaces"]) <= {"lo"} or not seen["internet_socket"]
    assert not seen["netlink_socket"]


@at_each("full")
def test_a_room_with_its_own_view_sees_hardly_anything(seen: dict[str, Any]) -> None:
    """It is the only process there is, and the machine's folders aren't there."""
    assert seen["pid"] == 1
    assert seen["processes"] <= 1
    assert seen["folder"] == namespaces.HOME
    assert not {"var", "srv", "mnt", "media", "boot", "opt"} & set(seen["sees"])


@at_each(*sandbox.LEVELS)
def test_a_room_can_do_what_a_notebook_needs(seen: dict[str, Any]) -> None:
    """It writes files, starts programs and imports what it didn't bring along."""
    assert seen["writes_home"]
    assert seen["starts_programs"]
    assert seen["imports"]


def test_the_environment_is_a_clean_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the grader's own environment goes along, secrets least of all."""
    monkeypatch.setenv("GRADER_TOKEN", "s3cret")
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    found = clean_environment(tmp_path)
    assert "s3cret" not in found.values()
    assert "PYTHONPATH" not in found
    assert found["HOME"] == str(tmp_path)


def test_a_level_that_nobody_knows_is_refused() -> None:
    """The message lists those there are."""
    with pytest.raises(SandboxError, match="'total'; there: full, bubblewrap, landlock, process"):
        sandbox.check("total")


def test_nothing_is_graded_below_the_floor_unless_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where only the lowest level works, the engine refuses until it is named."""
    monkeypatch.setattr(sandbox, "best", lambda: "process")
    with pytest.raises(SandboxError, match="--isolation process"):
        sandbox.rooms_engine()
    engine = sandbox.rooms_engine(isolation="process")
    assert engine.isolation == "process"
    engine.close()


def test_a_level_that_does_not_work_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wall that doesn't hold makes its level useless, and the message names the hole."""
    good = {
        "writes_outside": True,
        "capabilities": "0",
        "seccomp": "2",
        "interfaces": [],
        "netlink_socket": False,
        "writes_home": True,
        "imports": True,
        "processes": 1,
    }
    monkeypatch.setattr(sandbox, "tried", lambda _: good)
    # What is found out now mustn't be remembered: later tests would run without walls.
    monkeypatch.setattr(sandbox, "best", lambda: "process")
    with pytest.raises(SandboxError, match="could write outside its folder"):
        sandbox.check("landlock")


def test_elsewhere_than_on_linux_only_the_lowest_level_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another system isn't tried at all."""
    monkeypatch.setattr(sys, "platform", "darwin")
    found = sandbox.tried.__wrapped__("full")
    assert "needs Linux" in found["problem"]


WINDOWS = """\
import os, pkgutil, sys, types
import jupyter_client, nbformat, nbgrader, psutil, rich.progress, typer  # not ours to try

for name in ("fcntl", "grp", "pwd", "resource"):
    sys.modules[name] = None
sys.modules["msvcrt"] = types.ModuleType("msvcrt")
for name in ("fork", "getuid", "killpg", "sched_getaffinity"):
    delattr(os, name)
sys.platform = "win32"
import shutil
shutil.which = lambda *_, **__: None  # it asks Windows itself for its ways of finding programs
import autograder
for module in pkgutil.iter_modules(autograder.__path__, "autograder."):
    __import__(module.name)
from autograder import sandbox
from autograder.errors import SandboxError
assert {works for name, works, *_ in sandbox.layers()} == {False}
try:
    sandbox.rooms_engine(isolation="process")
except SandboxError as error:
    print(error)
"""


def test_where_nothing_can_be_forked_everything_else_still_imports() -> None:
    """Without the modules of Unix, a clear sentence instead of an import error."""
    done = subprocess.run([sys.executable, "-c", WINDOWS], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "WSL" in done.stdout
    assert "grade --engine nbgrader" in done.stdout


def test_the_layers_say_what_to_do_where_one_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without namespaces, the table says how they are allowed."""
    monkeypatch.setattr(sandbox, "tried", lambda _: {"problem": "unshare: not permitted"})
    monkeypatch.setattr(sandbox, "best", lambda: "landlock")
    rows = {
        name.split(":")[0]: (works, found, advice)
        for name, works, found, advice in sandbox.layers()
    }
    works, found, advice = rows["namespaces"]
    assert not works
    assert "not permitted" in found
    assert "unprivileged user namespaces" in advice


@pytest.fixture(scope="module")
def warm() -> Iterator[WarmProcess]:
    """A warm process with the strongest walls, and nothing imported."""
    process = sandbox.start(["json", "no_such_module"], isolation=sandbox.best())
    yield process
    process.close()


def told(warm: WarmProcess, **options: Any) -> dict[str, Any]:
    here, there = socket.socketpair()
    with here:
        room = warm.spawn(PROBE, sockets=[there], limits=Limits(), **options)
        there.close()
        text = here.makefile("rb").readline()
        room.kill()
    found: dict[str, Any] = json.loads(text)
    return found


def test_what_could_not_be_imported_is_named(warm: WarmProcess) -> None:
    """The warm process says which modules its rooms must do without."""
    assert warm.left_out == ("no_such_module",)


def test_each_room_is_a_new_one(warm: WarmProcess) -> None:
    """Two rooms have folders of their own; neither finds what the other wrote."""
    first, second = told(warm), told(warm)
    assert first["writes_home"]
    assert second["writes_home"]
    if os.getuid() == 0 and sandbox.best() == "full":
        assert first["user"] != second["user"]


def test_a_room_that_is_told_to_go_is_gone(warm: WarmProcess, living: Any) -> None:
    """The end of a room is reported, and its processes are no more."""
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    pairs = [socket.socketpair() for _ in range(2)]
    room = warm.spawn(STUDENT, sockets=[there for _, there in pairs], limits=Limits())
    its_own = {process.pid for process in psutil.Process().children(recursive=True)} - before
    assert its_own
    room.kill()
    for sock in (sock for pair in pairs for sock in pair):
        sock.close()
    assert room.wait(120.0) is not None
    assert living(its_own) == []
    # Its folder is removed by a program of its own.
    after = {process.pid for process in psutil.Process().children(recursive=True)}
    assert living(after - before) == []


def test_a_room_whose_entry_is_wrong_ends_with_a_reason(warm: WarmProcess) -> None:
    """A mistake in a room ends that room only, and is told."""
    here, there = socket.socketpair()
    room = warm.spawn("autograder.room_probe:nothing", sockets=[there], limits=Limits())
    there.close()
    here.close()
    end = room.wait(120.0)
    room.kill()
    assert end is not None
    assert "exit code 1" in end.reason
    assert told(warm)["writes_home"], "the next room isn't touched by it"


def test_rooms_end_with_their_coordinator(tmp_path: Path, living: Any) -> None:
    """When the grader is killed, nothing it started stays."""
    script = tmp_path / "coordinator.py"
    script.write_text(
        textwrap.dedent(
            """
            import os, socket
            from autograder import sandbox
            from autograder.engine import Limits
            warm = sandbox.start([], isolation=sandbox.best())
            pairs = [socket.socketpair() for _ in range(2)]
            sockets = [there for _, there in pairs]
            room = warm.spawn("autograder.student_room:main", sockets=sockets, limits=Limits())
            print(warm._process.pid, room.pid, flush=True)
            os.kill(os.getpid(), 9)
            """
        )
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == -9, done.stderr
    pids = [int(word) for word in done.stdout.split()]
    assert len(pids) == 2
    assert living(pids) == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel ends them there")
def test_rooms_end_with_the_process_they_were_forked_from(living: Any) -> None:
    """Where that is killed, for want of memory say, nobody is left to watch a room."""
    warm = sandbox.start([], isolation=sandbox.best())
    pairs = [socket.socketpair() for _ in range(2)]
    room = warm.spawn(STUDENT, sockets=[there for _, there in pairs], limits=Limits())
    its_own = {p.pid for p in psutil.Process(warm._process.pid).children(recursive=True)}
    assert its_own
    warm._process.kill()
    assert living(its_own) == []
    ended = room.wait(120.0)
    assert ended is not None
    assert ended.is_fault
    room.kill()
    warm.close()
    for sock in (sock for pair in pairs for sock in pair):
        sock.close()


def test_a_room_that_the_machine_ended_is_nobodys_verdict() -> None:
    """Whose room ends with the warm process is graded again; whose ends by itself isn't."""
    for ended, is_fault in ((RoomEnd("the warm process ended", True), True), (RoomEnd(), False)):
        here, there = socket.socketpair()
        process = SimpleNamespace(pid=1, kill=lambda: None, wait=lambda **_: ended)  # noqa: B023
        orders = Orders(here, process, Limits())
        there.close()
        refused = pytest.raises(SandboxError, match="nobody is marked down")
        with refused if is_fault else nullcontext():
            assert orders.send({"do": "run"}, 1.0) is None
        orders.close()


def test_a_warm_process_has_only_what_rooms_use(warm_for: Any) -> None:
    """What reads notebooks takes longer to import than all the rest, and no room needs it."""
    loaded = warm_for("").loaded
    assert {"pandas", "autograder.student_room", "autograder.examiner_room"} <= loaded
    assert not {"nbformat", "jsonschema", "sklearn"} & loaded


def test_a_module_that_leaves_a_thread_is_not_forked_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two threads can't be forked safely: the warm process starts anew without that module."""
    (tmp_path / "leaves_a_thread.py").write_text(
        "import threading, time\n"
        "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    script = (
        "import sys\n"
        "from autograder import zygote_main as z\n"
        "try: print(z._preload(['leaves_a_thread', 'json']), 'json' in sys.modules)\n"
        "except z._ThreadLeft as left: print('left', left)\n"
    )

    def said() -> str:
        command = [sys.executable, "-c", script]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert said() == "left leaves_a_thread\n"
    monkeypatch.setenv("AUTOGRADER_WITHOUT", '["leaves_a_thread"]')
    assert said() == "['leaves_a_thread'] True\n"


def test_a_path_of_libraries_shows_nobodys_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a path often names more than it need; rooms see the folders that hold a library."""
    home, libraries = tmp_path / "home", tmp_path / "home" / "lib"
    libraries.mkdir(parents=True)
    (home / "course").mkdir()
    (libraries / "libcudart.so.12").touch()
    monkeypatch.setenv("LD_LIBRARY_PATH", f"{home}::{libraries}:{tmp_path / 'nowhere'}:.")
    shown = set(namespaces.visible_paths())
    assert {path for path in shown if path.startswith(str(tmp_path))} == {str(libraries)}


def test_solutions_do_not_travel_with_a_labs_files(tmp_path: Path) -> None:
    """Of a lab's folder, notebooks and its settings stay behind; data goes along."""
    lab, home = tmp_path / "lab", tmp_path / "home"
    (lab / "data").mkdir(parents=True)
    home.mkdir()
    for name in ("lab.ipynb", "lab.toml", "data/trips.csv", "data/old.ipynb"):
        (lab / name).write_text(name)
    namespaces.copy_into(home, lab, "")
    assert sorted(str(p.relative_to(home)) for p in home.rglob("*.*")) == ["data/trips.csv"]


@pytest.mark.skipif(not landlock.abi(), reason="this kernel has no Landlock")
def test_landlock_keeps_a_process_to_its_folders(tmp_path: Path) -> None:
    """What was given can be read or written, nothing else, by root neither."""
    for name in ("read", "write", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        found = {}
        landlock.restrict([str(tmp_path / "read")], [str(tmp_path / "write")], network=False)
        for name in ("read", "write", "other"):
            for mode in ("r", "a"):
                try:
                    (tmp_path / name / "file").open(mode).close()
                    found[name + mode] = True
                except OSError:
                    found[name + mode] = False
        os.write(writing, json.dumps(found).encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(pid, 0)
    with os.fdopen(reading) as pipe:
        found = json.loads(pipe.read())
    allowed = {name for name, could in found.items() if could}
    assert allowed == {"readr", "writer", "writea"}
