"""Every test of this folder runs over three engines: memory, a file, and PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import pytest

from mcp_truto_lms.store.database import Database
from tests import stored


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the engines for which a test, by its mark `engines`, has no meaning."""
    meaningless = [
        one
        for one in items
        if (mark := one.get_closest_marker("engines")) and one.callspec.params["engine"] not in mark.args
    ]
    items[:] = [one for one in items if one not in meaningless]
    config.hook.pytest_deselected(items=meaningless)


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


@pytest.fixture(autouse=True)
def _all_closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close whatever stores a test opened and left open."""
    opened: list[Database] = []
    first = stored.Opened.__init__

    def remember(self: stored.Opened, *arguments: str) -> None:
        first(self, *arguments)
        opened.append(self)

    monkeypatch.setattr(stored.Opened, "__init__", remember)
    yield
    for one in opened:
        one.close()
