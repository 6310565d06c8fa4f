"""The database: SQLite in memory, an SQLite file, or PostgreSQL, chosen by its address alone.

Work is synchronous and runs in one transaction in a worker thread; nothing is awaited inside a transaction. A reader
sees one state for the whole of its work: before or after a scope's replacement, never between, on every engine.

What is kept is a cache of the LMS. So an older schema is dropped and built anew, and everything is read again; what
somebody else wrote, or a newer version, is refused and left as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import anyio.to_thread
from sqlalchemy import Connection

from mcp_truto_lms.domain.errors import ConfigurationError
from mcp_truto_lms.providers.rate_limiter import Window
from mcp_truto_lms.store import shared_rate_limits
from mcp_truto_lms.store.schema_rebuild import SETTING
from mcp_truto_lms.store.sqlite import File, Memory

_Result = TypeVar("_Result")

MOST_AT_ONCE = 40
"""Transactions that threads work on. In memory it is one: there is one connection, and its thread keeps the memory."""
_SCHEME = re.compile(r"([A-Za-z][\w+.\-]*)://")


class StorageEngine(Protocol):
    """One way of keeping the tables, used from worker threads."""

    @property
    def shared(self) -> bool:
        """Whether other processes may use the same store."""
        ...

    def transact(self, work: Callable[[Connection], _Result], *, write: bool, apart: bool = False) -> _Result:
        """Do work in one transaction; an exception rolls all of it back.

        What it writes apart, each statement by itself, may be as many transactions, if that takes fewer trips.
        """
        ...

    def try_lock(self, key: str) -> bool:
        """Take a lock that no other process and nobody in this one holds, or answer False."""
        ...

    def unlock(self, key: str) -> None:
        """Give a lock back."""
        ...

    def tidy(self) -> None:
        """Make reading fast again after much was written."""
        ...

    def close(self) -> None:
        """Give up all locks and connections."""
        ...


class Database:
    """The tables, wherever they are kept.

    Args:
        address: empty for memory, gone with the process; the path of an SQLite file; or a `postgresql://` address

    Raises:
        ConfigurationError: the store cannot be opened as it is set.
    """

    def __init__(self, address: str = "") -> None:
        self._engine: StorageEngine = _open(address)
        self._at_once = anyio.CapacityLimiter(MOST_AT_ONCE if self._engine.shared else 1)

    @property
    def shared(self) -> bool:
        """Whether other processes may use the same store."""
        return self._engine.shared

    async def run(self, work: Callable[[Connection], _Result], *, write: bool = False, apart: bool = False) -> _Result:
        """Run synchronous work in one transaction, in a worker thread; an exception rolls all of it back.

        Args:
            work: what to do with the connection
            write: whether it changes anything; a reader of a shared store may not
            apart: whether each statement that it writes may stand without the others

        Raises:
            StoreError: the store cannot be used now.
        """
        return await anyio.to_thread.run_sync(
            lambda: self._transact(work, write=write, apart=apart), limiter=self._at_once
        )

    def _transact(self, work: Callable[[Connection], _Result], *, write: bool = False, apart: bool = False) -> _Result:
        return self._engine.transact(work, write=write, apart=apart)

    async def try_lock(self, key: str) -> bool:
        """Take a lock across all processes of the store, without waiting; a process that dies gives its locks back.

        Raises:
            StoreError: the store cannot be used now.
        """
        if not self.shared:  # there is nobody to wait for, and its one thread keeps the memory
            return self._engine.try_lock(key)
        return await anyio.to_thread.run_sync(self._engine.try_lock, key)

    async def unlock(self, key: str) -> None:
        """Give a lock back."""
        if self.shared:
            await anyio.to_thread.run_sync(self._engine.unlock, key)
        else:
            self._engine.unlock(key)

    async def admit(self, key: str, windows: Sequence[Window]) -> float:
        """Take room in sliding windows that all processes of the store share.

        Returns:
            0.0 where a call may go now and is counted, else the seconds to wait before trying again.

        Raises:
            StoreError: the store cannot be used now.
        """
        return await self.run(lambda c: shared_rate_limits.acquire(c, key, windows), write=True)

    async def tidy(self) -> None:
        """Make reading fast again after much was written, where the engine does not see to it at once by itself.

        Raises:
            StoreError: the store cannot be used now.
        """
        await anyio.to_thread.run_sync(self._engine.tidy, abandon_on_cancel=True)  # the process ends without it

    def close(self) -> None:
        """Give up all locks and connections; what was in memory is gone."""
        self._engine.close()


def _open(address: str) -> StorageEngine:
    scheme = _SCHEME.match(address)
    if scheme is None:
        return File(address) if address else Memory()
    if scheme[1] not in ("postgresql", "postgresql+psycopg"):
        raise ConfigurationError(f"{SETTING} is the path of a file or an address that begins with postgresql://.")
    from mcp_truto_lms.store.postgres import Postgres

    return Postgres(address)
