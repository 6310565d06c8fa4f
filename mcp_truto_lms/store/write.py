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
from typing import Any, cast

from pydantic import BaseModel
from sqlalchemy import ColumnElement, Connection, Table, and_, delete, insert, select, update

from mcp_truto_lms.model import Course, CourseStatus, User, UserStatus, enrollment_columns, primary_email
from mcp_truto_lms.sources.protocol import EnrollmentRecord, Reading, Route, Scope
from mcp_truto_lms.store.fold import fold
from mcp_truto_lms.store.schema import JOINED, accounts, column_name, courses, enrollments, learners, scopes

COURSES = "courses"
LEARNERS = "learners"

_Row = dict[str, Any]
_KEPT_FROM_FINER = ("status", "score", "urls", "custom_fields", "route")
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
    """Replace the course list, and what enrollments carry of it."""
    rows = [
        {
            "account": account,
            "id": one.id,
            "title": one.title or one.id,
            "folded": fold(one.title or one.id),
            "code": one.code or None,
            "archived": one.status is CourseStatus.ARCHIVED,
            "record": one.model_dump_json(exclude_none=True),
        }
        for one in found
    ]
    changed = _replace(connection, courses, courses.c.account == account, rows)
    _stamp(connection, account, COURSES, stamp, complete=True)
    _refresh_enrollments(connection, account, courses, changed)


def replace_learners(connection: Connection, account: str, found: Iterable[User], stamp: Stamp) -> None:
    """Replace the people directory, and what enrollments carry of it."""
    changed = _replace(
        connection, learners, learners.c.account == account, [_learner_row(account, one) for one in found]
    )
    _stamp(connection, account, LEARNERS, stamp, complete=True)
    _refresh_enrollments(connection, account, learners, changed)


def put_learners(connection: Connection, account: str, found: Iterable[User]) -> None:
    """Add people who were read one by one, or renew what is known of them."""
    rows = [_learner_row(account, one) for one in found]
    mine = (learners.c.account == account) & learners.c.id.in_([row["id"] for row in rows])
    _refresh_enrollments(connection, account, learners, _replace(connection, learners, mine, rows))


def replace_scope(connection: Connection, account: str, scope: Scope, reading: Reading, stamp: Stamp) -> None:
    """Replace the enrollments of one scope by what was read, whole."""
    put_learners(connection, account, reading.learners)
    mine = _within(account, scope)
    before = {row["id"]: dict(row) for row in connection.execute(select(enrollments).where(mine)).mappings()}
    rows = {one.enrollment.id: _enrollment_row(account, one) for one in reading.records}
    if not reading.complete:
        rows = {**before, **rows}
    for key, row in rows.items():
        if key in before:
            _keep_finer(row, before[key])
    _mark_left_out(connection, account, list(rows.values()), reading.records)
    _replace(connection, enrollments, mine, list(rows.values()), before=before)
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


def _replace(
    connection: Connection,
    table: Table,
    mine: ColumnElement[bool],
    rows: Sequence[_Row],
    *,
    before: Mapping[str, _Row] | None = None,
) -> list[str]:
    """Replace the rows of a table that a condition names; answer the ids that are new, gone or different."""
    if before is None:
        before = {row["id"]: dict(row) for row in connection.execute(select(table).where(mine)).mappings()}
    after = {row["id"]: row for row in rows}
    changed = [key for key, row in after.items() if before.get(key) != row] + [
        key for key in before if key not in after
    ]
    if changed:
        account = next(iter({**before, **after}.values()))["account"]
        for chunk in _chunks(changed):
            connection.execute(delete(table).where(table.c.account == account, table.c.id.in_(chunk)))
        if new := [after[key] for key in changed if key in after]:
            connection.execute(insert(table), new)
        _bump(connection, account)
    return changed


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


def _enrollment_row(account: str, one: EnrollmentRecord) -> _Row:
    record = one.enrollment
    row: _Row = {"account": account}
    for path, column in enrollment_columns().items():
        if path in JOINED:
            continue
        value: Any = record
        for part in path.split("."):
            value = getattr(value, part, None)
        if column.kind == "day":
            value = _epoch(value)
        elif column.kind in ("link", "fields"):
            value = _compact(value)
        row[column_name(path)] = str(value) if path == "status" else value
    row["status"] = str(record.status or "unknown")
    row["access_ends_at"] = _epoch(one.access_ends_at)
    row["route"] = str(one.route)
    row["left_out"] = None if one.is_learner else "instructor"
    row["learner_folded"] = fold((record.user and record.user.name) or row["user_id"] or "")
    row["course_folded"] = fold((record.course and record.course.title) or row["course_id"] or "")
    return row


def _keep_finer(row: _Row, before: _Row) -> None:
    """Keep what the way before told and this one cannot, while the enrollment stands as it stood."""
    if any(row[name] != before[name] for name in _UNCHANGED):
        return
    if row["route"] == Route.COURSE and before["route"] != Route.COURSE:
        row.update({name: before[name] for name in _KEPT_FROM_FINER})
        return
    row["score"] = before["score"] if row["score"] is None else row["score"]
    row["urls"] = row["urls"] or before["urls"]
    if row["custom_fields"] and before["custom_fields"]:
        row["custom_fields"] = _compact(json.loads(before["custom_fields"]) | json.loads(row["custom_fields"]))


def _mark_left_out(connection: Connection, account: str, rows: list[_Row], records: Sequence[EnrollmentRecord]) -> None:
    """Write on each row whether it counts, and the folded names it sorts by; add people nobody has read yet."""
    people = _by_id(connection, learners, account, {row["user_id"] for row in rows})
    titles = _by_id(connection, courses, account, {row["course_id"] for row in rows})
    strangers = {
        one.enrollment.user.id: User(
            id=one.enrollment.user.id, name=one.enrollment.user.name, emails=one.enrollment.user.emails
        )
        for one in records
        if one.enrollment.user is not None and one.enrollment.user.id and one.enrollment.user.id not in people
    }
    if strangers:
        connection.execute(insert(learners), [_learner_row(account, one) for one in strangers.values()])
    latest: dict[tuple[str, str], _Row] = {}
    for row in rows:
        pair = (row["user_id"], row["course_id"])
        rival = latest.get(pair)
        if rival is None or _attempt(row) > _attempt(rival):
            latest[pair] = row
    for row in rows:
        person, course = people.get(row["user_id"]), titles.get(row["course_id"])
        row["learner_folded"] = person["folded"] if person else row["learner_folded"]
        row["course_folded"] = course["folded"] if course else row["course_folded"]
        row["left_out"] = _reason(
            row,
            active=person is None or person["active"],
            archived=course is not None and course["archived"],
            latest=latest[(row["user_id"], row["course_id"])] is row,
        )


def _by_id(connection: Connection, table: Table, account: str, ids: Iterable[str | None]) -> dict[str, _Row]:
    found: dict[str, _Row] = {}
    for chunk in _chunks(sorted({one for one in ids if one is not None})):
        where = (table.c.account == account) & table.c.id.in_(chunk)
        found.update({row["id"]: dict(row) for row in connection.execute(select(table).where(where)).mappings()})
    return found


def _attempt(row: _Row) -> tuple[Any, ...]:
    return (row["attempt_number"] or 0, row["enrolled_at"] or 0, row["updated_at"] or 0, row["id"])


def _reason(row: _Row, *, active: bool, archived: bool, latest: bool) -> str | None:
    if row["left_out"] == "instructor":
        return "instructor"
    if not active:
        return "inactive"
    if archived:
        return "archived"
    return None if latest else "earlier attempt"


def _refresh_enrollments(connection: Connection, account: str, table: Table, changed: Sequence[str]) -> None:
    """Write again what enrollments carry of people or courses that changed."""
    column = enrollments.c.user_id if table is learners else enrollments.c.course_id
    for chunk in _chunks(changed):
        mine = (enrollments.c.account == account) & column.in_(chunk)
        rows = [dict(row) for row in connection.execute(select(enrollments).where(mine)).mappings()]
        if rows:
            _mark_left_out(connection, account, rows, ())
            connection.execute(delete(enrollments).where(mine))
            connection.execute(insert(enrollments), rows)
