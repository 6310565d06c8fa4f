"""Exports: CSV files that can be downloaded over HTTP for an hour, from any process of the store.

A file is stored in compressed parts, each of which is decompressed alone, so that sending it takes the memory of one
part. A token works for the caller that it was made for. All files together have a limit; a caller that meets it is told
when there is room. Expired files are deleted whenever one is saved or looked up.
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
"""How long an expired file stays, for a download that has begun."""
MAX_BYTES = 64 * 1024 * 1024
"""The compressed size of all files together."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a file: its compressed bytes, and its size in bytes before compression."""

    compressed: bytes
    size: int


@dataclass(frozen=True, slots=True)
class StoredExport:
    """A file to download: its name, its size in bytes, and the number of its parts."""

    name: str
    size: int
    parts: int


def new_token() -> str:
    """Make a token that nobody can guess, for the address of a file."""
    return secrets.token_urlsafe(32)


def save(
    connection: Connection, account: str, token: str, *, principal: str, name: str, parts: Sequence[Part], now: int
) -> int:
    """Store a file for an hour; return when it expires.

    Args:
        connection: of a writing transaction
        account: the account of the rows
        token: a new one
        principal: who may download it; empty if there is only one caller
        name: of the file
        parts: in order
        now: epoch seconds

    Raises:
        QueryError: there is no room now.
    """
    _delete_expired(connection, now)
    query = select(func.coalesce(func.sum(exports.c.compressed_size), 0), func.min(exports.c.expires_at))
    stored_bytes, first_expires_at = connection.execute(query).one()
    if int(stored_bytes) + sum(len(part.compressed) for part in parts) > MAX_BYTES:
        wait = ""
        if first_expires_at is not None:
            wait = f"ask again in {(first_expires_at + GRACE_SECONDS - now) // 60 + 1} minutes, or "
        raise QueryError(f"The exports that wait to be downloaded leave no room: {wait}narrow the question down.")
    expires_at = now + MAX_AGE_SECONDS
    file = {"token": token, "account": account, "principal": principal, "name": name, "expires_at": expires_at}
    connection.execute(
        insert(exports),
        [
            {
                **file,
                "part": number,
                "size": part.size,
                "compressed_size": len(part.compressed),
                "compressed": part.compressed,
            }
            for number, part in enumerate(parts)
        ],
    )
    return expires_at


def find(connection: Connection, token: str, *, principal: str, now: int) -> StoredExport | None:
    """Look up a file in a writing transaction; None if it is another caller's, unknown or expired."""
    _delete_expired(connection, now)
    row = exports.c
    query = select(func.max(row.name), func.sum(row.size), func.count()).where(
        row.token == token, row.principal == principal, row.expires_at >= now
    )
    name, size, parts = connection.execute(query).one()
    return StoredExport(name, int(size), parts) if parts else None


def compressed_part(connection: Connection, token: str, number: int) -> bytes | None:
    """Read a compressed part; None if the file is gone."""
    query = select(exports.c.compressed).where(exports.c.token == token, exports.c.part == number)
    return connection.execute(query).scalar()


def _delete_expired(connection: Connection, now: int) -> None:
    lock_name(connection, "exports")  # two transactions that delete the same rows in another order would deadlock
    connection.execute(delete(exports).where(exports.c.expires_at < now - GRACE_SECONDS))
