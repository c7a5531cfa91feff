"""The register of models: versions with their lineage, one champion, and a trail of every change.

It stands on MLflow's registry: a version made here is an ordinary MLflow version, an alias an
ordinary alias. What is added: nothing becomes champion except through a gate, the champion before
can be had back, every change is on a trail that can't be edited unnoticed, and whatever breaks in
the middle, the alias ``champion`` points to the old or the new version, never to none.

A change is written down as an intention first, then the alias is moved (one transaction in the
registry's database), then the change is written down as done. What was cut off in between is
settled by the next change, or by :func:`recover`.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from mlops_kit import registry_trail as trail
from mlops_kit.errors import RegistryError
from mlops_kit.gates import Gate, GateReport, Subject
from mlops_kit.registry_calls import client, one_writer, reaching
from mlops_kit.registry_models import answers, files_hash, load_model
from mlops_kit.registry_reading import (
    Checked,
    Origin,
    champion_at,
    check,
    history,
    is_whole,
    trace,
)
from mlops_kit.registry_versions import (
    CHALLENGER,
    CHAMPION,
    Version,
    append,
    get,
    person,
    read_trail,
    register,
    versions,
    versions_of,
)
from mlops_kit.stores import current_store

__all__ = [
    "Checked",
    "Origin",
    "Version",
    "champion_at",
    "check",
    "get",
    "history",
    "judge",
    "load",
    "nominate",
    "promote",
    "recover",
    "register",
    "require_gate",
    "rollback",
    "trace",
    "versions",
    "withdraw",
]

_SETTLED = "The champion is the old or the new version, nothing between; recover() says which."


def nominate(name: str, version: int, *, why: str = "", who: str | None = None) -> Version:
    """Make a version the challenger: it may be compared and shadowed, it doesn't serve.

    Raises
    ------
    RegistryError
        If there is no such version, or the registry can't be reached.

    Notes
    -----
    Taught in @sec-register.
    """
    with one_writer(current_store()), reaching(f"nominating version {version} of {name}"):
        chosen = get(name, version)
        entries = _settled(name, person(who))
        client().set_registered_model_alias(name, CHALLENGER, str(chosen.version))
        append(name, entries, "nominated", chosen.version, who=person(who), why=why)
    return get(name, version)


def withdraw(name: str, *, why: str, who: str | None = None) -> Version:
    """Take the alias of the challenger away, such as after a canary that went badly.

    Raises
    ------
    RegistryError
        If there is none, or the registry can't be reached.

    Notes
    -----
    Taught in @sec-register.
    """
    with one_writer(current_store()), reaching(f"withdrawing the challenger of {name}"):
        chosen = get(name, CHALLENGER)
        entries = _settled(name, person(who))
        client().delete_registered_model_alias(name, CHALLENGER)
        append(name, entries, "withdrawn", chosen.version, who=person(who), why=why)
    return get(name, chosen.version)


def require_gate(name: str, gate: Gate, *, why: str = "", who: str | None = None) -> None:
    """Fix by which gate versions of a model are promoted; another, easier one won't do then.

    Notes
    -----
    Taught in @sec-register. The gate is named by the hash of its declaration: a changed gate has
    to be required anew, and that stands in the trail.
    """
    with one_writer(current_store()), reaching(f"requiring a gate for {name}"):
        versions_of(name)
        append(name, read_trail(name), "gate required", 0, who=person(who), why=why,
               details={"gate": gate.name, "gate_hash": gate.hash})  # fmt: skip


def judge(
    name: str,
    version: int | str,
    gate: Gate,
    frame: pd.DataFrame,
    *,
    measured: Mapping[str, float] | None = None,
) -> GateReport:
    """Judge a version by a gate, beside the present champion, on the same rows.

    Parameters
    ----------
    name, version : str, int or str
        Which version, by number or alias.
    gate : mlops_kit.gates.Gate
        The rules.
    frame : pandas.DataFrame of shape (n_rows, n_columns)
        Rows that neither model was fitted on, with the label.
    measured : mapping, optional
        Numbers that don't come from rows, such as latency.

    Returns
    -------
    GateReport
        It names both models by version and content, so that :func:`promote` can rely on it.

    Raises
    ------
    RegistryError
        If a model can't be found or loaded, or fails on the rows.
    GateError
        If the gate and the rows don't fit.

    Notes
    -----
    Taught in @sec-register.
    """
    challenger = get(name, version)
    champion = _champion(name)
    found = [
        answers(entry.uri, frame, task=gate.task)
        for entry in (challenger, champion)
        if entry is not None
    ]
    return gate.evaluate(
        frame,
        challenger=found[0],
        champion=found[1] if champion is not None else None,
        measured=measured,
        challenger_is=_subject(challenger),
        champion_is=_subject(champion) if champion is not None else None,
    )


def _subject(version: Version) -> Subject:
    return Subject(version.uri, version.model_hash)


def _champion(name: str) -> Version | None:
    return next((v for v in versions_of(name) if CHAMPION in v.aliases), None)


def promote(
    name: str, version: int, report: GateReport, *, why: str, who: str | None = None
) -> Version:
    """Make a version the champion, if a gate says so.

    Parameters
    ----------
    name, version : str, int
        Which version.
    report : mlops_kit.gates.GateReport
        What the gate found for this version beside the present champion; see :func:`judge`.
    why, who : str
        For the trail.

    Returns
    -------
    Version
        The new champion.

    Raises
    ------
    RegistryError
        If the gate wasn't passed (the message names each rule that wasn't), the report is about
        another version, was made beside another champion or by another gate than the one that is
        required, the version's files aren't those that were registered, or the registry can't be
        reached. The champion is then as it was.

    Notes
    -----
    Taught in @sec-register.

    .. code-block:: python

        report = registry.judge("rides", 3, gate, holdout)
        registry.promote("rides", 3, report, why="weekly retrain")
    """
    actor = person(who)
    if not why.strip():
        raise RegistryError("promote: say why; the trail is read by people who weren't there.")
    with (
        one_writer(current_store()),
        reaching(f"promoting version {version} of {name}", then=_SETTLED),
    ):
        entries = _settled(name, actor)
        chosen, champion = get(name, version), _champion(name)
        reasons = _objections(chosen, champion, report, _required_gate(entries))
        if reasons:
            listed = "\n".join(f"  - {reason}" for reason in reasons)
            raise RegistryError(
                f"version {version} of {name!r} isn't promoted:\n{listed}\n"
                f"The champion is as it was: {_called(champion)}."
            )
        text = report.to_json()
        client().log_text(chosen.run_id, text, f"gates/{report.hash}.json")
        details = {
            "gate": report.gate, "gate_hash": report.gate_hash, "report": report.hash,
            "before": str(champion.version) if champion else "", "model": chosen.model_hash,
        }  # fmt: skip
        _move(name, entries, "promoting", chosen, why=why, who=actor, details=details)
        if CHALLENGER in chosen.aliases:
            client().delete_registered_model_alias(name, CHALLENGER)
    return get(name, version)


def _objections(
    chosen: Version, champion: Version | None, report: GateReport, required: Mapping[str, str]
) -> list[str]:
    found = [f"rule {v.rule!r}: {v.said}" for v in report.verdicts if not v.passed]
    if not report.verdicts:
        found.append("the report has no rules")
    if report.challenger is None or report.challenger.uri != chosen.uri:
        judged = report.challenger.uri if report.challenger else "no registered version"
        found.append(f"the report is about {judged}, not about {chosen.uri}")
    elif report.challenger.hash != chosen.model_hash:
        found.append(f"the report is about other files than those registered as {chosen.uri}")
    then = report.champion.uri if report.champion else ""
    now = champion.uri if champion else ""
    if chosen.uri == now:
        found.append(f"{chosen.uri} is the champion already")
    elif then != now:
        beside = then or "no champion"
        found.append(f"it was judged beside {beside}, and the champion now is {now or 'none'}")
    if required and required["gate_hash"] != report.gate_hash:
        found.append(
            f"the gate {report.gate!r} isn't the one that is required, {required['gate']!r} "
            f"({required['gate_hash'][:12]})"
        )
    if files_hash(chosen.source) != chosen.model_hash:
        found.append("its files were changed after it was registered")
    return found


def _required_gate(entries: tuple[trail.Entry, ...]) -> Mapping[str, str]:
    return next((e.details for e in reversed(entries) if e.what == "gate required"), {})


def _called(version: Version | None) -> str:
    return f"version {version.version}" if version is not None else "none"


def _move(
    name: str,
    entries: tuple[trail.Entry, ...],
    what: str,
    chosen: Version,
    *,
    why: str,
    who: str,
    details: Mapping[str, str],
) -> None:
    """Write the intention, move the alias, write that it is done."""
    entries = append(name, entries, what, chosen.version, who=who, why=why, details=details)
    client().set_registered_model_alias(name, CHAMPION, str(chosen.version))
    append(name, entries, trail.DONE[what], chosen.version, who=who, why=why, details=details)


def _settled(name: str, who: str) -> tuple[trail.Entry, ...]:
    """Finish or give up what an earlier process was cut off in, by where the alias points now."""
    entries = read_trail(name)
    left = trail.pending(entries)
    if left is None:
        return entries
    champion = _champion(name)
    carried_out = champion is not None and champion.version == left.version
    what = trail.DONE[left.what] if carried_out else trail.ABANDONED
    why = f"settled after an interruption; begun by {left.who}: {left.why}"
    return append(name, entries, what, left.version, who=who, why=why, details=left.details)


def recover(name: str, *, who: str | None = None) -> Version | None:
    """Settle what was cut off, and give the champion; nothing is changed if nothing was.

    Notes
    -----
    Taught in @sec-register. Every change does this first; call it to be sure now.
    """
    with one_writer(current_store()), reaching(f"recovering {name}"):
        versions_of(name)
        _settled(name, person(who))
        return _champion(name)


def rollback(name: str, *, why: str, who: str | None = None) -> Version:
    """Give the alias ``champion`` back to the version that had it before, without a gate.

    If somebody moved the alias past the gate, it goes back to the last version that went through.
    Versions that are gone, or whose files were changed, are skipped.

    Parameters
    ----------
    name : str
        The registered model.
    why, who : str
        For the trail.

    Returns
    -------
    Version
        The champion now.

    Raises
    ------
    RegistryError
        If there is no earlier champion, or the registry can't be reached; the champion is then
        as it was.

    Notes
    -----
    Taught in @sec-register. Rolling back twice goes back two champions, not to and fro.
    """
    actor = person(who)
    if not why.strip():
        raise RegistryError("rollback: say why; the trail is read by people who weren't there.")
    with one_writer(current_store()), reaching(f"rolling {name} back", then=_SETTLED):
        known = {entry.version: entry for entry in versions_of(name)}
        entries, champion = _settled(name, actor), _champion(name)
        stack = trail.champions(entries)
        if stack and champion is not None and champion.version == stack[-1]:
            stack = stack[:-1]
        skipped = []
        while stack:
            target = known.get(stack[-1])
            if target is not None and is_whole(target):
                break
            skipped.append(str(stack.pop()))
        else:
            more = f" (not usable any more: {', '.join(skipped)})" if skipped else ""
            raise RegistryError(
                f"{name!r} has no earlier champion to go back to{more}. The champion is as it was: "
                f"{_called(champion)}."
            )
        assert target is not None
        details = {"before": str(champion.version) if champion else "", "model": target.model_hash}
        if skipped:
            details["skipped"] = ", ".join(skipped)
        _move(name, entries, "rolling back", target, why=why, who=actor, details=details)
    return get(name, target.version)


def load(name: str, which: int | str = CHAMPION) -> Any:
    """Load a version: a scikit-learn estimator where it was one, else MLflow's own wrapper.

    Raises
    ------
    RegistryError
        If there is no such version, or its files can't be read.

    Notes
    -----
    Taught in @sec-register.
    """
    return load_model(get(name, which).uri)
