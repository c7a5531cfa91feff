"""A store that is ready once for all tests of the kit."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_kit import tracking


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep ready stores out of the user's own cache."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLOPS_KIT_CACHE", str(folder))
        yield folder


@pytest.fixture
def store(tmp_path: Path, own_cache: Path) -> tracking.Store:
    """An empty store, open."""
    return tracking.start(tmp_path / "workspace", experiment="tests")
