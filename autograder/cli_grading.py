"""The instructor's commands: grade, feedback, selftest, demo and doctor."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

if TYPE_CHECKING:
    from autograder.course import Course
    from autograder.results import GradeReport, SubmissionResult

__all__ = ["register"]

CourseOption = Annotated[
    Path | None,
    typer.Option("--course", help="The course's folder; this folder or ./course by default."),
]
EngineOption = Annotated[str, typer.Option("--engine", help="What runs the notebooks: nbgrader.")]
WorkersOption = Annotated[
    int, typer.Option("--workers", min=0, help="Notebooks at a time; 0: one a core.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
LabArgument = Annotated[str, typer.Argument(help="A lab's name, number or word.")]

messages = Console(stderr=True, highlight=False)


def register(app: typer.Typer) -> None:
    """Add the instructor's commands to ``app``."""
    for command in (grade, feedback, selftest, demo, doctor):
        app.command()(command)


def _course(path: Path | None) -> "Course":
    from autograder.course import Course

    if path is not None:
        return Course.open(path)
    here = Path()
    is_course = (here / "source").is_dir() or (here / "nbgrader_config.py").is_file()
    return Course.open(here if is_course else here / "course")


def _workers(count: int) -> int:
    return count or _cores()


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def _progress(title: str) -> Iterator[Callable[[str, int, int], None]]:
    """Show a bar on stderr that the block moves by calling what it gets."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=messages) as bar:
        task = bar.add_task(title, total=None, note="")

        def move(note: str, done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, note=note)

        yield move


def _graded(
    course: "Course",
    lab: str,
    *,
    engine: str,
    workers: int,
    students: list[str],
    force: bool,
    isolation: str = "",
) -> "GradeReport":
    from autograder.errors import GraderError
    from autograder.grade import engine_named, grade_class
    from autograder.summary import verdict_counts

    chosen = engine_named(engine)
    if isolation and isolation != chosen.isolation:
        chosen.close()
        raise GraderError(
            f"isolation {isolation!r} was asked for; on this machine the engine {chosen.name!r} "
            f"gives {chosen.isolation!r}. Name that, or another engine with --engine."
        )
    if chosen.isolation == "process":
        messages.print(
            "[yellow]Isolation: process.[/] Students' code runs beside the tests, as your user; "
            "grade only what you trust this way."
        )
    seen: list[SubmissionResult] = []
    with _progress(f"Grading {lab}") as move:

        def told(result: "SubmissionResult", done: int, total: int) -> None:
            seen.append(result)
            move(verdict_counts(seen), done, total)

        return grade_class(
            course,
            lab,
            engine=chosen,
            workers=_workers(workers),
            students=students,
            force=force,
            progress=told,
        )


def grade(
    lab: LabArgument,
    course: CourseOption = None,
    engine: EngineOption = "nbgrader",
    workers: WorkersOption = 0,
    student: Annotated[
        list[str] | None, typer.Option("--student", help="Only this student's work; repeatable.")
    ] = None,
    force: Annotated[bool, typer.Option(help="Run also what was graded before.")] = False,
    isolation: Annotated[
        str, typer.Option("--isolation", help="Grade only with this isolation: process.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Grade what was handed in; marks go to nbgrader's gradebook.

    The exit code is 0 when every submission got a verdict, also those that couldn't be read.
    """
    from autograder.report import write_report
    from autograder.summary import class_table

    opened = _course(course)
    report = _graded(
        opened,
        lab,
        engine=engine,
        workers=workers,
        students=student or [],
        force=force,
        isolation=isolation,
    )
    if as_json:
        sys.stdout.write(report.model_dump_json(indent=1) + "\n")
    else:
        console = Console()
        console.print(class_table(report, width=console.width))
    if not student:
        path = write_report(opened, report)
        messages.print(f"Class report: {escape(str(path))}", soft_wrap=True)
    messages.print(f"Marks: {escape(str(opened.root / 'gradebook.db'))}", soft_wrap=True)


def feedback(
    lab: LabArgument, course: CourseOption = None, engine: EngineOption = "nbgrader"
) -> None:
    """Write a page for each student; it never shows a hidden test."""
    from autograder.feedback import write_feedback

    opened = _course(course)
    paths = write_feedback(opened, lab, engine=engine)
    messages.print(f"{len(paths)} pages in {escape(str(opened.root / 'feedback'))}", soft_wrap=True)


def selftest(
    lab: Annotated[str, typer.Argument(help="A lab's name, number or word.")] = "",
    every: Annotated[bool, typer.Option("--all", help="Prove every lab.")] = False,
    labs: Annotated[Path, typer.Option("--labs", help="The folder of labs.")] = Path("labs"),
    engine: EngineOption = "nbgrader",
    workers: WorkersOption = 0,
    once: Annotated[bool, typer.Option(help="Run each answer once instead of twice.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Prove a lab: the reference, the blank copy and each known answer get just their score.

    The exit code is 1 when a lab isn't proved.
    """
    from autograder.errors import LabError
    from autograder.grade import engine_named
    from autograder.labs import find_lab, find_labs
    from autograder.selftest import SelftestReport, prove

    if bool(lab) == every:
        raise LabError("name one lab, or prove all of them with --all.")
    chosen = find_labs(labs) if every else (find_lab(labs, lab),)
    proofs = {}
    with _progress("Proving") as move:
        for one in chosen:
            proofs[one.name] = prove(
                one,
                engine_named(engine),
                workers=_workers(workers),
                times=1 if once else 2,
                progress=move,
            )
    if as_json:
        sys.stdout.write(SelftestReport(labs=proofs).model_dump_json(indent=1) + "\n")
    else:
        _print_proofs(SelftestReport(labs=proofs))
    if not all(proof.ok for proof in proofs.values()):
        raise typer.Exit(1)


def _print_proofs(report: object) -> None:
    from rich.table import Table

    from autograder.selftest import SelftestReport

    assert isinstance(report, SelftestReport)
    console = Console()
    for name, proof in report.labs.items():
        table = Table(title=f"{name}, reference {proof.cpu_seconds:.1f} s of CPU")
        for heading in ("answer", "wanted", "got"):
            table.add_column(heading, justify="left" if heading == "answer" else "right")
        table.add_row("reference", f"{proof.reference:g}", f"{proof.reference:g}")
        table.add_row("blank", "0", f"{proof.blank:g}")
        for right in proof.right:
            table.add_row(f"right/{right.name}", f"{proof.reference:g}", f"{right.score:g}")
        for wrong in proof.wrong:
            table.add_row(f"wrong/{wrong.name}", f"{wrong.wanted:g}", f"{wrong.got:g}")
        console.print(table)
        for problem in proof.problems:
            console.print(f"[red]✗[/] {escape(problem)}", soft_wrap=True)
        console.print("[green]✓ proved[/]" if proof.ok else "[red]not proved[/]")


def demo(
    lab: Annotated[str, typer.Argument(help="The lab to grade.")] = "05",
    folder: Annotated[Path, typer.Option("--folder", help="Where to build it.")] = Path("demo"),
    labs: Annotated[Path, typer.Option("--labs", help="The folder of labs.")] = Path("labs"),
    engine: EngineOption = "nbgrader",
    workers: WorkersOption = 0,
) -> None:
    """Watch a class being graded: right, wrong, blank and broken submissions of one lab."""
    from autograder.demo import build_class
    from autograder.errors import LabError
    from autograder.feedback import write_feedback
    from autograder.report import write_report
    from autograder.summary import class_table

    if not labs.is_dir():
        raise LabError(
            f"{labs} isn't a folder of labs; run the demo in the project's folder, or name the "
            "labs' folder with --labs."
        )
    course, count = build_class(labs, lab, folder)
    messages.print(f"{count} submissions, {_workers(workers)} at a time:")
    report = _graded(course, lab, engine=engine, workers=workers, students=[], force=False)
    console = Console()
    console.print(class_table(report, width=console.width))
    pages = write_feedback(course, lab, engine=engine)
    path = write_report(course, report)
    for what, where in (
        ("Class report", path),
        (f"{len(pages)} feedback pages", course.root / "feedback"),
        ("Marks (nbgrader's gradebook)", course.root / "gradebook.db"),
    ):
        messages.print(f"{what}: {escape(str(where))}", soft_wrap=True)


def doctor(course: CourseOption = None) -> None:
    """Show what this machine offers, what is missing and how to get it."""
    from rich.table import Table

    from autograder.doctor import examine

    findings = examine(course or Path())
    table = Table()
    for heading in ("", "what", "found", "what to do"):
        table.add_column(heading, overflow="fold")
    for finding in findings:
        table.add_row(
            "[green]✓[/]" if finding.fine else "[red]✗[/]",
            finding.what,
            escape(finding.found),
            escape(finding.advice),
        )
    Console().print(table)
    if not all(finding.fine for finding in findings):
        raise typer.Exit(1)
