"""The model that a service answers with now, and how another takes its place."""

import datetime as dt
import functools
import json
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlops_kit.contracts import Contract
from mlops_kit.errors import KitError, ServeError
from mlops_kit.serve_models import FoundModel, ModelSource
from mlops_kit.serve_predict import Output, Predictor, predictor_of, sample_table
from mlops_kit.serve_rows import RowChecker

__all__ = ["Current", "Served", "serve_ready"]

_TRIALS = 5
RETRY_S = 60.0
"""How long a model that couldn't be loaded is left alone."""


@dataclass(frozen=True)
class Served:
    """A model with everything that a request needs; one request sees one of these from end to end.

    Attributes
    ----------
    name, version, source : str
        What it is called, which one it is, and where it was found.
    predictor : Predictor
        How it is called.
    checker : RowChecker
        What a request must keep.
    seconds : float
        What a call for one row takes.
    lineage : mapping
        What it was made of.
    since : str
        When it was loaded, UTC.
    """

    name: str
    version: str
    source: str
    predictor: Predictor
    checker: RowChecker
    seconds: float
    lineage: Mapping[str, str]
    since: str

    @property
    def contract(self) -> Contract:
        """What a row promises."""
        return self.checker.contract

    @functools.cached_property
    def label(self) -> str:
        """Name and version, as a piece of JSON."""
        return f'"model":{json.dumps(self.name)},"version":{json.dumps(self.version)}'

    @functools.cached_property
    def logged(self) -> tuple[str, ...]:
        """The columns whose values may be written down."""
        return tuple(column.name for column in self.contract.columns if not column.personal)


def serve_ready(
    found: FoundModel,
    *,
    contract: Contract | None,
    features: Sequence[str] | None,
    output: Output,
    max_rows: int,
    onnx: bool,
) -> Served:
    """Make a model ready for requests, and see that it works.

    Raises
    ------
    ServeError
        If there is no contract, or the model doesn't work on rows that keep it.
    """
    agreed = contract or found.contract
    if agreed is None:
        raise ServeError(
            f"{found.name} doesn't say what it takes. Give a contract (`mlops-kit contract DATA` "
            "drafts one), or fit the model with a DataFrame, so that it knows its columns."
        )
    predictor = predictor_of(found.model, agreed, features=features, output=output, onnx=onnx)
    checker = RowChecker(
        agreed, features=predictor.features, matrix=predictor.matrix, max_rows=max_rows
    )
    table = sample_table(agreed, predictor.features, matrix=predictor.matrix, rows=2)
    times = []
    for _ in range(_TRIALS):
        begin = time.perf_counter()
        predictor(table, 2)
        times.append(time.perf_counter() - begin)
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"
    return Served(
        found.name, found.version, found.source, predictor, checker, min(times), found.lineage, now
    )


class Current:
    """The model in use, exchanged whole: a request has the old one or the new one, never a mix.

    Parameters
    ----------
    source : ModelSource
        Where it comes from.
    onnx : bool
        Whether to look for a faster way to call it, by :meth:`quicken` and at each exchange.
    **settings
        As :func:`serve_ready` takes them.
    """

    def __init__(self, source: ModelSource, *, onnx: bool, **settings: Any) -> None:
        self._source, self._onnx, self._settings = source, onnx, settings
        self._lock = threading.Lock()
        self._failed: tuple[str | None, float] = (None, 0.0)
        self.problem = ""
        self._token = source.token()
        self._found = source.load()
        self.served = serve_ready(self._found, onnx=False, **settings)

    @property
    def changes(self) -> bool:
        """Whether another model may be meant one day."""
        return self._token is not None

    def quicken(self) -> None:
        """Call the same model in a faster way, if there is one that gives the same answers."""
        if self._onnx and not isinstance(self._found.model, bytes):
            with self._lock:
                self.served = serve_ready(self._found, onnx=True, **self._settings)

    def renew(self) -> bool:
        """Load the model that is meant by now, if it is another one.

        Returns
        -------
        bool
            Whether there is another model. The old one stays until the new one is ready.

        Raises
        ------
        ServeError
            If it can't be served; the old one stays, and the new one is tried again after a
            minute or when yet another one is meant.
        """
        with self._lock:
            token = None
            try:
                token = self._source.token()
                if token == self._token:
                    self.problem = ""
                    return False
                if token == self._failed[0] and time.monotonic() < self._failed[1]:
                    return False
                found = self._source.load()
                served = serve_ready(found, onnx=self._onnx, **self._settings)
            except KitError as error:
                self._failed = (token, time.monotonic() + RETRY_S)
                self.problem = str(error)
                raise ServeError(str(error)) from error
            self._token, self._found, self.problem = token, found, ""
            self.served = served
            return True
