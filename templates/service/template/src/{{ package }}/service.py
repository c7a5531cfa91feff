"""The service: the champion answers, and for a share of the requests the challenger does."""

import asyncio
import contextlib
import hmac
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Header, HTTPException
from fastapi.responses import PlainTextResponse
from mlops_kit import serve
from mlops_kit.errors import KitError, ServeError
from mlops_kit.serve_registry import ModelAddress, version_meant
from mlops_kit.stores import DATABASE

from .canary import chosen
from .config import Settings
from .contract import REQUEST, TASK
from .monitoring import GAUGES

__all__ = ["Challenger", "create_app"]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

_log = logging.getLogger(__name__)


def create_app(settings: Settings) -> FastAPI:
    """Make the service.

    Besides what :func:`mlops_kit.serve.create_app` gives, ``/challenger/metrics`` and
    ``/challenger/model`` tell of the challenger while there is one, and ``POST /reload`` looks for
    promotions now, for whoever sends the admin token.

    Raises
    ------
    ServeError
        If there is no champion.
    """
    challenger = Challenger(settings)
    app = _app(settings, "@champion")
    if settings.canary.share > 0:
        app.add_middleware(_Split, challenger=challenger, settings=settings)
        app.mount("/challenger", challenger)
    inner = app.router.lifespan_context

    @contextlib.asynccontextmanager
    async def lifespan(own: FastAPI) -> AsyncIterator[None]:
        async with inner(own), challenger.watched():
            yield

    app.router.lifespan_context = lifespan
    _add_monitoring(app, settings.reports / GAUGES)
    if settings.admin_token is not None:
        _add_reload(app, challenger, settings.admin_token.get_secret_value())
    return app


def _app(settings: Settings, which: str) -> FastAPI:
    made: FastAPI = serve.create_app(
        f"models:/{settings.model_name}{which}",
        contract=REQUEST,
        output="probability" if TASK == "classification" else "prediction",
        registry=_registry(settings),
        log=settings.request_log,
        max_rows=settings.serving.max_rows,
        timeout_s=settings.serving.timeout_s,
        reload_s=settings.serving.reload_s,
        # The model computes its features in Python, which ONNX can't hold.
        onnx=False,
    )
    return made


def _registry(settings: Settings) -> str:
    """Give the registry's address without opening it: the service needs little of MLflow."""
    if settings.tracking_server is not None:
        return settings.tracking_server
    database = settings.workspace.absolute() / DATABASE
    if not database.is_file():
        raise ServeError(
            f"there is no registry in {settings.workspace}. Train and release a model first, or "
            "say in APP_WORKSPACE where it is."
        )
    return f"sqlite:///{database.as_posix()}"


def _add_monitoring(app: FastAPI, gauges: Path) -> None:
    @app.get(
        "/monitoring",
        summary="What the last look of `monitor` found, for Prometheus",
        response_class=PlainTextResponse,
    )
    async def monitoring() -> PlainTextResponse:
        found = gauges.read_text("utf-8") if gauges.is_file() else ""
        return PlainTextResponse(found, media_type="text/plain; version=0.0.4")


def _add_reload(app: FastAPI, challenger: "Challenger", token: str) -> None:
    @app.post("/reload", summary="Look for another champion or challenger now")
    async def reload(authorization: Annotated[str, Header()] = "") -> dict[str, str | None]:
        if not hmac.compare_digest(authorization.encode(), f"Bearer {token}".encode()):
            raise HTTPException(401, "The admin token is missing or wrong.")
        await asyncio.to_thread(app.state.service.renew)
        await challenger.renew()
        champion = app.state.service.describe()["version"]
        return {"champion": champion, "challenger": challenger.version}


class Challenger:
    """The challenger's service, beside the champion's, for as long as there is a challenger."""

    def __init__(self, settings: Settings) -> None:
        self.version: str | None = None
        self.app: FastAPI | None = None
        self._settings = settings
        self._failed: str | None = None
        self._running = contextlib.AsyncExitStack()
        self._one = asyncio.Lock()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Tell of the challenger, read-only."""
        if self.app is not None and scope.get("method") in ("GET", "HEAD"):
            await self.app(scope, receive, send)
            return
        detail = b'{"detail":"There is no challenger."}'
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 404, "headers": headers})
        await send({"type": "http.response.body", "body": detail})

    @contextlib.asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Look for another challenger again and again."""
        if self._settings.canary.share == 0:
            yield
            return
        await self.renew()
        watching = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watching.cancel()
            await self._running.aclose()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._settings.serving.reload_s)
            await self.renew()

    async def renew(self) -> None:
        """Take the challenger that is meant now, or none."""
        if self._settings.canary.share == 0:
            return
        async with self._one:
            meant = await asyncio.to_thread(self._meant)
            if meant in (self.version, self._failed):
                return
            made = None
            if meant is not None:
                try:
                    made = await asyncio.to_thread(_app, self._settings, f"/{meant}")
                except KitError as error:
                    # It isn't tried again: a version never changes.
                    _log.error("Version %s can't be the challenger: %s", meant, error)
                    self._failed = meant
            before, self._running = self._running, contextlib.AsyncExitStack()
            if made is not None:
                await self._running.enter_async_context(made.router.lifespan_context(made))
            self.app, self.version = made, meant if made is not None else None
            await before.aclose()

    def _meant(self) -> str | None:
        address = f"models:/{self._settings.model_name}@challenger"
        try:
            return version_meant(ModelAddress.parse(address), _registry(self._settings))
        except ServeError:
            return None


class _Split:
    """Send a share of the predictions to the challenger, by who asks."""

    def __init__(self, app: App, *, challenger: Challenger, settings: Settings) -> None:
        self._app, self._challenger = app, challenger
        self._share = settings.canary.share
        self._headers = (settings.canary.header.lower().encode(), b"x-request-id")

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        answering = self._challenger.app
        if answering is None or scope["type"] != "http" or scope["path"] != "/predict":
            await self._app(scope, receive, send)
            return
        if chosen(self._entity(scope), challenger=str(self._challenger.version), share=self._share):
            await answering(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _entity(self, scope: Message) -> str:
        """Say who asks: by the agreed header, else the request's id, else by chance."""
        given = dict(scope["headers"])
        for header in self._headers:
            if given.get(header):
                return str(given[header].decode("latin-1"))
        return secrets.token_hex(8)
