"""Single flight: a scope is fetched once for all who need it, in this process and in those that share the store.

Later questions wait for the fetch and use what it wrote. A fetch continues as long as a question waits for it, and ends
when the last one leaves. The rate limit of a fetch in the background is its own: a question that waited for a fetch
which that limit stopped fetches by itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio

from mcp_truto_lms.domain.call_counter import CALL_COUNTER
from mcp_truto_lms.domain.errors import RateLimited
from mcp_truto_lms.ingest.background import Background
from mcp_truto_lms.store.database import Database

LOCK_POLL_SECONDS = 0.2

Fetch = Callable[[], Awaitable[None]]
IsStale = Callable[[], Awaitable[bool]]


@dataclass(slots=True)
class _SharedFetch:
    """A fetch under way, and who waits for it."""

    began_at: float
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    over: anyio.Event = field(default_factory=anyio.Event)
    waiting: int = 0
    done: bool = False
    error: Exception | None = None
    refused_as_background: bool = False

    async def wait(self) -> None:
        """Wait until it is over; the last one who leaves before that cancels it."""
        self.waiting += 1
        try:
            await self.over.wait()
        finally:
            self.waiting -= 1
            if not self.waiting and not self.over.is_set():
                self.scope.cancel()


class SingleFlight:
    """The fetches of one account that are under way.

    Args:
        account: the key of its rows
        database: holds the locks that other processes respect
        background: where fetches run
    """

    def __init__(self, account: str, database: Database, background: Background) -> None:
        self._account = account
        self._database = database
        self._background = background
        self._under_way: dict[str, _SharedFetch] = {}
        self._began_at: dict[str, float] = {}

    def began_at(self, key: str) -> float:
        """Tell when the last successful fetch of a scope began, in the event loop's seconds."""
        return self._began_at.get(key, float("-inf"))

    async def ensure(self, key: str, fetch: Fetch, is_stale: IsStale, *, since: float = float("-inf")) -> None:
        """Fetch a scope unless it is fresh, or becomes so while another question or process fetches it.

        Args:
            key: of the scope
            fetch: fetches and writes it
            is_stale: tells whether it has to be fetched; asked again after waiting
            since: a fetch that began earlier, in the event loop's seconds, is waited for and does not count

        Raises:
            Exception: the failure of the fetch.
        """
        while await is_stale():
            shared_fetch = self._under_way.get(key)
            if shared_fetch is None:
                shared_fetch = self._under_way[key] = _SharedFetch(anyio.current_time())
                self._background.start(lambda shared_fetch=shared_fetch: self._run(key, shared_fetch, fetch, is_stale))
            await shared_fetch.wait()
            if shared_fetch.began_at >= since:
                if shared_fetch.refused_as_background and not _in_background():
                    continue
                if shared_fetch.error is not None:
                    raise shared_fetch.error
                if shared_fetch.done:
                    return

    async def _run(self, key: str, shared_fetch: _SharedFetch, fetch: Fetch, is_stale: IsStale) -> None:
        try:
            with shared_fetch.scope:
                await self._fetch_locked(key, shared_fetch, fetch, is_stale)
                shared_fetch.done = True
        except Exception as error:  # noqa: BLE001  an edge: every question that waits raises it
            shared_fetch.error = error
            shared_fetch.refused_as_background = isinstance(error, RateLimited) and _in_background()
        finally:
            del self._under_way[key]
            shared_fetch.over.set()

    async def _fetch_locked(self, key: str, shared_fetch: _SharedFetch, fetch: Fetch, is_stale: IsStale) -> None:
        """Fetch while no other process fetches the same; nothing, if another process has just written it."""
        lock = f"{self._account} {key}"
        while not await self._database.try_lock(lock):  # noqa: ASYNC110  another process sends no event
            await anyio.sleep(LOCK_POLL_SECONDS)
        try:
            if not self._database.shared or await is_stale():
                await fetch()
                self._began_at[key] = shared_fetch.began_at
        finally:
            with anyio.CancelScope(shield=True):
                await self._database.unlock(lock)


def _in_background() -> bool:
    """Tell whether the question that this is done for has stopped waiting."""
    call_counter = CALL_COUNTER.get()
    return call_counter is not None and call_counter.background
