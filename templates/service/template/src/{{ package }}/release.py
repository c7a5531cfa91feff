"""From challenger to champion: the gate, beside the champion, on the same rows."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlops_kit import registry
from mlops_kit.errors import GateError, RegistryError
from mlops_kit.gate_rules import read_yaml
from mlops_kit.gates import Gate, GateReport
from mlops_kit.registry_calls import client, reaching

from .config import Settings
from .contract import LABEL, REQUEST, SLICES, TASK
from .evaluation import held_out
from .training import open_store

__all__ = [
    "Released",
    "canary_verdict",
    "find",
    "keep_verdict",
    "read_gate",
    "release",
    "roll_back",
]

_TRIALS = 40
_VERDICT = "canary"


@dataclass(frozen=True)
class Released:
    """What came of a release: the champion now, and why it is that."""

    promoted: bool
    champion: int | None
    challenger: int
    reason: str
    report: GateReport
    waits: bool = False
    """Whether only the canary's word is missing."""


def read_gate(settings: Settings) -> Gate:
    """Read conf/gates.yml; task, label and slices come from contract.py.

    Raises
    ------
    GateError
        If it can't be used.
    """
    file = settings.conf / "gates.yml"
    declared = read_yaml(file)
    if not isinstance(declared, dict):
        raise GateError(f"{file} must be keys with values.")
    sliced = declared.pop("slice_rules", None) or []
    rules = list(declared.pop("rules", None) or [])
    if SLICES:
        rules += [{**rule, "slices": list(SLICES)} for rule in sliced]
    try:
        return Gate.from_dict({**declared, "task": TASK, "label": LABEL, "rules": rules})
    except (GateError, TypeError) as error:
        raise GateError(f"{file}: {error}") from None


def release(settings: Settings) -> Released:
    """Judge the challenger; promote it if the gate, and the canary where required, say so."""
    open_store(settings)
    name = settings.model_name
    challenger = registry.get(name, "challenger")
    champion = find(name, "champion")
    rows = held_out(settings, challenger)
    if TASK == "classification":
        rows = rows.assign(**{LABEL: rows[LABEL].astype(int)})
    latency = one_row_ms(registry.load(name, challenger.version), rows)
    report = registry.judge(
        name, challenger.version, read_gate(settings), rows, measured={"latency_ms": latency}
    )
    _write(report, settings.reports)
    before = None if champion is None else champion.version
    if not report.passed:
        said = "; ".join(f"{v.rule}: {v.said}" for v in report.verdicts if not v.passed)
        return Released(False, before, challenger.version, f"the gate: {said}", report)
    needed = settings.canary.required and champion is not None
    if needed and canary_verdict(challenger, before) != "promote":
        reason = "the gate is passed, and the canary hasn't said promote yet."
        return Released(False, before, challenger.version, reason, report, waits=True)
    why = f"gate {report.gate} passed, report {report.hash[:12]}"
    promoted = registry.promote(name, challenger.version, report, why=why)
    return Released(True, promoted.version, promoted.version, why, report)


def find(name: str, alias: str) -> registry.Version | None:
    """Find the version that has an alias; None if none has."""
    try:
        return registry.get(name, alias)
    except RegistryError:
        return None


def roll_back(settings: Settings, why: str) -> registry.Version:
    """Make the champion before champion again."""
    open_store(settings)
    return registry.rollback(settings.model_name, why=why)


def one_row_ms(model: Any, rows: pd.DataFrame) -> float:
    """Measure how long the model takes for one row, as a rule, in milliseconds."""
    ask = model.predict_proba if TASK == "classification" else model.predict
    table = rows[list(REQUEST.names)]
    times = []
    for trial in range(_TRIALS):
        row = table.iloc[[trial % len(table)]]
        begin = time.perf_counter()
        ask(row)
        times.append(time.perf_counter() - begin)
    return float(np.median(times) * 1000)


def keep_verdict(version: registry.Version, champion: int, decision: str) -> None:
    """Write the canary's verdict onto the version, for a release on whatever machine."""
    told = json.dumps({"decision": decision, "champion": champion})
    with reaching(f"keeping the canary's verdict on {version.uri}"):
        client().set_model_version_tag(version.name, str(version.version), _VERDICT, told)


def canary_verdict(version: registry.Version, champion: int | None) -> str:
    """Read the canary's verdict beside this champion; empty if there is none."""
    with reaching(f"reading the canary's verdict on {version.uri}"):
        tags = client().get_model_version(version.name, str(version.version)).tags
    kept = json.loads(tags.get(_VERDICT, "{}"))
    return str(kept.get("decision", "")) if kept.get("champion") == champion else ""


def _write(report: GateReport, folder: Path) -> None:
    report.save(folder / "gate.md")
    (folder / "junit.xml").write_text(report.to_junit(), encoding="utf-8")
