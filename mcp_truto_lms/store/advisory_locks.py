"""Turns: who writes the same thing at the same time waits, on the one engine that has several writers at once."""

from __future__ import annotations

from hashlib import blake2b

from sqlalchemy import Connection, func, select


def lock_id(name: str) -> int:
    """Turn a name into a lock's number: the same in every process, of 64 bits, with a sign."""
    return int.from_bytes(blake2b(name.encode("utf-8", "replace"), digest_size=8).digest(), signed=True)


def lock_name(connection: Connection, name: str) -> None:
    """Wait until no other transaction has this turn, and keep it to the end of this one.

    Only PostgreSQL needs it: the other engines have one writer at a time.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(lock_id(name))))


def lock_account(connection: Connection, account: str) -> None:
    """Take the turn of those who write an account's rows."""
    lock_name(connection, f"account:{account}")
