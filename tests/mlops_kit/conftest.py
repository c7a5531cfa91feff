"""A store that is ready once for all tests of the kit."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from mlops_kit import tracking


@pytest.fixture
def store(tmp_path: Path) -> tracking.Store:
    """An empty store, open."""
    return tracking.start(tmp_path / "workspace", experiment="tests")


@pytest.fixture
def ask() -> Callable[..., httpx.Response]:
    """Send one request to an application, without a server."""

    def send(app: Any, path: str = "/predict", method: str = "POST", **request: Any) -> Any:
        async def exchange() -> httpx.Response:
            service = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=service, base_url="http://service") as client:
                return await client.request(method, path, **request)

        return asyncio.run(exchange())

    return send
