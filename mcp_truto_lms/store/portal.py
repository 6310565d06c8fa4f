"""What an LMS says of itself, kept so that a process that reads nothing need not ask."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import Connection, bindparam, delete, insert, select

from mcp_truto_lms.sources.protocol import Portal
from mcp_truto_lms.store.schema import portals
from mcp_truto_lms.store.turns import take_account

_PORTAL = select(portals).where(portals.c.account == bindparam("account"))


def save(connection: Connection, account: str, portal: Portal, *, now: int) -> None:
    """Keep what the LMS said, at epoch seconds."""
    take_account(connection, account)
    connection.execute(delete(portals).where(portals.c.account == account))
    connection.execute(
        insert(portals).values(
            account=account,
            zone=_printed(portal.zone),
            unreported=json.dumps(sorted(portal.unreported)),
            fetched_at=now,
        )
    )


def load(connection: Connection, account: str) -> tuple[Portal, int] | None:
    """Find what the LMS said, and when; None where it was never asked."""
    found = connection.execute(_PORTAL, {"account": account}).first()
    if found is None:
        return None
    return Portal(_read(found.zone), frozenset(json.loads(found.unreported))), found.fetched_at


def _printed(zone: tzinfo | None) -> str | None:
    """Write a zone: by its name, else as its distance from UTC in seconds."""
    if zone is None:
        return None
    key = getattr(zone, "key", None)
    if key is not None:
        return str(key)
    offset = datetime.now(UTC).astimezone(zone).utcoffset() or timedelta()
    return f"{offset.total_seconds():+.0f}"


def _read(text: str | None) -> tzinfo | None:
    if text is None:
        return None
    if text[0] in "+-":
        return timezone(timedelta(seconds=int(text)))
    try:
        return ZoneInfo(text)
    except ZoneInfoNotFoundError:  # written on a machine that knows more zones
        return None
