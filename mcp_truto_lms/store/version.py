"""The account's data version: it moves only when what answers show changes."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, insert, select, update

from mcp_truto_lms.store.schema import accounts

_VERSION = select(accounts.c.data_version).where(accounts.c.account == bindparam("account"))


def data_version(connection: Connection, account: str) -> int:
    """Tell which state the account's rows are in."""
    return connection.execute(_VERSION, {"account": account}).scalar() or 0


def bump(connection: Connection, account: str) -> None:
    """Move the version: pages of the state before end here."""
    mine = update(accounts).where(accounts.c.account == account)
    if not connection.execute(mine.values(data_version=accounts.c.data_version + 1)).rowcount:
        connection.execute(insert(accounts).values(account=account, data_version=1))
