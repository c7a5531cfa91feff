"""Run cells in a fresh kernel on this machine, with a time limit each: the student's own check."""

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from subprocess import DEVNULL
from typing import Any, Literal

from autograder.engine import Limits
from autograder.errors import GraderError

__all__ = ["CellOutcome", "Kernel", "fresh_kernel"]

_START_SECONDS = 60.0
_STOP_SECONDS = 3.0
_LOOK_SECONDS = 0.2
_OUTPUTS = ("stream", "error", "execute_result", "display_data")


@dataclass(slots=True)
class CellOutcome:
    """How one cell ran; ``count`` is the number in its ``In [ ]``."""

    status: Literal["ok", "error", "timeout", "died"] = "ok"
    outputs: list[dict[str, Any]] = field(default_factory=list)
    count: int = 0

    @property
    def error(self) -> dict[str, Any] | None:
        """The cell's error output, if one rose."""
        errors = [out for out in self.outputs if out["output_type"] == "error"]
        return errors[-1] if errors else None


class Kernel:
    """A running kernel; made by :func:`fresh_kernel`."""

    def __init__(self, manager: Any, client: Any, limits: Limits) -> None:
        self._manager, self._client, self._limits = manager, client, limits
        self._deadline = time.monotonic() + limits.total_seconds
        self.alive = True

    def run(self, code: str) -> CellOutcome:
        """Run one cell; whatever it does, this returns within the limits."""
        outcome = CellOutcome()
        if not self.alive:
            outcome.status = "died"
            return outcome
        seconds = min(self._limits.cell_seconds, self._deadline - time.monotonic())
        request = self._client.execute(code, allow_stdin=False, stop_on_error=False)
        match self._collect(request, outcome, seconds):
            case "ended":
                outcome.status = "ok" if outcome.error is None else "error"
            case "late":
                outcome.status = "timeout"
                self._interrupt(request)
            case "died":
                outcome.status = "died"
                self.alive = False
        return outcome

    def _collect(
        self, request: str, outcome: CellOutcome, seconds: float
    ) -> Literal["ended", "late", "died"]:
        """Gather what the cell puts out, until it has ended or the time is up."""
        end = time.monotonic() + seconds
        room = self._limits.output_kb * 1024
        while (left := end - time.monotonic()) > 0:
            try:
                message = self._client.get_iopub_msg(timeout=min(left, _LOOK_SECONDS))
            except Empty:
                if not self._manager.is_alive():
                    return "died"
                continue
            if message["parent_header"].get("msg_id") != request:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                return "ended"
            if kind == "execute_input":
                outcome.count = content["execution_count"]
            elif kind in _OUTPUTS:
                room -= len(str(content))
                if room > 0 or kind == "error":
                    outcome.outputs.append({"output_type": kind, **content})
        return "late"

    def _interrupt(self, request: str) -> None:
        """Stop a cell that runs too long; a kernel that can't be stopped is given up."""
        self._manager.interrupt_kernel()
        if self._collect(request, CellOutcome(), _STOP_SECONDS) != "ended":
            self.alive = False


@contextmanager
def fresh_kernel(folder: Path, limits: Limits) -> Iterator[Kernel]:
    """Start a kernel of this very Python in ``folder``, and end it with all that it started.

    Raises
    ------
    GraderError
        If no kernel can be started.
    """
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import KernelManager

    specs = KernelSpecManager()
    # Only the kernel of the running Python; a kernel "python3" installed elsewhere may lack
    # what the lab needs.
    specs.kernel_dirs = []
    manager = KernelManager(kernel_name="python3", kernel_spec_manager=specs)
    with tempfile.TemporaryDirectory(prefix="autograder-", ignore_cleanup_errors=True) as profile:
        client = None
        try:
            manager.start_kernel(
                cwd=str(folder), env=_environment(profile), stdout=DEVNULL, stderr=DEVNULL
            )
            client = manager.blocking_client()
            client.start_channels()
            client.wait_for_ready(timeout=_START_SECONDS)
            yield Kernel(manager, client, limits)
        except (RuntimeError, ImportError) as error:
            raise GraderError(
                f"no Jupyter kernel could be started with {sys.executable} ({error}). "
                "Install the lab's tools: pip install 'mlops-kit[labs]'."
            ) from None
        finally:
            if client is not None:
                client.stop_channels()
            if manager.has_kernel:
                manager.shutdown_kernel(now=True)


def _environment(profile: str) -> dict[str, str]:
    """The user's own environment, without their IPython profile, and with telemetry off."""
    return os.environ | {
        "IPYTHONDIR": profile,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
    }
