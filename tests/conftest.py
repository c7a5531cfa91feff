"""What all tests share: caches of their own, one thread each, and an order that suits two workers.

Every file is one worker's, with what it made for its tests; those that take longest come first.
"""

import gc
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

# Hundreds of processes import the same packages. What one has compiled the others find, even where
# the shell says that nothing is to be kept: in a fresh environment it is a third of all CPU time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# The workers share the cores. Libraries that start a thread for each core, and let it spin, take
# many times the CPU time then; it is set before anything imports them, for programs as well.
for library in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "BLIS", "VECLIB_MAXIMUM"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

# What most programs that tests start import: seconds, each time.
OFTEN_IMPORTED = (
    *("numpy", "pandas", "pyarrow.parquet", "scipy.stats", "scipy.special", "sklearn.ensemble"),
    *("sklearn.linear_model", "sklearn.model_selection", "sklearn.pipeline", "sqlalchemy.orm"),
    *("mlflow.pyfunc", "mlflow.sklearn", "mlflow.tracking", "hamilton.driver", "yaml", "jinja2"),
    *("pydantic_settings", "fastapi", "uvicorn", "httpx", "prometheus_client", "typer", "rich"),
    *("mlflow.store.tracking.sqlalchemy_store", "mlflow.store.model_registry.sqlalchemy_store"),
    *("matplotlib.figure", "matplotlib.backends.backend_agg", "IPython", "ipykernel.kernelapp"),
)

# The files that take most of the time, longest first.
LONGEST = (
    "attacks/test_attacks.py",
    "templates/test_loop.py",
    "book/test_book.py",
    "templates/test_service.py",
    "conformance/test_conformance.py",
    "autograder/test_cluster.py",
    "templates/test_workflows_run.py",
    "mlops_kit/test_registry.py",
    "conformance/test_lies.py",
    "templates/test_postgres.py",
    "autograder/test_nbgrader_engine.py",
    "autograder/test_foreign_courses.py",
    "mlops_kit/test_monitor.py",
    "attacks/test_silence.py",
    "conformance/test_rooms.py",
    "mlops_kit/test_serve_models.py",
    "templates/test_workflows.py",
    "autograder/test_killed.py",
    "autograder/test_stock_nbgrader.py",
    "autograder/test_check.py",
    "attacks/test_honest.py",
    "templates/test_new.py",
    "templates/test_deploy_kubernetes.py",
    "templates/test_update.py",
    "autograder/test_kernel.py",
    "autograder/test_wire_fuzz.py",
    "mlops_kit/test_data_contracts.py",
    "autograder/test_fuzz.py",
    "conformance/test_fresh_rooms.py",
    "mlops_kit/test_drift_compare.py",
    "autograder/test_wheel.py",
    "autograder/test_release.py",
    "autograder/test_sandbox.py",
    "templates/test_deploy.py",
    "mlops_kit/test_edge_c.py",
    "mlops_kit/test_drift_contest.py",
    "attacks/test_notebook_attacks.py",
    "attacks/test_record_attacks.py",
    "autograder/test_wire_values.py",
    "mlops_kit/test_tracking.py",
)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Import everything without looking for garbage; what is there then stays to the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_configure(config: pytest.Config) -> None:
    """Let MLflow say once, to whichever test comes first, that it uses what will be dropped."""
    said = "The ``noload`` loader strategy is deprecated"
    config.addinivalue_line("filterwarnings", f"ignore:{said}:DeprecationWarning")


@pytest.hookimpl(wrapper=True, optionalhook=True)
def pytest_xdist_auto_num_workers() -> Iterator[None]:
    """One worker more than processors: some tests wait, for a clock, a disk or a network."""
    found = yield
    return found if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ else found + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that no worker is left with it at the end."""
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get("/".join(item.path.parts[-2:]), len(place)))


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep caches in a folder that all processes of this session share."""
    shared = tmp_path_factory.getbasetemp()
    if shared.name.startswith("popen-"):  # a worker's own folder lies in the session's
        shared = shared.parent
    with pytest.MonkeyPatch.context() as patch:
        # The packages that this environment was made of needn't be fetched and unpacked anew.
        if uv := shutil.which("uv"):
            there = subprocess.run([uv, "cache", "dir"], capture_output=True, text=True, check=True)
            patch.setenv("UV_CACHE_DIR", there.stdout.strip())
        patch.setenv("XDG_CACHE_HOME", str(shared / "cache"))
        # What mypy has found out about packages holds for every project that uses them.
        patch.setenv("MYPY_CACHE_DIR", str(shared / "mypy"))
        yield


@contextmanager
def warmed(python: str, modules: Iterable[str]) -> Iterator[list[str]]:
    if not hasattr(os, "fork"):
        yield [python]
        return
    program = str(Path(__file__).with_name("warm_python.py"))
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    # Arrow's allocator would keep a thread of its own.
    quiet |= {"JE_ARROW_MALLOC_CONF": "background_thread:false"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    # A socket's address must be short.
    with tempfile.TemporaryDirectory(prefix="warm-", ignore_cleanup_errors=True) as folder:
        address = f"{folder}/programs"
        command = [python, program, "serve", address, *modules]
        with subprocess.Popen(command, env=os.environ | quiet, text=True, **pipes) as process:
            if process.stdout.readline() != "ready\n":
                raise RuntimeError(process.stderr.read())
            start = [python, "-I", "-S", program, "run", address]
            # For programs that start others with the Python that they run in.
            name = Path(folder, "python")
            name.write_text(f'#!/bin/sh\nexec {shlex.join(start)} "$@"\n')
            name.chmod(0o755)
            yield start
            process.stdin.close()


@pytest.fixture(scope="session")
def warm() -> Callable[[str, Iterable[str]], AbstractContextManager[list[str]]]:
    """Give the start of a command that is like a Python, with some modules imported already."""
    return warmed


@pytest.fixture(scope="session")
def warm_python() -> Iterator[list[str]]:
    """The start of a command that is like this Python, with much imported already."""
    with warmed(sys.executable, OFTEN_IMPORTED) as command:
        yield command


# How long a test waits for what must come: no machine is so slow, and usually it is there at once.
PATIENCE_S = 120.0
Look = Callable[[], object]


@pytest.fixture(scope="session")
def soon() -> Callable[[Look], Any]:
    """Look until something is there, for as long as a busy machine may take; give what was seen."""

    def wait(look: Look) -> object:
        until = time.monotonic() + PATIENCE_S
        while not (found := look()) and time.monotonic() < until:
            time.sleep(0.02)
        return found

    return wait


@pytest.fixture(scope="session")
def living(soon: Callable[[Look], Any]) -> Callable[[Iterable[int]], list[int]]:
    """Give those of some processes that live on, though they had time to end.

    One that was killed ends when it next gets a processor; a zombie has ended.
    """
    import psutil

    def lives(pid: int) -> bool:
        try:
            return psutil.Process(pid).status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
        except psutil.NoSuchProcess:
            return False

    def left(pids: Iterable[int]) -> list[int]:
        doomed = list(pids)
        soon(lambda: not any(map(lives, doomed)))
        return [pid for pid in doomed if lives(pid)]

    return left


@pytest.fixture(scope="session")
def free_port() -> Iterator[Callable[[], int]]:
    """Give ports that are free, and that nobody is given until a server listens there.

    Linux gives a bound port to nobody, but lets a server listen there if both share the address.
    """
    with ExitStack() as held:

        def find() -> int:
            taken = held.enter_context(socket.socket())
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken.bind(("127.0.0.1", 0))
            port = int(taken.getsockname()[1])
            if not sys.platform.startswith("linux"):
                taken.close()
            return port

        yield find


@pytest.fixture
def only_mypy(own_cache: None) -> Iterator[None]:
    """Nobody else's mypy writes to the cache that all of this session's share."""
    import fcntl

    folder = Path(os.environ["MYPY_CACHE_DIR"])
    folder.mkdir(exist_ok=True)
    with (folder / "turn").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        yield
