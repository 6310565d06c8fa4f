"""The state of an account: its portal's own settings, its data version, and when each scope was fetched.

Every question begins with one statement that reads it. The data version changes only if what answers show changes.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from types import MappingProxyType
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import Connection, and_, bindparam, delete, insert, not_, select, update

from mcp_truto_lms.domain.source import Portal, Scope, TeamKind
from mcp_truto_lms.store.advisory_locks import lock_account
from mcp_truto_lms.store.schema import StorableText, accounts, courses, scopes
from mcp_truto_lms.store.selection import in_bound_list, pack

COURSES = "courses"
LEARNERS = "learners"
TEAMS: Mapping[TeamKind, str] = MappingProxyType({TeamKind.BRANCH: "branches", TeamKind.GROUP: "groups"})
LISTS = (COURSES, LEARNERS, *TEAMS.values())
EVERYTHING = Scope().key


@dataclass(frozen=True, slots=True)
class FetchInfo:
    """When a scope was fetched, and how long that took.

    Args:
        fetched_at: epoch seconds
        took_seconds: from the first call to the last answer
        unusable: how many items came without a usable id, or did not come although the LMS counts them
        unreadable: whether the LMS lists the course of the scope, but does not show it
    """

    fetched_at: int
    took_seconds: float
    unusable: int = 0
    unreadable: bool = False


@dataclass(frozen=True, slots=True)
class ScopeState:
    """When a scope was last fetched, how long that took, whether all of it came, and what of it cannot be used."""

    fetched_at: int
    took_seconds: float
    complete: bool
    unusable: int = 0
    unreadable: bool = False


@dataclass(frozen=True, slots=True)
class AccountState:
    """The state of an account.

    Args:
        portal: what the LMS says about itself; None if it was never asked
        asked_at: when it was asked, in epoch seconds
        data_version: of the account's rows
        lists: the states of the lists, and of everything, by key
    """

    portal: Portal | None
    asked_at: int
    data_version: int
    lists: Mapping[str, ScopeState]


_account = select(bindparam("account", type_=StorableText()).label("account")).subquery()
_is_list = scopes.c.scope.in_([*LISTS, EVERYTHING])
_STATE = (
    scopes.c.fetched_at,
    scopes.c.took_seconds,
    scopes.c.complete,
    scopes.c.unusable,
    scopes.c.unreadable,
)
_ACCOUNT_STATE = select(
    accounts.c.zone,
    accounts.c.unreported,
    accounts.c.asked_at,
    accounts.c.data_version,
    scopes.c.scope,
    *_STATE,
).select_from(
    _account.outerjoin(accounts, accounts.c.account == _account.c.account).outerjoin(
        scopes, and_(scopes.c.account == _account.c.account, _is_list)
    )
)
_SCOPE_STATES = select(scopes.c.scope, *_STATE).where(scopes.c.account == bindparam("account"))
_LISTED_SCOPE_STATES = _SCOPE_STATES.where(in_bound_list(scopes.c.scope, "keys"))
_ROSTERS = (
    select(courses.c.id, *_STATE)
    .select_from(
        courses.outerjoin(
            scopes,
            and_(scopes.c.account == courses.c.account, scopes.c.scope == Scope(course_id="").key + courses.c.id),
        )
    )
    .where(courses.c.account == bindparam("account"), not_(courses.c.archived))
    .order_by(courses.c.id)
)


def load(connection: Connection, account: str) -> AccountState:
    """Read the state of an account; a new account has none of it."""
    rows = connection.execute(_ACCOUNT_STATE, {"account": account}).all()
    zone, unreported, asked_at, version, *_ = rows[0]
    portal = None if asked_at is None else Portal(_parse_zone(zone), frozenset(json.loads(unreported)))
    lists = {row.scope: ScopeState(*row[-len(_STATE) :]) for row in rows if row.scope is not None}
    return AccountState(portal, asked_at or 0, version or 0, lists)


def scope_states(connection: Connection, account: str, keys: Collection[str] | None = None) -> dict[str, ScopeState]:
    """Read the states of scopes, by key; without keys, of all scopes."""
    if keys is None:
        rows = connection.execute(_SCOPE_STATES, {"account": account})
    else:
        rows = connection.execute(_LISTED_SCOPE_STATES, {"account": account, "keys": pack(keys)})
    return {key: ScopeState(*state) for key, *state in rows}


def rosters(connection: Connection, account: str) -> dict[str | None, ScopeState | None]:
    """Read the state of the roster of every course that is not archived, by the course's id and in its order."""
    rows = connection.execute(_ROSTERS, {"account": account})
    return {course_id: None if state[0] is None else ScopeState(*state) for course_id, *state in rows}


def save_portal(connection: Connection, account: str, portal: Portal, *, now: int) -> None:
    """Store what the LMS says about itself, at epoch seconds."""
    lock_account(connection, account)
    values = {
        "zone": _serialize_zone(portal.zone),
        "unreported": json.dumps(sorted(portal.unreported)),
        "asked_at": now,
    }
    if not connection.execute(update(accounts).where(accounts.c.account == account).values(values)).rowcount:
        connection.execute(insert(accounts).values(account=account, data_version=0, **values))


def save_scope_state(connection: Connection, account: str, key: str, fetch_info: FetchInfo, *, complete: bool) -> None:
    """Store when a scope or a list was fetched, and whether all of it came."""
    lock_account(connection, account)
    connection.execute(delete(scopes).where(scopes.c.account == account, scopes.c.scope == key))
    connection.execute(
        insert(scopes).values(
            account=account,
            scope=key,
            fetched_at=fetch_info.fetched_at,
            took_seconds=fetch_info.took_seconds,
            complete=complete,
            unusable=fetch_info.unusable,
            unreadable=fetch_info.unreadable,
        )
    )


def increment_data_version(connection: Connection, account: str) -> None:
    """Increment the data version, which ends the cursors of earlier answers."""
    account_row = update(accounts).where(accounts.c.account == account)
    if not connection.execute(account_row.values(data_version=accounts.c.data_version + 1)).rowcount:
        connection.execute(insert(accounts).values(account=account, data_version=1))


def _serialize_zone(zone: tzinfo | None) -> str | None:
    """Serialize a zone as its name, or else as its distance from UTC in seconds."""
    if zone is None:
        return None
    name = getattr(zone, "key", None)
    if name is not None:
        return str(name)
    offset = datetime.now(UTC).astimezone(zone).utcoffset() or timedelta()
    return f"{offset.total_seconds():+.0f}"


def _parse_zone(text: str | None) -> tzinfo | None:
    if text is None:
        return None
    if text[0] in "+-":
        return timezone(timedelta(seconds=int(text)))
    try:
        return ZoneInfo(text)
    except ZoneInfoNotFoundError:  # stored by a machine that knows more zones
        return None
