"""Every test of this folder runs over three engines: memory, a file, and PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import pytest

from mcp_truto_lms.store.database import Database
from tests import stored
from tests.store.written_store import WrittenStore


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the engines to which a test, by its mark `engines`, does not apply."""
    deselected = [
        item
        for item in items
        if (mark := item.get_closest_marker("engines")) and item.callspec.params["engine"] not in mark.args
    ]
    items[:] = [item for item in items if item not in deselected]
    config.hook.pytest_deselected(items=deselected)


@pytest.fixture(scope="module", autouse=True, params=["memory", "file", "postgres"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The engine of every store that a test opens by `new_store` or `filled`."""
    number = count()
    kind: str = request.param
    addresses: dict[str, Callable[[], str]] = {"memory": str}
    if kind == "file":
        folder = tmp_path_factory.mktemp("stores")
        addresses[kind] = lambda: str(folder / f"{next(number)}.db")
    if kind == "postgres":
        addresses[kind] = request.getfixturevalue("new_address")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stored.Where, "new_address", staticmethod(addresses[kind]))
        yield kind


@pytest.fixture
def store() -> WrittenStore:
    return WrittenStore()


@pytest.fixture(autouse=True)
def _close_stores(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close the stores that a test left open."""
    opened: list[Database] = []
    original_init = stored.Opened.__init__

    def remember(self: stored.Opened, *arguments: str) -> None:
        original_init(self, *arguments)
        opened.append(self)

    monkeypatch.setattr(stored.Opened, "__init__", remember)
    yield
    for database in opened:
        database.close()
