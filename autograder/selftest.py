"""Prove a lab before students see it: every answer whose score is known gets just that score.

It is proved in each way that it may be run: with the tests in the examiner's room, beside the
answers, and by nbgrader itself.
"""

import copy
import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace

from nbformat import NotebookNode
from pydantic import BaseModel, ConfigDict, Field

from autograder.answers import Answer, load_answers, submission_from
from autograder.engine import CellRun, Engine, Room
from autograder.errors import GraderError
from autograder.lab_checks import idle_tags, leaks, untested
from autograder.labs import Lab, source_notebook
from autograder.notebook import cell_kind, grade_id, points
from autograder.pool import each
from autograder.release import release_notebook
from autograder.room_cells import STUDENT_ROOM_TAG
from autograder.teacher import Teacher
from autograder.verdict import Graded, grade_notebook

__all__ = [
    "CellProof",
    "LabProof",
    "SelftestReport",
    "Trial",
    "lab_teacher",
    "prove",
    "prove_all",
    "try_rooms",
]

MAX_CPU_SECONDS = 20.0
STUDENT = "selftest"
Progress = Callable[[str, int, int], None]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Right(_Record):
    name: str
    score: float


class _Wrong(_Record):
    name: str
    wanted: float
    got: float


class CellProof(_Record):
    """Where a test cell gives the reference its points."""

    grade_id: str
    room: Room = Field(description="Where grading runs it.")
    examiner: bool | None = Field(description="In the examiner's room; None: not tried.")
    student: bool | None = Field(description="Beside the answers; None: not tried.")
    reason: str = Field(default="", description="Why not.")


class LabProof(_Record):
    """What was found about one lab; ``problems`` is empty when it is proved."""

    ok: bool
    wanted: float = Field(description="What the reference and right answers must get.")
    reference: float
    blank: float
    right: tuple[_Right, ...]
    wrong: tuple[_Wrong, ...]
    cpu_seconds: float
    problems: tuple[str, ...]
    remarks: tuple[str, ...] = Field(default=(), description="What may not be as it was meant.")
    cells: tuple[CellProof, ...] = ()
    beside: bool = Field(default=False, description="Whether it's proved beside the answers.")


class SelftestReport(_Record):
    """What ``autograder selftest --json`` prints."""

    labs: dict[str, LabProof]


@dataclass(frozen=True, slots=True)
class Trial:
    """One way to run a lab's answers.

    ``where`` tells it from the others in messages, ``""`` for the usual one; ``beside`` runs the
    tests beside the answers.
    """

    engine: Engine
    where: str = ""
    times: int = 1
    beside: bool = False


@dataclass(frozen=True, slots=True)
class _Case:
    kind: str
    name: str
    notebook: NotebookNode
    wanted: float | None
    fails: frozenset[str] | None

    @property
    def title(self) -> str:
        return self.name if self.kind == self.name else f"{self.kind}/{self.name}"


_Found = dict[str, list[Graded]]


def lab_teacher(lab: Lab) -> Teacher:
    """See a lab as a grader does, without a course around it."""
    return Teacher(lab.name, source_notebook(lab), lab.folder / "files", lab)


def prove(
    lab: Lab, trials: Sequence[Trial], *, workers: int, progress: Progress | None = None
) -> LabProof:
    """Run the reference, the blank copy and every known answer in each of the ways.

    Parameters
    ----------
    lab : Lab
        The lab.
    trials : sequence of Trial
        The ways, the usual one first; their engines are closed at the end.
    workers : int
        How many run at the same time.
    progress : callable, optional
        Called with a name, how many are done and how many there will be.
    """
    teacher = lab_teacher(lab)
    wrong, right = load_answers(lab, "wrong"), load_answers(lab, "right")
    cases = _cases(teacher, wrong, right)
    problems = leaks(teacher.source) + untested(teacher.source, wrong) + idle_tags(teacher.source)
    found = _run(teacher, [(trial, cases) for trial in trials], workers, progress)
    for trial, runs in zip(trials, found, strict=True):
        problems += [f"{trial.where}{problem}" for problem in _problems(cases, runs)]
    usual = found[0]
    cpu = min(graded.cpu_seconds for graded in usual["reference"])
    if cpu > MAX_CPU_SECONDS:
        problems.append(f"the reference takes {cpu:.1f} s of CPU, at most {MAX_CPU_SECONDS:g} s")
    score = {title: runs[0].result.score for title, runs in usual.items()}
    return LabProof(
        ok=not problems,
        wanted=_full_score(teacher),
        reference=score["reference"],
        blank=score["blank"],
        right=tuple(_Right(name=a.name, score=score[f"right/{a.name}"]) for a in right),
        wrong=tuple(
            _Wrong(name=a.name, wanted=a.score or 0.0, got=score[f"wrong/{a.name}"]) for a in wrong
        ),
        cpu_seconds=round(cpu, 3),
        problems=tuple(dict.fromkeys(problems)),
        cells=_cell_proofs(teacher, found),
    )


def prove_all(
    labs: Sequence[Lab],
    make_trials: Callable[[], Sequence[Trial]],
    *,
    workers: int,
    progress: Progress | None = None,
) -> dict[str, LabProof]:
    """Prove several labs, as many at a time as there are workers, each as :func:`prove` does.

    A lab begins and ends with what one worker does alone, so a lab a worker keeps them all busy.
    """
    plan = {lab.name: tuple(make_trials()) for lab in labs}
    sizes = {lab.name: _runs(lab, plan[lab.name]) for lab in labs}
    done = dict.fromkeys(sizes, 0)
    stopped, one_by_one = threading.Event(), threading.Lock()

    def moved(name: str) -> Progress:
        def move(note: str, now: int, _: int) -> None:
            if stopped.is_set():  # A closed engine would start again for the next answer.
                raise GraderError("stopped.")
            with one_by_one:
                done[name] = now
                if progress is not None:
                    progress(note, sum(done.values()), sum(sizes.values()))

        return move

    def work(lab: Lab, _: object) -> LabProof:
        return prove(lab, plan[lab.name], workers=1, progress=moved(lab.name))

    longest = sorted(labs, key=lambda lab: -sizes[lab.name])
    proofs: dict[str, LabProof] = {}
    engines = ExitStack()
    for trial in itertools.chain.from_iterable(plan.values()):
        engines.callback(trial.engine.close)
    engines.callback(stopped.set)
    with closing(each(work, longest, workers=workers, engine=engines)) as outcomes:
        for lab, proof in outcomes:
            if isinstance(proof, Exception):
                raise proof
            proofs[lab.name] = proof
    return {lab.name: proofs[lab.name] for lab in labs}


def try_rooms(teacher: Teacher, engine: Engine, *, progress: Progress | None = None) -> LabProof:
    """Run a lab's own solutions beside its tests and out of their reach, and say what works where.

    For a course that was made elsewhere, whose tests may not have been written for two rooms: it
    is proved when its solutions get full points beside the tests.
    """
    reference, blank = _cases(teacher, (), ())
    usual = Trial(engine, "beside the answers: ", beside=True)
    plan = [(usual, [reference, replace(blank, wanted=None, fails=None)])]
    plan.append((Trial(engine, "in the examiner's room: "), [reference]))
    found = _run(teacher, plan, 1, progress)
    if progress is not None:
        count = sum(len(cases) for _, cases in plan)
        progress(teacher.lab, count, count)
    problems = _problems([reference], found[0])
    graded, empty = (found[0][title][0] for title in ("reference", "blank"))
    return LabProof(
        ok=not problems,
        wanted=_full_score(teacher),
        reference=graded.result.score,
        blank=empty.result.score,
        right=(),
        wrong=(),
        cpu_seconds=round(graded.cpu_seconds, 3),
        problems=tuple(problems),
        remarks=tuple(_remarks(teacher, graded, empty)),
        cells=_cell_proofs(teacher, found),
        beside=True,
    )


def _cases(teacher: Teacher, wrong: Sequence[Answer], right: Sequence[Answer]) -> list[_Case]:
    source = teacher.source
    tests = [cell for cell in source.cells if cell_kind(cell) == "test"]
    full, every = _full_score(teacher), frozenset(map(grade_id, tests))
    none: frozenset[str] = frozenset()
    return [
        _Case("reference", "reference", submission_from(source, {}), full, none),
        _Case("blank", "blank", release_notebook(source), 0.0, every),
        *(_Case("right", a.name, submission_from(source, a), full, none) for a in right),
        *(
            _Case("wrong", a.name, submission_from(source, a), a.score or 0.0, frozenset(a.fails))
            for a in wrong
        ),
    ]


def _runs(lab: Lab, trials: Sequence[Trial]) -> int:
    answers = len(load_answers(lab, "wrong")) + len(load_answers(lab, "right"))
    return (answers + len(("reference", "blank"))) * sum(trial.times for trial in trials)


def _full_score(teacher: Teacher) -> float:
    tests = (cell for cell in teacher.source.cells if cell_kind(cell) == "test")
    return float(sum(map(points, tests)))


def _run(
    teacher: Teacher,
    plan: Sequence[tuple[Trial, Sequence[_Case]]],
    workers: int,
    progress: Progress | None,
) -> list[_Found]:
    """Run each trial's cases as often as it says; give each trial's verdicts by title."""
    total = sum(trial.times * len(cases) for trial, cases in plan)
    done = 0
    everything = []
    with ExitStack() as stack:
        for engine in {id(trial.engine): trial.engine for trial, _ in plan}.values():
            stack.enter_context(closing(engine))
            engine.prepare(teacher.source)
        for trial, cases in plan:
            found: _Found = {case.title: [] for case in cases}
            for case, graded in _graded(teacher, trial, cases, workers):
                done += 1
                if progress is not None:
                    progress(f"{teacher.lab}: {trial.where}{case.title}", done, total)
                found[case.title].append(graded)
            everything.append(found)
    return everything


def _graded(
    teacher: Teacher, trial: Trial, cases: Sequence[_Case], workers: int
) -> Iterator[tuple[_Case, Graded]]:
    seen = _beside(teacher) if trial.beside else teacher

    def work(case: _Case, engine: Engine) -> Graded:
        return grade_notebook(seen, STUDENT, case.notebook, engine)

    jobs = [case for _ in range(trial.times) for case in cases]
    with closing(each(work, jobs, workers=workers, engine=trial.engine)) as outcomes:
        for case, graded in outcomes:
            if isinstance(graded, Exception):
                raise graded
            yield case, graded


def _beside(teacher: Teacher) -> Teacher:
    """See a lab as if each of its test cells said that it runs beside the answers."""
    source = copy.deepcopy(teacher.source)
    for cell in source.cells:
        if cell_kind(cell) == "test":
            cell.metadata["tags"] = [*cell.metadata.get("tags", []), STUDENT_ROOM_TAG]
    return replace(teacher, source=source)


def _problems(cases: Sequence[_Case], found: _Found) -> list[str]:
    problems = [
        text for case in cases for graded in found[case.title] for text in _check(case, graded)
    ]
    for title, runs in found.items():
        verdicts = {
            tuple((cell.grade_id, cell.score, cell.status) for cell in graded.result.cells)
            for graded in runs
        }
        if len(verdicts) > 1:
            problems.append(f"{title} doesn't get the same verdict every time")
    return problems


def _check(case: _Case, graded: Graded) -> list[str]:
    result = graded.result
    failed = {c.grade_id: c for c in result.cells if c.score is not None and c.score < c.points}
    problems = []
    if case.wanted is not None and result.score != case.wanted:
        reasons = "; ".join(f"{c.grade_id}: {c.reason}" for c in failed.values())
        problems.append(
            f"{case.title} gets {result.score:g} points, {case.wanted:g} were wanted ({reasons})"
        )
    tests = {name for name in failed if failed[name].status != "manual"}
    automatic = {c.grade_id for c in result.cells} - {
        c.grade_id for c in result.cells if c.reason == "No answer was given."
    }
    if case.fails is not None and tests & automatic != case.fails & automatic:
        problems.append(
            f"{case.title} fails {', '.join(sorted(tests)) or 'nothing'}, "
            f"{', '.join(sorted(case.fails)) or 'nothing'} was wanted"
        )
    return problems


def _remarks(teacher: Teacher, reference: Graded, blank: Graded) -> list[str]:
    """Say what of a lab that isn't ours its teacher may not have meant."""
    won = [cell for cell in blank.result.cells if cell.score and cell.status != "manual"]
    remarks = []
    if won:
        names = ", ".join(f"{cell.grade_id} ({cell.score:g})" for cell in won)
        remarks.append(f"the release as it is handed out gets points for {names}")
    tests = {grade_id(cell) for cell in teacher.graded if cell_kind(cell) == "test"}
    for cell in reference.result.cells:
        if cell.grade_id in tests and not cell.points and cell.reason:
            remarks.append(f"{cell.grade_id}, for no points, isn't passed: {cell.reason}")
    return remarks


def _cell_proofs(teacher: Teacher, found: Sequence[_Found]) -> tuple[CellProof, ...]:
    """Say of each test cell where the reference got its points."""
    references = [runs["reference"][0] for runs in found]
    return tuple(
        _cell_proof(grade_id(cell), references)
        for cell in teacher.graded
        if cell_kind(cell) == "test"
    )


def _cell_proof(name: str, references: Sequence[Graded]) -> CellProof:
    works: dict[Room, bool] = {}
    reason = ""
    for graded in references:
        run = next(run for run in graded.runs if run.grade_id == name)
        got = next(cell for cell in graded.result.cells if cell.grade_id == name)
        fine = got.score == got.points
        works[run.room] = works.get(run.room, True) and fine
        if not fine:
            reason = reason or _reason(run) or got.reason
    return CellProof(
        grade_id=name,
        room=next(iter(works)),
        examiner=works.get("examiner"),
        student=works.get("student"),
        reason=reason,
    )


def _reason(run: CellRun) -> str:
    """Say why a test failed, to the teacher: in full."""
    return f"{run.error}: {run.message}" if run.error and run.message else run.error or run.message
