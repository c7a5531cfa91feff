"""What libraries work out at their first use and keep, worked out once for all rooms.

A warm process only imports; what a library puts off until somebody uses it, every room forked
from there would do again. The steps here use a library a first time where that leaves no thread
and no file behind, and nothing is computed that takes OpenMP.
"""

import sys
from collections.abc import Callable
from contextlib import suppress

__all__ = ["use_libraries_once"]


def use_libraries_once() -> None:
    """Take the first step with each of the libraries that are loaded by now."""
    for module, step in _STEPS.items():
        if module in sys.modules:
            with suppress(Exception):
                step()


def _draw() -> None:
    """Have fonts found and read, image formats known, and installed backends listed."""
    from IPython.core.pylabtools import print_figure
    from matplotlib.backends.registry import backend_registry
    from matplotlib.figure import Figure

    backend_registry.list_all()  # type: ignore[no-untyped-call]
    figure = Figure()
    axes = figure.subplots()
    axes.errorbar([1, 2], [1, 2], xerr=[0.1, 0.2], fmt="o", label="0123456789.")
    axes.set(title="Title", xlabel="abcdefghijklmnopqrstuvwxyz", ylabel="ABCDEFGHIJKLM ()")
    axes.legend()
    print_figure(figure, "png")  # type: ignore[no-untyped-call]


def _map_tables() -> None:
    """Have the classes that stand for rows of a store's tables mapped to them."""
    from sqlalchemy.orm import configure_mappers

    configure_mappers()


def _know_tables() -> None:
    """Have scikit-learn's reader of data frames find its plugins."""
    from narwhals.stable.v2.dependencies import is_into_dataframe

    is_into_dataframe(None)


def _list_packages() -> None:
    """Have the folder of installed packages read, of which many ask for their versions."""
    from importlib import metadata

    metadata.version("pandas")


_STEPS: dict[str, Callable[[], None]] = {
    "importlib.metadata": _list_packages,
    "matplotlib.pyplot": _draw,
    "sqlalchemy.orm": _map_tables,
    "narwhals.stable.v2": _know_tables,
}
