"""Writing: a scope is replaced whole, in one transaction.

Scopes overlap: there is one row per enrollment, whatever scope brought it, and a scope deletes only what it no longer
holds itself. A roster knows less than a transcript: it never undoes a status that a transcript or a pair gave, as long
as the dates and the progress are the same.

The account's data version moves only when rows change, so that a page can tell whether it continues the same answer.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, cast

from pydantic import BaseModel
from sqlalchemy import ColumnElement, Connection, Table, and_, delete, insert, select, update

from mcp_truto_lms.model import (
    Course,
    CourseStatus,
    EnrolledCourse,
    EnrolledUser,
    EnrollmentStatus,
    User,
    UserStatus,
    enrollment_columns,
    primary_email,
)
from mcp_truto_lms.sources.protocol import EnrollmentRecord, Reading, Route, Scope
from mcp_truto_lms.store.fold import fold
from mcp_truto_lms.store.schema import (
    ARCHIVED,
    EARLIER,
    INACTIVE,
    INSTRUCTOR,
    JOINED,
    accounts,
    column_name,
    courses,
    enrollments,
    learners,
    scopes,
)

COURSES = "courses"
LEARNERS = "learners"

_Row = dict[str, Any]
_Rows = Mapping[str, _Row]
_UNCHANGED = ("enrolled_at", "completed_at", "progress_percent")


@dataclass(frozen=True, slots=True)
class Stamp:
    """When a scope was read, and how long that took.

    Args:
        fetched_at: epoch seconds
        took_seconds: from the first call to the last answer
    """

    fetched_at: int
    took_seconds: float


def replace_courses(connection: Connection, account: str, found: Iterable[Course], stamp: Stamp) -> None:
    """Replace the course list, and what enrollments carry of it; those of a course that is gone go with it."""
    _replace_list(connection, account, courses, [_course_row(account, one) for one in found])
    _stamp(connection, account, COURSES, stamp, complete=True)


def replace_learners(connection: Connection, account: str, found: Iterable[User], stamp: Stamp) -> None:
    """Replace the people directory, and what enrollments carry of it; those of a person who is gone go as well."""
    _replace_list(connection, account, learners, [_learner_row(account, one) for one in found])
    _stamp(connection, account, LEARNERS, stamp, complete=True)


def put_learners(connection: Connection, account: str, found: Iterable[User]) -> None:
    """Add people who were read one by one, or renew what is known of them."""
    rows = [_learner_row(account, one) for one in found]
    before = _by_id(connection, learners, account, (row["id"] for row in rows))
    _refresh_enrollments(connection, account, learners, _replace(connection, account, learners, before, rows))


def replace_scope(connection: Connection, account: str, scope: Scope, reading: Reading, stamp: Stamp) -> None:
    """Replace the enrollments of one scope by what was read, whole."""
    put_learners(connection, account, reading.learners)
    before = _where(connection, enrollments, _within(account, scope))
    rows = {one.enrollment.id: _enrollment_row(account, one) for one in reading.records}
    for key, row in rows.items():
        if key in before:
            _keep_finer(row, before[key])
    if not reading.complete:
        rows = {key: dict(row) for key, row in before.items()} | rows
    _add_strangers(connection, account, reading.records)
    _mark(connection, account, list(rows.values()))
    _replace(connection, account, enrollments, before, list(rows.values()))
    _stamp(connection, account, scope.key, stamp, complete=reading.complete)


def data_version(connection: Connection, account: str) -> int:
    """Tell which state the account's rows are in."""
    found = connection.execute(select(accounts.c.data_version).where(accounts.c.account == account)).scalar()
    return found or 0


def _within(account: str, scope: Scope) -> ColumnElement[bool]:
    parts: list[ColumnElement[bool]] = [enrollments.c.account == account]
    if scope.user_id is not None:
        parts.append(enrollments.c.user_id == scope.user_id)
    if scope.course_id is not None:
        parts.append(enrollments.c.course_id == scope.course_id)
    return and_(*parts)


def _replace(connection: Connection, account: str, table: Table, before: _Rows, rows: Sequence[_Row]) -> list[str]:
    """Replace some rows of a table; answer the ids that are new, gone or different in what answers show."""
    after = {row["id"]: row for row in rows}
    changed = [key for key, row in after.items() if before.get(key) != row]
    changed += [key for key in before if key not in after]
    for chunk in _chunks(changed):
        connection.execute(delete(table).where(table.c.account == account, table.c.id.in_(chunk)))
    if new := [after[key] for key in changed if key in after]:
        connection.execute(insert(table), new)
    moved = [key for key in changed if _shown(before.get(key)) != _shown(after.get(key))]
    if moved:
        _bump(connection, account)
    return moved


def _shown(row: _Row | None) -> _Row | None:
    """Leave out the whole record: a list has less of it than a look at one person, and no answer has it."""
    return None if row is None else {name: value for name, value in row.items() if name != "record"}


def _replace_list(connection: Connection, account: str, table: Table, rows: Sequence[_Row]) -> None:
    """Replace all courses or all people.

    Nobody will read the scope of one that is gone: its enrollments go with it. Whatever else brought those is read
    again, in case the list does not show everybody.
    """
    before = _where(connection, table, table.c.account == account)
    changed = _replace(connection, account, table, before, rows)
    kept = {row["id"] for row in rows}
    for chunk in _chunks([key for key in before if key not in kept]):
        row, of_people = enrollments.c, table is learners
        owner, other = (row.user_id, row.course_id) if of_people else (row.course_id, row.user_id)
        theirs = (row.account == account) & owner.in_(chunk)
        others = connection.execute(select(other).distinct().where(theirs, other.is_not(None))).scalars().all()
        users, titles = (chunk, others) if of_people else (others, chunk)
        touched = [Scope(), *(Scope(user_id=one) for one in users), *(Scope(course_id=one) for one in titles)]
        connection.execute(delete(enrollments).where(theirs))
        for keys in _chunks([one.key for one in touched]):
            connection.execute(delete(scopes).where(scopes.c.account == account, scopes.c.scope.in_(keys)))
    _refresh_enrollments(connection, account, table, changed)


def _chunks(keys: Sequence[str], size: int = 500) -> Iterable[Sequence[str]]:
    return (keys[start : start + size] for start in range(0, len(keys), size))


def _bump(connection: Connection, account: str) -> None:
    version = data_version(connection, account)
    if version:
        connection.execute(update(accounts).where(accounts.c.account == account).values(data_version=version + 1))
    else:
        connection.execute(insert(accounts).values(account=account, data_version=1))


def _stamp(connection: Connection, account: str, key: str, stamp: Stamp, *, complete: bool) -> None:
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


def _epoch(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())


def _compact(value: Any) -> str | None:
    if value is None or value in ([], {}):
        return None
    if isinstance(value, list):
        items = cast("list[object]", value)
        value = [one.model_dump(exclude_none=True) if isinstance(one, BaseModel) else one for one in items]
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


def _learner_row(account: str, one: User) -> _Row:
    name = one.name or " ".join(part for part in (one.first_name, one.last_name) if part) or one.id
    return {
        "account": account,
        "id": one.id,
        "name": name,
        "folded": fold(name),
        "email": (primary_email(one.emails) or "").lower() or None,
        "emails": _compact(one.emails),
        "active": one.status in (None, UserStatus.ACTIVE, UserStatus.INVITED, UserStatus.UNKNOWN),
        "record": one.model_dump_json(exclude_none=True),
    }


def _course_row(account: str, one: Course) -> _Row:
    return {
        "account": account,
        "id": one.id,
        "title": one.title or one.id,
        "folded": fold(one.title or one.id),
        "code": one.code or None,
        "archived": one.status is CourseStatus.ARCHIVED,
        "record": one.model_dump_json(exclude_none=True),
    }


@cache
def _columns() -> tuple[tuple[str, tuple[str, ...], str], ...]:
    """List the table's columns that a record fills, with where their values are and of what kind they are."""
    found = enrollment_columns().items()
    return tuple((column_name(path), tuple(path.split(".")), one.kind) for path, one in found if path not in JOINED)


def _enrollment_row(account: str, one: EnrollmentRecord) -> _Row:
    record = one.enrollment
    row: _Row = {"account": account}
    for name, parts, kind in _columns():
        value: Any = record
        for part in parts:
            value = getattr(value, part, None)
        if kind == "day":
            value = _epoch(value)
        elif kind in ("link", "fields"):
            value = _compact(value)
        row[name] = value
    row["status"] = str(record.status or EnrollmentStatus.UNKNOWN)
    row["access_ends_at"] = _epoch(one.access_ends_at)
    row["route"] = str(one.route)
    row["left_out"] = None if one.is_learner else INSTRUCTOR
    return row


def _keep_finer(row: _Row, before: _Row) -> None:
    """Keep what the way before told and this one cannot, while the enrollment stands as it stood."""
    if any(row[name] != before[name] for name in _UNCHANGED):
        return
    row["score"] = before["score"] if row["score"] is None else row["score"]
    row["urls"] = row["urls"] or before["urls"]
    if row["route"] != before["route"]:
        fields = json.loads(before["custom_fields"] or "{}") | json.loads(row["custom_fields"] or "{}")
        row["custom_fields"] = _compact(fields)
        if row["route"] == Route.COURSE:
            row["status"], row["route"] = before["status"], before["route"]


def _add_strangers(connection: Connection, account: str, records: Sequence[EnrollmentRecord]) -> None:
    """Add people and courses that an enrollment names and that nobody has read yet."""
    people: dict[str, EnrolledUser] = {}
    titles: dict[str, EnrolledCourse] = {}
    for one in records:
        user, course = one.enrollment.user, one.enrollment.course
        if user is not None and user.id and (user.name or user.id not in people):
            people[user.id] = user
        if course is not None and course.id and (course.title or course.id not in titles):
            titles[course.id] = course
    for key in _by_id(connection, learners, account, people):
        del people[key]
    for key in _by_id(connection, courses, account, titles):
        del titles[key]
    if people:
        new = [User(id=key, name=one.name, emails=one.emails) for key, one in people.items()]
        connection.execute(insert(learners), [_learner_row(account, one) for one in new])
    if titles:
        found = [Course(id=key, title=one.title) for key, one in titles.items()]
        connection.execute(insert(courses), [_course_row(account, one) for one in found])


def _mark(connection: Connection, account: str, rows: Sequence[_Row]) -> None:
    """Write on each row whether it counts, and the folded names that it sorts by."""
    people = _by_id(connection, learners, account, (row["user_id"] for row in rows))
    titles = _by_id(connection, courses, account, (row["course_id"] for row in rows))
    latest: dict[tuple[str | None, ...], _Row] = {}
    for row in rows:
        if row["left_out"] != INSTRUCTOR:
            rival = latest.setdefault(_pair(row), row)
            latest[_pair(row)] = max(rival, row, key=_attempt)
    for row in rows:
        person, course = people.get(row["user_id"]), titles.get(row["course_id"])
        row["learner_folded"] = person["folded"] if person else ""
        row["course_folded"] = course["folded"] if course else ""
        if row["left_out"] == INSTRUCTOR:
            continue
        if person and not person["active"]:
            row["left_out"] = INACTIVE
        elif course and course["archived"]:
            row["left_out"] = ARCHIVED
        else:
            row["left_out"] = None if latest[_pair(row)] is row else EARLIER


def _pair(row: _Row) -> tuple[str | None, ...]:
    """Name whose attempts a row is one of; where the learner or the course is not told, it stands alone."""
    pair = (row["user_id"], row["course_id"])
    return pair if all(pair) else (*pair, row["id"])


def _attempt(row: _Row) -> tuple[Any, ...]:
    return (row["attempt_number"] or 0, row["enrolled_at"] or 0, row["updated_at"] or 0, row["id"])


def _by_id(connection: Connection, table: Table, account: str, ids: Iterable[str | None]) -> dict[str, _Row]:
    found: dict[str, _Row] = {}
    for chunk in _chunks(sorted({one for one in ids if one is not None})):
        where = (table.c.account == account) & table.c.id.in_(chunk)
        found |= _where(connection, table, where)
    return found


def _where(connection: Connection, table: Table, condition: ColumnElement[bool]) -> dict[str, _Row]:
    return {row["id"]: dict(row) for row in connection.execute(select(table).where(condition)).mappings()}


def _refresh_enrollments(connection: Connection, account: str, table: Table, changed: Sequence[str]) -> None:
    """Write again what enrollments carry of people or courses that changed."""
    column = enrollments.c.user_id if table is learners else enrollments.c.course_id
    for chunk in _chunks(changed):
        mine = (enrollments.c.account == account) & column.in_(chunk)
        if rows := list(_where(connection, enrollments, mine).values()):
            _mark(connection, account, rows)
            connection.execute(delete(enrollments).where(mine))
            connection.execute(insert(enrollments), rows)
