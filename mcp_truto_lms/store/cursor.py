"""Cursors: where a list goes on, under a short token. A page continues the same answer or none at all."""

from __future__ import annotations

import secrets

from sqlalchemy import Connection, delete, insert, select

from mcp_truto_lms.errors import QueryError
from mcp_truto_lms.store.schema import cursors
from mcp_truto_lms.store.write import data_version

MAX_AGE_SECONDS = 3600


def new_token() -> str:
    """Make a token: eight characters that cannot be guessed."""
    return secrets.token_urlsafe(6)


def save(connection: Connection, account: str, token: str, *, question: str, version: int, now: int) -> None:
    """Keep where a list goes on, for an hour, for the state of the data that its last page was read from."""
    connection.execute(delete(cursors).where(cursors.c.expires_at < now))
    connection.execute(
        insert(cursors).values(
            token=token,
            account=account,
            question=question,
            data_version=version,
            expires_at=now + MAX_AGE_SECONDS,
        )
    )


def load(connection: Connection, account: str, token: str, *, now: int) -> str:
    """Find where a list goes on.

    Raises:
        QueryError: the token is not of this account, is too old, or the data changed since.
    """
    found = connection.execute(select(cursors).where(cursors.c.token == token, cursors.c.account == account)).first()
    if found is None or found.expires_at < now:
        raise QueryError("This cursor is unknown or has expired: ask the question again without it.")
    if found.data_version != data_version(connection, account):
        raise QueryError("The data changed since that page: ask the question again without the cursor.")
    return found.question
