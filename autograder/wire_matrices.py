"""Matrices on the wire by value: NumPy's own, and the sparse ones of SciPy.

A sparse matrix crosses as rows, columns and numbers, which are checked and put together again:
compressed parts that don't fit together would have SciPy read where nothing is.
"""

import importlib
import sys
from typing import Any

import numpy as np

from autograder.wire_numpy import is_plain_dtype
from autograder.wire_values import DECODERS, ENCODERS, Decoder, Encoder, Json, need

__all__ = ["encode_sparse"]

_SPARSE = "scipy.sparse"
_KINDS = frozenset(
    f"{form}_{kind}" for form in ("csr", "csc", "coo") for kind in ("matrix", "array")
)
_LARGEST = 1 << 40


def encode_sparse(encoder: Encoder, value: Any) -> Json:
    """Encode a sparse matrix of plain numbers; None for anything else."""
    name = type(value).__name__
    module = sys.modules.get(_SPARSE) if name in _KINDS else None
    if module is None or getattr(module, name, None) is not type(value) or len(value.shape) != 2:
        return None
    parts = value.tocoo()
    if not is_plain_dtype(parts.dtype):
        return None
    arrays = [np.asarray(part) for part in (parts.row, parts.col, parts.data)]
    return ["sp", name, list(map(int, value.shape)), *map(encoder.encode, arrays)]


def _decode_sparse(decoder: Decoder, item: list[Any]) -> Any:
    need(len(item) == 6 and item[1] in _KINDS, "a sparse matrix")
    shape = item[2]
    need(type(shape) is list and len(shape) == 2, "the shape of a matrix")
    need(all(type(size) is int and 0 <= size < _LARGEST for size in shape), "a shape of sizes")
    rows, columns, numbers = parts = [decoder.decode(part) for part in item[3:]]
    need(all(type(part) is np.ndarray and part.ndim == 1 for part in parts), "parts of a matrix")
    need(len(rows) == len(columns) == len(numbers), "parts of one length")
    for places, size in ((rows, shape[0]), (columns, shape[1])):
        need(places.dtype.kind == "i", "places in a matrix")
        need(not len(places) or (places.min() >= 0 and places.max() < size), "places within it")
    sparse = importlib.import_module(_SPARSE)
    form, _, kind = item[1].partition("_")
    _check_memory(form, shape, len(numbers), decoder)
    made = getattr(sparse, f"coo_{kind}")((numbers, (rows, columns)), shape=tuple(shape))
    return made.asformat(form)


def _check_memory(form: str, shape: list[int], count: int, decoder: Decoder) -> None:
    """Hold against the bounds what a compressed matrix needs for its empty rows or columns."""
    if form != "coo":
        decoder.count(shape[0] if form == "csr" else shape[1])
    decoder.count(count)


def _encode_matrix(encoder: Encoder, value: "np.matrix[Any, Any]") -> Json:
    plain = np.asarray(value)
    return ["mx", encoder.encode(plain)] if is_plain_dtype(plain.dtype) else encoder.fallback(value)


def _decode_matrix(decoder: Decoder, item: list[Any]) -> Any:
    need(len(item) == 2, "a matrix")
    plain = decoder.decode(item[1])
    need(type(plain) is np.ndarray and plain.ndim == 2, "a matrix")
    return np.asmatrix(plain)


ENCODERS[np.matrix] = _encode_matrix
DECODERS |= {"sp": _decode_sparse, "mx": _decode_matrix}
