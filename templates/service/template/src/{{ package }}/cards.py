"""The cards in docs/: what code knows is written between marks; the rest is people's, and stays."""

import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlops_kit import registry, tracking
from mlops_kit.errors import DataError

from .config import Settings
from .contract import CONTRACT, KNOWN, LABEL, REQUEST, TIME
from .evaluation import Evaluation, evaluate
from .training import model_rows, open_store

__all__ = ["fill", "write_cards"]

_BLOCK = re.compile(
    r"(?P<begin><!-- filled: (?P<name>[a-z-]+) -->\n).*?(?P<end><!-- /filled -->)", re.DOTALL
)


def write_cards(settings: Settings, folder: Path, which: int | str = "champion") -> list[Path]:
    """Fill model-card.md and data-card.md for a version.

    Raises
    ------
    DataError
        If a card is missing, or a mark in it isn't known.
    """
    open_store(settings)
    version = registry.get(settings.model_name, which)
    found = evaluate(settings, version.version)
    blocks = {
        "model-card.md": {"identity": _identity(version), "quality": _quality(found, slices=False),
                          "slices": _quality(found, slices=True), "trail": _trail(version)},
        "data-card.md": {"state": _state(settings, version), "columns": _columns()},
    }  # fmt: skip
    return [_rewrite(folder / name, filled) for name, filled in blocks.items()]


def fill(text: str, blocks: Mapping[str, str], *, name: str = "the card") -> str:
    """Put each block between its marks, and leave everything else as it is.

    Raises
    ------
    DataError
        If a block has no marks, or marks have no block.
    """
    marked = [match["name"] for match in _BLOCK.finditer(text)]
    if sorted(marked) != sorted(blocks):
        raise DataError(
            f"{name} has the marks {', '.join(marked) or 'none'}, and {', '.join(blocks)} were "
            "wanted, each once. Put them back from the repository."
        )
    return _BLOCK.sub(
        lambda match: f"{match['begin']}\n{blocks[match['name']]}\n\n{match['end']}", text
    )


def _identity(version: registry.Version) -> str:
    run, lineage = tracking.get_run(version.run_id), version.lineage
    dirty = " with changes that weren't committed" if lineage.git_dirty else ""
    commit = f"`{lineage.git_commit}`{dirty}" if lineage.git_commit else "not in a git repository"
    rows = [
        ("Name and version", f"`{version.uri}`, {' and '.join(version.aliases) or 'no alias'}"),
        ("Registered", f"{version.registered} UTC"),
        ("Made by run", f"`{version.run_id}`"),
        ("Hash of its files", f"`{version.model_hash}`"),
        ("Code", commit),
        ("Data", f"`{lineage.data_hash}`"),
        ("Environment, seed", f"`{lineage.environment}`, {lineage.seed}"),
        ("Parameters", ", ".join(f"{key} {value}" for key, value in sorted(run.params.items()))),
    ]
    return _table(("Field", "Answer"), rows)


def _quality(found: Evaluation, *, slices: bool) -> str:
    rows = [
        (m.metric, m.slice, f"{m.rows:,}", f"{m.value:.4g}", f"{m.low:.4g} to {m.high:.4g}")
        for m in found.measured
        if bool(m.slice) == slices
    ]
    head = ("Metric", "Slice", "Rows", "Value", f"Interval ({found.confidence:.0%})")
    return _table(head, rows) if rows else "Nothing is measured here."


def _trail(version: registry.Version) -> str:
    trail = registry.history(version.name)
    own = trail[trail["version"] == version.version]
    rows = [(row.when, row.who, row.what, row.why) for row in own.itertuples()]
    return _table(("When (UTC)", "Who", "What", "Why"), rows)


def _state(settings: Settings, version: registry.Version) -> str:
    data = model_rows(settings, version)
    rows = [
        ("Content hash", f"`{version.lineage.data_hash}`"),
        ("Rows", f"{len(data):,}"),
        ("From, to", f"{data[TIME].min()} to {data[TIME].max()} (`{TIME}`)"),
        ("Label", f"`{LABEL}`, mean {data[LABEL].astype(float).mean():.4g}"),
    ]
    if KNOWN is not None:
        late = data[KNOWN] - data[TIME]
        rows.append(("Delay of labels", f"half within {late.median()}, the longest {late.max()}"))
    return _table(("Field", "Answer"), rows)


def _columns() -> str:
    rows = []
    for column in CONTRACT.columns:
        low, high = column.minimum, column.maximum
        bounds = "" if low is None and high is None else f"{low} to {high}"
        if column.allowed:
            bounds = ", ".join(map(str, column.allowed))
        asked = "yes" if column.name in REQUEST.names else "no"
        personal = "yes" if column.personal else "no"
        name, kind, unit = f"`{column.name}`", column.dtype, column.unit
        rows.append((name, kind, unit, bounds, asked, personal, column.note))
    head = ("Column", "Kind", "Unit", "Range or values", "In a request", "Personal", "Note")
    return _table(head, rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(value: object) -> str:
    return " ".join(str(value).split()).replace("|", "\\|")


def _rewrite(card: Path, blocks: Mapping[str, str]) -> Path:
    try:
        text = card.read_text("utf-8")
    except OSError as error:
        raise DataError(f"the card {card} can't be read: {error.strerror}.") from None
    filled = fill(text, blocks, name=str(card))
    handle, part = tempfile.mkstemp(dir=card.parent, prefix=f".{card.name}-")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(filled)
    Path(part).replace(card)
    return card
