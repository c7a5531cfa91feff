"""Numbers on their way to a device: tables as C text, rows as single precision."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mlops_kit.errors import DataError

__all__ = ["float_rows", "table"]

_LINE = 12
_INTEGERS = (np.int8, np.int16, np.int32)


def float_rows(rows: ArrayLike, width: int) -> NDArray[np.float32]:
    """Take rows in single precision; what is too large becomes infinite.

    Parameters
    ----------
    rows : array-like of shape (n_rows, width)
        Numbers; NaN for missing.
    width : int
        How many features the model takes.

    Returns
    -------
    ndarray of float32 of shape (n_rows, width)
        Contiguous.

    Raises
    ------
    DataError
        If the shape is another, or a value isn't a number.

    Examples
    --------
    >>> float_rows([[1, 2]], 2)
    array([[1., 2.]], dtype=float32)
    """
    try:
        with np.errstate(over="ignore"):
            taken = np.ascontiguousarray(np.asarray(rows, dtype=np.float64), dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise DataError(f"rows of numbers were wanted: {error}. Encode texts first.") from error
    if taken.ndim != 2 or taken.shape[1] != width:
        raise DataError(
            f"rows of shape (n, {width}) were wanted, got {taken.shape}. One row is [[...]]."
        )
    return taken


def table(name: str, values: NDArray[Any]) -> tuple[str, int]:
    r"""Write an array as a C table of the smallest type that holds it.

    Returns
    -------
    tuple of str and int
        The declaration, and the bytes that the table takes.

    Examples
    --------
    >>> table("root", np.array([0, -300]))
    ('static const int16_t root[2] = {\n  0, -300\n};\n', 4)
    """
    if values.dtype.kind == "f":
        kind, texts, size = "float", [_literal(value) for value in values.tolist()], 4
    elif values.dtype == np.uint8:
        kind, texts, size = "uint8_t", [str(value) for value in values.tolist()], 1
    else:
        low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
        small = next(t for t in _INTEGERS if np.iinfo(t).min <= low and high <= np.iinfo(t).max)
        kind, size = f"{np.dtype(small).name}_t", np.dtype(small).itemsize
        texts = [str(value) for value in values.tolist()]
    if not texts:  # C has no empty arrays
        texts = ["0"]
    lines = [", ".join(texts[i : i + _LINE]) for i in range(0, len(texts), _LINE)]
    body = ",\n  ".join(lines)
    return f"static const {kind} {name}[{len(texts)}] = {{\n  {body}\n}};\n", size * len(texts)


def _literal(value: float) -> str:
    """Write a single-precision number so that it is read back bit for bit."""
    if value in (float("inf"), float("-inf")):
        return "INFINITY" if value > 0 else "-INFINITY"
    text = np.format_float_scientific(np.float32(value), unique=True, trim="0")
    return f"{text}f"
