"""The command line: one app, where every error becomes one message and an exit code."""

import errno
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

import typer
from rich.console import Console
from rich.markup import escape

from autograder import cli_grading, cli_labs, cli_proof
from autograder.errors import GraderError

__all__ = ["app", "main", "run_reporting_errors"]

INTERRUPTED = 130
_INTERRUPTED_TEXT = "Interrupted. What was finished is kept; run it again to go on."

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Build, hand out, check, grade and report notebook labs.",
)
cli_labs.register(app)
cli_grading.register(app)
cli_proof.register(app)


def _os_error_text(error: OSError) -> str:
    where = f" {error.filename}" if error.filename else ""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return f"The disk is full{where and ' at' + where}. Free some space and run it again."
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return (
                f"No permission to use{where or ' a file'}. "
                "Choose a folder you may write to, or change its permissions."
            )
        case _:
            return f"The system refused{where}: {error.strerror or error}."


def _unexpected(error: BaseException) -> str:
    with tempfile.NamedTemporaryFile(
        "w", prefix="autograder-", suffix=".log", delete=False, encoding="utf-8"
    ) as log:
        traceback.print_exception(error, file=log)
    return (
        f"Something the autograder didn't expect: {type(error).__name__}: {error}. "
        f"Nothing half-written was kept. Please report it with the details in {Path(log.name)}."
    )


def run_reporting_errors(command: Callable[[], object]) -> int:
    """Run ``command``; print any failure as one clear message and return the exit code."""
    console = Console(stderr=True, highlight=False)
    try:
        command()
    except SystemExit as stop:
        if stop.code == INTERRUPTED:  # Typer's way of passing on Ctrl-C.
            console.print(_INTERRUPTED_TEXT)
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except KeyboardInterrupt:
        console.print(_INTERRUPTED_TEXT)
        return INTERRUPTED
    except GraderError as error:
        console.print(f"[red]error:[/] {escape(str(error))}", soft_wrap=True)
    except OSError as error:
        console.print(f"[red]error:[/] {escape(_os_error_text(error))}", soft_wrap=True)
    except Exception as error:  # The last door before a user: no traceback leaves.
        console.print(f"[red]error:[/] {escape(_unexpected(error))}", soft_wrap=True)
    else:
        return 0
    return 1


def main() -> None:
    """Run the ``autograder`` command."""
    sys.exit(run_reporting_errors(app))
