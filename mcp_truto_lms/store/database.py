"""The embedded database: SQLite in memory, one connection behind one lock.

A pool of one connection per thread would be several empty databases, and one connection shared without a lock would
roll back its neighbour's work. So readers and writers take turns, each in a worker thread with a transaction of its
own, and nothing is awaited inside a transaction: a reader sees a scope before or after its replacement, never between.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

import anyio.to_thread
from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import StaticPool

from mcp_truto_lms.store.schema import metadata

_Result = TypeVar("_Result")


class Database:
    """The tables in memory; gone with the process."""

    def __init__(self) -> None:
        self._engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
        self._lock = threading.Lock()
        metadata.create_all(self._engine)

    async def run(self, work: Callable[[Connection], _Result]) -> _Result:
        """Run synchronous work in one transaction, in a worker thread; an exception rolls all of it back."""
        return await anyio.to_thread.run_sync(self._transact, work)

    def _transact(self, work: Callable[[Connection], _Result]) -> _Result:
        with self._lock, self._engine.begin() as connection:
            return work(connection)

    def close(self) -> None:
        """Drop the data."""
        with self._lock:
            self._engine.dispose()
