"""The instructor's commands for a class: grade, feedback, rebuild and demo."""

import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from autograder.terminal import (
    CourseOption,
    EngineOption,
    JsonOption,
    LabArgument,
    LabsOption,
    WorkersOption,
    messages,
    open_course,
    progress_bar,
    worker_count,
)

if TYPE_CHECKING:
    from autograder.course import Course
    from autograder.engine import Engine
    from autograder.results import GradeReport, SubmissionResult

__all__ = ["register"]

_NAMED = 8


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    for command in (grade, feedback, rebuild, demo):
        app.command()(command)


def grade(
    lab: LabArgument,
    course: CourseOption = None,
    engine: EngineOption = "",
    isolation: Annotated[
        str,
        typer.Option(
            "--isolation",
            help="How far to confine students' code: full, bubblewrap, landlock or process; the "
            "best that works by default.",
            show_default=False,
        ),
    ] = "",
    tests: Annotated[
        str,
        typer.Option(
            "--tests",
            help="Where tests run: examiner (out of reach of students' code; for labs with a "
            "lab.toml) or student (beside it, confined; for other courses).",
            show_default=False,
        ),
    ] = "",
    workers: WorkersOption = 0,
    cluster: Annotated[
        str,
        typer.Option(
            "--cluster",
            metavar="WHERE",
            help="Grade on a Dask cluster: local, local:N, tcp://HOST:PORT or a YAML file.",
            show_default=False,
        ),
    ] = "",
    student: Annotated[
        list[str] | None, typer.Option("--student", help="Only this student's work; repeatable.")
    ] = None,
    force: Annotated[bool, typer.Option(help="Run also what was graded before.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Grade what was handed in; marks go to nbgrader's gradebook.

    The exit code is 0 when every submission got a verdict, also those that couldn't be read.
    """
    from autograder.report import write_report

    opened = open_course(course)
    _name_strays(opened)
    make = _engine_maker(opened, lab, engine, isolation, tests, cluster, workers)
    report = _graded(opened, lab, make, workers=workers, students=student or [], force=force)
    if as_json:
        sys.stdout.write(report.model_dump_json(indent=1) + "\n")
    else:
        _print_class(report)
    if not student:
        path = write_report(opened, report)
        messages.print(f"Class report: {escape(str(path))}", soft_wrap=True)
        _name_those_who_left(opened, lab, report)
    messages.print(f"Marks: {escape(_gradebook(opened))}", soft_wrap=True)


def _engine_maker(
    course: "Course", lab: str, name: str, isolation: str, tests: str, cluster: str, workers: int
) -> "Callable[[], Engine]":
    """Say what makes the engine: a lab with settings of ours is examined in a room apart."""
    from autograder.engines import DEFAULT_ENGINE, engine_named, grading_engine

    engine = name or DEFAULT_ENGINE
    if not tests and engine == "rooms":
        is_ours = course.is_ours(course.lab_name(lab))
        tests = "examiner" if is_ours else "student"
    if cluster:
        from autograder.cluster import Cluster

        return lambda: Cluster.open(
            cluster,
            engine=engine,
            isolation=isolation,
            tests=tests,
            workers=workers,
        )
    if name:
        return lambda: engine_named(engine, isolation=isolation, tests=tests)
    return lambda: grading_engine(isolation=isolation, tests=tests)


def _graded(
    course: "Course",
    lab: str,
    make: "Callable[[], Engine]",
    *,
    workers: int,
    students: list[str],
    force: bool,
) -> "GradeReport":
    from autograder.assignment import grade_assignment
    from autograder.summary import verdict_counts, verdict_word

    counts: Counter[str] = Counter()
    with progress_bar(f"Grading {lab}") as move:

        def told(result: "SubmissionResult", done: int, total: int) -> None:
            counts[verdict_word(result)] += 1
            move(verdict_counts(counts), done, total)

        def started() -> "Engine":
            engine = make()
            _warn(engine)
            return engine

        return grade_assignment(
            course,
            lab,
            engine=started,
            workers=worker_count(workers),
            students=students,
            force=force,
            progress=told,
        )


def _warn(engine: "Engine") -> None:
    from autograder.engines import is_weak

    if is_weak(engine.isolation):
        messages.print(
            f"[yellow]Isolation: {engine.isolation}.[/] Students' code can read and write what "
            "you can; grade only what you trust this way."
        )


def _print_class(report: "GradeReport") -> None:
    from autograder.summary import class_table

    console = Console(emoji=False)
    console.print(class_table(report, width=console.width))


def _name_strays(course: "Course") -> None:
    """Say what lies among the students' folders and is none: a row would make a student of it."""
    if strays := course.strays():
        shown = ", ".join(strays[:_NAMED]) + (", …" if strays[_NAMED:] else "")
        messages.print(
            f"Among the students' folders in {escape(course.config.submitted)}, but no folder: "
            f"{escape(shown)}. If it is somebody's work, put it into a folder of theirs.",
            soft_wrap=True,
        )


def _name_those_who_left(course: "Course", lab: str, report: "GradeReport") -> None:
    """Say whose marks of an earlier grading stay, though there is no work of theirs any more."""
    from autograder.assignment import by_notebook
    from autograder.gradebook import students_with_marks
    from autograder.records import load_index

    name = course.lab_name(lab)
    views = by_notebook(course, name)
    known = {student for view in views for student in load_index(view.records(name)).students}
    left = sorted(known - {result.student for result in report.submissions})
    if left and (left := sorted(set(left) & students_with_marks(course, name))):
        shown = ", ".join(left[:_NAMED]) + (", …" if left[_NAMED:] else "")
        messages.print(
            f"No longer among what was handed in, their marks stay: {escape(shown)}. Has somebody "
            "left, or another id? Then: nbgrader db student remove ID --force",
            soft_wrap=True,
        )


def _gradebook(course: "Course") -> str:
    from autograder.gradebook import gradebook_address

    return gradebook_address(course)


def feedback(lab: LabArgument, course: CourseOption = None) -> None:
    """Write a page for each student; it never shows a hidden test."""
    opened = open_course(course)
    count = _write_pages(opened, lab)
    folder = opened.root / opened.config.feedback
    messages.print(f"{count} pages in {escape(str(folder))}", soft_wrap=True)


def _write_pages(course: "Course", lab: str) -> int:
    from autograder.assignment import by_notebook
    from autograder.feedback import write_feedback

    return sum(len(write_feedback(view, lab)) for view in by_notebook(course, lab))


def rebuild(lab: LabArgument, course: CourseOption = None) -> None:
    """Write a lab's marks and graded notebooks again from the records of its grading.

    Nothing is run. For a gradebook that was lost, damaged or restored from an old backup.
    """
    from autograder.assignment import rebuild_assignment

    opened = open_course(course)
    count = rebuild_assignment(opened, lab)
    where = escape(_gradebook(opened))
    messages.print(f"Marks of {count} students written to {where}", soft_wrap=True)


def demo(
    lab: Annotated[str, typer.Argument(help="The lab to grade.")] = "05",
    folder: Annotated[Path, typer.Option("--folder", help="Where to build it.")] = Path("demo"),
    labs: LabsOption = Path("labs"),
    engine: EngineOption = "",
    workers: WorkersOption = 0,
) -> None:
    """Watch a class being graded: right, wrong, blank, broken and hostile work for one lab."""
    from autograder.demo import build_class
    from autograder.engines import DEFAULT_ENGINE, engine_named, trusting_isolation
    from autograder.errors import LabError
    from autograder.report import write_report

    if not labs.is_dir():
        raise LabError(
            f"{labs} isn't a folder of labs; run the demo in the project's folder, or name the "
            "labs' folder with --labs."
        )
    name = engine or DEFAULT_ENGINE
    course, count = build_class(labs, lab, folder)
    messages.print(f"{count} submissions, {worker_count(workers)} at a time:")
    report = _graded(
        course,
        lab,
        # Its attacks are the demo's own and do no lasting harm, so any machine may run it.
        lambda: engine_named(name, isolation=trusting_isolation(name)),
        workers=workers,
        students=[],
        force=False,
    )
    _print_class(report)
    pages = _write_pages(course, lab)
    for what, where in (
        ("Class report", write_report(course, report)),
        (f"{pages} feedback pages", course.root / "feedback"),
        ("Marks (nbgrader's gradebook)", course.root / "gradebook.db"),
    ):
        messages.print(f"{what}: {escape(str(where))}", soft_wrap=True)
