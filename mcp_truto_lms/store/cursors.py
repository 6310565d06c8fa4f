"""Cursors: where a list goes on, under a short token. A page continues the same answer or none at all.

A token goes on for the account and the caller that it was made for, and in any process of the store. The rows of a
page and the state of the data are read in one transaction: what moved in between ends the cursor.
"""

from __future__ import annotations

import secrets

from sqlalchemy import Connection, bindparam, delete, insert, select

from mcp_truto_lms.domain.errors import QueryError, UnknownCursor
from mcp_truto_lms.store.schema import cursors

MAX_AGE_SECONDS = 3600
_INSERT = insert(cursors)
_MINE = select(cursors.c.question, cursors.c.data_version, cursors.c.expires_at).where(
    *(cursors.c[name] == bindparam(name) for name in ("token", "account", "principal"))
)


def new_token() -> str:
    """Make a token: eight characters that cannot be guessed."""
    return secrets.token_urlsafe(6)


def save(
    connection: Connection, account: str, token: str, *, principal: str, question: str, version: int, now: int
) -> None:
    """Keep where a list goes on, for an hour, for the state of the data that its last page was read from.

    Args:
        connection: of a writing transaction
        account: whose rows they are
        token: a new one
        principal: who may go on; empty where there is one caller alone
        question: what it goes on with
        version: the data version that the page was read at
        now: epoch seconds
    """
    kept = {"token": token, "account": account, "principal": principal, "question": question}
    connection.execute(_INSERT, kept | {"data_version": version, "expires_at": now + MAX_AGE_SECONDS})


def drop_expired(connection: Connection, now: int) -> None:
    """Throw away what nobody can go on with, of all accounts."""
    expired = select(cursors.c.token).where(cursors.c.expires_at < now)
    # what another writer is deleting just now is left to it
    connection.execute(delete(cursors).where(cursors.c.token.in_(expired.with_for_update(skip_locked=True))))


def load(connection: Connection, account: str, token: str, *, principal: str, version: int, now: int) -> str:
    """Find where a list goes on, for the data version that the page is read at, in the same transaction.

    Raises:
        UnknownCursor: the token is not of this account and this caller, or too old.
        QueryError: the data changed since.
    """
    found = connection.execute(_MINE, {"token": token, "account": account, "principal": principal}).first()
    if found is None or found.expires_at < now:
        raise UnknownCursor("This cursor is unknown or has expired: ask the question again without it.")
    if found.data_version != version:
        raise QueryError("The data changed since that page: ask the question again without the cursor.")
    return found.question
