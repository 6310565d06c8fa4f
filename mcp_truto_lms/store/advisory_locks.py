"""Locks by name that last as long as a transaction: those who write the same rows at the same time wait for each other.

Only PostgreSQL needs them: SQLite has one writer at a time.
"""

from __future__ import annotations

from hashlib import blake2b

from sqlalchemy import Connection, func, select


def lock_id(name: str) -> int:
    """Return the number of a lock: 64 bits with a sign, the same in every process."""
    return int.from_bytes(blake2b(name.encode("utf-8", "replace"), digest_size=8).digest(), signed=True)


def lock_name(connection: Connection, name: str) -> None:
    """Wait until no other transaction has this lock, and hold it until this transaction ends."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(lock_id(name))))


def lock_account(connection: Connection, account: str) -> None:
    """Take the lock of those who write an account's rows."""
    lock_name(connection, f"account:{account}")
