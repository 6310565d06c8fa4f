"""Reading: every answer is a query here, composed from a selection and the definitions of `progress`.

Totals are those of the whole match, whatever page, order or format was asked for, and the same for a list and a
summary of the same selection. Missing values sort last, ascending and descending; text sorts folded; the id breaks
ties, so that the order is the same on every engine.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, and_, case, func, not_, null, or_, select, true

from mcp_truto_lms import progress
from mcp_truto_lms.errors import QueryError
from mcp_truto_lms.model import EnrollmentStatus, enrollment_columns
from mcp_truto_lms.progress import STATES, State
from mcp_truto_lms.query import GroupBy
from mcp_truto_lms.sources.protocol import Route
from mcp_truto_lms.store.fold import fold
from mcp_truto_lms.store.schema import (
    ARCHIVED,
    EARLIER,
    INACTIVE,
    INSTRUCTOR,
    column_name,
    courses,
    enrollments,
    learners,
    scopes,
)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which enrollments an answer is about, everything in it resolved.

    Args:
        now: epoch seconds, at which every judgement of the answer is made
        user_ids, course_ids: None is everybody, everything
        due_from, due_before: epoch seconds; the second is excluded
        included: reasons for which rows of the match are usually left out, but not here: they were asked for by name
    """

    account: str
    now: int
    user_ids: tuple[str, ...] | None = None
    course_ids: tuple[str, ...] | None = None
    statuses: tuple[EnrollmentStatus, ...] = ()
    states: tuple[State, ...] = ()
    due_from: int | None = None
    due_before: int | None = None
    progress_below: float | None = None
    included: frozenset[str] = field(default_factory=lambda: frozenset[str]())

    def check(self) -> None:
        """Refuse what nothing can match.

        Raises:
            QueryError: the last due day is before the first.
        """
        if self.due_from is not None and self.due_before is not None and self.due_from >= self.due_before:
            raise QueryError("due_to is before due_from: no day lies between them.")

    def matching(self) -> ColumnElement[bool]:
        """Compose the filters, without the population."""
        row, now = enrollments, self.now
        parts: list[ColumnElement[bool]] = [row.c.account == self.account]
        if self.user_ids is not None:
            parts.append(row.c.user_id.in_(self.user_ids))
        if self.course_ids is not None:
            parts.append(row.c.course_id.in_(self.course_ids))
        if self.statuses:
            named = progress.status_at(row, now).in_([str(one) for one in self.statuses])
            late = EnrollmentStatus.OVERDUE in self.statuses
            parts.append(or_(named, progress.overdue(row, now)) if late else named)
        if self.states:
            parts.append(or_(*(STATES[one](row, now) for one in self.states)))
        if self.due_from is not None:
            parts.append(row.c.due_at >= self.due_from)
        if self.due_before is not None:
            parts.append(row.c.due_at < self.due_before)
        if self.progress_below is not None:
            parts.append(progress.not_finished(row, now))
            parts.append(func.coalesce(row.c.progress_percent, 0) < self.progress_below)
        return and_(*parts)

    def counted(self) -> ColumnElement[bool]:
        """Compose the filters and the population."""
        reason = enrollments.c.left_out
        return and_(self.matching(), or_(reason.is_(None), reason.in_(sorted(self.included))))


@dataclass(frozen=True, slots=True)
class Counts:
    """The numbers of a match or of a group; the definitions are those of `progress`.

    Args:
        average: mean progress in percent, of the enrollments that report it
    """

    enrollments: int
    learners: int
    courses: int
    finished: int
    overdue: int
    due_soon: int
    not_started: int
    withdrawn: int
    no_due_date: int
    maybe_failed: int
    average: float | None

    @property
    def rate(self) -> float | None:
        """Completion rate in percent: finished / enrollments without withdrawn."""
        base = self.enrollments - self.withdrawn
        return 100 * self.finished / base if base else None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Who matches and is not counted."""

    inactive_people: int
    archived_courses: int
    instructors: int
    earlier_attempts: int


@dataclass(frozen=True, slots=True)
class Spread:
    """What a column holds in the whole match: how many values, and the value where it is always the same."""

    filled: int
    constant: Any


@dataclass(frozen=True, slots=True)
class Group:
    """One line of a summary."""

    key: str
    name: str
    counts: Counts


@dataclass(frozen=True, slots=True)
class Match:
    """A learner or a course that a name stands for."""

    id: str
    name: str
    left_out: bool


def _counts(now: int) -> list[ColumnElement[Any]]:
    row = enrollments

    def number_of(condition: ColumnElement[bool]) -> ColumnElement[int]:
        return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)

    return [
        func.count().label("enrollments"),
        func.count(row.c.user_id.distinct()).label("learners"),
        func.count(row.c.course_id.distinct()).label("courses"),
        *(
            number_of(definition(row, now)).label(definition.__name__)
            for definition in (
                progress.finished,
                progress.overdue,
                progress.due_soon,
                progress.not_started,
                progress.withdrawn,
                progress.no_due_date,
                progress.maybe_failed,
            )
        ),
        func.avg(row.c.progress_percent).label("average"),
    ]


def _as_counts(row: RowMapping) -> Counts:
    return Counts(**{name: row[name] for name in Counts.__dataclass_fields__})


def totals(connection: Connection, selection: Selection) -> Counts:
    """Count the whole match."""
    query = select(*_counts(selection.now)).where(selection.counted())
    return _as_counts(connection.execute(query).mappings().one())


def left_out(connection: Connection, selection: Selection) -> LeftOut:
    """Count who matches and is left out. Without a learner asked for, every archived course of the match counts."""
    row, reason = enrollments, enrollments.c.left_out
    hidden = and_(selection.matching(), reason.is_not(None), reason.not_in(sorted(selection.included)))

    def distinct(column: ColumnElement[Any], why: str) -> ColumnElement[int]:
        return func.count(case((reason == why, column), else_=null()).distinct())

    found = connection.execute(
        select(
            distinct(row.c.user_id, INACTIVE).label("people"),
            distinct(row.c.course_id, ARCHIVED).label("courses"),
            distinct(row.c.user_id, INSTRUCTOR).label("instructors"),
            distinct(row.c.id, EARLIER).label("attempts"),
        ).where(hidden)
    ).one()
    archived = found.courses
    if selection.user_ids is None and ARCHIVED not in selection.included:
        parts = [courses.c.account == selection.account, courses.c.archived]
        if selection.course_ids is not None:
            parts.append(courses.c.id.in_(selection.course_ids))
        archived = connection.execute(select(func.count()).select_from(courses).where(*parts)).scalar_one()
    return LeftOut(found.people, archived, found.instructors, found.attempts)


def not_enrolled(connection: Connection, account: str, course_id: str) -> int:
    """Count the active people who have no enrollment in a course."""
    row = enrollments
    enrolled = select(row.c.user_id).where(
        row.c.account == account, row.c.course_id == course_id, row.c.user_id.is_not(None)
    )
    query = select(func.count()).where(learners.c.account == account, learners.c.active, learners.c.id.not_in(enrolled))
    return connection.execute(query).scalar_one()


def by_status(connection: Connection, selection: Selection) -> dict[str, int]:
    """Count the match by its status at the answer's time, most first."""
    status = progress.status_at(enrollments, selection.now).label("status")
    query = select(status, func.count().label("number")).where(selection.counted()).group_by(status)
    found = {row.status: row.number for row in connection.execute(query)}
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def groups(
    connection: Connection, selection: Selection, by: GroupBy, *, sort: str, limit: int
) -> tuple[list[Group], int]:
    """Count the match by course, learner or status, in the order asked for; also tell how many groups there are."""
    row = enrollments
    columns = _counts(selection.now)
    if by is GroupBy.STATUS:
        key = progress.status_at(row, selection.now)
        name, folded, source = key, key, row
    else:
        other = courses if by is GroupBy.COURSE else learners
        key = row.c.course_id if by is GroupBy.COURSE else row.c.user_id
        folded = row.c.course_folded if by is GroupBy.COURSE else row.c.learner_folded
        name = func.coalesce(other.c.title if by is GroupBy.COURSE else other.c.name, key)
        source = row.outerjoin(other, and_(other.c.account == row.c.account, other.c.id == key))
    grouped = (
        select(key.label("key"), func.max(name).label("name"), func.max(folded).label("folded"), *columns)
        .select_from(source)
        .where(selection.counted())
        .group_by(key)
        .subquery()
    )
    c = grouped.c
    by_name = [c.folded, c.key]
    values = {
        "name": None,
        "rate": case((c.enrollments > c.withdrawn, 100.0 * c.finished / (c.enrollments - c.withdrawn)), else_=null()),
    }
    word = sort.lstrip("-")
    value = values[word] if word in values else c[word]
    order = [*_ordered(value, descending=sort.startswith("-")), *by_name] if value is not None else by_name
    if value is None and sort.startswith("-"):
        order = [c.folded.desc(), c.key]
    number = connection.execute(select(func.count()).select_from(grouped)).scalar_one()
    rows = connection.execute(select(grouped).order_by(*order).limit(limit)).mappings()
    return [Group(row["key"] or "", row["name"] or "", _as_counts(row)) for row in rows], number


def _ordered(value: ColumnElement[Any], *, descending: bool) -> list[ColumnElement[Any]]:
    return [value.is_(None), value.desc() if descending else value.asc()]


def _value(path: str, now: int) -> ColumnElement[Any]:
    if path == "status":
        return progress.status_at(enrollments, now)
    if path == "user.name":
        return func.coalesce(learners.c.name, enrollments.c.user_id)
    if path == "user.emails":
        return learners.c.emails
    if path == "course.title":
        return func.coalesce(courses.c.title, enrollments.c.course_id)
    return enrollments.c[column_name(path)]


def spreads(connection: Connection, selection: Selection, paths: Sequence[str]) -> dict[str, Spread]:
    """Tell which columns are empty or the same in the whole match.

    A learner's or course's columns are judged by the learner and the course, so that two people of one name stay two.
    """
    keys = {path: enrollments.c[f"{path.split('.')[0]}_id"] for path in paths if path.startswith(("user.", "course."))}
    values = {path: keys.get(path, _value(path, selection.now)) for path in paths if path in enrollment_columns()}
    parts: list[ColumnElement[Any]] = []
    for index, value in enumerate(values.values()):
        parts += [
            func.count(value).label(f"filled_{index}"),
            func.min(value).label(f"low_{index}"),
            func.max(value).label(f"high_{index}"),
        ]
    if not parts:
        return {}
    row = connection.execute(select(*parts).where(selection.counted())).mappings().one()
    number = connection.execute(select(func.count()).select_from(enrollments).where(selection.counted())).scalar_one()
    found: dict[str, Spread] = {}
    for index, path in enumerate(values):
        filled, low, high = row[f"filled_{index}"], row[f"low_{index}"], row[f"high_{index}"]
        found[path] = Spread(filled, low if filled == number and low == high else None)
    return found


def page(
    connection: Connection, selection: Selection, *, sort: str | None, limit: int, offset: int
) -> list[dict[str, Any]]:
    """Read rows of the match in order, every column of the model by its dotted path, custom fields parsed."""
    paths = list(enrollment_columns())
    query: Select[Any] = (
        select(*(_value(path, selection.now).label(path) for path in paths))
        .select_from(
            enrollments.outerjoin(
                learners, and_(learners.c.account == enrollments.c.account, learners.c.id == enrollments.c.user_id)
            ).outerjoin(
                courses, and_(courses.c.account == enrollments.c.account, courses.c.id == enrollments.c.course_id)
            )
        )
        .where(selection.counted())
        .order_by(*_order(sort, selection.now))
        .limit(limit)
        .offset(offset)
    )
    rows: list[dict[str, Any]] = []
    for found in connection.execute(query).mappings():
        row = dict(found)
        for path in ("user.emails", "urls", "custom_fields"):
            row[path] = json.loads(row[path]) if row[path] else None
        rows.append(row)
    return rows


def _order(sort: str | None, now: int) -> list[ColumnElement[Any]]:
    row = enrollments
    usual = [row.c.course_folded, row.c.learner_folded, row.c.user_id, row.c.id]
    if sort is None:
        return [row.c.due_at.is_(None), row.c.due_at, *usual]
    path = sort.lstrip("-")
    folded = {"user.name": row.c.learner_folded, "course.title": row.c.course_folded}
    return [*_ordered(folded.get(path, _value(path, now)), descending=sort.startswith("-")), *usual]


def refinable(connection: Connection, selection: Selection) -> list[tuple[str, str]]:
    """List the (learner, course) pairs that a transcript may tell a failure of, whatever outcome is asked for.

    That is whatever was worked on and read from a roster, or from a transcript, which may be old by now.
    """
    row, wide = enrollments, replace(selection, statuses=(), states=(), progress_below=None)
    worked_on = not_(progress.not_started(row, selection.now))
    untold = and_(row.c.route.in_([Route.COURSE, Route.LEARNER]), row.c.user_id.is_not(None), worked_on)
    query = select(row.c.user_id, row.c.course_id).where(wide.counted(), untold)
    return [(one.user_id, one.course_id) for one in connection.execute(query.order_by(row.c.user_id, row.c.course_id))]


def unscored(connection: Connection, selection: Selection) -> list[tuple[str, str]]:
    """List the (learner, course) pairs of the match that were worked on and have no score yet."""
    row, now = enrollments, selection.now
    query = (
        select(row.c.user_id, row.c.course_id)
        .where(selection.counted(), row.c.score.is_(None), row.c.route != "pair", not_(progress.not_started(row, now)))
        .order_by(*_order(None, now))
    )
    return [(one.user_id, one.course_id) for one in connection.execute(query)]


@dataclass(frozen=True, slots=True)
class ScopeState:
    """When a scope was read last, whether it was whole, and how long it took."""

    fetched_at: int
    took_seconds: float
    complete: bool


def scope_states(connection: Connection, account: str, keys: Collection[str] | None = None) -> dict[str, ScopeState]:
    """Read what is known of some scopes, by key; without keys, of every scope."""
    query = select(scopes).where(scopes.c.account == account)
    found = connection.execute(query if keys is None else query.where(scopes.c.scope.in_(keys)))
    return {row.scope: ScopeState(row.fetched_at, row.took_seconds, row.complete) for row in found}


def course_records(connection: Connection, account: str) -> dict[str, str]:
    """Read every course as its unified JSON, by id."""
    query = select(courses.c.id, courses.c.record).where(courses.c.account == account)
    return {row.id: row.record for row in connection.execute(query)}


def learner_records(connection: Connection, account: str, ids: Collection[str] | None = None) -> dict[str, str]:
    """Read people as unified JSON, by id; without ids, everybody."""
    query = select(learners.c.id, learners.c.record).where(learners.c.account == account)
    found = connection.execute(query if ids is None else query.where(learners.c.id.in_(ids)))
    return {row.id: row.record for row in found}


def candidates(connection: Connection, account: str, by: GroupBy, term: str) -> list[tuple[Match, frozenset[str]]]:
    """Find the learners or courses that a term may stand for, by id, e-mail or code, or all its words in the name.

    Each comes with the exact texts it answers to: id, folded name, e-mail or code.
    """
    table = courses if by is GroupBy.COURSE else learners
    name, alias = (courses.c.title, courses.c.code) if by is GroupBy.COURSE else (learners.c.name, learners.c.email)
    words = and_(true(), *(table.c.folded.contains(word, autoescape=True) for word in fold(term).split()))
    rows = connection.execute(
        select(table, name.label("shown"), alias.label("alias"))
        .where(table.c.account == account)
        .where(or_(table.c.id == term, func.lower(alias) == term.lower(), words))
        .order_by(table.c.folded, table.c.id)
    )
    found: list[tuple[Match, frozenset[str]]] = []
    for row in rows:
        hidden = row.archived if by is GroupBy.COURSE else not row.active
        texts = frozenset((row.id, row.folded, (row.alias or "").lower()))
        found.append((Match(row.id, row.shown, hidden), texts))
    return found


def names(connection: Connection, account: str, by: GroupBy) -> list[str]:
    """List every learner's or course's name, to look for the nearest."""
    table, name = (courses, courses.c.title) if by is GroupBy.COURSE else (learners, learners.c.name)
    return list(connection.execute(select(name).distinct().where(table.c.account == account)).scalars())


def ids(connection: Connection, account: str, by: GroupBy) -> list[str]:
    """List every learner, or every course that is not archived, by id."""
    query = select(learners.c.id).where(learners.c.account == account)
    if by is GroupBy.COURSE:
        query = select(courses.c.id).where(courses.c.account == account, not_(courses.c.archived))
    return list(connection.execute(query).scalars())
