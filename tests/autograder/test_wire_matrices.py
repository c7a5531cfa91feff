"""Matrices on the wire: they come back as they were, and parts that don't fit make none."""

import json
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from autograder.wire import Bounds, WireError
from autograder.wire_matrices import encode_sparse
from autograder.wire_values import Decoder, Encoder

BOUNDS = Bounds(items=20_000, blob_bytes=1 << 20)
KINDS = [f"{form}_{kind}" for form in ("csr", "csc", "coo") for kind in ("matrix", "array")]


def decoded(item: Any, encoder: Encoder) -> Any:
    blob = memoryview(b"".join(bytes(blob) for blob in encoder.blobs))
    return Decoder(blob, BOUNDS).decode(json.loads(json.dumps(item)))


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("shape", [(3, 4), (0, 2), (1, 1)])
def test_a_sparse_matrix_comes_back_as_it_was(name: str, shape: tuple[int, int]) -> None:
    """Its class, shape, kind of number and numbers are the same."""
    dense = np.arange(shape[0] * shape[1], dtype=np.float32).reshape(shape) % 3
    one, encoder = getattr(sparse, name)(dense), Encoder(BOUNDS)
    other = decoded(encode_sparse(encoder, one), encoder)
    assert type(other) is type(one)
    assert (other.shape, other.dtype, other.nnz) == (one.shape, one.dtype, one.nnz)
    assert other.toarray().tolist() == dense.tolist()


def test_what_isnt_a_sparse_matrix_of_plain_numbers_is_left_to_others() -> None:
    """So are other forms, a student's own class, and a matrix of objects."""

    class Mine(sparse.csr_matrix):
        pass

    Mine.__name__ = "csr_matrix"
    for value in (3, np.eye(2), Mine((2, 2)), sparse.lil_matrix((2, 2)), sparse.coo_array([1, 2])):
        assert encode_sparse(Encoder(BOUNDS), value) is None


@pytest.mark.parametrize(
    ("rows", "columns", "numbers", "shape", "name"),
    [
        ([0, 3], [0, 0], [1.0, 2.0], [3, 3], "csr_matrix"),
        ([0, -1], [0, 0], [1.0, 2.0], [3, 3], "csr_matrix"),
        ([0], [0, 0], [1.0, 2.0], [3, 3], "csc_matrix"),
        ([0.5], [0], [1.0], [3, 3], "coo_matrix"),
        ([0], [0], [[1.0]], [3, 3], "coo_matrix"),
        ([0], [0], [1.0], [3], "coo_matrix"),
        ([0], [0], [1.0], [3, -3], "coo_matrix"),
        ([0], [0], [1.0], [3, 1 << 41], "coo_matrix"),
        ([0], [0], [1.0], [1 << 30, 1], "csr_matrix"),
        ([0], [0], [1.0], [3, 3], "lil_matrix"),
    ],
)
def test_parts_that_dont_fit_together_are_no_matrix(
    rows: list[Any], columns: list[Any], numbers: list[Any], shape: list[int], name: str
) -> None:
    """Neither places beyond the shape, nor lengths that differ, nor more memory than is allowed."""
    encoder = Encoder(BOUNDS)
    parts = [encoder.encode(np.array(part)) for part in (rows, columns, numbers)]
    with pytest.raises(WireError):
        decoded(["sp", name, shape, *parts], encoder)


@pytest.mark.parametrize("inner", [["l", 1], ["mx", 1], 3])
def test_only_an_array_of_two_dimensions_is_a_matrix(inner: Any) -> None:
    """What else is told of one isn't believed."""
    with pytest.raises(WireError):
        decoded(["mx", inner], Encoder(BOUNDS))
