"""Writing lists: courses, people and teams are replaced whole, each in one transaction.

A course or a person that is gone takes its enrollments along; the scopes that had brought those are fetched again, in
case a list does not show everybody. Every write takes the account's lock, so that two replicas never mix their rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

from sqlalchemy import Connection, Table, and_, delete, select

from mcp_truto_lms.domain.model import Course, User
from mcp_truto_lms.domain.source import Scope, TeamKind
from mcp_truto_lms.store import dimensions
from mcp_truto_lms.store.account_state import COURSES, LEARNERS, TEAMS, FetchInfo, save_scope_state
from mcp_truto_lms.store.advisory_locks import lock_account
from mcp_truto_lms.store.changed_rows import read_rows_by_id, replace_rows, rows_by_id
from mcp_truto_lms.store.compressed_rows import CompressedRows
from mcp_truto_lms.store.derived_columns import refresh_enrollments
from mcp_truto_lms.store.rows import Row, column_index, course_row, learner_row
from mcp_truto_lms.store.schema import courses, enrollments, has_any_reason, learners, scopes
from mcp_truto_lms.store.selection import in_list

_BATCH = 1_000


def replace_courses(connection: Connection, account: str, titles: Iterable[Course], fetch_info: FetchInfo) -> None:
    """Replace the course list, and what enrollments have of it."""
    lock_account(connection, account)
    _replace_list(connection, account, courses, [course_row(account, course) for course in titles])
    save_scope_state(connection, account, COURSES, fetch_info, complete=True)


def replace_learners(
    connection: Connection, account: str, rows: Sequence[Row] | CompressedRows, fetch_info: FetchInfo
) -> None:
    """Replace the people directory, and what enrollments have of it."""
    lock_account(connection, account)
    _replace_list(connection, account, learners, rows)
    record = column_index(learners)["record"]
    people = (User.model_validate_json(row[record]) for row in rows)
    dimensions.upsert(connection, account, people, everybody=True)
    save_scope_state(connection, account, LEARNERS, fetch_info, complete=True)


def replace_teams(
    connection: Connection, account: str, kind: TeamKind, teams: Mapping[str, tuple[str, ...]], fetch_info: FetchInfo
) -> None:
    """Replace the branches or the groups of everybody, by learner id, as the LMS lists them."""
    lock_account(connection, account)
    dimensions.replace_teams(connection, account, kind, teams)
    save_scope_state(connection, account, TEAMS[kind], fetch_info, complete=True)


def upsert_learners(connection: Connection, account: str, people: Sequence[User]) -> None:
    """Add people that were fetched one by one, or update them."""
    lock_account(connection, account)
    rows = rows_by_id(learners, (learner_row(account, user) for user in people))
    if not rows:
        return
    before = read_rows_by_id(connection, learners, (learners.c.account == account) & in_list(learners.c.id, [*rows]))
    changed = replace_rows(connection, account, learners, before, rows)
    refresh_enrollments(connection, account, learners, changed)
    dimensions.upsert(connection, account, people)


def _replace_list(connection: Connection, account: str, table: Table, rows: Iterable[Row]) -> None:
    """Replace all courses or all people, in batches, so that not all of them are in memory."""
    of_account = table.c.account == account
    missing = dict.fromkeys(connection.execute(select(table.c.id).where(of_account)).scalars())
    changed: dict[str, None] = {}
    remaining = iter(rows)
    while batch := rows_by_id(table, islice(remaining, _BATCH)):
        before = read_rows_by_id(connection, table, of_account & in_list(table.c.id, [*batch]))
        changed |= dict.fromkeys(replace_rows(connection, account, table, before, batch))
        for key in batch:
            missing.pop(key, None)
    if missing:
        replace_rows(connection, account, table, missing, {})
        _delete_enrollments(connection, account, table, [*missing])
    refresh_enrollments(connection, account, table, [*changed])


def _delete_enrollments(connection: Connection, account: str, table: Table, ids: Sequence[str]) -> None:
    """Delete the enrollments of deleted people or courses, and the state of every scope that has one of them."""
    row = enrollments.c
    is_people = table is learners
    owner, other = (row.user_id, row.course_id) if is_people else (row.course_id, row.user_id)
    of_deleted = and_(row.account == account, has_any_reason(), in_list(owner, ids))
    others = connection.execute(select(other).distinct().where(of_deleted, other.is_not(None))).scalars().all()
    user_ids, course_ids = (ids, others) if is_people else (others, ids)
    outdated = [
        Scope(),
        *(Scope(user_id=user_id) for user_id in user_ids),
        *(Scope(course_id=course_id) for course_id in course_ids),
    ]
    connection.execute(delete(enrollments).where(of_deleted))
    keys = [scope.key for scope in outdated]
    connection.execute(delete(scopes).where(scopes.c.account == account, in_list(scopes.c.scope, keys)))
