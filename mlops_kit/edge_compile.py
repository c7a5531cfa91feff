"""C on this machine: find the compiler, build a library, call it row by row."""

import ctypes
import shutil
import subprocess
import tempfile
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mlops_kit.edge_tables import float_rows
from mlops_kit.errors import EdgeError, MissingToolError

__all__ = ["Compiled", "Library", "build", "compiler"]

_COMPILERS = ("cc", "gcc", "clang")
# Without -ffp-contract=off some machines fuse a product with its sum, and round once less.
_FLAGS = ("-std=c99", "-O2", "-ffp-contract=off")
_STRICT = ("-Wall", "-Wextra", "-Werror")
_SECONDS = 120


def compiler(command: str | None = None) -> str:
    """Find this machine's C compiler.

    Parameters
    ----------
    command : str, optional
        Which; else the first of ``cc``, ``gcc`` and ``clang``.

    Returns
    -------
    str
        Its path.

    Raises
    ------
    MissingToolError
        If there is none; the message says how to get one.

    Notes
    -----
    Taught in @sec-edge.
    """
    wanted = _COMPILERS if command is None else (command,)
    for name in wanted:
        found = shutil.which(name)
        if found:
            return found
    raise MissingToolError(
        f"no C compiler was found (looked for {', '.join(wanted)}). Install one: "
        "'apt install gcc', 'xcode-select --install' on a Mac, or work in WSL on Windows. "
        "The C source itself can be made and read without one."
    )


@dataclass(frozen=True, slots=True)
class Library:
    """A compiled model that is loaded, and the folder that goes when it does."""

    name: str
    loaded: ctypes.CDLL
    size_bytes: int
    n_features: int
    n_outputs: int
    folder: "tempfile.TemporaryDirectory[str]"


def build(
    name: str,
    code: str,
    shape: tuple[int, int],
    *,
    with_compiler: str | None = None,
    headers: Path | None = None,
) -> Library:
    """Compile C source and load it.

    Parameters
    ----------
    name : str
        The source must define ``NAME_outputs(features, out)``.
    code : str
        C99.
    shape : tuple of int
        Numbers in and out of a row.
    with_compiler : str, optional
        A command; see :func:`compiler`.
    headers : pathlib.Path, optional
        A folder of others' headers; warnings don't count then.

    Raises
    ------
    MissingToolError
        If there is no compiler.
    EdgeError
        If it fails, or takes more than two minutes.
    """
    command = compiler(with_compiler)
    folder = tempfile.TemporaryDirectory(prefix="edge-")
    place = Path(folder.name)
    (place / f"{name}.c").write_text(code, encoding="utf-8")
    (place / "driver.c").write_text(_driver(name, *shape), encoding="utf-8")
    extra = _STRICT if headers is None else ("-w", "-I", str(headers))
    built = place / f"{name}.so"
    order = [
        command, *_FLAGS, *extra, "-s", "-shared", "-fPIC", "-o", str(built),
        str(place / "driver.c"), "-lm",
    ]  # fmt: skip
    try:
        _compile(order, name)
        loaded = ctypes.CDLL(str(built))
    except OSError as error:
        folder.cleanup()
        raise EdgeError(f"the compiled {name} can't be loaded: {error}.") from error
    except BaseException:
        folder.cleanup()
        raise
    return Library(name, loaded, built.stat().st_size, *shape, folder)


def _compile(order: list[str], name: str) -> None:
    try:
        done = subprocess.run(order, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise EdgeError(
            f"{order[0]} took more than {_SECONDS} s over {name}. Make the model smaller: fewer "
            "trees, less depth."
        ) from None
    except OSError as error:
        raise EdgeError(f"{order[0]} can't be started: {error.strerror}.") from error
    if done.returncode:
        lines = done.stderr.splitlines()
        said = next((line for line in lines if "error" in line), " ".join(lines))
        raise EdgeError(f"{order[0]} can't compile {name}: {said.strip()[:300] or 'no reason'}.")


def _driver(name: str, width: int, outputs: int) -> str:
    """Give the host's side: many rows in one call, so that Python's own time isn't measured."""
    return f"""#include "{name}.c"

void {name}_rows(const float *rows, int32_t count, float *out, int32_t *status);
void {name}_repeat(const float *rows, int32_t count, int32_t times, float *out);

void {name}_rows(const float *rows, int32_t count, float *out, int32_t *status) {{
  for (int32_t i = 0; i < count; i++) {{
    status[i] = {name}_outputs(rows + (long)i * {width}, out + (long)i * {outputs});
  }}
}}

void {name}_repeat(const float *rows, int32_t count, int32_t times, float *out) {{
  volatile float kept = 0.0f;
  for (int32_t t = 0; t < times; t++) {{
    for (int32_t i = 0; i < count; i++) {{
      {name}_outputs(rows + (long)i * {width}, out);
      kept = kept + out[0];
    }}
  }}
}}
"""


class Compiled:
    """A model that runs as machine code, called from Python.

    Attributes
    ----------
    classes : tuple
        The labels in the order of the outputs; empty for a regressor.
    library_bytes : int
        The compiled library on this machine, with its headers.
    """

    def __init__(self, library: Library, classes: tuple[Any, ...]) -> None:
        self.classes = classes
        self.library_bytes = library.size_bytes
        self._library = library
        self._rows = library.loaded[f"{library.name}_rows"]
        self._repeat = library.loaded[f"{library.name}_repeat"]
        self._rows.restype = self._repeat.restype = None
        weakref.finalize(self, library.folder.cleanup)

    def outputs(self, rows: ArrayLike) -> NDArray[np.float32]:
        """Compute the outputs: probabilities, scores or values.

        Parameters
        ----------
        rows : array-like of shape (n_rows, n_features)
            Taken in single precision.

        Returns
        -------
        ndarray of shape (n_rows, n_outputs)
            NaN throughout a row that the model refuses.
        """
        taken = float_rows(rows, self._library.n_features)
        out = np.empty((len(taken), self._library.n_outputs), np.float32)
        status = np.empty(len(taken), np.int32)
        count = ctypes.c_int32(len(taken))
        self._rows(_pointer(taken), count, _pointer(out), _pointer(status))
        out[status < 0] = np.nan
        return out

    def predict(self, rows: ArrayLike) -> NDArray[Any]:
        """Answer each row with a label, or a value.

        Raises
        ------
        EdgeError
            If a row is refused: it holds an infinity, or a missing value that the model can't
            take, or it is so large that single precision overflows.
        """
        found = self.outputs(rows)
        refused = np.isnan(found).any(axis=1)
        if refused.any():
            raise EdgeError(
                f"{self._library.name}: row {int(refused.argmax())} (of {int(refused.sum())} such) "
                "isn't finite, or overflows single precision; the model refuses it. Check the "
                "sensor's values before the call."
            )
        if not self.classes:
            values: NDArray[Any] = found[:, 0] if found.shape[1] == 1 else found
            return values
        labels: NDArray[Any] = np.asarray(self.classes)[found.argmax(axis=1)]
        return labels

    def repeat(self, rows: ArrayLike, times: int) -> int:
        """Answer all rows ``times`` over, one by one in C, for a clock round the call.

        Returns
        -------
        int
            How many single rows were answered.
        """
        taken = float_rows(rows, self._library.n_features)
        out = np.empty(self._library.n_outputs, np.float32)
        counts = ctypes.c_int32(len(taken)), ctypes.c_int32(times)
        self._repeat(_pointer(taken), *counts, _pointer(out))
        return len(taken) * times


def _pointer(array: NDArray[Any]) -> ctypes.c_void_p:
    return array.ctypes.data_as(ctypes.c_void_p)
