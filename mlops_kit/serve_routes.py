"""A service's addresses in FastAPI: predictions, health, readiness, metrics, the model."""

import importlib
from collections.abc import Callable
from typing import Any

from mlops_kit.contracts import Contract
from mlops_kit.errors import MissingToolError
from mlops_kit.serve_answers import PredictEndpoint
from mlops_kit.serve_running import Service
from mlops_kit.serve_schema import add_predict

__all__ = ["add_routes", "load_framework", "openapi_of", "with_short_way"]


def load_framework(module: str) -> Any:
    """Import a part of the web framework on first use.

    Raises
    ------
    MissingToolError
        If it isn't installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingToolError(
            f"serving needs {error.name!r}, which isn't installed. "
            "Install it with: pip install 'mlops-kit[serve]'"
        ) from error


def add_routes(app: Any, service: Service) -> None:
    """Add the service's addresses to a FastAPI application."""
    routing, responses = load_framework("starlette.routing"), load_framework("starlette.responses")
    app.router.routes.insert(
        0, routing.Route("/predict", endpoint=service.endpoint, methods=["POST"])
    )

    def text(description: str) -> dict[int | str, dict[str, Any]]:
        content = {"text/plain": {"schema": {"type": "string"}}}
        return {200: {"description": description, "content": content}}

    async def health() -> dict[str, str]:
        return {"status": "alive"}

    async def ready() -> Any:
        if service.stopping:
            return responses.JSONResponse({"status": "stopping"}, status_code=503)
        return {"status": "ready"}

    async def model() -> dict[str, Any]:
        return service.describe()

    async def metrics() -> Any:
        page, kind = service.endpoint.metrics.page(service.endpoint.batcher.waiting)
        return responses.Response(page, media_type=kind)

    app.get("/health", summary="Whether the process lives")(health)
    stopping = {503: {"description": "Stopping: send requests elsewhere"}}
    app.get("/ready", summary="Whether to send it requests", responses=stopping)(ready)
    app.get("/model", summary="What is served, and what it was made of")(model)
    app.get(
        "/metrics",
        summary="What Prometheus reads",
        response_class=responses.PlainTextResponse,
        responses=text("Prometheus's text format"),
    )(metrics)


def with_short_way(app: Any, endpoint: PredictEndpoint) -> Callable[[], Any]:
    """Let predictions past layers that do nothing for them; whoever adds middleware gets them all.

    The endpoint answers every failure itself, so the layers that would are a fifth of its time.
    """
    whole = app.build_middleware_stack

    def build() -> Any:
        stack = whole()
        if app.user_middleware:
            return stack

        async def answer(scope: Any, receive: Any, send: Any) -> None:
            plain = scope.get("path") == "/predict" and scope.get("method") == "POST"
            await (endpoint if plain else stack)(scope, receive, send)

        return answer

    return build


def openapi_of(app: Any, service: Service, max_rows: int) -> Callable[[], dict[str, Any]]:
    """Give what makes the application's OpenAPI, for the contract of the model in use."""
    plain = app.openapi
    made: dict[Contract, dict[str, Any]] = {}

    def openapi() -> dict[str, Any]:
        contract = service.current.served.contract
        if contract not in made:
            made.clear()
            made[contract] = add_predict(plain(), contract, max_rows=max_rows)
        return made[contract]

    return openapi
