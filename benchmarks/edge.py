"""One model in four forms: scikit-learn, ONNX in float and int8, and C; beside them emlearn's C.

uv run python benchmarks/edge.py [--quick] [--json]
"""

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable
from importlib import metadata
from typing import Any

import numpy as np

SECONDS = 1.0
QUICK_SECONDS = 0.1
SINGLE_ROWS = 100
PACKAGES = ("scikit-learn", "skl2onnx", "onnxruntime", "emlearn")


def trained() -> tuple[dict[str, Any], Any, Any, Any]:
    """Fit the three models on two thirds of the digits; give them with rows for each use."""
    from sklearn.datasets import load_digits
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import train_test_split
    from sklearn.neural_network import MLPClassifier

    rows, labels = load_digits(return_X_y=True)
    fitted, unseen, fitted_labels, unseen_labels = train_test_split(
        rows, labels, test_size=1 / 3, random_state=0, stratify=labels
    )
    models = {
        "forest": RandomForestClassifier(100, random_state=0),
        "mlp": MLPClassifier((32,), max_iter=400, random_state=0),
        "linear": LogisticRegression(max_iter=3000),
    }
    for model in models.values():
        model.fit(fitted, fitted_labels)
    return models, fitted, unseen, unseen_labels


def single_row_us(answer: Callable[[int], int], seconds: float) -> float:
    """Time single rows: ``answer(place)`` answers some and says how many; the best round counts."""
    answer(0)
    best, end, place = float("inf"), time.perf_counter() + seconds, 0
    while time.perf_counter() < end:
        begin = time.perf_counter()
        count = sum(answer(i) for i in range(place, place + 5))
        best = min(best, (time.perf_counter() - begin) / count)
        place = (place + 5) % SINGLE_ROWS
    return best * 1e6


def forms(model: Any, calibration: Any, *, emlearn: bool) -> dict[str, Any]:
    """Export a model in every form that there is for it; a text says why there is none."""
    from mlops_kit import edge
    from mlops_kit.errors import KitError

    makers: dict[str, Callable[[], Any]] = {
        "onnx_float": lambda: edge.to_onnx(model),
        "onnx_int8_dynamic": lambda: edge.to_onnx(model, precision="int8-dynamic"),
        "onnx_int8_static": lambda: edge.to_onnx(
            model, precision="int8-static", calibration=calibration
        ),
        "c_float": lambda: edge.to_c(model).compile(),
        "c_int8": lambda: edge.to_c(model, precision="int8").compile(),
    }
    if emlearn:
        makers["emlearn_float"] = lambda: edge.from_emlearn(model)
        makers["emlearn_int16"] = lambda: edge.from_emlearn(model, dtype="int16_t")
    made: dict[str, Any] = {}
    for name, make in makers.items():
        try:
            made[name] = make()
        except KitError as error:
            made[name] = str(error).partition(":")[0]
    return made


def row_of(
    name: str, model: Any, form: str, export: Any, unseen: Any, labels: Any
) -> dict[str, Any]:
    """Give what doesn't need a clock: size, accuracy, agreement."""
    from mlops_kit import edge

    if isinstance(export, str):
        return {"model": name, "form": form, "none": export}
    report = edge.parity(model, export, unseen)
    return {
        "model": name,
        "form": form,
        "size_bytes": getattr(export, "size_bytes", None),
        "library_bytes": getattr(export, "library_bytes", None),
        "ram_bytes": getattr(export, "ram_bytes", None),
        "accuracy": round(float((export.predict(unseen) == labels).mean()), 4),
        "agreement": round(report.agreement, 4),
        "agreement_on_ties": round(report.corner("ties").agreement, 4),
        "largest_difference": float(f"{report.largest_difference:.3g}"),
    }


def clocked(export: Any, unseen: Any, seconds: float) -> float:
    """Time a form's single rows, a hundred different ones."""
    rows = np.ascontiguousarray(unseen[:SINGLE_ROWS], np.float32)
    if hasattr(export, "repeat"):
        return single_row_us(lambda _: int(export.repeat(rows, 2)), seconds)
    session = getattr(export, "_session", None)

    def once(place: int) -> int:
        if session is None:
            export.predict(rows[place % SINGLE_ROWS][None])
        else:  # as a gateway calls it, without the kit between
            session.run(None, {"features": rows[place % SINGLE_ROWS][None]})
        return 1

    return single_row_us(once, seconds)


def measure(seconds: float, *, emlearn: bool) -> list[dict[str, Any]]:
    """Measure every model in every form."""
    models, fitted, unseen, labels = trained()
    rows = []
    for name, model in models.items():
        rows.append(
            {
                "model": name,
                "form": "scikit-learn",
                "accuracy": round(float(model.score(unseen, labels)), 4),
                "agreement": 1.0,
                "row_us": round(clocked(model, unseen, seconds), 2),
            }
        )
        for form, export in forms(model, fitted, emlearn=emlearn).items():
            row = row_of(name, model, form, export, unseen, labels)
            if not isinstance(export, str):
                row["row_us"] = round(clocked(export, unseen, seconds), 2)
            rows.append(row)
    return rows


def ratios_of(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Compare the forms: how many times faster than scikit-learn, how many times smaller."""
    found = {(row["model"], row["form"]): row for row in rows}
    ratios: dict[str, float] = {}
    for (model, form), row in found.items():
        if "row_us" in row and form != "scikit-learn":
            slow = found[model, "scikit-learn"]["row_us"]
            ratios[f"{model}_{form}_faster"] = round(slow / row["row_us"], 1)
    for model in ("forest", "mlp", "linear"):
        for kind in ("c_float", "onnx_float"):
            ratios[f"{model}_{kind}_agreement"] = found[model, kind]["agreement"]
    mlp, forest = (
        {form: row for (name, form), row in found.items() if name == kind}
        for kind in ("mlp", "forest")
    )
    ratios["mlp_onnx_int8_smaller"] = round(
        mlp["onnx_float"]["size_bytes"] / mlp["onnx_int8_dynamic"]["size_bytes"], 2
    )
    ratios["mlp_c_int8_smaller"] = round(
        mlp["c_float"]["size_bytes"] / mlp["c_int8"]["size_bytes"], 2
    )
    ratios["forest_c_smaller_than_onnx"] = round(
        forest["onnx_float"]["size_bytes"] / forest["c_float"]["size_bytes"], 1
    )
    return ratios


def main() -> None:
    """Measure, and print one JSON object last."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smaller run of the same")
    parser.add_argument("--json", action="store_true", help="print the JSON only")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = measure(QUICK_SECONDS if options.quick else SECONDS, emlearn=not options.quick)
    if not options.json:
        for row in rows:
            sys.stdout.write("  ".join(f"{key} {value}" for key, value in row.items()) + "\n")
    result = {
        "benchmark": "edge",
        "versions": {name: metadata.version(name) for name in PACKAGES},
        "rows": rows,
        "ratios": ratios_of(rows),
        "wanted": {
            "forest_c_float_faster": {"min": 50},
            "forest_onnx_float_faster": {"min": 50},
            "mlp_c_float_faster": {"min": 10},
            "linear_c_float_faster": {"min": 10},
            "forest_c_float_agreement": {"min": 1.0},
            "mlp_c_float_agreement": {"min": 1.0},
            "linear_c_float_agreement": {"min": 1.0},
            "mlp_c_int8_smaller": {"min": 3},
        },
    }
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
