"""Exports: CSV files that wait for an hour to be fetched over HTTP, from whichever process of the store is asked.

A file is kept in packed parts, each unpacked alone: sending one takes no more memory than a part, and keeping one what
it is packed, about a tenth of its size. A token fetches it for the caller that it was made for. All that are kept at
once have a bound; who comes too late is told when there is room. What has expired is deleted whenever one is kept or
asked for.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, insert, select

from mcp_truto_lms.domain.errors import QueryError
from mcp_truto_lms.store.advisory_locks import lock_name
from mcp_truto_lms.store.schema import exports

MAX_AGE_SECONDS = 3600
GRACE_SECONDS = 600
"""So long after it expired, what is being fetched is still there."""
MAX_BYTES = 64 * 1024 * 1024
"""Of all that are kept at once, packed."""


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a file: packed, and its size unpacked, in bytes."""

    packed: bytes
    size: int


@dataclass(frozen=True, slots=True)
class StoredExport:
    """A file that can be fetched: its name, its size in bytes, and how many parts it has."""

    name: str
    size: int
    parts: int


def new_token() -> str:
    """Make a token of an address that nobody can guess."""
    return secrets.token_urlsafe(32)


def save(
    connection: Connection, account: str, token: str, *, principal: str, name: str, parts: Sequence[Part], now: int
) -> int:
    """Keep a file for an hour; answer when it expires.

    Args:
        connection: of a writing transaction
        account: whose rows they are
        token: a new one
        principal: who may fetch it; empty where there is one caller alone
        name: of the file
        parts: in order
        now: epoch seconds

    Raises:
        QueryError: there is no room at the moment.
    """
    _purge(connection, now)
    query = select(func.coalesce(func.sum(exports.c.packed_size), 0), func.min(exports.c.expires_at))
    kept, first = connection.execute(query).one()
    if int(kept) + sum(len(one.packed) for one in parts) > MAX_BYTES:
        wait = f"ask again in {(first + GRACE_SECONDS - now) // 60 + 1} minutes, or " if first is not None else ""
        raise QueryError(f"The exports that are waiting to be fetched leave no room: {wait}narrow the question down.")
    expires_at = now + MAX_AGE_SECONDS
    same = {"token": token, "account": account, "principal": principal, "name": name, "expires_at": expires_at}
    connection.execute(
        insert(exports),
        [
            {**same, "part": number, "size": one.size, "packed_size": len(one.packed), "packed": one.packed}
            for number, one in enumerate(parts)
        ],
    )
    return expires_at


def find(connection: Connection, token: str, *, principal: str, now: int) -> StoredExport | None:
    """Find what a caller may fetch, in a writing transaction; None where it is another's, unknown or expired."""
    _purge(connection, now)
    row = exports.c
    query = select(func.max(row.name), func.sum(row.size), func.count()).where(
        row.token == token, row.principal == principal, row.expires_at >= now
    )
    name, size, parts = connection.execute(query).one()
    return StoredExport(name, int(size), parts) if parts else None


def part(connection: Connection, token: str, number: int) -> bytes | None:
    """Read a packed part; None where the file is gone."""
    query = select(exports.c.packed).where(exports.c.token == token, exports.c.part == number)
    return connection.execute(query).scalar()


def _purge(connection: Connection, now: int) -> None:
    lock_name(connection, "exports")  # two who delete the same rows in another order would wait for each other
    connection.execute(delete(exports).where(exports.c.expires_at < now - GRACE_SECONDS))
