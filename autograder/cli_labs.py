"""The commands for making labs and doing them: build, start, check, submit."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from autograder.check import CheckReport, QuestionReport
    from autograder.submit import Packed

__all__ = ["register"]

LabName = Annotated[str, typer.Argument(metavar="LAB", help="The lab: 05, track or 05_track.")]
SomeLab = Annotated[
    str | None,
    typer.Argument(metavar="[LAB]", help="The lab: 05, track or 05_track.", show_default=False),
]
From = Annotated[
    str | None,
    typer.Option("--from", metavar="PLACE", help="A folder, a zip, or the address of a zip."),
]
Student = Annotated[str | None, typer.Option("--student", metavar="ID", help="Your student id.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.command()(build)
    app.command()(start)
    app.command()(check)
    app.command()(submit)


def build(
    labs: Annotated[
        list[str] | None, typer.Argument(metavar="[LAB]...", help="The labs; all by default.")
    ] = None,
    labs_root: Annotated[
        Path, typer.Option("--labs", metavar="DIR", help="The folder of labs.")
    ] = Path("labs"),
    course: Annotated[
        Path, typer.Option("--course", metavar="DIR", help="The course to make or renew.")
    ] = Path("course"),
    overlay: Annotated[
        Path | None,
        typer.Option("--overlay", metavar="DIR", help="Your private changes, a folder a lab."),
    ] = None,
) -> None:
    """Turn labs into an ordinary nbgrader course: source/ for you, release/ for students."""
    from autograder.release import build_course

    built = build_course(labs_root, course, names=labs or (), overlay=overlay)
    out = _out()
    for lab in built:
        out.print(f"built [bold]{escape(lab.name)}[/] ({lab.points:g} points): {escape(lab.title)}")
    release = course / "release"
    out.print(f"Hand out the folders in {escape(str(release))}; keep the rest to yourself.")


def start(
    lab: LabName,
    origin: From = None,
    student: Student = None,
    force: Annotated[
        bool, typer.Option("--force", help="Begin anew; what is there is kept as a backup.")
    ] = False,
) -> None:
    """Make a folder with the lab's notebook to work in."""
    from autograder.start import start_lab

    started = start_lab(lab, here=Path.cwd(), origin=origin, student=student, force=force)
    out = _out()
    if started.backup is not None:
        out.print(f"Your earlier work is in {escape(started.backup.name)}.")
    place = started.notebook.relative_to(Path.cwd())
    out.print(f"[bold]{escape(started.title)}[/] is ready: {escape(str(place))}")
    for note in started.notes:
        out.print(f"[yellow]note:[/] {escape(note)}")
    number = started.notebook.stem.split("_")[0]
    out.print(f"Open it with: jupyter lab {escape(str(place))}")
    out.print(f"Then, in this folder: autograder check {number}, and autograder submit {number}")


def check(
    lab: SomeLab = None,
    origin: From = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Run your notebook with the visible tests, and show how each question stands.

    Ends with exit code 0 if every visible test passes and with 1 if not.
    """
    from autograder.check import check_work
    from autograder.work import open_work

    with open_work(lab, here=Path.cwd(), origin=origin) as work:
        err = Console(stderr=True, emoji=False)
        with err.status("starting Python …") as status:
            report = check_work(
                work,
                progress=lambda done, of: status.update(f"running your notebook: {done} of {of}"),
            )
    if as_json:
        sys.stdout.write(report.model_dump_json(indent=1) + "\n")
    else:
        _print_report(report)
    raise typer.Exit(0 if report.ok else 1)


def submit(
    lab: SomeLab = None,
    student: Student = None,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="COURSE", help="Hand in to a course's folder directly."),
    ] = None,
    origin: From = None,
) -> None:
    """Look your work over, say what is missing, and pack it for handing in."""
    from autograder.course import Course
    from autograder.submit import hand_in, pack
    from autograder.work import open_work

    course = Course.open(to) if to else None
    with open_work(lab, here=Path.cwd(), origin=origin) as work:
        done = hand_in(work, course, student=student) if course else pack(work, student=student)
    _print_packed(done, handed_in=course is not None)


def _out() -> Console:
    return Console(highlight=False, soft_wrap=True, emoji=False)


_MARKS = {
    "passed": "[green]passed[/]",
    "partial": "[yellow]partly[/]",
    "failed": "[red]failed[/]",
    "blank": "[dim]blank[/]",
    "not-run": "[red]not run[/]",
    "hidden": "[dim]unseen[/]",
}


def _points(question: "QuestionReport") -> str:
    score = "?" if question.status == "hidden" else f"{question.score:g}"
    return f"{score} / {question.points:g}"


def _print_report(report: "CheckReport") -> None:
    table = Table(title=f"{report.lab}: visible tests", title_justify="left")
    table.add_column("question", ratio=2)
    table.add_column("points", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("look at", ratio=5)
    for question in report.questions:
        table.add_row(
            escape(question.title),
            _points(question),
            _MARKS[question.status],
            escape(question.message),
        )
    out = Console(highlight=False, emoji=False)
    out.print(table)
    out.print(
        f"Visible tests: [bold]{report.score:g} of {report.points:g} points[/]. "
        "Tests that you don't see decide on a share of them when the lab is graded."
    )
    for name, answered in report.manual.items():
        state = "answered" if answered else "[yellow]not answered yet[/]"
        out.print(f"Read by a person: {escape(name)}, {state}.")
    for problem in report.problems:
        out.print(f"[yellow]note:[/] {escape(problem)}")


def _print_packed(done: "Packed", *, handed_in: bool) -> None:
    out = _out()
    if done.unanswered:
        out.print(f"[yellow]not answered:[/] {escape(', '.join(done.unanswered))}")
    for problem in done.problems:
        out.print(f"[yellow]note:[/] {escape(problem)}")
    if handed_in:
        out.print(f"Handed in for {escape(done.student)}: {escape(str(done.path))}")
    else:
        out.print(f"Packed: {escape(str(done.path))}")
        out.print("Hand in this file. Packing again after a change replaces it.")
