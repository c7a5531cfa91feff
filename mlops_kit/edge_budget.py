"""Budgets for a device as gates: size, RAM, latency, accuracy, parity."""

import math
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mlops_kit.edge_parity import Exported, parity
from mlops_kit.edge_plan import Operations, Plan, plan_of
from mlops_kit.errors import DataError, EdgeError

__all__ = [
    "Budget",
    "BudgetReport",
    "Device",
    "Verdict",
    "explained_share",
    "load_budget",
    "measure",
    "row_latency_us",
]

_AT_MOST = {
    "size_bytes": "Smaller: int8 for an MLP; fewer or shallower trees, pruning (ccp_alpha).",
    "ram_bytes": "Narrower layers, fewer features; use one buffer for features and sensor.",
    "latency_us": "Fewer multiplications: narrower layers, fewer features, fewer trees.",
    "host_latency_us": "Fewer operations; or another format: C is faster than a runtime.",
    "multiply_adds": "Narrower or fewer layers, fewer features.",
    "comparisons": "Fewer or shallower trees.",
    "largest_difference": "Float instead of int8, or calibration rows that are more like the data.",
}
_AT_LEAST = {
    "accuracy": "A larger model, better features, or teach the small one with a large one.",
    "agreement": "Float instead of int8, or calibration rows that are more like the data.",
    "worst_corner": "Look at the parity report: it names the corner and a row.",
}


@dataclass(frozen=True, slots=True)
class Device:
    """A cost model of a processor: operations counted, times cycles, divided by the clock.

    The cycles are assumptions to be stated, not measurements; on the device itself, measure.

    Attributes
    ----------
    name : str
        For reports.
    clock_mhz : float
        Cycles in a microsecond.
    multiply_add, comparison, addition, activation : float
        Cycles for one of each, with its loads.

    Examples
    --------
    >>> board = Device("a 64 MHz microcontroller with a floating-point unit", clock_mhz=64)
    >>> board.latency_us(Operations(multiply_adds=640))
    50.0

    Notes
    -----
    Taught in @sec-edge.
    """

    name: str
    clock_mhz: float
    multiply_add: float = 5
    comparison: float = 12
    addition: float = 6
    activation: float = 150

    def latency_us(self, operations: Operations) -> float:
        """Estimate a row's time in microseconds, at most."""
        cycles = (
            operations.multiply_adds * self.multiply_add
            + operations.comparisons * self.comparison
            + operations.additions * self.addition
            + operations.activations * self.activation
        )
        return cycles / self.clock_mhz


@dataclass(frozen=True, slots=True)
class Verdict:
    """One budget held against its measurement."""

    name: str
    measured: float | None
    limit: float
    at_most: bool
    ok: bool
    advice: str

    def __str__(self) -> str:
        sign = "<=" if self.at_most else ">="
        found = "wasn't measured" if self.measured is None else f"{self.measured:,.6g}"
        mark = "ok  " if self.ok else "OVER" if self.at_most else "LOW "
        line = f"{mark} {self.name}: {found} (wanted {sign} {self.limit:,.6g})"
        return line if self.ok else f"{line}. {self.advice}"


@dataclass(frozen=True, slots=True)
class BudgetReport:
    """All verdicts; its text has a line for each."""

    name: str
    verdicts: tuple[Verdict, ...]

    @property
    def ok(self) -> bool:
        """Whether every budget is kept."""
        return all(one.ok for one in self.verdicts)

    def require(self) -> None:
        """Go on only if every budget is kept.

        Raises
        ------
        EdgeError
            If one isn't; the message holds its verdict.
        """
        broken = [str(one) for one in self.verdicts if not one.ok]
        if broken:
            count = f"{len(broken)} of {len(self.verdicts)} budgets aren't kept"
            raise EdgeError(f"{self.name}: {count}. " + " ".join(broken))

    def to_dict(self) -> dict[str, Any]:
        """Give the report as plain data, for JSON."""
        return {"name": self.name, "ok": self.ok, "verdicts": [asdict(v) for v in self.verdicts]}

    def __str__(self) -> str:
        lines = [f"{self.name}: {'within budget' if self.ok else 'NOT within budget'}"]
        return "\n".join([*lines, *(f"  {one}" for one in self.verdicts)])


@dataclass(frozen=True, slots=True)
class Budget:
    """What a model may take and must give on a device.

    Attributes
    ----------
    name : str
        For reports.
    limits : mapping of str to float
        ``size_bytes``, ``ram_bytes``, ``latency_us`` (by the cost model), ``host_latency_us``,
        ``multiply_adds``, ``comparisons``, ``largest_difference``: at most. ``accuracy``,
        ``agreement``, ``worst_corner``: at least.
    device : Device or None
        The cost model behind ``latency_us``.
    """

    name: str
    limits: Mapping[str, float]
    device: Device | None = None

    def check(self, measured: Mapping[str, float | None]) -> BudgetReport:
        """Hold measurements against the limits; what is missing or NaN doesn't pass.

        Examples
        --------
        >>> budget = load_budget({"name": "badge", "budgets": {"size_bytes": 2048}})
        >>> print(budget.check({"size_bytes": 1024}))
        badge: within budget
          ok   size_bytes: 1,024 (wanted <= 2,048)
        """
        return BudgetReport(
            self.name, tuple(_verdict(key, limit, measured) for key, limit in self.limits.items())
        )


def _verdict(name: str, limit: float, measured: Mapping[str, float | None]) -> Verdict:
    at_most = name in _AT_MOST
    found = measured.get(name)
    if found is None or math.isnan(found):
        advice = "Measure it; a budget without a measurement isn't kept."
        return Verdict(name, None, limit, at_most, False, advice)
    ok = found <= limit if at_most else found >= limit
    advice = (_AT_MOST if at_most else _AT_LEAST)[name]
    return Verdict(name, float(found), limit, at_most, bool(ok), advice)


def load_budget(source: str | os.PathLike[str] | Mapping[str, Any]) -> Budget:
    """Read budgets from a YAML file, or from a mapping of the same shape.

    Parameters
    ----------
    source : path or mapping
        ``name``, ``budgets`` (a number for each) and, for ``latency_us``, ``device`` (``name``,
        ``clock_mhz`` and, if wanted, cycles).

    Raises
    ------
    EdgeError
        If the file can't be read, a name isn't known, or a limit isn't a finite number.

    Notes
    -----
    Taught in @sec-edge.
    """
    where = "the budget" if isinstance(source, Mapping) else f"{os.fspath(source)}"
    content = source if isinstance(source, Mapping) else _read(Path(source))
    if not isinstance(content, Mapping) or not isinstance(content.get("budgets"), Mapping):
        raise EdgeError(f"{where}: a mapping with the key 'budgets' was wanted.")
    unknown = sorted(set(content) - {"name", "budgets", "device"}, key=str)
    if unknown:
        raise EdgeError(f"{where}: unknown keys {unknown}; there are name, budgets, device.")
    limits = {}
    for name, limit in content["budgets"].items():
        if name not in _AT_MOST | _AT_LEAST:
            known = ", ".join([*_AT_MOST, *_AT_LEAST])
            raise EdgeError(f"{where}: there is no budget {name!r}; there are: {known}.")
        number = isinstance(limit, int | float) and not isinstance(limit, bool)
        if not number or not math.isfinite(limit):
            raise EdgeError(f"{where}: {name} must be a finite number, got {limit!r}.")
        limits[str(name)] = float(limit)
    if not limits:
        raise EdgeError(f"{where}: no budget is given, so anything would pass.")
    device = _device(content.get("device"), where)
    if "latency_us" in limits and device is None:
        raise EdgeError(f"{where}: latency_us needs a device with its clock_mhz.")
    return Budget(str(content.get("name", "model")), limits, device)


def _read(path: Path) -> Any:
    import yaml

    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise EdgeError(f"{path} can't be read: {error}.") from error
    except yaml.YAMLError as error:
        said = " ".join(str(error).split())[:200]
        raise EdgeError(f"{path} isn't YAML: {said}.") from error


def _device(content: Any, where: str) -> Device | None:
    if content is None:
        return None
    fields = set(Device.__dataclass_fields__)
    if not isinstance(content, Mapping) or not {"name", "clock_mhz"} <= set(content) <= fields:
        raise EdgeError(
            f"{where}: device needs name and clock_mhz, and may have "
            f"{', '.join(sorted(fields - {'name', 'clock_mhz'}))}; got {content!r}."
        )
    for key, value in content.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if key != "name" and not (number and 0 < value < math.inf):
            raise EdgeError(f"{where}: device.{key} must be a number above 0, got {value!r}.")
    return Device(**content)


def measure(
    model: Any,
    exported: Exported,
    data: ArrayLike,
    labels: ArrayLike,
    *,
    device: Device | None = None,
    clock: bool = False,
    corners: bool = False,
) -> dict[str, float | None]:
    """Measure an exported model in the budgets' terms.

    Parameters
    ----------
    model : scikit-learn estimator
        The trained model, for parity.
    exported : Exported
        Its export: compiled C, or ONNX.
    data, labels : array-like of shape (n_rows, n_features) and (n_rows,)
        Rows that the model wasn't fitted on.
    device : Device, optional
        For ``latency_us``: the cost model, with counted operations.
    clock : bool, default=False
        Whether to time single rows on this machine, for ``host_latency_us``.
    corners : bool, default=False
        Whether to look at corners, for ``worst_corner``: the lowest agreement over ``"ties"`` and
        ``"rounding"``.

    Returns
    -------
    dict
        By the budgets' names; None for what can't be known of this export.

    Notes
    -----
    Taught in @sec-edge.
    """
    rows, wanted = np.asarray(data), np.asarray(labels)
    if len(rows) != len(wanted) or not len(rows):
        raise DataError(f"measure: {len(rows)} rows and {len(wanted)} labels; as many were wanted.")
    report = parity(model, exported, rows, corners=corners)
    plan: Plan | None = getattr(exported, "plan", None)
    if plan is None:
        try:
            plan = plan_of(model)
        except EdgeError:
            plan = None
    operations = plan.operations if plan else None
    answered = exported.predict(rows)
    right = (
        float((answered == wanted).mean())
        if exported.classes
        else explained_share(answered, wanted)
    )
    return {
        "size_bytes": float(getattr(exported, "size_bytes", math.nan)),
        "ram_bytes": float(getattr(exported, "ram_bytes", math.nan)),
        "multiply_adds": float(operations.multiply_adds) if operations else None,
        "comparisons": float(operations.comparisons) if operations else None,
        "latency_us": device.latency_us(operations) if device and operations else None,
        "host_latency_us": row_latency_us(exported, rows) if clock else None,
        "accuracy": right,
        "agreement": report.agreement,
        "largest_difference": report.largest_difference,
        "worst_corner": (
            min(report.corner(name).agreement for name in ("ties", "rounding")) if corners else None
        ),
    }


def explained_share(answered: Any, wanted: Any) -> float:
    """Give the share of variance explained, which stands for accuracy where values are answered.

    Parameters
    ----------
    answered, wanted : ndarray of shape (n_rows,)
        What came out, and what should have.

    Returns
    -------
    float
        1 at best; NaN if the wanted values are all the same.
    """
    spread = float(((wanted - wanted.mean()) ** 2).sum())
    return 1 - float(((wanted - answered) ** 2).sum()) / spread if spread else math.nan


def row_latency_us(exported: Exported, rows: Any, *, seconds: float = 0.2) -> float:
    """Time single rows on this machine; the best of several rounds, as all else only adds.

    Parameters
    ----------
    exported : Exported
        Compiled C, or ONNX.
    rows : array-like of shape (n_rows, n_features)
        Up to a hundred are used.
    seconds : float, default=0.2
        How long to go on.

    Returns
    -------
    float
        Microseconds a row.
    """
    single = np.ascontiguousarray(np.asarray(rows)[:100], np.float32)
    repeat = getattr(exported, "repeat", None)

    def once() -> int:
        if repeat is not None:
            return int(repeat(single, 10))
        for place in range(len(single)):
            exported.outputs(single[place : place + 1])
        return len(single)

    once()
    best, end = math.inf, time.perf_counter() + seconds
    while time.perf_counter() < end:
        begin = time.perf_counter()
        count = once()
        best = min(best, (time.perf_counter() - begin) / count)
    return best * 1e6
