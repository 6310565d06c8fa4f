"""Limits that all processes of a store share: sliding windows over the calls that any of them made.

On PostgreSQL the server's clock counts, and whoever asks for the same key waits its turn; in a file, the one clock of
the machine, and the file's only writer.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from sqlalchemy import BigInteger, Connection, cast, delete, func, insert, select

from mcp_truto_lms.providers.rate_limiter import Window
from mcp_truto_lms.store.advisory_locks import lock_name
from mcp_truto_lms.store.schema import calls


def acquire(connection: Connection, key: str, windows: Sequence[Window], *, now: int | None = None) -> float:
    """Count a call where every window has room for it.

    Args:
        connection: of a writing transaction
        key: whose limits they are
        windows: the limits
        now: in milliseconds since the epoch; None asks the clock

    Returns:
        0.0 where the call may go, else the seconds until it may be tried again.
    """
    lock_name(connection, f"calls:{key}")
    now = _now(connection) if now is None else now
    longest = _milliseconds(max((one.seconds for one in windows), default=0.0))
    # a clock that was set back leaves calls in the future: they hold nobody up for long
    outdated = ~calls.c.at.between(now - longest, now + longest)
    connection.execute(delete(calls).where(calls.c.key == key, outdated))
    wait = max((_wait(connection, key, one, now) for one in windows), default=0)
    if wait > 0:
        return wait / 1000
    connection.execute(insert(calls).values(key=key, at=now))
    return 0.0


def _wait(connection: Connection, key: str, window: Window, now: int) -> int:
    """Tell how long a window is full, in milliseconds: until as many calls ago as it takes is out of it."""
    latest = select(calls.c.at).where(calls.c.key == key).order_by(calls.c.at.desc())
    passed = connection.execute(latest.offset(window.calls - 1).limit(1)).scalar()
    return 0 if passed is None else passed + _milliseconds(window.seconds) - now


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _now(connection: Connection) -> int:
    if connection.dialect.name == "postgresql":
        seconds = func.extract("epoch", func.clock_timestamp())
        return connection.execute(select(cast(seconds * 1000, BigInteger))).scalar_one()
    return time.time_ns() // 1_000_000
