"""Tracking with plain MLflow and with the kit: a usable store, a model, a history of metrics.

Plain MLflow finds out what a model needs by loading it in a process of its own. In a project with
a uv.lock it asks uv instead, which is quicker; that is measured too, where this file lies in one.

uv run python benchmarks/tracking.py [--quick] [--json]
"""

import argparse
import contextlib
import json
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

STEPS = 1000
QUICK_STEPS = 200
PROJECT = Path(__file__).resolve().parents[1]


def seconds(action: Callable[[], object]) -> float:
    """Time one action."""
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


def plain(folder: Path, steps: int) -> dict[str, float]:
    """Do it the way of MLflow's own quick start."""
    import mlflow
    from sklearn.linear_model import Ridge

    mlflow.set_tracking_uri(f"sqlite:///{(folder / 'mlflow.db').as_posix()}")
    took = {"store": seconds(lambda: mlflow.set_experiment("bench"))}
    model = Ridge().fit([[0.0], [1.0]], [0.0, 1.0])
    with mlflow.start_run():

        def log_model() -> None:
            mlflow.sklearn.log_model(model, name="model", serialization_format="cloudpickle")

        with contextlib.chdir(folder):
            took["model"] = seconds(log_model)
        if (PROJECT / "uv.lock").is_file():
            with contextlib.chdir(PROJECT):
                took["model_in_uv_project"] = seconds(log_model)

        def one_by_one() -> None:
            for step in range(steps):
                mlflow.log_metric("loss", 1 / (step + 1), step=step)

        took["history"] = seconds(one_by_one)
    return took


def kit(folder: Path, steps: int) -> dict[str, float]:
    """Do the same with the kit."""
    import pandas as pd
    from sklearn.linear_model import Ridge

    from mlops_kit import tracking

    took = {"store": seconds(lambda: tracking.start(folder, experiment="bench"))}
    frame = pd.DataFrame({"x": [0.0, 1.0]})
    model = Ridge().fit(frame, [0.0, 1.0])
    with tracking.run() as run:
        took["model"] = seconds(lambda: run.log_model(model, example=frame))
        with contextlib.chdir(PROJECT):
            took["model_in_uv_project"] = seconds(
                lambda: run.log_model(model, example=frame, name="again")
            )
        values = [1 / (step + 1) for step in range(steps)]
        took["history"] = seconds(lambda: run.log_history({"loss": values}))
    return took


def main() -> None:
    """Measure both in this process, and print one JSON object last."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smaller run of the same")
    parser.add_argument("--json", action="store_true", help="print the JSON only")
    options = parser.parse_args()
    steps = QUICK_STEPS if options.quick else STEPS
    warnings.simplefilter("ignore")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for part in ("warm", "plain", "kit"):
            (root / part).mkdir()
        os.environ["XDG_CACHE_HOME"] = str(root / "cache")
        # The first start of all also migrates the ready store that later starts copy.
        first = kit(root / "warm", 1)["store"]
        theirs, ours = plain(root / "plain", steps), kit(root / "kit", steps)
    rows = [
        {"what": what, "mlflow_s": round(theirs[what], 4), "kit_s": round(ours[what], 4)}
        for what in theirs
    ]
    told = {"what": "store, the first of all, with imports", "mlflow_s": None}
    rows.append(told | {"kit_s": round(first, 4)})
    if not options.json:
        for row in rows:
            theirs_s = "" if row["mlflow_s"] is None else f"{row['mlflow_s']} s"
            sys.stdout.write(f"{row['what']:38} {theirs_s:>11} {row['kit_s']:>9} s\n")
    result = {
        "benchmark": "tracking",
        "versions": {"mlflow": metadata.version("mlflow")},
        "rows": rows,
        "ratios": {what: round(theirs[what] / ours[what], 1) for what in theirs},
        "wanted": {what: {"min": 20} for what in ("store", "model", "history")},
    }
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
