"""Importing the kit is light, and its public names are there."""

import importlib
import pkgutil
import subprocess
import sys

import pytest

import mlops_kit

MODULES = sorted(module.name for module in pkgutil.iter_modules(mlops_kit.__path__))
HEAVY = (
    "mlflow",
    "sklearn",
    "fastapi",
    "evidently",
    "onnxruntime",
    "matplotlib",
    "pyarrow.dataset",
)


def test_importing_every_module_loads_no_tool() -> None:
    """In a fresh interpreter."""
    code = (
        "import importlib, sys\n"
        f"for name in {MODULES!r}: importlib.import_module('mlops_kit.' + name)\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", MODULES)
def test_public_names_are_there_and_documented(name: str) -> None:
    """What `__all__` promises exists; functions and classes say what they do."""
    module = importlib.import_module(f"mlops_kit.{name}")
    for public in module.__all__:
        value = getattr(module, public)
        if callable(value):
            assert value.__doc__, f"{name}.{public}"
