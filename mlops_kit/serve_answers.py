"""The endpoint for predictions: a request's bytes in, an answer's bytes out.

It is plain ASGI below FastAPI's routing: checking rows with a compiled contract and writing JSON by
hand costs a tenth of what a general framework must do for the same answer.
"""

import asyncio
import contextlib
import itertools
import json
import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlops_kit.errors import ServeError
from mlops_kit.serve_batch import BusyError, MicroBatcher, TooSlowError
from mlops_kit.serve_current import Current, Served
from mlops_kit.serve_log import RequestLog
from mlops_kit.serve_metrics import ServiceMetrics
from mlops_kit.serve_predict import PredictionError
from mlops_kit.serve_rows import Problem, RejectedRowsError, Row

__all__ = ["PROBLEM_TYPE", "PredictEndpoint", "STATUSES"]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

PROBLEM_TYPE = "application/problem+json"
STATUSES: Mapping[int, str] = {
    400: "The body isn't JSON",
    408: "The body didn't arrive in time",
    413: "The body or the batch is too large",
    422: "The rows break the contract",
    500: "The model failed",
    503: "Too many rows wait",
    504: "The model is too slow",
}
_PASSED = 32  # times what a body may have is let pass unread, in at most so many seconds:
_PASSING_S = 2.0
_ID = re.compile(rb"[A-Za-z0-9._:-]{1,64}")
_log = logging.getLogger(__name__)
_GZIP = b"\x1f\x8b"
_dumps = json.JSONEncoder(separators=(",", ":"), check_circular=False, allow_nan=False).encode


class _RefusedError(ServeError):
    """A request that isn't answered: a status and a sentence."""

    def __init__(self, status: int, detail: str) -> None:
        self.status = status
        super().__init__(detail)


class _ClientGoneError(ServeError):
    """Nobody waits for the answer any more."""


@dataclass
class PredictEndpoint:
    """Answers POST /predict.

    Attributes
    ----------
    current : Current
        The model in use.
    batcher : MicroBatcher
        Calls it.
    metrics : ServiceMetrics
        Counts.
    log : RequestLog or None
        Keeps what was asked and answered.
    max_bytes : int
        How long a body may be.
    timeout_s : float
        How long a body may take to arrive, in seconds.
    """

    current: Current
    batcher: MicroBatcher
    metrics: ServiceMetrics
    log: RequestLog | None
    max_bytes: int
    timeout_s: float

    def __post_init__(self) -> None:
        self._prefix = secrets.token_hex(6)
        self._numbers = itertools.count()

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI wants it."""
        request_id, length = self._read_headers(scope["headers"])
        served = self.current.served
        begin = time.perf_counter()
        rows: Sequence[Row] = ()
        problems: Sequence[Problem] = ()
        error = ""
        try:
            body = await self._body(receive, length)
            begin = time.perf_counter()
            data = _parse(body)
            rows = served.checker.rows(data)
            table = served.checker.table(rows)
            answers = await self.batcher.predict(served.predictor, table, len(rows))
            status, content = 200, _answer(served, request_id, answers, rows[0] is data)
        except _ClientGoneError:
            return
        except RejectedRowsError as rejected:
            problems = rejected.problems
            status, content = _rejection(served, request_id, rejected)
        except Exception as raised:  # whatever it is, the client gets an answer and the next too
            status, error = self._classify(raised, request_id)
            content = _problem(request_id, status, _told(status, error))
        latency = time.perf_counter() - begin
        if status == 200:
            self._keep_answers(served, request_id, latency, rows, answers)
        else:
            self._keep_failure(served, request_id, latency, status, problems, error)
        self.metrics.request(status, latency, len(rows) if status == 200 else 0)
        await _send(send, status, content, request_id)

    def _read_headers(self, headers: Iterable[tuple[bytes, bytes]]) -> tuple[str, int]:
        request_id, length = None, 0
        for name, value in headers:
            if name == b"x-request-id" and _ID.fullmatch(value):
                request_id = value.decode()
            elif name == b"content-length" and value.isdigit() and len(value) < 19:
                length = int(value)
        return request_id or f"{self._prefix}-{next(self._numbers):x}", length

    async def _body(self, receive: Receive, length: int) -> bytes:
        if length > self.max_bytes:
            await self._take_off(receive)
            raise self._too_long()
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _ClientGoneError
        body: bytes = message.get("body", b"")
        if not message.get("more_body", False):
            if len(body) > self.max_bytes:
                raise self._too_long()
            return body
        try:
            async with asyncio.timeout(self.timeout_s):
                return await self._long_body(receive, bytearray(body))
        except TimeoutError as error:
            raise _RefusedError(
                408, f"the body didn't arrive within {self.timeout_s:g} s."
            ) from error

    async def _long_body(self, receive: Receive, body: bytearray) -> bytes:
        more = True
        while more:
            if len(body) > self.max_bytes:
                body.clear()
                await self._take_off(receive)
                raise self._too_long()
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _ClientGoneError
            body += message.get("body", b"")
            more = message.get("more_body", False)
        if len(body) > self.max_bytes:
            raise self._too_long()
        return bytes(body)

    async def _take_off(self, receive: Receive) -> None:
        """Let the rest of a long body pass, within bounds; unread, it would cost the answer.

        A connection that is closed while data waits to be read is reset by the system, and the
        client sees that instead of what it did wrong.
        """
        left = _PASSED * self.max_bytes
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(self.timeout_s, _PASSING_S)):
                while left > 0:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _ClientGoneError
                    if not message.get("more_body", False):
                        return
                    left -= len(message.get("body", b""))

    def _too_long(self) -> _RefusedError:
        detail = f"a body may have {self.max_bytes:,} bytes. Send the rows in several requests."
        return _RefusedError(413, detail)

    def _classify(self, raised: Exception, request_id: str) -> tuple[int, str]:
        if isinstance(raised, _RefusedError):
            return raised.status, str(raised)
        if isinstance(raised, BusyError):
            return 503, str(raised)
        if isinstance(raised, TooSlowError):
            return 504, str(raised)
        self.metrics.model_error()
        if isinstance(raised, PredictionError):
            _log.warning("Request %s: %s", request_id, raised)
            return 500, str(raised)
        _log.error("Request %s failed in the service.", request_id, exc_info=raised)
        return 500, f"{type(raised).__name__} in the service."

    def _keep_answers(
        self,
        served: Served,
        request_id: str,
        latency: float,
        rows: Sequence[Row],
        answers: Sequence[Any],
    ) -> None:
        if self.log is None:
            return
        head = self._head(self.log, served, request_id, latency, 200)
        kept = served.logged
        self.log.add(
            f'{head},"row_number":{number},"row":{_dumps({name: row.get(name) for name in kept})}'
            f',"prediction":{_dumps(answer)}}}'.encode()
            for number, (row, answer) in enumerate(zip(rows, answers, strict=True))
        )

    def _keep_failure(
        self,
        served: Served,
        request_id: str,
        latency: float,
        status: int,
        problems: Sequence[Problem],
        error: str,
    ) -> None:
        for problem in problems:
            known = problem.column if problem.column in served.checker.columns else None
            self.metrics.problem(known or "", problem.rule)
        if self.log is None:
            return
        found = [{"row": p.row, "column": p.column, "rule": p.rule} for p in problems]
        head = self._head(self.log, served, request_id, latency, status)
        told = f',"problems":{_dumps(found)}' if problems else f',"error":{_dumps(error)}'
        line = f'{head},"row_number":null,"row":null,"prediction":null{told}}}'
        self.log.add([line.encode()])

    @staticmethod
    def _head(log: RequestLog, served: Served, request_id: str, latency: float, status: int) -> str:
        return (
            f'{{"time":"{log.stamp(time.time() - latency)}","request_id":"{request_id}"'
            f',{served.label},"status":{status},"latency_ms":{latency * 1000:.3f}'
        )


def _parse(body: bytes) -> Any:
    try:
        return json.loads(body, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise _RefusedError(400, "the body is nested too deeply.") from error
    except UnicodeDecodeError as error:
        packed = body.startswith(_GZIP)
        said = "it is compressed; send it as it is." if packed else "it must be UTF-8."
        raise _RefusedError(400, f"the body isn't JSON: {said}") from error
    except ValueError as error:
        raise _RefusedError(400, f"the body isn't JSON: {error}.") from error


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON; a missing number is null")


def _answer(served: Served, request_id: str, answers: list[Any], single: bool) -> bytes:
    told = f'"prediction":{_dumps(answers[0])}' if single else f'"predictions":{_dumps(answers)}'
    return f'{{{told},{served.label},"request_id":"{request_id}"}}'.encode()


def _rejection(served: Served, request_id: str, found: RejectedRowsError) -> tuple[int, bytes]:
    first = found.problems[0]
    too_many = first.rule == "rows" and isinstance(first.found, int) and first.found > 0
    status = 413 if too_many else 422
    problems = [
        {"row": p.row, "column": p.column, "rule": p.rule, "found": p.found, "message": p.message}
        for p in found.problems
    ]
    count = f"{found.total} problem{'s' * (found.total != 1)}"
    detail = f"{count} with the contract {served.contract.name!r}. {first.message}"
    return status, _problem(request_id, status, detail, problems=problems, total=found.total)


def _told(status: int, error: str) -> str:
    """Tell the client; what a model says when it fails may hold more than it should see."""
    if status == 500:
        return "the model failed on these rows. The service's log has more under the request's id."
    return error


def _problem(request_id: str, status: int, detail: str, **more: Any) -> bytes:
    content = {
        "type": "about:blank",
        "title": STATUSES[status],
        "status": status,
        "detail": detail,
        "request_id": request_id,
        **more,
    }
    return json.dumps(content).encode()


async def _send(send: Send, status: int, content: bytes, request_id: str) -> None:
    kind = b"application/json" if status == 200 else PROBLEM_TYPE.encode()
    headers = [
        (b"content-type", kind),
        (b"content-length", b"%d" % len(content)),
        (b"x-request-id", request_id.encode()),
    ]
    if status in (408, 413):
        headers.append((b"connection", b"close"))
    elif status == 503:
        headers.append((b"retry-after", b"1"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
