"""Rate limits that all processes of a store share: sliding windows over the calls that any of them made.

On PostgreSQL the clock is the server's, and callers of the same key wait for each other. In a file the clock is the
machine's, and the file has one writer.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from sqlalchemy import BigInteger, Connection, cast, delete, func, insert, select

from mcp_truto_lms.domain.rate_limits import RateLimit
from mcp_truto_lms.store.advisory_locks import lock_name
from mcp_truto_lms.store.schema import calls


def acquire(
    connection: Connection, key: str, limits: Sequence[RateLimit], *, now_milliseconds: int | None = None
) -> float:
    """Count a call if every limit has room for it.

    Args:
        connection: of a writing transaction
        key: names whose limits they are
        limits: which all must have room
        now_milliseconds: since the epoch; None reads the clock

    Returns:
        0.0 if the call may go, else the seconds to wait before the next attempt.
    """
    lock_name(connection, f"calls:{key}")
    now = _now(connection) if now_milliseconds is None else now_milliseconds
    longest = max((_milliseconds(limit.seconds) for limit in limits), default=0)
    # if the clock was set back, calls lie in the future: they must not block for long
    outdated = ~calls.c.at.between(now - longest, now + longest)
    connection.execute(delete(calls).where(calls.c.key == key, outdated))
    wait = max((_wait(connection, key, limit, now) for limit in limits), default=0)
    if wait > 0:
        return wait / 1000
    connection.execute(insert(calls).values(key=key, at=now))
    return 0.0


def _wait(connection: Connection, key: str, limit: RateLimit, now: int) -> int:
    """Return for how many milliseconds a limit stays used up: until its oldest counted call leaves it."""
    latest = select(calls.c.at).where(calls.c.key == key).order_by(calls.c.at.desc())
    oldest = connection.execute(latest.offset(limit.calls - 1).limit(1)).scalar()
    return 0 if oldest is None else oldest + _milliseconds(limit.seconds) - now


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _now(connection: Connection) -> int:
    if connection.dialect.name == "postgresql":
        seconds = func.extract("epoch", func.clock_timestamp())
        return connection.execute(select(cast(seconds * 1000, BigInteger))).scalar_one()
    return time.time_ns() // 1_000_000
