"""The command line: one app, where every error becomes one message and an exit code."""

import errno
import importlib.metadata
import io
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from autograder import cli_grading, cli_labs, cli_proof
from autograder.errors import GraderError
from autograder.printable import printable

__all__ = ["app", "main", "run_reporting_errors"]

INTERRUPTED = 130
_INTERRUPTED_TEXT = "Interrupted. What was finished is kept; run it again to go on."

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
cli_labs.register(app)
cli_grading.register(app)
cli_proof.register(app)


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"autograder of mlops-kit {importlib.metadata.version('mlops-kit')}")
        raise typer.Exit


@app.callback()
def _options(
    _: Annotated[
        bool,
        typer.Option(
            "--version", callback=_say_version, is_eager=True, help="Say which version this is."
        ),
    ] = False,
) -> None:
    """Build, hand out, check, grade and report notebook labs."""


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
    what = f"Something the autograder didn't expect: {type(error).__name__}: {error}. "
    try:
        log = _log(error)
    except OSError:
        return f"{what}Nothing half-written was kept. Please report it."
    return f"{what}Nothing half-written was kept. Please report it with the details in {log}."


def _log(error: BaseException) -> Path:
    """Write down how an error came about, and say where."""
    with tempfile.NamedTemporaryFile(
        "w",
        prefix="autograder-",
        suffix=".log",
        delete=False,
        encoding="utf-8",
        errors="backslashreplace",
    ) as log:
        traceback.print_exception(error, file=log)
    return Path(log.name)


def run_reporting_errors(command: Callable[[], object]) -> int:
    """Run ``command``; print any failure as one clear message and return the exit code."""
    console = Console(stderr=True, highlight=False, emoji=False)
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
        text = str(error)
    except OSError as error:
        text = _os_error_text(error)
    except Exception as error:  # The last door before a user: no traceback leaves.
        text = _unexpected(error)
    else:
        return 0
    text = printable(text, keep="\n")
    console.print(f"[red]error:[/] {escape(text)}", soft_wrap=True)
    return 1


def _write_anything() -> None:
    """Let every name and sign be written, also to a file where the system's letters are few."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            if stream.isatty():
                stream.reconfigure(errors="replace")
            else:
                stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def main() -> None:
    """Run the ``autograder`` command."""
    _write_anything()
    sys.exit(run_reporting_errors(app))
