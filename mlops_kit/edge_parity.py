"""Parity: whether an exported model answers as the trained one does, also where it's hard."""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mlops_kit.edge_plan import Trees, plan_of
from mlops_kit.errors import DataError, EdgeError

__all__ = ["Corner", "Exported", "ParityReport", "corner_rows", "parity"]

_CORNER_ROWS = 200
_HALVINGS = 40
_TIES_A_ROW = 8


class Exported(Protocol):
    """What parity needs of an export: C, ONNX, or your own."""

    @property
    def classes(self) -> tuple[Any, ...]:
        """The labels in the order of the outputs; empty for a regressor."""

    def outputs(self, rows: ArrayLike) -> NDArray[np.float32]:
        """Give an output row for each row; NaN where it refuses."""

    def predict(self, rows: ArrayLike) -> NDArray[Any]:
        """Give a label or a value for each row."""


@dataclass(frozen=True, slots=True)
class Corner:
    """How two models compare on one set of rows.

    Attributes
    ----------
    name : str
        Which rows: ``"data"``, ``"ties"``, ``"rounding"``, ``"border"``, ``"extremes"``,
        ``"missing"``.
    rows : int
        How many.
    agreement : float
        Share of the rows that both answer with the same label; for a regressor, within the
        tolerance. A row that both refuse agrees, one that only one of them refuses doesn't.
    largest_difference : float
        Between the outputs, over the rows that both answer; NaN if there is none.
    refused_by_model, refused_by_export : int
        Rows without an answer.
    example : int
        The first row that disagrees; -1 if none does.
    """

    name: str
    rows: int
    agreement: float
    largest_difference: float
    refused_by_model: int
    refused_by_export: int
    example: int


@dataclass(frozen=True, slots=True)
class ParityReport:
    """Parity on data and on corners; its text is a table."""

    model: str
    corners: tuple[Corner, ...]

    @property
    def agreement(self) -> float:
        """Share of equal labels on the data."""
        return self.corners[0].agreement

    @property
    def largest_difference(self) -> float:
        """Largest difference of the outputs on the data."""
        return self.corners[0].largest_difference

    def corner(self, name: str) -> Corner:
        """Give one part by its name."""
        for entry in self.corners:
            if entry.name == name:
                return entry
        known = ", ".join(entry.name for entry in self.corners)
        raise EdgeError(f"the report has no part {name!r}; it has: {known}.")

    def to_dict(self) -> dict[str, Any]:
        """Give the report as plain data, for JSON."""
        return {"model": self.model, "corners": [asdict(entry) for entry in self.corners]}

    def __str__(self) -> str:
        head = f"{self.model}: parity with its export\n"
        head += f"{'rows':10} {'n':>5} {'agree':>8} {'largest':>10}  refused (model, export)"
        lines = [
            f"{one.name:10} {one.rows:>5} {one.agreement:>8.4f} {one.largest_difference:>10.2g}"
            f"  {one.refused_by_model}, {one.refused_by_export}"
            for one in self.corners
        ]
        return "\n".join([head, *lines])


def parity(
    model: Any,
    exported: Exported,
    data: ArrayLike,
    *,
    tolerance: float = 1e-3,
    corners: bool = True,
    seed: int = 0,
) -> ParityReport:
    """Compare an exported model with the one it came from, on data and on corners.

    Parameters
    ----------
    model : scikit-learn estimator
        Fitted.
    exported : Exported
        From :func:`mlops_kit.edge.to_c` (compiled) or :func:`mlops_kit.edge.to_onnx`.
    data : array-like of shape (n_rows, n_features)
        Rows as the device will see them, which the model wasn't fitted on.
    tolerance : float, default=1e-3
        For regressors: how far values may be apart and agree, as a share of the model's spread.
    corners : bool, default=True
        Whether to make up corner rows; see :func:`corner_rows`.
    seed : int, default=0
        Fixes what is drawn.

    Returns
    -------
    ParityReport

    Raises
    ------
    DataError
        If there is no data, or its shape is wrong.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> from mlops_kit.edge_onnx import to_onnx
    >>> line = LinearRegression().fit([[0.0], [1.0]], [1.0, 3.0])
    >>> parity(line, to_onnx(line), [[0.5], [2.0]], corners=False).agreement
    1.0

    Notes
    -----
    Taught in @sec-edge.
    """
    rows = _data(data)
    parts: dict[str, NDArray[np.float64]] = {"data": rows}
    if corners:
        parts.update(corner_rows(model, rows, seed=seed))
    spread = 0.0
    found = []
    for name, part in parts.items():
        ours, theirs = _original(model, part), _answers(exported, part)
        if name == "data" and not exported.classes:
            spread = float(np.ptp(ours.labels[~ours.refused])) if (~ours.refused).any() else 0.0
        found.append(_compare(name, ours, theirs, tolerance * (spread or 1.0)))
    last = model.steps[-1][1] if hasattr(model, "steps") else model
    return ParityReport(type(last).__name__, tuple(found))


def _data(data: ArrayLike) -> NDArray[np.float64]:
    try:
        rows = np.asarray(data, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"parity: rows of numbers were wanted: {error}.") from error
    if rows.ndim != 2 or not rows.size:
        raise DataError(f"parity: rows of shape (n, n_features) were wanted, got {rows.shape}.")
    return rows


def corner_rows(model: Any, data: ArrayLike, *, seed: int = 0) -> Mapping[str, NDArray[np.float64]]:
    """Make up the rows on which exports go wrong.

    Parameters
    ----------
    model : scikit-learn estimator
        Fitted.
    data : array-like of shape (n_rows, n_features)
        What ordinary rows look like.
    seed : int, default=0
        Fixes what is drawn.

    Returns
    -------
    mapping of str to ndarray of shape (n, n_features)
        ``"ties"``: features set to thresholds on the row's way exactly, or half-way to another row.
        ``"rounding"``: numbers that single precision can't hold.
        ``"border"``: rows on either side of the line between two answers (classifiers).
        ``"extremes"``: the range's ends, ten ranges beyond, and the largest float.
        ``"missing"``: NaN and infinities in single features and in whole rows.

    Notes
    -----
    Taught in @sec-edge.
    """
    rows = _data(data)
    draw = np.random.default_rng(seed)
    some = rows[draw.integers(len(rows), size=_CORNER_ROWS)]
    found = {
        "ties": _ties(model, rows, some, draw),
        "rounding": some * (1 + draw.uniform(-1, 1, some.shape) * 2.0**-25),
    }
    border = _border(model, rows, draw)
    if len(border):
        found["border"] = border
    found["extremes"] = _extremes(rows, some, draw)
    found["missing"] = _missing(some, draw)
    return found


def _ties(
    model: Any, rows: NDArray[np.float64], some: NDArray[np.float64], draw: np.random.Generator
) -> NDArray[np.float64]:
    made = some.copy()
    try:
        body = plan_of(model).body
    except EdgeError:
        body = ()
    if isinstance(body, Trees):
        for row in made:
            for tree in draw.integers(len(body.roots), size=_TIES_A_ROW):
                split = draw.choice(_path(body, int(body.roots[tree]), row) or [-1])
                if split >= 0 and np.isfinite(body.threshold[split]):
                    row[body.feature[split]] = body.threshold[split]
        return made
    other = rows[draw.integers(len(rows), size=len(made))]
    return np.asarray(((made + other) / 2).astype(np.float32).astype(np.float64))


def _path(trees: Trees, root: int, row: NDArray[np.float64]) -> list[int]:
    """Give the splits that a row meets in a tree."""
    met, node = [], root
    while node >= 0:
        met.append(node)
        left = row[trees.feature[node]] <= trees.threshold[node]
        child = int(trees.left[node] if left else trees.right[node])
        node = child if child < 0 else root + child
    return met


def _border(
    model: Any, rows: NDArray[np.float64], draw: np.random.Generator
) -> NDArray[np.float64]:
    """Halve the way between two rows with other answers until single precision ends."""
    first, second = (rows[draw.integers(len(rows), size=_CORNER_ROWS)] for _ in range(2))
    answers = _original(model, first), _original(model, second)
    if answers[0].labels.dtype.kind == "f" and not hasattr(model, "classes_"):
        return rows[:0]
    apart = (answers[0].labels != answers[1].labels) & ~answers[0].refused & ~answers[1].refused
    low, high, label = first[apart], second[apart], answers[0].labels[apart]
    if not len(low):
        return rows[:0]
    for _ in range(_HALVINGS):
        middle = ((low + high) / 2).astype(np.float32).astype(np.float64)
        same = (_original(model, middle).labels == label)[:, None]
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    return np.concatenate([low, high])


def _extremes(
    rows: NDArray[np.float64], some: NDArray[np.float64], draw: np.random.Generator
) -> NDArray[np.float64]:
    low, high = np.nanmin(rows, axis=0), np.nanmax(rows, axis=0)
    far = np.where(high > low, high - low, 1.0)
    picked = draw.random(some.shape)
    largest = float(np.finfo(np.float32).max)
    return np.concatenate(
        [
            np.vstack([low, high, np.zeros_like(low), low - 10 * far, high + 10 * far]),
            np.where(picked < 0.2, high + 10 * far, np.where(picked > 0.8, low - 10 * far, some)),
            np.vstack([np.full_like(low, largest), np.full_like(low, -largest)]),
        ]
    )


def _missing(some: NDArray[np.float64], draw: np.random.Generator) -> NDArray[np.float64]:
    made = some.copy()
    values = np.array([np.nan, np.inf, -np.inf])
    columns = draw.integers(made.shape[1], size=len(made))
    made[np.arange(len(made)), columns] = values[np.arange(len(made)) % 3]
    made[:3] = values[:, None]
    return made


@dataclass(frozen=True, slots=True)
class _Answers:
    labels: NDArray[Any]
    outputs: NDArray[np.float64]
    refused: NDArray[Any]


def _original(model: Any, rows: NDArray[np.float64]) -> _Answers:
    """Ask the trained model; row by row where it refuses the lot."""
    give = getattr(model, "predict_proba", None) or (
        _scores(model) if hasattr(model, "classes_") else model.predict
    )
    with np.errstate(all="ignore"):
        try:
            outputs = np.asarray(give(rows), np.float64).reshape(len(rows), -1)
            return _Answers(np.asarray(model.predict(rows)), outputs, np.zeros(len(rows), bool))
        except ValueError:
            pass
        refused = np.array([not _takes(model, row) for row in rows])
        taken = rows[~refused]
        if not len(taken):
            return _Answers(np.zeros(len(rows)), np.full((len(rows), 1), np.nan), refused)
        answered = np.asarray(model.predict(taken))
        some = np.asarray(give(taken), np.float64).reshape(len(taken), -1)
    labels = np.empty(len(rows), dtype=answered.dtype)
    labels[refused] = answered[0]
    labels[~refused] = answered
    outputs = np.full((len(rows), some.shape[1]), np.nan)
    outputs[~refused] = some
    return _Answers(labels, outputs, refused)


def _scores(model: Any) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    def give(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        scores = np.asarray(model.decision_function(rows))
        return np.column_stack([-scores, scores]) if scores.ndim == 1 else scores

    return give


def _takes(model: Any, row: NDArray[np.float64]) -> bool:
    try:
        model.predict(row[None])
    except ValueError:
        return False
    return True


def _answers(exported: Exported, rows: NDArray[np.float64]) -> _Answers:
    outputs = np.asarray(exported.outputs(rows), np.float64)
    refused = np.logical_not(np.isfinite(outputs).all(axis=1))
    if refused.all():
        return _Answers(np.zeros(len(rows)), outputs, refused)
    answered = np.asarray(exported.predict(rows[~refused]))
    labels = np.empty(len(rows), dtype=answered.dtype)
    labels[refused] = answered[0]
    labels[~refused] = answered
    return _Answers(labels, outputs, refused)


def _compare(name: str, ours: _Answers, theirs: _Answers, tolerance: float) -> Corner:
    both = ~ours.refused & ~theirs.refused
    same = ours.refused & theirs.refused
    largest = math.nan
    if both.any():
        width = min(ours.outputs.shape[1], theirs.outputs.shape[1])
        gaps = np.abs(ours.outputs[both, :width] - theirs.outputs[both, :width])
        largest = float(gaps.max())
        if ours.labels.dtype.kind == "f" and theirs.labels.dtype.kind == "f":
            same[both] = np.abs(ours.labels[both] - theirs.labels[both]) <= tolerance
        else:
            same[both] = ours.labels[both] == theirs.labels[both]
    return Corner(
        name=name,
        rows=len(same),
        agreement=float(same.mean()),
        largest_difference=largest,
        refused_by_model=int(ours.refused.sum()),
        refused_by_export=int(theirs.refused.sum()),
        example=-1 if same.all() else int((~same).argmax()),
    )
