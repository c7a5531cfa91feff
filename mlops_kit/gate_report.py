"""What a gate found: verdicts, as data, as Markdown with a figure, and as JUnit XML."""

import hashlib
import importlib
import io
import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from mlops_kit.errors import GateError, MissingToolError

__all__ = ["GateReport", "Subject", "Verdict"]

_MARKS = {
    "passed": "✓ passed",
    "failed": "✗ failed",
    "refused": "! refused",
    "skipped": "– skipped",
}


@dataclass(frozen=True, slots=True)
class Subject:
    """Which model was judged: its address, and the hash of its files."""

    uri: str
    hash: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one rule says of the challenger, on all rows or on one slice.

    Attributes
    ----------
    rule, metric, slice : str
        Which rule; ``slice`` is such as "zone=zone-01", or "" for all rows.
    status : {"passed", "failed", "refused", "skipped"}
        Refused: the metric is missing or not defined. Skipped: there was nothing to judge.
    value, champion : float or None
        The metric of each model.
    gain : float or None
        By how much the challenger is better; below 0 it is worse.
    low, high : float or None
        The interval of ``gain`` where the rule compares, else of ``value``.
    bound : float
        What the rule asks for.
    kind : {"at_least", "at_most", "gain_at_least"}
        What kind of bound.
    rows : int
        On how many rows.
    said : str
        The verdict in words.
    """

    rule: str
    metric: str
    slice: str
    status: str
    value: float | None
    champion: float | None
    gain: float | None
    low: float | None
    high: float | None
    bound: float
    kind: str
    rows: int
    said: str

    @property
    def passed(self) -> bool:
        """Whether it stands in nobody's way."""
        return self.status in ("passed", "skipped")


@dataclass(frozen=True)
class GateReport:
    """What a gate found.

    Attributes
    ----------
    gate, gate_hash : str
        Which gate, and the hash of its declaration.
    challenger, champion : Subject or None
        Which models, where that is known; no champion if there was none.
    data_hash : str
        The content hash of the rows.
    rows : int
        How many rows.
    confidence : float
        Of the intervals.
    verdicts : tuple of Verdict
        One for each rule and slice.
    """

    gate: str
    gate_hash: str
    challenger: Subject | None
    champion: Subject | None
    data_hash: str
    rows: int
    confidence: float
    verdicts: tuple[Verdict, ...]

    @property
    def outcome(self) -> str:
        """One of "passed", "failed" and "refused"; what can't be judged never passes."""
        found = {verdict.status for verdict in self.verdicts}
        if "refused" in found or not found - {"skipped"}:
            return "refused"
        return "failed" if "failed" in found else "passed"

    @property
    def passed(self) -> bool:
        """Whether every rule was kept and at least one was judged."""
        return self.outcome == "passed"

    @property
    def hash(self) -> str:
        """64 hexadecimal digits that name this report."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Give the report, ready for JSON."""
        return {"outcome": self.outcome, "passed": self.passed, **asdict(self),
                "verdicts": [asdict(verdict) for verdict in self.verdicts]}  # fmt: skip

    def to_json(self) -> str:
        """Write it as JSON, the same bytes for the same report."""
        return json.dumps(self.to_dict(), indent=1, sort_keys=True, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "GateReport":
        """Read what :meth:`to_json` wrote; the outcome is worked out again from the verdicts.

        Raises
        ------
        GateError
            If it isn't such a report.
        """
        try:
            parts = json.loads(text)
            challenger, champion = (
                Subject(**parts[role]) if parts[role] is not None else None
                for role in ("challenger", "champion")
            )
            verdicts = tuple(Verdict(**entry) for entry in parts["verdicts"])
            return cls(
                gate=str(parts["gate"]),
                gate_hash=str(parts["gate_hash"]),
                challenger=challenger,
                champion=champion,
                data_hash=str(parts["data_hash"]),
                rows=int(parts["rows"]),
                confidence=float(parts["confidence"]),
                verdicts=verdicts,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise GateError(f"this isn't a gate's report: {error!r}.") from error

    def to_markdown(self, *, figure: str = "") -> str:
        """Write the report for a pull request.

        Parameters
        ----------
        figure : str, optional
            The path of the figure, as seen from the Markdown file.
        """
        head = {"passed": "passed", "failed": "not passed", "refused": "can't be judged"}
        challenger = self.challenger.uri if self.challenger else "the challenger"
        champion = self.champion.uri if self.champion else "the champion, where there is one"
        lines = [
            f"## Gate {_cell(self.gate)}: {head[self.outcome]}",
            "",
            f"{_cell(challenger)} beside {_cell(champion)} on {self.rows:,} rows "
            f"(data `{self.data_hash[:12]}`, gate `{self.gate_hash[:12]}`). "
            f"Intervals hold {self.confidence:.0%}.",
            "",
            "| rule | slice | rows | challenger | champion | gain | interval | verdict |",
            "|---|---|---:|---:|---:|---:|---:|---|",
        ]
        for v in self.verdicts:
            interval = f"{_number(v.low)} to {_number(v.high)}" if v.low is not None else ""
            cells = [v.rule, v.slice, f"{v.rows:,}", _number(v.value), _number(v.champion),
                     _number(v.gain), interval, _MARKS[v.status]]  # fmt: skip
            lines.append("| " + " | ".join(map(_cell, cells)) + " |")
        broken = [v for v in self.verdicts if v.status != "passed"]
        if broken:
            lines += ["", *(f"- **{_cell(v.rule)}**: {_cell(v.said)}" for v in broken)]
        if figure:
            lines += ["", f"![{_cell(self.figure_text())}]({figure})"]
        return "\n".join(lines) + "\n"

    def figure_text(self) -> str:
        """Say in a sentence what the figure shows, for those who don't see it."""
        drawn = self._drawn()
        broken = [_label(v) for v in drawn if not v.passed]
        told = f"{len(drawn)} intervals beside the bound of their rule"
        if not broken:
            return f"{told}; every one keeps it."
        return f"{told}; these don't keep it: {', '.join(broken)}."

    def _drawn(self) -> list[Verdict]:
        return [v for v in self.verdicts if v.low is not None and v.high is not None]

    def draw(self) -> Any:
        """Draw each interval beside its rule's bound, in units of the distance between them.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        MissingToolError
            If matplotlib isn't installed.
        """
        try:
            figures = importlib.import_module("matplotlib.figure")
        except ModuleNotFoundError as error:
            raise MissingToolError(
                "the figure is drawn with matplotlib, and it isn't installed. "
                "Install it with: pip install matplotlib"
            ) from error
        drawn = self._drawn() or []
        figure = figures.Figure(figsize=(7, 1.0 + 0.32 * max(len(drawn), 1)), layout="constrained")
        axes = figure.subplots()
        for row, v in enumerate(reversed(drawn)):
            centre = v.gain if v.kind == "gain_at_least" else v.value
            assert centre is not None and v.low is not None and v.high is not None
            # Units differ from rule to rule: each is drawn in its own largest distance.
            sign = -1.0 if v.kind == "at_most" else 1.0
            room = [sign * (x - v.bound) for x in (v.low, centre, v.high)]
            scale = max(map(abs, room)) or 1.0
            low, mid, high = (x / scale for x in room)
            colour, marker = ("#0072b2", "o") if v.passed else ("#d55e00", "X")
            axes.plot([low, high], [row, row], color=colour, lw=2)
            axes.plot([mid], [row], marker, color=colour)
        axes.axvline(0, color="black", lw=1, ls="--")
        axes.set_yticks(range(len(drawn)), [_label(v) for v in reversed(drawn)])
        axes.set_xticks([])
        axes.set_xlabel("← worse than the bound (dashed)      better than the bound →")
        axes.set_title(f"Gate {self.gate}: {self.outcome}", loc="left")
        return figure

    def to_junit(self) -> str:
        """Write the report as JUnit XML, which build servers show beside the tests."""
        count = {status: sum(v.status == status for v in self.verdicts) for status in _MARKS}
        suite = ElementTree.Element(
            "testsuite", name=f"gate {self.gate}", tests=str(len(self.verdicts)),
            failures=str(count["failed"]), errors=str(count["refused"]),
            skipped=str(count["skipped"]),
        )  # fmt: skip
        kinds = {"failed": "failure", "refused": "error", "skipped": "skipped"}
        for v in self.verdicts:
            case = ElementTree.SubElement(
                suite, "testcase", classname=f"gate.{self.gate}", name=_label(v)
            )
            if v.status in kinds:
                ElementTree.SubElement(case, kinds[v.status], message=v.said)
        root = ElementTree.Element("testsuites")
        root.append(suite)
        ElementTree.indent(root)
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            + ElementTree.tostring(root, "unicode")
            + "\n"
        )

    def save(self, path: str | os.PathLike[str]) -> tuple[Path, ...]:
        """Write the Markdown report, its figure and its JSON beside each other.

        Parameters
        ----------
        path : str or path
            The Markdown file; the others have its name with .png and .json.

        Returns
        -------
        tuple of pathlib.Path
            What was written. There is no figure where no rule has an interval.
        """
        page = Path(path)
        page.parent.mkdir(parents=True, exist_ok=True)
        written = [page, page.with_suffix(".json")]
        picture = page.with_suffix(".png")
        if self._drawn():
            buffer = io.BytesIO()
            self.draw().savefig(buffer, format="png", dpi=120, metadata={"Software": None})
            _write(picture, buffer.getvalue())
            written.append(picture)
        _write(page.with_suffix(".json"), self.to_json().encode())
        text = self.to_markdown(figure=picture.name if self._drawn() else "")
        _write(page, text.encode())
        return tuple(written)


def _label(v: Verdict) -> str:
    return f"{v.rule} [{v.slice}]" if v.slice else v.rule


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _cell(text: str) -> str:
    """Keep a text from being read as Markdown or HTML."""
    for mark in "\\`*_|<>[]":
        text = text.replace(mark, f"\\{mark}")
    return " ".join(text.split())


def _write(path: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
