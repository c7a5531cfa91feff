"""The class report: how a lab went, drawn, with what needs a person first."""

import io
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autograder.atomic import write_text
from autograder.course import Course
from autograder.engines import is_weak
from autograder.feedback import page, shown_number
from autograder.results import CellResult, GradeReport, SubmissionResult
from autograder.summary import verdict_word

__all__ = ["write_report"]

# Colour-blind safe (Okabe and Ito).
GOOD, PART, BAD, WAIT = "#009E73", "#E69F00", "#D55E00", "#56B4E9"
_MAX_LABELS = 60
_MAX_CLAIMS = 60
_MAX_NAMED = 3
_LONGEST_ID = 30
_LONGEST_TITLE = 48
_ROOMS = {
    "examiner": "examiner’s room: out of reach of the student’s code",
    "student": "student’s room: beside the student’s code, which is confined",
    "shared": "beside the student’s code, with nothing to confine it",
}


@dataclass(frozen=True, slots=True)
class _Drawing:
    svg: str
    alt: str


@dataclass(frozen=True, slots=True)
class _Cell:
    shown: str
    status: str


@dataclass(frozen=True, slots=True)
class _Test:
    id: str
    title: str
    room: str
    is_weaker: bool


@dataclass(frozen=True, slots=True)
class _Claim:
    question: str
    text: str
    students: int
    named: str


@dataclass(frozen=True, slots=True)
class _Row:
    student: str
    status: str
    score: float
    cells: tuple[_Cell, ...]


def write_report(course: Course, report: GradeReport) -> Path:
    """Write ``reports/LAB.html`` for a class that was graded, and give its path."""
    settings = course.lab_settings(report.lab)
    titles = {key: q.title for key, q in settings.questions.items()} if settings else {}
    results = sorted(report.submissions, key=lambda result: result.student)
    graded = [cell.grade_id for cell in results[0].cells]
    scores = [result.score for result in results]
    text = page(
        "report.html",
        title=settings.title if settings else report.lab,
        engine=report.engine,
        isolation=report.isolation,
        weak=is_weak(report.isolation),
        tests=_tests(results, titles),
        claims=_claims(results, titles),
        mean=statistics.fmean(scores),
        median=statistics.median(scores),
        max_score=results[0].max_score,
        full=sum(_has_full_marks(result) for result in results),
        zero=sum(score == 0 for score in scores),
        urgent=[result for result in report.submissions if _is_urgent(result)],
        reflections=sum(cell.score is None for result in results for cell in result.cells),
        histogram=_histogram(scores, results[0].max_score),
        difficulty=_difficulty(results, titles),
        heatmap=_heatmap(results, graded),
        questions=graded,
        students=[_row(result) for result in results],
    )
    path = course.reports / f"{report.lab}.html"
    write_text(path, text)
    return path


def _is_urgent(result: SubmissionResult) -> bool:
    return result.status in ("unreadable", "missing") or bool(result.problems)


def _has_full_marks(result: SubmissionResult) -> bool:
    return verdict_word(result) == "full"


def _tests(results: Sequence[SubmissionResult], titles: Mapping[str, str]) -> list[_Test]:
    """Say of each test where it ran; the weakest place, should it have been several."""
    places: dict[str, list[str]] = {}
    for cell in (cell for result in results for cell in result.cells):
        if cell.room is not None:
            places.setdefault(cell.grade_id, []).append(cell.room)
    weakest = ("shared", "student", "examiner")
    found = []
    for name, rooms in places.items():
        room = min(set(rooms), key=weakest.index)
        title = titles.get(name, name)
        found.append(_Test(name, title, _ROOMS[room], is_weaker=room != "examiner"))
    return found


def _claims(results: Sequence[SubmissionResult], titles: Mapping[str, str]) -> list[_Claim]:
    """List what tests took the students' code's word for, the most frequent first."""
    who: dict[tuple[str, str], list[str]] = {}
    for result in results:
        for cell in result.cells:
            for claim in cell.claims:
                who.setdefault((cell.grade_id, claim), []).append(result.student)
    claims = []
    for (name, claim), students in sorted(who.items(), key=lambda item: -len(item[1])):
        named = ", ".join(students[:_MAX_NAMED]) + (", …" if len(students) > _MAX_NAMED else "")
        claims.append(_Claim(titles.get(name, name), claim, len(students), named))
    return claims[:_MAX_CLAIMS]


def _row(result: SubmissionResult) -> _Row:
    cells = tuple(
        _Cell("…" if cell.score is None else shown_number(cell.score), cell.status)
        for cell in result.cells
    )
    return _Row(result.student, result.status, result.score, cells)


def _share(cell: CellResult) -> float:
    if cell.score is None:
        return float("nan")
    return cell.score / cell.points if cell.points else 1.0


def _drawn(width: float, height: float, draw: Callable[[Any], None], alt: str) -> _Drawing:
    """Draw with matplotlib, off screen, to the same bytes for the same class."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.hashsalt": "class report", "font.size": 9, "axes.axisbelow": True}):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure.subplots())
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None})
    svg = file.getvalue()
    return _Drawing(svg[svg.index("<svg") :], alt)


def _histogram(scores: Sequence[float], max_score: float) -> _Drawing:
    def draw(axes: Any) -> None:
        axes.hist(scores, bins=10, range=(0, max_score or 1), color=WAIT, edgecolor="black")
        axes.axvline(statistics.median(scores), color="black", linestyle="--", label="median")
        axes.set_xlabel("automatic score (points)")
        axes.set_ylabel("students")
        axes.yaxis.get_major_locator().set_params(integer=True)
        axes.legend(frameon=False)

    alt = (
        f"Histogram of {len(scores)} automatic scores from {shown_number(min(scores))} to "
        f"{shown_number(max(scores))} of {shown_number(max_score)} points; "
        f"the median is {shown_number(statistics.median(scores))}."
    )
    return _drawn(7.5, 2.6, draw, alt)


def _difficulty(results: Sequence[SubmissionResult], titles: Mapping[str, str]) -> _Drawing:
    columns = list(zip(*(result.cells for result in results), strict=True))
    ids = [column[0].grade_id for column in columns]
    names = [_short(titles.get(name, name), _LONGEST_TITLE) for name in ids]
    statuses = {
        "full points": (GOOD, "", ("passed",)),
        "part": (PART, "//", ("partial",)),
        "none": (BAD, "xx", ("failed", "not-run")),
        "waits for a person": (WAIT, "..", ("manual",)),
    }
    counts = {
        label: [sum(cell.status in wanted for cell in column) for column in columns]
        for label, (_, _, wanted) in statuses.items()
    }

    def draw(axes: Any) -> None:
        left = [0] * len(columns)
        for label, (colour, hatch, _) in statuses.items():
            axes.barh(
                range(len(names)), counts[label], left=left, color=colour, hatch=hatch,
                edgecolor="white", label=label,
            )  # fmt: skip
            left = [a + b for a, b in zip(left, counts[label], strict=True)]
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        axes.margins(y=0.01)
        axes.set_xlabel("students")
        axes.figure.legend(loc="outside upper center", ncols=4, frameon=False)

    automatic = [
        n for n, column in enumerate(columns) if "manual" not in {c.status for c in column}
    ]
    hardest = min(automatic or range(len(columns)), key=lambda n: counts["full points"][n])
    alt = (
        f"Results of each question. Fewest full points: {names[hardest]}, "
        f"{counts['full points'][hardest]} of {len(results)} students."
    )
    return _drawn(7.5, 0.9 + 0.34 * len(columns), draw, alt)


def _heatmap(results: Sequence[SubmissionResult], graded: Sequence[str]) -> _Drawing:
    shares = [[_share(cell) for cell in result.cells] for result in results]
    names = [_short(name, _LONGEST_ID) for name in graded]
    # The drawing itself, and below it the names of questions, aslant.
    height = min(12.0, 1.1 + 0.24 * len(results) + 0.05 * max(map(len, names)))

    def draw(axes: Any) -> None:
        import matplotlib as mpl

        colours = mpl.colormaps["cividis"].with_extremes(bad="#dddddd")
        image = axes.imshow(shares, cmap=colours, vmin=0, vmax=1, aspect="auto")
        axes.set_xticks(range(len(graded)), names, rotation=30, ha="right")
        if len(results) <= _MAX_LABELS:
            axes.set_yticks(range(len(results)), [_short(r.student, _LONGEST_ID) for r in results])
        else:
            axes.set_ylabel(f"{len(results)} students, by id")
        axes.figure.colorbar(image, label="share of the question's points")

    alt = (
        f"Heat map of {len(results)} students by {len(graded)} questions; bright is full points, "
        "dark is none, grey waits for a person. The same numbers are in the table below."
    )
    return _drawn(7.5, height, draw, alt)


def _short(text: str, most: int) -> str:
    """Shorten a label; a dollar sign in it is no mathematics."""
    return (text if len(text) <= most else f"{text[: most - 1]}…").replace("$", r"\$")
