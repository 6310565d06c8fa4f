"""Writing: a scope is replaced whole, in one transaction.

Scopes overlap: there is one row per enrollment, whatever scope brought it, and a scope deletes only what it no longer
holds itself. A roster knows less than a transcript: it never undoes a status that a transcript or a pair gave, as long
as the dates and the progress are the same.

The account's data version moves only when rows change, so that a page can tell whether it continues the same answer.
Whatever writes for an account takes that account's turn first, so that two replicas never mix what they write.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Table,
    and_,
    bindparam,
    delete,
    func,
    insert,
    not_,
    select,
    true,
    update,
)

from mcp_truto_lms.domain.definitions import classify
from mcp_truto_lms.domain.model import Course, EnrolledUser, User
from mcp_truto_lms.domain.source import FetchRoute, Scope
from mcp_truto_lms.store import dimensions
from mcp_truto_lms.store.account_state import COURSES, LEARNERS, TEAMS, increment_data_version
from mcp_truto_lms.store.advisory_locks import lock_account
from mcp_truto_lms.store.bulk_insert import upsert_rows
from mcp_truto_lms.store.compressed_rows import CompressedRows
from mcp_truto_lms.store.rows import DERIVED_COLUMNS, Row, ScopeRows, column_index, compact, course_row, learner_row
from mcp_truto_lms.store.schema import (
    ARCHIVED,
    EARLIER,
    INACTIVE,
    INCLUDED,
    INSTRUCTOR,
    courses,
    enrollments,
    learners,
    scopes,
)
from mcp_truto_lms.store.selection import in_list

_MANY = 1_000
_PEOPLE_AT_ONCE, _COURSES_AT_ONCE = 500, 5
"""Whose enrollments are held in memory at once where what they carry changes."""
_AT = column_index(enrollments)
_ID, _USER, _COURSE, _STATUS, _ROUTE, _SCORE, _URLS, _FIELDS = (
    _AT[one] for one in ("id", "user_id", "course_id", "status", "route", "score", "urls", "custom_fields")
)
_ATTEMPT, _ENROLLED, _UPDATED = _AT["attempt_number"], _AT["enrolled_at"], _AT["updated_at"]
_DUE, _ENDS, _COMPLETED, _PROGRESS, _SPENT, _STARTED, _ACTIVE = (
    _AT[one]
    for one in (
        "due_at",
        "access_ends_at",
        "completed_at",
        "progress_percent",
        "time_spent_seconds",
        "started_at",
        "last_activity_at",
    )
)
_UNCHANGED = tuple(_AT[one] for one in ("enrolled_at", "completed_at", "progress_percent"))
_MARKED = _AT[DERIVED_COLUMNS[0]]


@dataclass(frozen=True, slots=True)
class FetchInfo:
    """When a scope was read, and how long that took.

    Args:
        fetched_at: epoch seconds
        took_seconds: from the first call to the last answer
    """

    fetched_at: int
    took_seconds: float


@dataclass(frozen=True, slots=True)
class _DerivedColumns:
    """What enrollments carry of learners or courses: the names they sort by, and who leaves them out."""

    folded: dict[str | None, str]
    hidden: set[str | None]
    missing: bool = False


def replace_courses(connection: Connection, account: str, found: Iterable[Course], stamp: FetchInfo) -> None:
    """Replace the course list, and what enrollments carry of it; those of a course that is gone go with it."""
    lock_account(connection, account)
    _replace_list(connection, account, courses, [course_row(account, one) for one in found])
    _stamp(connection, account, COURSES, stamp, complete=True)


def replace_learners(
    connection: Connection, account: str, found: Sequence[Row] | CompressedRows, stamp: FetchInfo
) -> None:
    """Replace the people directory, and what enrollments carry of it; those of a person who is gone go as well."""
    lock_account(connection, account)
    _replace_list(connection, account, learners, found)
    record = column_index(learners)["record"]
    dimensions.upsert(connection, account, (User.model_validate_json(row[record]) for row in found), everybody=True)
    _stamp(connection, account, LEARNERS, stamp, complete=True)


def replace_teams(connection: Connection, account: str, found: Mapping[str, tuple[str, ...]], stamp: FetchInfo) -> None:
    """Replace the teams that the LMS has people in, by learner."""
    lock_account(connection, account)
    dimensions.replace_teams(connection, account, found)
    _stamp(connection, account, TEAMS, stamp, complete=True)


def upsert_learners(connection: Connection, account: str, found: Iterable[User]) -> None:
    """Add people who were read one by one, or renew what is known of them."""
    lock_account(connection, account)
    people = list(found)
    rows = _by_id(learners, (learner_row(account, one) for one in people))
    if not rows:
        return
    before = _where(connection, learners, (learners.c.account == account) & in_list(learners.c.id, [*rows]))
    _refresh_enrollments(connection, account, learners, _replace(connection, account, learners, before, rows))
    dimensions.upsert(connection, account, people)


def replace_scope(connection: Connection, account: str, scope: Scope, found: ScopeRows, stamp: FetchInfo) -> int:
    """Replace the enrollments of one scope by what was read, whole; answer how many changed in what answers show."""
    upsert_learners(connection, account, found.learners)
    before = _where(connection, enrollments, _within(account, scope))
    rows, teachers = found.rows, {*found.teachers}
    if before:
        rows = {key: _keep_finer(row, before[key]) if key in before else row for key, row in rows.items()}
    if not found.complete:
        teachers |= {key for key, row in before.items() if key not in rows and row[_MARKED] == INSTRUCTOR}
        rows = {**{key: row[:_MARKED] for key, row in before.items()}, **rows}
    people, titles = _marks_of(connection, account, rows.values())
    if people.missing or titles.missing:
        _add_strangers(connection, account, found, people, titles)
    changed = _replace(connection, account, enrollments, before, _mark(rows, teachers, people, titles))
    _stamp(connection, account, scope.key, stamp, complete=found.complete)
    return len(changed)


def _within(account: str, scope: Scope) -> ColumnElement[bool]:
    parts: list[ColumnElement[bool]] = [enrollments.c.account == account]
    if scope.user_id is not None:
        parts.append(enrollments.c.user_id == scope.user_id)
    if scope.course_id is not None:
        parts.append(enrollments.c.course_id == scope.course_id)
    return and_(*parts)


def _replace(
    connection: Connection, account: str, table: Table, before: Mapping[str, Row | None], after: Mapping[str, Row]
) -> list[str]:
    """Replace some rows of a table; answer the ids that are new, gone or different in what answers show."""
    changed = [key for key, row in after.items() if before.get(key) != row]
    gone = [key for key in before if key not in after]
    if gone:
        connection.execute(delete(table).where(table.c.account == account, in_list(table.c.id, gone)))
    upsert_rows(connection, table, [after[key] for key in changed])
    moved = gone + [key for key in changed if not _shows_the_same(table, before.get(key), after[key])]
    if moved:
        increment_data_version(connection, account)
    return moved


def _shows_the_same(table: Table, before: Row | None, after: Row) -> bool:
    """Compare people without the whole record: a list has less of it than a look at one, and no answer has it."""
    if before is None or table is not learners:  # by a course's record, its categories, it may be mandatory
        return False
    record = column_index(table)["record"]
    return before[:record] + before[record + 1 :] == after[:record] + after[record + 1 :]


def _replace_list(connection: Connection, account: str, table: Table, found: Iterable[Row]) -> None:
    """Replace all courses or all people, some at a time, so that nobody has to hold all of them.

    Nobody will read the scope of one that is gone: its enrollments go with it. Whatever else brought those is read
    again, in case the list does not show everybody.
    """
    of_account = table.c.account == account
    left = dict.fromkeys(connection.execute(select(table.c.id).where(of_account)).scalars())
    changed: dict[str, None] = {}
    every = iter(found)
    while rows := _by_id(table, islice(every, _MANY)):
        before = _where(connection, table, of_account & in_list(table.c.id, [*rows]))
        changed |= dict.fromkeys(_replace(connection, account, table, before, rows))
        for key in rows:
            left.pop(key, None)
    if gone := [*left]:
        _replace(connection, account, table, left, {})
        row, of_people = enrollments.c, table is learners
        owner, other = (row.user_id, row.course_id) if of_people else (row.course_id, row.user_id)
        theirs = (row.account == account) & in_list(owner, gone)
        others = connection.execute(select(other).distinct().where(theirs, other.is_not(None))).scalars().all()
        users, titles = (gone, others) if of_people else (others, gone)
        touched = [Scope(), *(Scope(user_id=one) for one in users), *(Scope(course_id=one) for one in titles)]
        connection.execute(delete(enrollments).where(theirs))
        keys = [one.key for one in touched]
        connection.execute(delete(scopes).where(scopes.c.account == account, in_list(scopes.c.scope, keys)))
    _refresh_enrollments(connection, account, table, [*changed])


def _stamp(connection: Connection, account: str, key: str, stamp: FetchInfo, *, complete: bool) -> None:
    connection.execute(delete(scopes).where(scopes.c.account == account, scopes.c.scope == key))
    connection.execute(
        insert(scopes).values(
            account=account,
            scope=key,
            fetched_at=stamp.fetched_at,
            took_seconds=stamp.took_seconds,
            complete=complete,
        )
    )


def _keep_finer(row: Row, before: Row) -> Row:
    """Keep what the way before told and this one cannot, while the enrollment stands as it stood."""
    if row == before[:_MARKED] or any(row[one] != before[one] for one in _UNCHANGED):
        return row
    kept = [*row]
    kept[_SCORE] = before[_SCORE] if row[_SCORE] is None else row[_SCORE]
    kept[_URLS] = row[_URLS] or before[_URLS]
    if row[_ROUTE] != before[_ROUTE]:
        kept[_FIELDS] = compact(json.loads(before[_FIELDS] or "{}") | json.loads(row[_FIELDS] or "{}"))
        if row[_ROUTE] == FetchRoute.COURSE:
            kept[_STATUS], kept[_ROUTE] = before[_STATUS], before[_ROUTE]
    return tuple(kept)


def _add_strangers(
    connection: Connection, account: str, found: ScopeRows, people: _DerivedColumns, titles: _DerivedColumns
) -> None:
    """Add people and courses that an enrollment names and that nobody has read yet."""
    users = {row[_USER]: EnrolledUser() for row in found.rows.values() if row[_USER]} | {**found.users}
    strangers = [
        User(id=key, name=one.name, emails=one.emails) for key, one in users.items() if key not in people.folded
    ]
    _add(connection, learners, [learner_row(account, one) for one in strangers], people)
    dimensions.upsert(connection, account, strangers)
    unknown = (Course(id=key, title=one.title) for key, one in found.courses.items() if key not in titles.folded)
    _add(connection, courses, [course_row(account, one) for one in unknown], titles)


def _add(connection: Connection, table: Table, found: Iterable[Row], known: _DerivedColumns) -> None:
    rows = {key: row for key, row in _by_id(table, found).items() if key not in known.folded}
    upsert_rows(connection, table, [*rows.values()])
    folded = column_index(table)["normalized_name"]
    known.folded.update({key: row[folded] for key, row in rows.items()})


def _mark(
    rows: Mapping[str, Row], teachers: AbstractSet[str], people: _DerivedColumns, titles: _DerivedColumns
) -> dict[str, Row]:
    """Write on rows whether they count, the folded names that they sort by, and what is known of them for good."""
    earlier = _earlier(rows, teachers)
    marked: dict[str, Row] = {}
    for key, row in rows.items():
        user, course, excluded_reason = row[_USER], row[_COURSE], INCLUDED
        if key in teachers:
            excluded_reason = INSTRUCTOR
        elif key in earlier:  # before the reasons that do not hold for whoever is asked for by name
            excluded_reason = EARLIER
        elif user in people.hidden:
            excluded_reason = INACTIVE
        elif course in titles.hidden:
            excluded_reason = ARCHIVED
        marked[key] = (*row, excluded_reason, people.folded.get(user, ""), titles.folded.get(course, ""), *_judged(row))
    return marked


def _judged(row: Row) -> Row:
    return classify(
        row[_STATUS],
        row[_DUE],
        row[_ENDS],
        row[_COMPLETED],
        worked=bool(row[_PROGRESS] or row[_SPENT]),
        seen=row[_STARTED] is not None or row[_ACTIVE] is not None,
        by_roster=row[_ROUTE] == FetchRoute.COURSE,
    )


def _earlier(rows: Mapping[str, Row], teachers: AbstractSet[str]) -> set[str]:
    """Find the attempts that are not the latest; where the learner or the course is not told, there is one."""
    latest: dict[tuple[str, str], Row] = {}
    found: set[str] = set()
    if len({row[_USER] for row in rows.values()}) == len(rows):
        return found
    for key, row in rows.items():
        user, course = row[_USER], row[_COURSE]
        if user and course and key not in teachers:
            rival = latest.setdefault((user, course), row)
            if rival is not row:
                before, latest[user, course] = sorted((rival, row), key=_attempt)
                found.add(before[_ID])
    return found


def _attempt(row: Row) -> Row:
    return (row[_ATTEMPT] or 0, row[_ENROLLED] or 0, row[_UPDATED] or 0, row[_ID])


def _marks_of(connection: Connection, account: str, rows: Iterable[Row]) -> tuple[_DerivedColumns, _DerivedColumns]:
    """Read what some rows carry of people and of courses."""
    users, titles = {row[_USER] for row in rows}, {row[_COURSE] for row in rows}
    return _marks(connection, learners, account, users), _marks(connection, courses, account, titles)


def _marks(connection: Connection, table: Table, account: str, ids: AbstractSet[str | None]) -> _DerivedColumns:
    of_account, wanted = table.c.account == account, [one for one in ids if one is not None]
    query = select(table.c.id, table.c.normalized_name, table.c.active if table is learners else not_(table.c.archived))
    number = select(func.count()).select_from(table).where(of_account)
    # to read everybody costs half as much for each as to look somebody up
    few = len(wanted) < _MANY or connection.execute(number).scalar_one() > 2 * len(wanted)
    marks = _DerivedColumns({}, set())
    wanted_ones = in_list(table.c.id, wanted) if few else true()
    for key, folded, counts in connection.execute(query.where(of_account, wanted_ones)):
        marks.folded[key] = folded
        if not counts:
            marks.hidden.add(key)
    return replace(marks, missing=not marks.folded.keys() >= {*wanted})


def _by_id(table: Table, rows: Iterable[Row]) -> dict[str, Row]:
    place = column_index(table)["id"]
    return {row[place]: row for row in rows}


def _where(connection: Connection, table: Table, condition: ColumnElement[bool]) -> dict[str, Row]:
    query: Select[*tuple[Any, ...]] = select(table).where(condition)
    return _by_id(table, map(tuple, connection.execute(query)))


def _refresh_enrollments(connection: Connection, account: str, table: Table, changed: Sequence[str]) -> None:
    """Write again what enrollments carry of people or courses that changed."""
    column = enrollments.c.user_id if table is learners else enrollments.c.course_id
    this = (enrollments.c.account == account) & (enrollments.c.id == bindparam("this"))
    write = update(enrollments).where(this).values({one: bindparam(f"new_{one}") for one in DERIVED_COLUMNS})
    size = _PEOPLE_AT_ONCE if table is learners else _COURSES_AT_ONCE
    for start in range(0, len(changed), size):
        theirs = in_list(column, changed[start : start + size])
        before = _where(connection, enrollments, (enrollments.c.account == account) & theirs)
        teachers = {key for key, row in before.items() if row[_MARKED] == INSTRUCTOR}
        rows = {key: row[:_MARKED] for key, row in before.items()}
        after = _mark(rows, teachers, *_marks_of(connection, account, rows.values()))
        moved = [
            {"this": key, **{f"new_{name}": value for name, value in zip(DERIVED_COLUMNS, row[_MARKED:], strict=True)}}
            for key, row in after.items()
            if row != before[key]
        ]
        if moved:
            connection.execute(write, moved)
