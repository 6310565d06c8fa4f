"""Writing scopes: the enrollments of each are replaced whole, in one transaction.

Scopes overlap. There is one row for each enrollment, whichever scope brought it, and a scope deletes only those of its
own rows that it no longer has. A roster knows less than a transcript: while its evidence of an enrollment is unchanged,
the row keeps the outcome that a transcript or a pair reported. Any change makes the outcome unknown.

The account's data version is incremented only if rows change, so that a page can tell whether it continues the same
answer. Every write takes the account's lock, so that two replicas never mix their rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_

from mcp_truto_lms.domain.definitions import OUTCOME_CERTAIN, OUTCOME_UNKNOWN
from mcp_truto_lms.domain.model import Course, EnrolledUser, User
from mcp_truto_lms.domain.source import FetchRoute, Scope
from mcp_truto_lms.store import dimensions
from mcp_truto_lms.store.account_state import EVERYTHING, FetchInfo, save_scope_state, scope_states
from mcp_truto_lms.store.bulk_insert import upsert_rows
from mcp_truto_lms.store.changed_rows import read_rows_by_id, replace_rows, rows_by_id
from mcp_truto_lms.store.derived_columns import FIRST_DERIVED, Owners, derive, read_owners
from mcp_truto_lms.store.list_writer import upsert_learners
from mcp_truto_lms.store.rows import Row, ScopeRows, column_index, compact, course_row, learner_row
from mcp_truto_lms.store.schema import INSTRUCTOR, courses, enrollments, has_any_reason, learners
from mcp_truto_lms.store.selection import in_list

_INDEX = column_index(enrollments)
_USER, _COURSE, _ROUTE, _SCORE, _URLS, _FIELDS = (
    _INDEX[name] for name in ("user_id", "course_id", "route", "score", "urls", "custom_fields")
)
_EVIDENCE, _OUTCOME_AT, _CHANGED_AT = (_INDEX[name] for name in ("evidence", "outcome_at", "changed_at"))
_REPORTED = tuple(
    _INDEX[name]
    for name in ("enrolled_at", "completed_at", "progress_percent", "time_spent_seconds", "due_at", "access_ends_at")
)
"""What a route reports of an enrollment; compared where the provider gives no evidence."""
_OUTCOME = tuple(_INDEX[name] for name in ("status", "completed_at", "route", "outcome_at"))
_CERTIFICATE = tuple(_INDEX[name] for name in ("certificate_issued_at", "certificate_expires_at"))


@dataclass(frozen=True, slots=True)
class ScopeWrite:
    """A fetched scope that is to be written."""

    scope: Scope
    rows: ScopeRows
    fetch_info: FetchInfo


def replace_scope(
    connection: Connection, account: str, scope: Scope, scope_rows: ScopeRows, fetch_info: FetchInfo
) -> int:
    """Replace the enrollments of a scope; return how many changed in what answers show."""
    return replace_scopes(connection, account, [ScopeWrite(scope, scope_rows, fetch_info)])


def replace_scopes(connection: Connection, account: str, writes: Sequence[ScopeWrite]) -> int:
    """Replace the enrollments of one scope, or of several learners; return how many changed in what answers show."""
    first, *others = writes
    fetched = first.rows if not others else ScopeRows.merged([write.rows for write in writes])
    upsert_learners(connection, account, fetched.learners)  # takes the account's lock, for nobody too
    before = read_rows_by_id(connection, enrollments, _within(account, [write.scope for write in writes]))
    rows, teachers = dict[str, Row](), {*fetched.teachers}
    is_roster = fetched.outcomes_age and first.scope.route is FetchRoute.COURSE
    known = _with_dated_outcomes(connection, account, before) if is_roster else before
    for write in writes:
        rows |= _merged_rows(write, known)
    if incomplete := [write.scope for write in writes if not write.rows.complete]:
        kept = {key: row for key, row in before.items() if key not in rows and _is_in_any(incomplete, row)}
        teachers |= {key for key, row in kept.items() if row[FIRST_DERIVED] == INSTRUCTOR}
        rows = {**{key: row[:FIRST_DERIVED] for key, row in kept.items()}, **rows}
    people, titles = read_owners(connection, account, rows.values())
    if people.incomplete or titles.incomplete:
        _add_unknown(connection, account, fetched, people, titles)
    changed = replace_rows(connection, account, enrollments, before, derive(rows, teachers, people, titles))
    for write in writes:
        save_scope_state(connection, account, write.scope.key, write.fetch_info, complete=write.rows.complete)
    return len(changed)


def _merged_rows(write: ScopeWrite, before: Mapping[str, Row]) -> dict[str, Row]:
    """Join the fetched rows of a scope with what the store has of them."""
    rows, fetched_at = write.rows.rows, write.fetch_info.fetched_at
    if write.rows.outcomes_age:
        rows = {key: _dated_outcome(row, fetched_at) for key, row in rows.items()}
    return {key: _merged(row, before.get(key), fetched_at) for key, row in rows.items()} if before else rows


def _is_in_any(scopes: Sequence[Scope], row: Row) -> bool:
    return any(scope.user_id in (None, row[_USER]) and scope.course_id in (None, row[_COURSE]) for scope in scopes)


def _within(account: str, scopes: Sequence[Scope]) -> ColumnElement[bool]:
    conditions: list[ColumnElement[bool]] = [enrollments.c.account == account]
    if user_ids := [scope.user_id for scope in scopes if scope.user_id is not None]:
        conditions.append(in_list(enrollments.c.user_id, user_ids))
    if (course_id := scopes[0].course_id) is not None:
        conditions.append(enrollments.c.course_id == course_id)
    if len(conditions) > 1:
        conditions.append(has_any_reason())
    return and_(*conditions)


def _dated_outcome(row: Row, fetched_at: int) -> Row:
    """Date the outcome that a transcript or a pair reports."""
    if row[_ROUTE] not in (FetchRoute.LEARNER, FetchRoute.PAIR):
        return row
    return (*row[:_OUTCOME_AT], fetched_at, *row[_OUTCOME_AT + 1 :])


def _with_dated_outcomes(connection: Connection, account: str, before: Mapping[str, Row]) -> Mapping[str, Row]:
    """Date the outcomes that the list of all enrollments reported: once a roster is newer, they age like others."""
    if not any(row[_OUTCOME_AT] == OUTCOME_CERTAIN for row in before.values()):
        return before
    state = scope_states(connection, account, [EVERYTHING]).get(EVERYTHING)
    dated = {_OUTCOME_AT: OUTCOME_UNKNOWN if state is None else state.fetched_at}
    return {key: _replaced(row, dated) if row[_OUTCOME_AT] == OUTCOME_CERTAIN else row for key, row in before.items()}


def _merged(row: Row, before: Row | None, fetched_at: int) -> Row:
    """Keep what an earlier route reported and this one cannot, and note a change."""
    if before is None:
        return _replaced(row, {_CHANGED_AT: fetched_at})
    kept: dict[int, Any] = {}
    if row[_ROUTE] in (FetchRoute.COURSE, FetchRoute.PAIR):  # neither reports certificates
        kept |= {index: before[index] for index in _CERTIFICATE}
    if not _is_unchanged(row, before):
        return _replaced(row, kept | {_CHANGED_AT: fetched_at})
    kept |= {_CHANGED_AT: before[_CHANGED_AT], _URLS: row[_URLS] or before[_URLS]}
    kept[_SCORE] = before[_SCORE] if row[_SCORE] is None else row[_SCORE]
    if row[_ROUTE] != before[_ROUTE]:
        kept[_FIELDS] = _merged_fields(row, before)
        if row[_ROUTE] == FetchRoute.COURSE:
            kept |= {index: before[index] for index in _OUTCOME}
    return _replaced(row, kept)


def _merged_fields(row: Row, before: Row) -> str | None:
    """Merge custom fields: new values count, in the order of the route that has more of them."""
    earlier, later = json.loads(before[_FIELDS] or "{}"), json.loads(row[_FIELDS] or "{}")
    order = [*earlier, *later] if row[_ROUTE] == FetchRoute.COURSE else [*later, *earlier]
    merged = earlier | later
    return compact({name: merged[name] for name in order})


def _is_unchanged(row: Row, before: Row) -> bool:
    if row[_EVIDENCE] or before[_EVIDENCE]:
        return row[_EVIDENCE] == before[_EVIDENCE]
    return all(row[index] == before[index] for index in _REPORTED)


def _replaced(row: Row, values: Mapping[int, Any]) -> Row:
    merged = [*row]
    for index, value in values.items():
        merged[index] = value
    return tuple(merged)


def _add_unknown(connection: Connection, account: str, scope_rows: ScopeRows, people: Owners, titles: Owners) -> None:
    """Add the people and courses that an enrollment names and no list has brought yet."""
    users = {row[_USER]: EnrolledUser() for row in scope_rows.rows.values() if row[_USER]} | {**scope_rows.users}
    new_people = [
        User(id=user_id, name=user.name, emails=user.emails)
        for user_id, user in users.items()
        if user_id not in people.names
    ]
    _add(connection, learners, (learner_row(account, user) for user in new_people), people)
    dimensions.upsert(connection, account, new_people)
    new_courses = (
        Course(id=course_id, title=course.title)
        for course_id, course in scope_rows.courses.items()
        if course_id not in titles.names
    )
    _add(connection, courses, (course_row(account, course) for course in new_courses), titles)


def _add(connection: Connection, table: Table, rows: Iterable[Row], owners: Owners) -> None:
    new_rows = {key: row for key, row in rows_by_id(table, rows).items() if key not in owners.names}
    upsert_rows(connection, table, [*new_rows.values()])
    name = column_index(table)["normalized_name"]
    owners.names.update({key: row[name] for key, row in new_rows.items()})
