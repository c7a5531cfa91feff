"""Prove a lab before students see it: every answer whose score is known gets just that score."""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass

from nbformat import NotebookNode
from pydantic import BaseModel, ConfigDict

from autograder.answers import Answer, load_answers, submission_from
from autograder.engine import Engine
from autograder.grade import Graded, Teacher, grade_notebook
from autograder.labs import Lab, personal_parameters, source_notebook
from autograder.notebook import cell_kind, grade_id, points
from autograder.pool import each
from autograder.release import hidden_lines, release_notebook

__all__ = ["LabProof", "SelftestReport", "lab_teacher", "prove"]

MAX_CPU_SECONDS = 20.0
STUDENT = "selftest"
_SHORTEST_LINE = 4


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Right(_Record):
    name: str
    score: float


class _Wrong(_Record):
    name: str
    wanted: float
    got: float


class LabProof(_Record):
    """What was found about one lab; ``problems`` is empty when it is proved."""

    ok: bool
    reference: float
    blank: float
    right: tuple[_Right, ...]
    wrong: tuple[_Wrong, ...]
    cpu_seconds: float
    problems: tuple[str, ...]


class SelftestReport(_Record):
    """What ``autograder selftest --json`` prints."""

    labs: dict[str, LabProof]


@dataclass(frozen=True, slots=True)
class _Case:
    kind: str
    name: str
    notebook: NotebookNode
    wanted: float
    fails: frozenset[str] | None
    attempt: int


def lab_teacher(lab: Lab) -> Teacher:
    """See a lab as a grader does, without a course around it."""
    return Teacher(
        lab=lab.name,
        source=source_notebook(lab),
        files=lab.folder / "files",
        limits=lab.limits,
        parameters=lambda student: dict(personal_parameters(lab, student)),
    )


def prove(
    lab: Lab,
    engine: Engine,
    *,
    workers: int,
    times: int = 2,
    progress: Callable[[str, int, int], None] | None = None,
) -> LabProof:
    """Run the reference, the blank copy and every known answer, ``times`` over.

    Parameters
    ----------
    lab : Lab
        The lab.
    engine : Engine
        What runs the notebooks; it is closed at the end.
    workers : int
        How many run at the same time.
    times : int, default=2
        How often each runs; all must agree.
    progress : callable, optional
        Called with a name, how many are done and how many there will be.
    """
    teacher = lab_teacher(lab)
    automatic = sum(points(c) for c in teacher.source.cells if cell_kind(c) == "test")
    wrong, right = load_answers(lab, "wrong"), load_answers(lab, "right")
    cases = _cases(teacher, wrong, right, automatic, times)
    found: dict[tuple[str, str], list[Graded]] = {}
    problems = _leaks(teacher.source) + _gaps(teacher, wrong)
    outcomes = each(
        lambda case: grade_notebook(teacher, STUDENT, case.notebook, engine),
        cases,
        workers=workers,
        engine=engine,
    )
    with closing(engine), closing(outcomes):
        for done, (case, graded) in enumerate(outcomes, 1):
            if progress is not None:
                progress(f"{lab.name}: {case.name}", done, len(cases))
            if isinstance(graded, Exception):
                raise graded
            problems += _check(case, graded)
            found.setdefault((case.kind, case.name), []).append(graded)
    problems += _unsteady(found)
    cpu = min(graded.cpu_seconds for graded in found["reference", "reference"])
    if cpu > MAX_CPU_SECONDS:
        problems.append(f"the reference takes {cpu:.1f} s of CPU, at most {MAX_CPU_SECONDS:g} s")
    score = {key: graded[0].result.score for key, graded in found.items()}
    return LabProof(
        ok=not problems,
        reference=score["reference", "reference"],
        blank=score["blank", "blank"],
        right=tuple(_Right(name=a.name, score=score["right", a.name]) for a in right),
        wrong=tuple(
            _Wrong(name=a.name, wanted=a.score or 0.0, got=score["wrong", a.name]) for a in wrong
        ),
        cpu_seconds=round(cpu, 3),
        problems=tuple(dict.fromkeys(problems)),
    )


def _cases(
    teacher: Teacher,
    wrong: Sequence[Answer],
    right: Sequence[Answer],
    automatic: float,
    times: int,
) -> list[_Case]:
    source = teacher.source
    blank = release_notebook(source)
    every = frozenset(grade_id(c) for c in source.cells if cell_kind(c) == "test")
    cases = []
    for attempt in range(times):
        reference = submission_from(source, {})
        cases.append(_Case("reference", "reference", reference, automatic, frozenset(), attempt))
        cases.append(_Case("blank", "blank", blank, 0.0, every, attempt))
        for answer in right:
            notebook = submission_from(source, answer)
            cases.append(_Case("right", answer.name, notebook, automatic, frozenset(), attempt))
        for answer in wrong:
            notebook = submission_from(source, answer)
            fails = frozenset(answer.fails)
            cases.append(_Case("wrong", answer.name, notebook, answer.score or 0.0, fails, attempt))
    return cases


def _check(case: _Case, graded: Graded) -> list[str]:
    who = case.name if case.kind == case.name else f"{case.kind}/{case.name}"
    result = graded.result
    failed = {c.grade_id: c for c in result.cells if c.score is not None and c.score < c.points}
    problems = []
    if result.score != case.wanted:
        reasons = "; ".join(f"{c.grade_id}: {c.reason}" for c in failed.values())
        problems.append(
            f"{who} gets {result.score:g} points, {case.wanted:g} were wanted ({reasons})"
        )
    tests = {name for name in failed if failed[name].status != "manual"}
    automatic = {c.grade_id for c in result.cells} - {
        c.grade_id for c in result.cells if c.reason == "No answer was given."
    }
    if case.fails is not None and tests & automatic != case.fails & automatic:
        problems.append(
            f"{who} fails {', '.join(sorted(tests)) or 'nothing'}, "
            f"{', '.join(sorted(case.fails)) or 'nothing'} was wanted"
        )
    return problems


def _unsteady(found: dict[tuple[str, str], list[Graded]]) -> list[str]:
    problems = []
    for (kind, name), runs in found.items():
        verdicts = {
            tuple((cell.grade_id, cell.score, cell.status) for cell in graded.result.cells)
            for graded in runs
        }
        if len(verdicts) > 1:
            problems.append(f"{kind}/{name} doesn't get the same verdict every time")
    return problems


def _leaks(source: NotebookNode) -> list[str]:
    """Look in the release for any line that only the teacher should see."""
    shown: set[str] = set()
    secret: set[str] = set()
    for cell in source.cells:
        private = hidden_lines(cell.source) | _solution_lines(cell)
        for number, line in enumerate(cell.source.split("\n"), 1):
            (secret if number in private else shown).add(line.strip())
    released = {
        line.strip() for cell in release_notebook(source).cells for line in cell.source.split("\n")
    }
    leaked = (secret - shown) & released
    return [
        f"the release shows a line of a solution or a hidden test: {line}"
        for line in sorted(leaked)
        if len(line) >= _SHORTEST_LINE
    ]


def _solution_lines(cell: NotebookNode) -> frozenset[int]:
    """Give the numbers of the lines between the marks of a solution; all, where it has none."""
    if cell_kind(cell) not in ("answer", "manual"):
        return frozenset()
    lines = cell.source.split("\n")
    inside, found = False, set()
    for number, line in enumerate(lines, 1):
        if "BEGIN SOLUTION" in line:
            inside = True
        elif "END SOLUTION" in line:
            inside = False
        elif inside:
            found.add(number)
    return frozenset(found or range(1, len(lines) + 1))


def _gaps(teacher: Teacher, wrong: Sequence[Answer]) -> list[str]:
    """Find tests that no wrong answer fails: nothing shows that they can fail."""
    failed = {name for answer in wrong for name in answer.fails}
    tests = [grade_id(cell) for cell in teacher.source.cells if cell_kind(cell) == "test"]
    problems = [f"no wrong answer fails {name}" for name in tests if name not in failed]
    strangers = failed - set(tests)
    if strangers:
        problems.append(f"wrong answers name {', '.join(sorted(strangers))}, which are no tests")
    return problems
