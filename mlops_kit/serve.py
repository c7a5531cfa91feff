"""A model as a service: what it takes is checked, what it answers is logged and counted.

:func:`create_app` makes a FastAPI application of a model, :func:`run` runs it until it is told to
stop, and :func:`read_request_log` gives monitoring what was asked and answered.
"""

import contextlib
import os
import socket
from collections.abc import Callable, Sequence
from typing import Any

from mlops_kit.contracts import Contract
from mlops_kit.errors import DataError, ServeError
from mlops_kit.serve_answers import PredictEndpoint
from mlops_kit.serve_batch import MicroBatcher
from mlops_kit.serve_current import Current
from mlops_kit.serve_log import RequestLog, read_request_log
from mlops_kit.serve_metrics import ServiceMetrics
from mlops_kit.serve_models import source_of
from mlops_kit.serve_predict import Output
from mlops_kit.serve_routes import add_routes, load_framework, openapi_of, with_short_way
from mlops_kit.serve_running import Service

__all__ = ["create_app", "read_request_log", "run"]


def create_app(
    model: Any,
    *,
    contract: Contract | None = None,
    features: Sequence[str] | None = None,
    output: Output = "prediction",
    name: str = "",
    version: str = "",
    registry: str = "",
    log: str | os.PathLike[str] | None = None,
    max_rows: int = 1000,
    max_bytes: int = 1_000_000,
    batch_rows: int = 256,
    max_waiting: int = 4096,
    timeout_s: float = 10.0,
    reload_s: float = 5.0,
    onnx: bool = True,
) -> Any:
    """Make a FastAPI application of a model.

    ``POST /predict`` takes one row, ``{"zone": "north", ...}``, or many, ``{"rows": [...]}``;
    ``GET /health`` says whether the process lives, ``/ready`` whether to send it requests,
    ``/metrics`` what Prometheus reads, ``/model`` what is served and what it was made of,
    ``/docs`` and ``/openapi.json`` what all of that looks like.

    Parameters
    ----------
    model : object, str or path
        A fitted scikit-learn model; a callable that takes a DataFrame and returns a value a row;
        ``models:/name@alias`` or ``models:/name/version`` in a registry; or a file, ``.joblib``,
        ``.pickle``, ``.pkl``, ``.onnx``, or a folder that MLflow saved. Unpickling runs code:
        serve only files that you trust.
    contract : Contract, optional
        What a row promises; by default what comes with the model: a version's tag
        ``mlops_kit.contract`` (JSON), a file ``contract.json`` in its folder, or else the names
        and types of its signature, which knows no ranges.
    features : sequence of str, optional
        The columns that the model takes; by default those that it was fitted with.
    output : {"prediction", "probability"}, default="prediction"
        What to answer; see :func:`mlops_kit.serve_predict.predictor_of`.
    name, version : str, optional
        What to call the model, where the registry doesn't say.
    registry : str, optional
        The registry's URI; by default the one that MLflow uses in this process.
    log : path, optional
        A file for the request log; see :mod:`mlops_kit.serve_log` for its lines.
    max_rows, max_bytes : int
        How many rows and bytes a request may have; more is answered by 413.
    batch_rows : int, default=256
        How many waiting rows to predict in one call; 1 switches that off.
    max_waiting : int, default=4096
        How many rows may wait or be under way; more is answered by 503 at once.
    timeout_s : float, default=10
        How long a request may wait, in seconds; then 504, or 408 if its body is late.
    reload_s : float, default=5
        How often to look whether the alias or the file means another model, in seconds; 0 for
        never. The new one is tried out before it takes the old one's place.
    onnx : bool, default=True
        Whether to call a scikit-learn model through ONNX Runtime if that gives the same answers.
        It is exported beside the running service, which starts without waiting.

    Returns
    -------
    fastapi.FastAPI
        The application, for :func:`run`, uvicorn, or a test client. Its state holds ``service``.

    Raises
    ------
    ServeError
        If the model can't be found, loaded or called.
    DataError
        If a limit makes no sense.
    MissingToolError
        If FastAPI isn't installed.

    Notes
    -----
    Taught in @sec-serve. A request that breaks the contract gets 422 with row, column and rule;
    one on which the model fails gets 500 with an id that the log holds too, and the service goes
    on.

    Examples
    --------
    >>> import asyncio
    >>> import httpx
    >>> from mlops_kit.contracts import Column
    >>> def fare(rows):
    ...     return 2.5 + 1.2 * rows["distance_km"]
    >>> app = create_app(fare, contract=Contract([Column("distance_km", "float", minimum=0)]))
    >>> async def ask(row):
    ...     service = httpx.ASGITransport(app)
    ...     async with httpx.AsyncClient(transport=service, base_url="http://fares") as client:
    ...         return await client.post("/predict", json=row)
    >>> asyncio.run(ask({"distance_km": 10})).json()["prediction"]
    14.5
    >>> refused = asyncio.run(ask({"distance_km": -1}))
    >>> refused.status_code, refused.json()["problems"][0]["message"]
    (422, 'row 0, distance_km: -1 is below 0, the lowest allowed.')
    """
    limits = {"max_rows": max_rows, "max_bytes": max_bytes, "batch_rows": batch_rows}
    limits["max_waiting"] = max_waiting
    for key, value in limits.items():
        if value < 1:
            raise DataError(f"create_app: {key} must be at least 1, got {value}.")
    if timeout_s <= 0 or reload_s < 0:
        raise DataError("create_app: timeout_s must be above 0 and reload_s not below.")
    fastapi = load_framework("fastapi")
    metrics = ServiceMetrics()
    source = source_of(model, name=name, version=version, registry=registry)
    current = Current(
        source, onnx=onnx, contract=contract, features=features, output=output, max_rows=max_rows
    )
    batcher = MicroBatcher(
        max_rows=batch_rows, max_waiting=max_waiting, timeout_s=timeout_s, observe=metrics.batch
    )
    written = None if log is None else _open_log(log, metrics)
    endpoint = PredictEndpoint(current, batcher, metrics, written, max_bytes, timeout_s)
    service = Service(current, endpoint, reload_s)
    served = current.served
    app = fastapi.FastAPI(
        title=served.name, version=served.version, lifespan=service.lifespan, openapi_tags=[]
    )
    app.state.service = service
    add_routes(app, service)
    app.openapi = openapi_of(app, service, max_rows)
    app.build_middleware_stack = with_short_way(app, service.endpoint)
    return app


def _open_log(log: str | os.PathLike[str], metrics: ServiceMetrics) -> RequestLog:
    try:
        return RequestLog(log, lost=metrics.lines_lost)
    except OSError as error:
        raise ServeError(
            f"the request log {os.fspath(log)} can't be written: {error.strerror}. Choose a place "
            "that you may write to."
        ) from error


def run(
    app: Any,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    started: Callable[[str], None] | None = None,
) -> None:
    """Run an application until it is told to stop (SIGTERM, SIGINT).

    Requests that are under way get their answers first, and the request log its last lines.

    Parameters
    ----------
    app : fastapi.FastAPI
        From :func:`create_app`.
    host : str, default="127.0.0.1"
        The address to listen on: this machine alone by default, ``0.0.0.0`` for every network.
    port : int, default=8000
        The port; 0 for any that is free.
    started : callable, optional
        Called with the service's URL as soon as it listens.

    Raises
    ------
    ServeError
        If the address can't be had.

    Notes
    -----
    Taught in @sec-serve. One process: for more, start several behind a load balancer. Bodies have
    a time limit, headers have none: on a network that you don't trust put a proxy before it, which
    also ends TLS and knows who may ask.
    """
    uvicorn = load_framework("uvicorn")
    try:
        listening = _listen(host, port)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ServeError(
            f"the service can't listen on {host}:{port}: {reason}. Choose another --port."
        ) from error
    address = listening.getsockname()
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        ws="none",
        lifespan="on",
        timeout_graceful_shutdown=30,
        timeout_keep_alive=65,
    )
    server = uvicorn.Server(config)
    if started is not None:
        shown = f"[{address[0]}]" if ":" in str(address[0]) else address[0]
        started(f"http://{shown}:{address[1]}")
    # Ctrl-C is a way to stop, and it has stopped in order by then.
    with listening, contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(2048)
    except BaseException:
        listening.close()
        raise
    return listening
