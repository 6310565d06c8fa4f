"""What is known of an account: what its LMS says of itself, the state of its rows, and when its scopes were read.

What every question begins with is one statement. The data version moves only when what answers show changes.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import Connection, and_, bindparam, insert, not_, select, update

from mcp_truto_lms.domain.source import Portal, Scope
from mcp_truto_lms.store.advisory_locks import lock_account
from mcp_truto_lms.store.schema import StorableText, accounts, courses, scopes
from mcp_truto_lms.store.selection import in_bound_list, pack

COURSES = "courses"
LEARNERS = "learners"
TEAMS = "teams"
LISTS = (COURSES, LEARNERS, TEAMS)
EVERYTHING = Scope().key


@dataclass(frozen=True, slots=True)
class ScopeState:
    """When a scope was read last, whether it was whole, and how long it took."""

    fetched_at: int
    took_seconds: float
    complete: bool


@dataclass(frozen=True, slots=True)
class AccountState:
    """What is known of an account.

    Args:
        portal: what the LMS says of itself; None where it was never asked
        asked_at: when that was, in epoch seconds
        data_version: the state that the rows are in
        lists: what is known of the lists that were read, and of everything, by key
    """

    portal: Portal | None
    asked_at: int
    data_version: int
    lists: Mapping[str, ScopeState]


_asked = select(bindparam("account", type_=StorableText()).label("account")).subquery()
_listed = scopes.c.scope.in_([*LISTS, EVERYTHING])
_STANDING = select(
    accounts.c.zone,
    accounts.c.unreported,
    accounts.c.asked_at,
    accounts.c.data_version,
    scopes.c.scope,
    scopes.c.fetched_at,
    scopes.c.took_seconds,
    scopes.c.complete,
).select_from(
    _asked.outerjoin(accounts, accounts.c.account == _asked.c.account).outerjoin(
        scopes, and_(scopes.c.account == _asked.c.account, _listed)
    )
)


def load(connection: Connection, account: str) -> AccountState:
    """Tell what is known of an account; of one that nobody asked for, nothing."""
    found = connection.execute(_STANDING, {"account": account}).all()
    zone, unreported, asked_at, version, *_ = found[0]
    portal = None if asked_at is None else Portal(_read(zone), frozenset(json.loads(unreported)))
    lists = {row.scope: ScopeState(*row[-3:]) for row in found if row.scope is not None}
    return AccountState(portal, asked_at or 0, version or 0, lists)


_STATES = select(scopes.c.scope, scopes.c.fetched_at, scopes.c.took_seconds, scopes.c.complete).where(
    scopes.c.account == bindparam("account")
)
_SOME_STATES = _STATES.where(in_bound_list(scopes.c.scope, "keys"))


def scope_states(connection: Connection, account: str, keys: Collection[str] | None = None) -> dict[str, ScopeState]:
    """Read what is known of some scopes, by key; without keys, of every scope."""
    if keys is None:
        found = connection.execute(_STATES, {"account": account})
    else:
        found = connection.execute(_SOME_STATES, {"account": account, "keys": pack(keys)})
    return {key: ScopeState(*state) for key, *state in found}


def rosters(connection: Connection, account: str) -> dict[str | None, ScopeState | None]:
    """Read what is known of the roster of every course that is not archived, by the course's id."""
    found = connection.execute(_ROSTERS, {"account": account})
    return {key: None if state[0] is None else ScopeState(*state) for key, *state in found}


_ROSTERS = (
    select(courses.c.id, scopes.c.fetched_at, scopes.c.took_seconds, scopes.c.complete)
    .select_from(
        courses.outerjoin(
            scopes,
            and_(scopes.c.account == courses.c.account, scopes.c.scope == Scope(course_id="").key + courses.c.id),
        )
    )
    .where(courses.c.account == bindparam("account"), not_(courses.c.archived))
)


def save_portal(connection: Connection, account: str, portal: Portal, *, now: int) -> None:
    """Keep what the LMS said of itself, at epoch seconds."""
    lock_account(connection, account)
    said = {"zone": _printed(portal.zone), "unreported": json.dumps(sorted(portal.unreported)), "asked_at": now}
    if not connection.execute(update(accounts).where(accounts.c.account == account).values(said)).rowcount:
        connection.execute(insert(accounts).values(account=account, data_version=0, **said))


def increment_data_version(connection: Connection, account: str) -> None:
    """Move the data version: pages of the state before end here."""
    mine = update(accounts).where(accounts.c.account == account)
    if not connection.execute(mine.values(data_version=accounts.c.data_version + 1)).rowcount:
        connection.execute(insert(accounts).values(account=account, data_version=1))


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
