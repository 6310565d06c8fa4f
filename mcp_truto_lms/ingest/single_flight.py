"""Single flight: a scope is read once for all who want it, in this process and in those that share the store.

Whoever comes later waits, and takes what was written. A flight that nobody waits for any longer is ended; one that
several wait for goes on when the first of them leaves. The limit of a reading in the background is its own: a question
that waited for one reads by itself.
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
    """One reading under way."""

    began_at: float
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    over: anyio.Event = field(default_factory=anyio.Event)
    waiting: int = 0
    done: bool = False
    error: Exception | None = None
    refused_as_background: bool = False

    async def wait(self) -> None:
        """Wait until it is over; the last one who leaves before that ends it."""
        self.waiting += 1
        try:
            await self.over.wait()
        finally:
            self.waiting -= 1
            if not self.waiting and not self.over.is_set():
                self.scope.cancel()


class SingleFlight:
    """The readings of one account.

    Args:
        account: the key of its rows
        database: where other processes can be seen to read the same
        background: where readings run, whoever waits for them
    """

    def __init__(self, account: str, database: Database, background: Background) -> None:
        self._account = account
        self._database = database
        self._background = background
        self._under_way: dict[str, _SharedFetch] = {}
        self._began_at: dict[str, float] = {}

    def began_at(self, key: str) -> float:
        """Tell when the last reading of a scope that ended well began, in the event loop's seconds."""
        return self._began_at.get(key, float("-inf"))

    async def ensure(self, key: str, fetch: Fetch, is_stale: IsStale, *, since: float = float("-inf")) -> None:
        """Fetch a scope unless it is fresh enough, or becomes so while another call or process fetches it.

        Args:
            key: of the scope
            fetch: reads and writes it
            is_stale: tells whether it is to be read, looked at again after waiting
            since: a flight that began before, in the event loop's seconds, is waited for and does not count

        Raises:
            Exception: what the reading failed with.
        """
        while await is_stale():
            flight = self._under_way.get(key)
            if flight is None:
                flight = self._under_way[key] = _SharedFetch(anyio.current_time())
                self._background.start(lambda flight=flight: self._fly(key, flight, fetch, is_stale))
            await flight.wait()
            if flight.began_at >= since:
                if flight.refused_as_background and not _in_background():
                    continue
                if flight.error is not None:
                    raise flight.error
                if flight.done:
                    return

    async def _fly(self, key: str, flight: _SharedFetch, fetch: Fetch, is_stale: IsStale) -> None:
        try:
            with flight.scope:
                await self._fetch_alone(key, flight, fetch, is_stale)
                flight.done = True
        except Exception as error:  # noqa: BLE001  an edge: whoever waits gets it
            flight.error = error
            flight.refused_as_background = isinstance(error, RateLimited) and _in_background()
        finally:
            del self._under_way[key]
            flight.over.set()

    async def _fetch_alone(self, key: str, flight: _SharedFetch, fetch: Fetch, is_stale: IsStale) -> None:
        """Fetch while no other process fetches the same; what another one has fetched meanwhile is taken."""
        lock = f"{self._account} {key}"
        while not await self._database.try_lock(lock):  # noqa: ASYNC110  another process tells nobody
            await anyio.sleep(LOCK_POLL_SECONDS)
        try:
            if not self._database.shared or await is_stale():
                await fetch()
                self._began_at[key] = flight.began_at
        finally:
            with anyio.CancelScope(shield=True):
                await self._database.unlock(lock)


def _in_background() -> bool:
    """Tell whether nobody waits any longer for the question that this is done for."""
    tally = CALL_COUNTER.get()
    return tally is not None and tally.background
