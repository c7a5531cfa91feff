"""A Python that has imported what many programs need, and forks one for each that is to run.

`python warm_python.py serve ADDRESS MODULE...` imports the modules and waits at a Unix socket.
`python -I -S warm_python.py run ADDRESS ...` then is like `python ...`: the same arguments,
environment, folder, streams, exit code and signals, without the seconds that the imports take.
What a program does at its start is the same; only packages from elsewhere are there already.
"""

import array
import atexit
import contextlib
import json
import os
import pathlib
import signal
import socket
import sys

_SIGNALS = ("SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1")
_HEADER_BYTES = 1 << 20


def serve(address: str, modules: list[str]) -> None:
    """Import the modules, say so on stdout, and fork until nobody listens any more."""
    import gc
    import importlib
    import io
    import select

    with contextlib.redirect_stderr(io.StringIO()) as said:
        for name in modules:
            importlib.import_module(name)
    if said.getvalue():
        raise SystemExit(f"importing isn't silent, and programs would lack this: {said.getvalue()}")
    if len(list(pathlib.Path("/proc/self/task").glob("*"))) > 1:
        raise SystemExit("a module has left a thread running, which programs would lack")
    gc.freeze()
    door = socket.socket(socket.AF_UNIX)
    door.bind(address)
    door.listen(64)
    wake, wakes = socket.socketpair()
    wakes.setblocking(False)
    wake.setblocking(False)
    signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    print("ready", flush=True)
    programs: dict[socket.socket, int] = {}
    while True:
        ready, _, _ = select.select([0, door, wake, *programs], [], [])
        if 0 in ready:  # whoever started this one is gone
            for child in programs.values():
                _kill(child, signal.SIGKILL)
            # It may have been killed, and nobody else would tidy up.
            with contextlib.suppress(OSError):
                pathlib.Path(address).unlink()
                pathlib.Path(address).parent.rmdir()
            return
        if wake in ready:
            with contextlib.suppress(BlockingIOError):
                wake.recv(4096)
        for line in [line for line in programs if line in ready]:
            told = line.recv(1)
            _kill(programs[line], told[0] if told else signal.SIGKILL)
            if not told:
                line.close()
                del programs[line]
        if door in ready:
            line, _ = door.accept()
            child = _fork(line, [door, wake, wakes, *programs])
            if child:
                programs[line] = child
            else:
                line.close()
        _reap(programs)


def _kill(child: int, number: int) -> None:
    """Send a signal to a program and what it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, number) if number == signal.SIGKILL else os.kill(child, number)


def _reap(programs: dict[socket.socket, int]) -> None:
    while True:
        try:
            child, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not child:
            return
        for line in [line for line, known in programs.items() if known == child]:
            with contextlib.suppress(OSError):
                line.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
            line.close()
            del programs[line]


def _fork(line: socket.socket, others: list[socket.socket]) -> int:
    data, descriptors, _, _ = socket.recv_fds(line, _HEADER_BYTES, 3)
    while data and not data.endswith(b"\n"):
        data += line.recv(_HEADER_BYTES)
    if not data:
        return 0
    child = os.fork()
    if child:
        for number in descriptors:
            os.close(number)
        return child
    code = 1
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for sock in [line, *others]:
            sock.close()
        for place, number in enumerate(descriptors):
            os.dup2(number, place)
            os.close(number)
        code = _become(**json.loads(data))
    finally:
        with contextlib.suppress(BaseException):
            atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        os._exit(code)


def _become(arguments: list[str], folder: str, environment: dict[str, str]) -> int:
    """Run a program as `python` would with these arguments, and give its exit code."""
    import runpy
    import threading
    import traceback

    os.chdir(folder)
    os.environ.clear()
    # Whoever wants to know whether its parent lives would look at the wrong one.
    os.environ.update({key: text for key, text in environment.items() if key != "JPY_PARENT_PID"})
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", buffering=1, closefd=False)  # noqa: SIM115
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    if own := os.environ.pop("WARM_PYTHON", ""):  # what it starts with its own Python is warm too
        sys.executable = own
    if "matplotlib" in sys.modules and "MPLBACKEND" in os.environ:
        sys.modules["matplotlib"].rcParams["backend"] = os.environ["MPLBACKEND"]
    path = [text for text in environment.get("PYTHONPATH", "").split(os.pathsep) if text]
    path = [os.path.abspath(text) for text in path]  # noqa: PTH100 - links stay links, as there
    sys.path[:] = [*path, *sys.path[1:]]
    try:
        _run(arguments, runpy)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        threading._shutdown()
    return 0


def _run(arguments: list[str], runpy: object) -> None:
    kind, *rest = arguments
    if kind == "-m":
        sys.argv[:] = rest
        sys.path.insert(0, str(pathlib.Path.cwd()))
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif kind == "-c":
        sys.argv[:] = ["-c", *rest[1:]]
        sys.path.insert(0, "")
        names = {"__name__": "__main__", "__builtins__": __builtins__}
        exec(compile(rest[0], "<string>", "exec"), names)
    else:
        sys.argv[:] = arguments
        sys.path.insert(0, str(pathlib.Path(kind).absolute().parent))
        runpy.run_path(kind, run_name="__main__")


def run(address: str, arguments: list[str]) -> int:
    """Be the program, as far as whoever started this process can tell."""
    line = socket.socket(socket.AF_UNIX)
    line.connect(address)
    about = {
        "arguments": arguments,
        "folder": str(pathlib.Path.cwd()),
        "environment": dict(os.environ),
    }
    text = json.dumps(about).encode() + b"\n"
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))]
    sent = line.sendmsg([text], ancillary)
    line.sendall(text[sent:])
    for name in _SIGNALS:
        signal.signal(getattr(signal, name), lambda number, _: line.send(bytes([number])))
    said = b""
    while not said.endswith(b"\n"):
        data = line.recv(64)
        if not data:
            return 1
        said += data
    code = int(said)
    if code < 0:
        signal.signal(-code, signal.SIG_DFL) if -code != signal.SIGKILL else None
        os.kill(os.getpid(), -code)
    return code


if __name__ == "__main__":
    word, place, *words = sys.argv[1:]
    if word == "serve":
        serve(place, words)
    else:
        sys.exit(run(place, words))
