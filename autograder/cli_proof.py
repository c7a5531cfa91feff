"""The instructor's commands before a class: selftest proves labs, doctor looks at the machine."""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from autograder.terminal import (
    CourseOption,
    EngineOption,
    JsonOption,
    LabsOption,
    WorkersOption,
    open_course,
    progress_bar,
    worker_count,
)

if TYPE_CHECKING:
    from autograder.selftest import CellProof, LabProof, SelftestReport, Trial

__all__ = ["register"]

_Move = Callable[[str, int, int], None]
_SHOWN = {True: "[green]✓[/]", False: "[red]✗[/]", None: "·"}


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    for command in (selftest, doctor):
        app.command()(command)


def selftest(
    lab: Annotated[str, typer.Argument(help="A lab's name, number or word.")] = "",
    every: Annotated[bool, typer.Option("--all", help="Prove every lab.")] = False,
    labs: LabsOption = Path("labs"),
    course: Annotated[
        Path | None,
        typer.Option(
            "--course",
            help="Try the lab of this course instead: which of its tests work in which room.",
        ),
    ] = None,
    engine: EngineOption = "",
    workers: WorkersOption = 0,
    once: Annotated[
        bool, typer.Option("--once", help="Only as grading runs it, and once.")
    ] = False,
    thorough: Annotated[
        bool, typer.Option("--thorough", help="Twice in each room, and under nbgrader as well.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Prove a lab: the reference, the blank copy and each known answer get just their score.

    Everything runs twice: with the tests out of reach of the answers, as in grading, and beside
    them. The exit code is 1 when a lab isn't proved.
    """
    from autograder.errors import LabError
    from autograder.selftest import SelftestReport

    if bool(lab) == every:
        raise LabError("name one lab, or prove all of them with --all.")
    with progress_bar("Proving") as move:
        if course is not None:
            proofs = _tried(course, lab, move)
        else:
            proofs = _proved(labs, lab, engine, workers, move, once=once, thorough=thorough)
    report = SelftestReport(labs=proofs)
    if as_json:
        sys.stdout.write(report.model_dump_json(indent=1) + "\n")
    else:
        _print_proofs(report)
    if not all(proof.ok for proof in proofs.values()):
        raise typer.Exit(1)


def _proved(
    root: Path, name: str, engine: str, workers: int, move: _Move, *, once: bool, thorough: bool
) -> "dict[str, LabProof]":
    from autograder.labs import find_lab, find_labs
    from autograder.selftest import prove, prove_all

    trials = partial(_trials, engine, once=once, thorough=thorough)
    workers = worker_count(workers)
    if name:
        lab = find_lab(root, name)
        return {lab.name: prove(lab, trials(), workers=workers, progress=move)}
    return prove_all(find_labs(root), trials, workers=workers, progress=move)


def _trials(name: str, *, once: bool, thorough: bool) -> "list[Trial]":
    """Say how often a lab's answers run where; what runs is the teacher's own."""
    from autograder.engines import DEFAULT_ENGINE, engine_named, trusting_isolation
    from autograder.selftest import Trial

    chosen = name or DEFAULT_ENGINE
    engine = engine_named(chosen, isolation=trusting_isolation(chosen))
    if once:
        return [Trial(engine)]
    times = 2 if thorough or chosen != "rooms" else 1
    trials = [Trial(engine, times=times)]
    if chosen == "rooms":
        trials.append(Trial(engine, "beside the answers: ", times=times, beside=True))
        if thorough:
            trials.append(Trial(engine_named("nbgrader"), "under nbgrader: "))
    return trials


def _tried(folder: Path, name: str, move: _Move) -> "dict[str, LabProof]":
    from autograder.assignment import by_notebook
    from autograder.engines import engine_named, trusting_isolation
    from autograder.errors import LabError
    from autograder.selftest import try_rooms
    from autograder.teacher import open_lab

    if not name:
        raise LabError("name the lab of the course to try.")
    course = open_course(folder)
    lab = course.lab_name(name)
    proofs = {}
    for view in by_notebook(course, lab):
        engine = engine_named("rooms", isolation=trusting_isolation("rooms"))
        proofs[view.notebook] = try_rooms(open_lab(view, lab), engine, progress=move)
    return proofs


def _print_proofs(report: "SelftestReport") -> None:
    console = Console(emoji=False)
    for name, proof in report.labs.items():
        console.print(_scores(name, proof))
        console.print(_cells(proof.cells))
        for problem in proof.problems:
            console.print(f"[red]✗[/] {escape(problem)}", soft_wrap=True)
        for remark in proof.remarks:
            console.print(f"[yellow]![/] {escape(remark)}", soft_wrap=True)
        console.print(f"[green]✓ proved[/]{_where(proof)}" if proof.ok else "[red]not proved[/]")


def _where(proof: "LabProof") -> str:
    """Say where a course's lab is proved, and what would be where its tests can't be reached."""
    if not proof.beside:
        return ""
    apart = sum(cell.examiner is True for cell in proof.cells)
    return (
        " beside the answers, where `grade` runs a course's tests unless it is told otherwise; in "
        f"the examiner's room {apart} of {len(proof.cells)} tests give full points"
    )


def _scores(name: str, proof: "LabProof") -> Table:
    where = " beside the answers" if proof.beside else ""
    table = Table(title=f"{escape(name)}{where}, reference {proof.cpu_seconds:.1f} s of CPU")
    for heading in ("answer", "wanted", "got"):
        table.add_column(heading, justify="left" if heading == "answer" else "right")
    table.add_row("reference", f"{proof.wanted:g}", f"{proof.reference:g}")
    table.add_row("blank", "0", f"{proof.blank:g}")
    for right in proof.right:
        table.add_row(f"right/{escape(right.name)}", f"{proof.wanted:g}", f"{right.score:g}")
    for wrong in proof.wrong:
        table.add_row(f"wrong/{escape(wrong.name)}", f"{wrong.wanted:g}", f"{wrong.got:g}")
    return table


def _cells(cells: "tuple[CellProof, ...]") -> Table:
    table = Table(title="Where each test gives the solution its points")
    for heading in ("test", "examiner's room", "beside the answers", "why not"):
        table.add_column(heading, overflow="fold")
    for cell in cells:
        table.add_row(
            escape(cell.grade_id),
            _SHOWN[cell.examiner],
            _SHOWN[cell.student],
            escape(cell.reason),
        )
    return table


def doctor(course: CourseOption = None) -> None:
    """Show what this machine offers, what is missing and how to get it.

    The exit code is 1 when something is missing that grading needs.
    """
    from autograder.doctor import confinement, examine

    findings = examine(course or Path())
    needs = Table(title="What grading needs")
    for heading in ("", "what", "found", "what to do"):
        needs.add_column(heading, overflow="fold")
    for finding in findings:
        texts = map(escape, (finding.what, finding.found, finding.advice))
        needs.add_row(_SHOWN[finding.fine], *texts)
    layers = Table(title="What confines students' code")
    for heading in ("", "layer", "what it stops", "found", "how to get it"):
        layers.add_column(heading, overflow="fold")
    for layer in confinement():
        texts = map(escape, (layer.name, layer.stops, layer.found, layer.advice))
        layers.add_row("[green]✓[/]" if layer.works else "[yellow]–[/]", *texts)
    console = Console(emoji=False)
    console.print(needs)
    console.print(layers)
    if not all(finding.fine for finding in findings):
        raise typer.Exit(1)
