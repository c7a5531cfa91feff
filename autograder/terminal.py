"""What the instructor's commands share on a terminal: messages, a moving bar, common options."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
from rich.table import Column
from rich.text import Text

if TYPE_CHECKING:
    from autograder.course import Course

__all__ = [
    "CourseOption",
    "EngineOption",
    "JsonOption",
    "LabArgument",
    "LabsOption",
    "WorkersOption",
    "messages",
    "open_course",
    "progress_bar",
    "worker_count",
]

CourseOption = Annotated[
    Path | None,
    typer.Option("--course", help="The course's folder; this folder or ./course by default."),
]
EngineOption = Annotated[
    str,
    typer.Option(
        "--engine",
        help="What runs the notebooks: rooms (two confined rooms; the default) or nbgrader.",
        show_default=False,
    ),
]
WorkersOption = Annotated[
    int, typer.Option("--workers", min=0, max=1024, help="Notebooks at a time; 0: one a core.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
LabArgument = Annotated[str, typer.Argument(help="A lab's name, number or word.")]
LabsOption = Annotated[Path, typer.Option("--labs", help="The folder of labs.")]

messages = Console(stderr=True, highlight=False, emoji=False)


def open_course(path: Path | None) -> "Course":
    """Open the course that was named, or the one that is here or in ``course/``."""
    from autograder.course import Course

    if path is not None:
        return Course.open(path)
    here = Path()
    is_course = (here / "source").is_dir() or (here / "nbgrader_config.py").is_file()
    return Course.open(here if is_course else here / "course")


def worker_count(asked: int) -> int:
    """Give how many notebooks run at a time: as many as asked for, or one a core that is ours."""
    if asked:
        return asked
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[str, int, int], None]]:
    """Show a bar on stderr that the block moves by calling what it gets: note, done, total."""
    columns = (
        # The only column that gives way where the terminal is narrow.
        TextColumn(
            "{task.description}\n[dim]{task.fields[note]}[/]",
            table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis"),
        ),
        BarColumn(bar_width=12),
        MofNCompleteColumn(),
        _EndColumn(),
    )
    with Progress(*columns, console=messages, expand=True) as bar:
        task = bar.add_task(title, total=None, note="")

        def move(note: str, done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, note=escape(note))

        yield move


class _EndColumn(ProgressColumn):
    """How long it will take yet, or how long it took."""

    def render(self, task: Task) -> Text:
        if task.finished:
            return Text(f"took {_duration(task.finished_time or 0)}", style="progress.elapsed")
        left = task.time_remaining
        text = "…" if left is None else f"{_duration(left)} left"
        return Text(text, style="progress.remaining")


def _duration(seconds: float) -> str:
    """Write a time as people do.

    Examples
    --------
    >>> _duration(7.2), _duration(130), _duration(7260)
    ('7 s', '2 min 10 s', '2 h 01 min')
    """
    whole = round(seconds)
    minutes, left = divmod(whole, 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes} min {left:02d} s" if minutes else f"{left} s"
