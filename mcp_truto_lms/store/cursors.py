"""Cursors: where a list continues, under a short token. A page continues the same answer or none at all.

A token works for the account and the caller that it was made for, in any process of the store. A page's rows and data
version are read in one transaction: a change between two pages ends the cursor.
"""

from __future__ import annotations

import secrets

from sqlalchemy import Connection, bindparam, delete, insert, select

from mcp_truto_lms.domain.errors import QueryError, UnknownCursor
from mcp_truto_lms.store.schema import cursors

MAX_AGE_SECONDS = 3600
_INSERT = insert(cursors)
_SELECT = select(cursors.c.question, cursors.c.data_version, cursors.c.expires_at).where(
    *(cursors.c[name] == bindparam(name) for name in ("token", "account", "principal"))
)


def new_token() -> str:
    """Make a token: eight characters that cannot be guessed."""
    return secrets.token_urlsafe(6)


def save(
    connection: Connection, account: str, token: str, *, principal: str, question: str, version: int, now: int
) -> None:
    """Store where a list continues, for an hour, for the state of the data that its last page was read from.

    Args:
        connection: of a writing transaction
        account: the account of the rows
        token: a new one
        principal: who may continue; empty if there is only one caller
        question: what `load` returns
        version: the data version that the page was read at
        now: epoch seconds
    """
    owner = {"token": token, "account": account, "principal": principal}
    state = {"question": question, "data_version": version, "expires_at": now + MAX_AGE_SECONDS}
    connection.execute(_INSERT, owner | state)


def drop_expired(connection: Connection, now: int) -> None:
    """Delete the expired cursors of all accounts, except those that another writer is deleting."""
    expired = select(cursors.c.token).where(cursors.c.expires_at < now).with_for_update(skip_locked=True)
    connection.execute(delete(cursors).where(cursors.c.token.in_(expired)))


def load(connection: Connection, account: str, token: str, *, principal: str, version: int, now: int) -> str:
    """Look up where a list continues, in the transaction that reads the page.

    Raises:
        UnknownCursor: the token is not of this account and this caller, or has expired.
        QueryError: the data changed since the page before.
    """
    cursor = connection.execute(_SELECT, {"token": token, "account": account, "principal": principal}).first()
    if cursor is None or cursor.expires_at < now:
        raise UnknownCursor("This cursor is unknown or has expired: ask the question again without it.")
    if cursor.data_version != version:
        raise QueryError("The data changed since that page: ask the question again without the cursor.")
    return cursor.question
