"""Counts: the numbers of a match or of a group, each by its definition in `definitions`.

Totals are those of the whole match, whatever the page, order or format, and are equal for a list and a summary of one
selection.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from operator import add
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Connection,
    FromClause,
    Select,
    case,
    func,
    literal,
    or_,
    select,
    union_all,
)

from mcp_truto_lms.domain import definitions, outcomes
from mcp_truto_lms.domain.model import EnrollmentStatus
from mcp_truto_lms.store.schema import (
    ARCHIVED,
    EARLIER,
    INACTIVE,
    INACTIVE_AND_ARCHIVED,
    INCLUDED,
    INSTRUCTOR,
    courses,
    enrollments,
)
from mcp_truto_lms.store.selection import Selection, cached_statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """The numbers of a match or of a group; they add up.

    Args:
        progress_sum: of the enrollments that report progress, in percent
        progress_known: how many do
        seconds: spent, over the enrollments that report it
        seconds_known: how many do
    """

    enrollments: int = 0
    finished: int = 0
    overdue: int = 0
    due_soon: int = 0
    not_started: int = 0
    at_risk: int = 0
    withdrawn: int = 0
    no_due_date: int = 0
    outcome_unknown: int = 0
    progress_sum: float = 0
    progress_known: int = 0
    seconds: int = 0
    seconds_known: int = 0

    @property
    def rate(self) -> float | None:
        """Completion rate in percent: finished / enrollments without withdrawn."""
        base = self.enrollments - self.withdrawn
        return 100 * self.finished / base if base else None

    @property
    def average(self) -> float | None:
        """Mean progress in percent, of the enrollments that report it."""
        return self.progress_sum / self.progress_known if self.progress_known else None

    @property
    def hours(self) -> float | None:
        """Time spent, where any enrollment reports it."""
        return self.seconds / 3600 if self.seconds_known else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals(Counts):
    """The numbers of a whole match."""

    learners: int = 0
    courses: int = 0


@dataclass(frozen=True, slots=True)
class ExcludedCounts:
    """What the question reads and does not count, by the reason, whatever the outcome."""

    inactive_people: int
    archived_courses: int
    instructors: int
    earlier_attempts: int


@dataclass(frozen=True, slots=True)
class MatchCounts:
    """The numbers of a whole match.

    Args:
        by_status: enrollments by status, most first; empty for a list
        excluded: what the population does not include
        by_course: the numbers by course id; empty for a list
    """

    totals: Totals
    by_status: Mapping[str, int]
    excluded: ExcludedCounts
    by_course: Mapping[str | None, Counts]


MEASURES = tuple(field.name for field in fields(Counts))


def number_of(condition: ColumnElement[bool]) -> ColumnElement[int]:
    """Count the rows that meet a condition."""
    return func.count().filter(condition)


def measures(selection: Selection) -> list[ColumnElement[Any]]:
    """Compose the numbers of enrollments, labelled by the fields of `Counts`."""
    row, now = enrollments, selection.now
    composed: Mapping[str, ColumnElement[Any]] = {
        "enrollments": func.count(),
        "finished": number_of(selection.finished()),
        "overdue": number_of(definitions.overdue(row, now)),
        "due_soon": number_of(definitions.due_soon(row, now)),
        "not_started": number_of(definitions.not_started(row, now)),
        "at_risk": number_of(definitions.at_risk(row, now, selection.thresholds)),
        "withdrawn": number_of(definitions.withdrawn(row, now)),
        "no_due_date": number_of(definitions.no_due_date(row, now)),
        "outcome_unknown": number_of(outcomes.is_unknown(row, selection.known_since)),
        "progress_sum": func.coalesce(func.sum(row.c.progress_percent), 0.0),
        "progress_known": func.count(row.c.progress_percent),
        "seconds": func.coalesce(func.sum(row.c.time_spent_seconds), 0),
        "seconds_known": func.count(row.c.time_spent_seconds),
    }
    return [composed[name].label(name) for name in MEASURES]


def sums(rows: FromClause) -> list[ColumnElement[Any]]:
    """Compose the sums of rows that hold counts."""
    return [func.coalesce(func.sum(rows.c[name]), 0).label(name) for name in MEASURES]


def as_counts(row: Mapping[str, Any]) -> Counts:
    """Convert the numbers of a row; engines return sums as different types."""
    integers = {name: int(row[name]) for name in MEASURES if name != "progress_sum"}
    return Counts(progress_sum=float(row["progress_sum"]), **integers)


def count_list(connection: Connection, selection: Selection) -> MatchCounts:
    """Count what stands above and below the rows of a list: the match, and what is excluded from it."""
    by_reason = _by_reason(connection.execute(_list_statement(selection), selection.bind_values()))
    included = by_reason[INCLUDED]
    totals = Totals(enrollments=included.enrollments, no_due_date=included.no_due_date)
    return MatchCounts(totals, {}, _excluded(by_reason), {})


@cached_statement
def _list_statement(selection: Selection) -> CompoundSelect[str, int, int, int]:
    query = select(
        literal(INCLUDED).label("excluded_reason"),
        func.count().label("enrollments"),
        literal(0).label("people"),
        number_of(definitions.no_due_date(enrollments, selection.now)).label("no_due_date"),
    )
    return union_all(query.where(selection.counted()), *_excluded_parts(selection))


def count_by_course_and_status(connection: Connection, selection: Selection) -> MatchCounts:
    """Count the whole match, by course and by status, and what is excluded from it.

    The query groups by course and stored status, in the order of an index. Access that has ended changes a status, and
    is counted separately.
    """
    values = selection.bind_values()
    by_status: Counter[str] = Counter()
    numbers_by_course: dict[str | None, list[Any]] = {}
    for row in connection.execute(_course_and_status_statement(selection), values):
        by_status[row.status] += row.enrollments - row.access_ended
        by_status[EnrollmentStatus.EXPIRED] += row.access_ended  # may be the status itself
        course_id, numbers = row.course_id, [*row[3:]]
        earlier = numbers_by_course.get(course_id)
        numbers_by_course[course_id] = numbers if earlier is None else [*map(add, earlier, numbers)]
    by_course = {
        course_id: as_counts(dict(zip(MEASURES, numbers, strict=True)))
        for course_id, numbers in numbers_by_course.items()
    }
    match_sums = {name: sum(getattr(counts, name) for counts in by_course.values()) for name in MEASURES}
    learners = connection.execute(_learners_statement(selection), values).scalar_one()
    totals = Totals(**match_sums, learners=learners, courses=len(by_course.keys() - {None}))
    by_reason = _by_reason(connection.execute(_excluded_statement(selection), values))
    return MatchCounts(
        totals=totals,
        by_status=dict(sorted(((+by_status).items()), key=lambda item: (-item[1], item[0]))),
        excluded=_excluded(by_reason),
        by_course=by_course,
    )


@cached_statement
def _course_and_status_statement(selection: Selection) -> Select[Any]:
    row = enrollments
    access_ended = number_of(definitions.access_expired(row, selection.now)).label("access_ended")
    query: Select[Any] = select(row.c.course_id, row.c.status, access_ended, *measures(selection))
    return query.where(selection.counted()).group_by(row.c.course_id, row.c.status)


def learner_ids(connection: Connection, selection: Selection) -> frozenset[str]:
    """Return the ids of the learners who have a row in the match."""
    query = select(enrollments.c.user_id).distinct().where(selection.counted(), enrollments.c.user_id.is_not(None))
    return frozenset(connection.execute(query).scalars())


@cached_statement
def _learners_statement(selection: Selection) -> Select[int]:
    row = enrollments
    people = select(row.c.user_id).distinct().where(selection.counted(), row.c.user_id.is_not(None)).subquery()
    return select(func.count()).select_from(people)


@cached_statement
def _excluded_statement(selection: Selection) -> CompoundSelect[str, int, int, int]:
    return union_all(*_excluded_parts(selection))


def _excluded_parts(selection: Selection) -> list[Select[str, int, int, int]]:
    """Compose how much is excluded, by reason, from what the question itself reads, whatever others have read.

    An archived course is counted from the course list. Its enrollments count only where a course is named: they may be
    in the store or not. So may the outcomes of excluded enrollments, and no filter on the outcome applies.
    """
    row, includes_archived = enrollments, ARCHIVED in selection.included
    reasons = {INSTRUCTOR, EARLIER}
    if INACTIVE not in selection.included:  # an index finds each reason by itself
        reasons |= {INACTIVE, INACTIVE_AND_ARCHIVED} if includes_archived else {INACTIVE}
    archived = select(courses.c.id).where(courses.c.account == selection.account, courses.c.archived)
    conditions = [selection.whatever_outcome().matching(), row.c.excluded_reason.in_(sorted(reasons))]
    names_courses = selection.course_ids is not None or includes_archived
    if not names_courses:
        is_current = or_(row.c.course_id.is_(None), row.c.course_id.not_in(archived))
        conditions.append(or_(row.c.excluded_reason == INACTIVE, is_current))
    reason: ColumnElement[str] = row.c.excluded_reason
    if includes_archived:
        reason = case((reason == INACTIVE_AND_ARCHIVED, INACTIVE), else_=reason)
    people, zero = func.count(row.c.user_id.distinct()), literal(0)
    columns = (func.count().label("enrollments"), people.label("people"), zero.label("no_due_date"))
    rows = select(reason.label("excluded_reason"), *columns).where(*conditions).group_by(reason)
    if names_courses:
        return [rows]
    number = select(func.count()).select_from(archived.subquery()).scalar_subquery()
    return [rows, select(literal(ARCHIVED), number, zero, zero)]


def _by_reason(rows: Iterable[Any]) -> dict[str, Any]:
    return {row.excluded_reason: row for row in rows}


def _excluded(by_reason: Mapping[str, Any]) -> ExcludedCounts:
    """Count what is excluded; an enrollment with several reasons counts under the first."""

    def number(reason: str, what: str) -> int:
        return getattr(by_reason[reason], what) if reason in by_reason else 0

    return ExcludedCounts(
        inactive_people=number(INACTIVE, "people"),
        archived_courses=number(ARCHIVED, "enrollments"),
        instructors=number(INSTRUCTOR, "people"),
        earlier_attempts=number(EARLIER, "enrollments"),
    )
