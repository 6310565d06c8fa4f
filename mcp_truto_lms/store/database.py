"""The database: SQLite in memory, an SQLite file, or PostgreSQL, chosen by its address.

Work is synchronous and runs in one transaction in a worker thread; nothing is awaited inside a transaction. A reader
sees one state of the data for the whole of its work, on every engine: before a scope is replaced or after, never
between.

The store is a cache of the LMS: `schema_rebuild` states what happens to a store of another version.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import anyio.to_thread
from sqlalchemy import Connection

from mcp_truto_lms.domain.errors import ConfigurationError
from mcp_truto_lms.domain.rate_limits import RateLimit
from mcp_truto_lms.store import shared_rate_limits
from mcp_truto_lms.store.schema_rebuild import SETTING
from mcp_truto_lms.store.sqlite import File, Memory

_Result = TypeVar("_Result")

MAX_CONCURRENT_TRANSACTIONS = 40
"""Of a shared store. In memory there is one connection, so that one thread at a time is enough."""
_SCHEME = re.compile(r"([A-Za-z][\w+.\-]*)://")


class StorageEngine(Protocol):
    """One way to store the tables, used from worker threads."""

    @property
    def shared(self) -> bool:
        """Whether other processes may use the same store."""
        ...

    def transact(self, work: Callable[[Connection], _Result], *, write: bool) -> _Result:
        """Do work in one transaction; an exception rolls all of it back."""
        ...

    def try_lock(self, key: str) -> bool:
        """Take a lock that nobody holds, in this process or another one, or return False."""
        ...

    def unlock(self, key: str) -> None:
        """Release a lock."""
        ...

    def tidy(self) -> None:
        """Make reading fast again after many rows were written."""
        ...

    def close(self) -> None:
        """Release all locks and connections."""
        ...


class Database:
    """The tables, wherever they are stored.

    Args:
        address: empty for memory, lost with the process; the path of an SQLite file; or a `postgresql://` address

    Raises:
        ConfigurationError: the store cannot be opened as it is set.
    """

    def __init__(self, address: str = "") -> None:
        self._engine: StorageEngine = _open(address)
        self._limiter = anyio.CapacityLimiter(MAX_CONCURRENT_TRANSACTIONS if self._engine.shared else 1)

    @property
    def shared(self) -> bool:
        """Whether other processes may use the same store."""
        return self._engine.shared

    async def run(self, work: Callable[[Connection], _Result], *, write: bool = False) -> _Result:
        """Run synchronous work in one transaction, in a worker thread; an exception rolls all of it back.

        Args:
            work: what to do with the connection
            write: whether it changes anything; a reader of a shared store may not

        Raises:
            StoreError: the store cannot be used now.
        """
        return await anyio.to_thread.run_sync(lambda: self._transact(work, write=write), limiter=self._limiter)

    def _transact(self, work: Callable[[Connection], _Result], *, write: bool = False) -> _Result:
        return self._engine.transact(work, write=write)

    async def try_lock(self, key: str) -> bool:
        """Take a lock across all processes of the store, without waiting; a process that dies releases its locks.

        Raises:
            StoreError: the store cannot be used now.
        """
        if not self.shared:  # nothing to wait for
            return self._engine.try_lock(key)
        return await anyio.to_thread.run_sync(self._engine.try_lock, key)

    async def unlock(self, key: str) -> None:
        """Release a lock."""
        if self.shared:
            await anyio.to_thread.run_sync(self._engine.unlock, key)
        else:
            self._engine.unlock(key)

    async def acquire(self, key: str, limits: Sequence[RateLimit]) -> float:
        """Count a call in the rate limits that all processes of the store share, if they have room for it.

        Returns:
            0.0 if the call may go now and is counted, else the seconds to wait before the next attempt.

        Raises:
            StoreError: the store cannot be used now.
        """
        return await self.run(lambda c: shared_rate_limits.acquire(c, key, limits), write=True)

    async def tidy(self) -> None:
        """Make reading fast again after many rows were written.

        Raises:
            StoreError: the store cannot be used now.
        """
        await anyio.to_thread.run_sync(self._engine.tidy, abandon_on_cancel=True)  # the process ends without it

    def close(self) -> None:
        """Release all locks and connections; a store in memory loses its data."""
        self._engine.close()


def _open(address: str) -> StorageEngine:
    scheme = _SCHEME.match(address)
    if scheme is None:
        return File(address) if address else Memory()
    if scheme[1] not in ("postgresql", "postgresql+psycopg"):
        raise ConfigurationError(f"{SETTING} is the path of a file or an address that begins with postgresql://.")
    from mcp_truto_lms.store.postgres import Postgres

    return Postgres(address)
