"""When to train again, and the way from there to a release."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from .config import Settings
from .contract import TIME
from .evaluation import Evaluation, evaluate, save
from .monitoring import needs_training, watch
from .release import Released, find, release
from .training import Trained, model_rows, open_store, read_rows, train

__all__ = ["Retrained", "reasons", "retrain"]


@dataclass(frozen=True)
class Retrained:
    """Why there was training, and what came of it; nothing where there was no reason."""

    reasons: tuple[str, ...]
    trained: Trained | None = None
    evaluation: Evaluation | None = None
    released: Released | None = None


def retrain(settings: Settings, *, force: bool = False, labels: Path | None = None) -> Retrained:
    """Train, evaluate and release if something says so."""
    why = ("it was asked for",) if force else reasons(settings, labels=labels)
    if not why:
        return Retrained(())
    made = train(settings)
    found = evaluate(settings, made.version.version)
    save(found, settings.reports)
    return Retrained(why, made, found, release(settings))


def reasons(settings: Settings, *, labels: Path | None = None) -> tuple[str, ...]:
    """Say what speaks for training: no champion, an old one, or what monitoring sees."""
    open_store(settings)
    champion = find(settings.model_name, "champion")
    if champion is None:
        return ("there is no champion",)
    newest = model_rows(settings, champion)[TIME].max()
    age = (read_rows(settings)[TIME].max() - newest) / pd.Timedelta(days=1)
    limit = settings.retraining.max_age_days
    found = [f"the champion's data are {age:.0f} days older than today's"] if age > limit else []
    seen = watch(settings, labels=labels)
    return (*found, *needs_training(seen)) if seen is not None else tuple(found)
