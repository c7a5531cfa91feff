"""A model from anywhere, such as someone's notebook, gets a run of its own."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from mlops_kit import tracking
from mlops_kit.contracts import Contract
from mlops_kit.errors import RegistryError
from mlops_kit.registry_calls import client

__all__ = ["Source", "run_for"]

Source = Callable[..., Any] | str | Path


def run_for(
    model: Any,
    name: str,
    *,
    data: pd.DataFrame | None,
    code: Source | None,
    seed: int | None,
    params: Mapping[str, object],
    metrics: Mapping[str, float],
    contract: Contract | None,
) -> tracking.RunRecord:
    """Record a run for a model that has none.

    Raises
    ------
    RegistryError
        If data or code is missing, or which columns the model takes isn't known.
    """
    if not hasattr(model, "predict"):
        raise RegistryError(
            f"register: a run or a fitted model was wanted, got {type(model).__name__}."
        )
    if data is None or code is None:
        raise RegistryError(
            "register: a model that isn't a run needs data= (what it was fitted on) and code= "
            "(the training function, its text or its file), so that it can be traced."
        )
    text = None
    if isinstance(code, Path):
        text = code.read_text("utf-8")
    elif isinstance(code, str):
        text = code
    function = code if text is None and not isinstance(code, str | Path) else None
    example = data[_inputs(model, data, contract)].head()
    with tracking.run(name, code=function, data=data, seed=seed, params=params) as run:
        if text is not None:
            run.log_text(text, "lineage/source.txt")
            digest = hashlib.sha256(text.encode()).hexdigest()
            client().set_tag(run.run_id, "mlops_kit.code_hash", digest)
        if metrics:
            run.log_metrics(metrics)
        run.log_model(model, example=example)
    return tracking.get_run(run.run_id)


def _inputs(model: Any, data: pd.DataFrame, contract: Contract | None) -> list[str]:
    """Name the columns that a model takes, of those that it was fitted on."""
    own = getattr(model, "feature_names_in_", None)
    if own is not None:
        names = [str(name) for name in own]
    else:
        names = list(data.columns if contract is None else contract.names)
    absent = [name for name in names if name not in data]
    if absent:
        raise RegistryError(
            f"register: the model takes {', '.join(absent[:5])}, which the data doesn't have. Give "
            "the rows that it was fitted on."
        )
    width = getattr(model, "n_features_in_", None)
    if own is None and width is not None and width != len(names):
        raise RegistryError(
            f"register: the model takes {width} features without names, and there are "
            f"{len(names)} columns. Give a contract that declares its {width}, in its order."
        )
    return names
