"""One submission's verdict, whatever was handed in: run it, score it, or say why not."""

import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass

from nbformat import NotebookNode

from autograder.assemble import assemble, is_blank
from autograder.engine import CellRun, Engine, Execution
from autograder.errors import NotebookError
from autograder.hidden_regions import hidden_lines
from autograder.notebook import cell_kind, grade_id, read_notebook
from autograder.records import Record, RunFacts, points_digest
from autograder.release import blank_text
from autograder.results import CellResult, SubmissionResult
from autograder.score import MAX_REASON, redacted, score_cell, unscored
from autograder.teacher import Teacher

__all__ = ["Graded", "Job", "grade_job", "grade_notebook", "recorded", "rescored", "slip"]

ENDED = "The notebook's process ended while it was graded; its later tests didn't run."
_CLAIMS = 20
_CLAIM = 200


@dataclass(frozen=True, slots=True)
class Job:
    """What one student handed in, as bytes: ``data`` is None where there is nothing to run."""

    student: str
    key: str
    data: bytes | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Graded:
    """A verdict with the notebook that was run; without one where nothing could be run."""

    result: SubmissionResult
    notebook: NotebookNode | None
    runs: tuple[CellRun, ...] = ()
    cpu_seconds: float = 0.0
    final: bool = True


def grade_job(teacher: Teacher, job: Job, engine: Engine) -> Graded:
    """Read what was handed in, run it and score it."""
    if job.data is None:
        return _unreadable(teacher, job.student, job.problem)
    try:
        notebook = read_notebook(job.data)
    except NotebookError as error:
        return _unreadable(teacher, job.student, str(error))
    problems = (job.problem,) if job.problem else ()
    return grade_notebook(teacher, job.student, notebook, engine, problems=problems)


def grade_notebook(
    teacher: Teacher,
    student: str,
    submission: NotebookNode,
    engine: Engine,
    *,
    problems: Sequence[str] = (),
) -> Graded:
    """Run one submission and score it."""
    begin = time.monotonic()
    assembled = assemble(
        teacher.source,
        submission,
        released=teacher.released,
        parameters=teacher.parameters(student) or None,
        added=not teacher.is_ours,
    )
    execution = engine.run(assembled.notebook, teacher.files, teacher.limits)
    found = (*problems, *assembled.problems, *_told(teacher, execution))
    result = SubmissionResult(
        student=student,
        status="graded",
        score=0.0,
        max_score=teacher.max_score,
        needs_human=bool(execution.problems),
        problems=found,
        seconds=round(time.monotonic() - begin, 3),
    )
    result = _with_scores(teacher, result, execution.notebook, execution.cells)
    return Graded(result, execution.notebook, execution.cells, execution.cpu_seconds)


def _with_scores(
    teacher: Teacher,
    result: SubmissionResult,
    notebook: NotebookNode,
    cell_runs: Sequence[CellRun],
) -> SubmissionResult:
    runs = {run.grade_id: run for run in cell_runs if run.grade_id}
    ran = {grade_id(cell): cell for cell in notebook.cells}
    late = teacher.after_hidden
    cells = tuple(
        _scored(
            cell,
            runs.get(grade_id(cell)),
            ran.get(grade_id(cell)),
            after_hidden=grade_id(cell) in late,
        )
        for cell in teacher.graded
    )
    needs_human = result.needs_human or any(cell.score is None for cell in cells)
    return result.model_copy(
        update={
            "cells": cells,
            "score": sum(cell.score or 0.0 for cell in cells),
            "max_score": teacher.max_score,
            "needs_human": needs_human,
            "status": "needs-human" if needs_human else "graded",
        }
    )


def _told(teacher: Teacher, execution: Execution) -> tuple[str, ...]:
    """Give what went wrong in all, as far as students may know; the record's runs say the rest.

    Once a hidden test has run, how a process ends may say what it was called with.
    """
    late = teacher.after_hidden | {grade_id(cell) for cell in teacher.graded if _hides(cell)}
    lost = [run for run in execution.cells if run.status in ("died", "not-run")]
    if not execution.problems or not lost or not any(run.grade_id in late for run in lost[:1]):
        return execution.problems
    return (ENDED,)


def _hides(cell: NotebookNode) -> bool:
    return bool(hidden_lines(str(cell.source)))


def _scored(
    cell: NotebookNode, run: CellRun | None, ran: NotebookNode | None, *, after_hidden: bool
) -> CellResult:
    answer = str(ran.source) if ran is not None else ""
    blank = cell_kind(cell) == "manual" and is_blank(answer, blank_text(cell))
    verdict = score_cell(cell, run, is_blank=blank, after_hidden=after_hidden)
    said = ran.metadata.get("autograder", {}).get("claims", ()) if ran is not None else ()
    claims = tuple(str(claim)[:_CLAIM] for claim in said[:_CLAIMS])
    return verdict.model_copy(update={"claims": claims}) if claims else verdict


def _unreadable(teacher: Teacher, student: str, problem: str) -> Graded:
    """Give the verdict on files that can't be run: no points, and a person should look."""
    reason = "Your notebook couldn't be read, so nothing in it was run."
    result = SubmissionResult(
        student=student,
        status="unreadable",
        score=0.0,
        max_score=teacher.max_score,
        needs_human=True,
        problems=(problem,),
        cells=tuple(unscored(cell, reason) for cell in teacher.graded),
    )
    return Graded(result, None)


def slip(teacher: Teacher, student: str, error: Exception) -> Graded:
    """Give the verdict where the grader itself failed: a person decides on every cell."""
    reason = "The grader failed here, which needn't be your doing; a person will look at it."
    told = redacted(f"{type(error).__name__}: {error}".split("\n", 1)[0], teacher.source.cells)
    cells = tuple(
        unscored(cell, reason).model_copy(update={"score": None, "status": "manual"})
        for cell in teacher.graded
    )
    result = SubmissionResult(
        student=student,
        status="needs-human",
        score=0.0,
        max_score=teacher.max_score,
        needs_human=True,
        problems=(f"It couldn't be graded: {told[:MAX_REASON]}",),
        cells=cells,
    )
    return Graded(result, None, final=False)


def recorded(teacher: Teacher, key: str, engine: Engine, graded: Graded) -> Record:
    """Put a verdict into the form that is kept."""
    return Record(
        key=key,
        engine=engine.name,
        isolation=engine.isolation,
        room=engine.room,
        worth=points_digest(teacher.source),
        result=graded.result,
        runs=tuple(RunFacts.of(run) for run in graded.runs),
        notebook=dict(graded.notebook) if graded.notebook is not None else None,
        cpu_seconds=graded.cpu_seconds,
        final=graded.final,
    )


def rescored(teacher: Teacher, record: Record) -> Record:
    """Reach the verdict again from what a run showed, for cells that are worth something else now.

    Nothing runs: a record is found again only if nothing else of the lab changed.
    """
    notebook = record.executed()
    if notebook is None:
        graded = _unreadable(teacher, record.result.student, record.result.problems[0])
        result = graded.result
    else:
        decides = {grade_id(cell): cell for cell in teacher.source.cells if grade_id(cell)}
        for cell in notebook.cells:
            if grade_id(cell) in decides:
                meta = decides[grade_id(cell)].metadata["nbgrader"]
                cell.metadata["nbgrader"] = copy.deepcopy(meta)
        runs = [run.as_run(_outputs(notebook, run.index)) for run in record.runs]
        result = _with_scores(teacher, record.result, notebook, runs)
    return record.model_copy(
        update={
            "worth": points_digest(teacher.source),
            "result": result,
            "notebook": dict(notebook) if notebook is not None else None,
        }
    )


def _outputs(notebook: NotebookNode, index: int) -> tuple[NotebookNode, ...]:
    return tuple(notebook.cells[index].get("outputs", ()))
