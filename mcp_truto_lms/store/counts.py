"""Counting: the numbers of a match or of a group, each by its definition in `progress`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from operator import add
from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, Connection, FromClause, Select, func, literal, select, union_all

from mcp_truto_lms.domain import definitions
from mcp_truto_lms.domain.model import EnrollmentStatus
from mcp_truto_lms.store.schema import ARCHIVED, EARLIER, INACTIVE, INCLUDED, INSTRUCTOR, courses, enrollments
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
    failure_unknown: int = 0
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
    """Who matches and is not counted."""

    inactive_people: int
    archived_courses: int
    instructors: int
    earlier_attempts: int


@dataclass(frozen=True, slots=True)
class MatchCounts:
    """What a whole match amounts to: its totals, its enrollments by status, most first, who is left out, and by course.

    What it is by status and by course is not counted for a list.
    """

    totals: Totals
    by_status: Mapping[str, int]
    excluded: ExcludedCounts
    by_course: Mapping[str | None, Counts]


MEASURES = tuple(one.name for one in fields(Counts))


def number_of(condition: ColumnElement[bool]) -> ColumnElement[int]:
    """Count the rows of which something is true."""
    return func.count().filter(condition)


def measures(selection: Selection) -> list[ColumnElement[Any]]:
    """Compose what is counted of enrollments, labelled by the fields of `Counts`."""
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
        "failure_unknown": number_of(definitions.failure_unknown(row, now)),
        "progress_sum": func.coalesce(func.sum(row.c.progress_percent), 0.0),
        "progress_known": func.count(row.c.progress_percent),
        "seconds": func.coalesce(func.sum(row.c.time_spent_seconds), 0),
        "seconds_known": func.count(row.c.time_spent_seconds),
    }
    return [composed[name].label(name) for name in MEASURES]


def added(rows: FromClause) -> list[ColumnElement[Any]]:
    """Compose the sums of numbers that were counted already."""
    return [func.coalesce(func.sum(rows.c[name]), 0).label(name) for name in MEASURES]


def as_counts(row: Mapping[str, Any]) -> Counts:
    """Read the numbers of one row; engines differ in what a sum is."""
    whole = {name: int(row[name]) for name in MEASURES if name != "progress_sum"}
    return Counts(progress_sum=float(row["progress_sum"]), **whole)


def count_list(connection: Connection, selection: Selection) -> MatchCounts:
    """Count how much matches, what its rows cannot tell, and who is left out: the frame of a list."""
    found = _by_reason(connection.execute(_list_statement(selection), selection.bind_values()))
    counted = found[INCLUDED]
    totals = Totals(
        enrollments=counted.enrollments, no_due_date=counted.no_due_date, failure_unknown=counted.failure_unknown
    )
    return MatchCounts(totals, {}, _excluded(connection, selection, found), {})


@cached_statement
def _list_statement(selection: Selection) -> CompoundSelect[str, int, int, int, int, int]:
    row, now = enrollments, selection.now
    nobody = literal(0)
    query = select(
        literal(INCLUDED).label("excluded_reason"),
        func.count().label("enrollments"),
        nobody.label("people"),
        nobody.label("courses"),
        number_of(definitions.no_due_date(row, now)).label("no_due_date"),
        number_of(definitions.failure_unknown(row, now)).label("failure_unknown"),
    )
    return union_all(query.where(selection.counted()), _others(selection).add_columns(nobody, nobody))


def count_by_course_and_status(connection: Connection, selection: Selection) -> MatchCounts:
    """Count the whole match, by course and by status, and who is left out of it.

    It is counted by course and status as they are written, in the order of an index; what access that has ended makes
    of a status is counted beside.
    """
    by_status: Counter[str] = Counter()
    numbers: dict[str | None, list[Any]] = {}
    given = selection.bind_values()
    for one in connection.execute(_course_and_status_statement(selection), given):
        found: list[Any] = [*one[3:]]
        by_status[one.status] += one.enrollments - one.ended
        by_status[EnrollmentStatus.EXPIRED] += one.ended  # which may be the same status
        course = one.course_id
        numbers[course] = [*map(add, numbers[course], found)] if course in numbers else found
    by_course = {key: as_counts(dict(zip(MEASURES, each, strict=True))) for key, each in numbers.items()}
    sums = {name: sum(getattr(one, name) for one in by_course.values()) for name in MEASURES}
    told = sorted((item for item in by_status.items() if item[1]), key=lambda item: (-item[1], item[0]))
    people = connection.execute(_learners(selection), given).scalar_one()
    totals = Totals(**sums, learners=people, courses=len(by_course.keys() - {None}))
    excluded = _excluded(connection, selection, _by_reason(connection.execute(_others(selection), given)))
    return MatchCounts(totals, dict(told), excluded, by_course)


@cached_statement
def _course_and_status_statement(selection: Selection) -> Select[Any]:
    row = enrollments
    ended = number_of(definitions.access_expired(row, selection.now)).label("ended")
    query: Select[Any] = select(row.c.course_id, row.c.status, ended, *measures(selection))
    return query.where(selection.counted()).group_by(row.c.course_id, row.c.status)


@cached_statement
def _learners(selection: Selection) -> Select[int]:
    row = enrollments
    people = select(row.c.user_id).distinct().where(selection.counted(), row.c.user_id.is_not(None)).subquery()
    return select(func.count()).select_from(people)


@cached_statement
def _others(selection: Selection) -> Select[Any, int, int, int]:
    """Compose how much of the match is left out, and how many people and courses that are, by reason."""
    row = enrollments
    people, titles = (func.count(one.distinct()) for one in (row.c.user_id, row.c.course_id))
    # each is sought by itself in an index
    reasons = sorted({INSTRUCTOR, INACTIVE, ARCHIVED, EARLIER} - selection.included)
    return (
        select(
            row.c.excluded_reason, func.count().label("enrollments"), people.label("people"), titles.label("courses")
        )
        .where(selection.matching(), row.c.excluded_reason.in_(reasons))
        .group_by(row.c.excluded_reason)
    )


def _by_reason(rows: Iterable[Any]) -> dict[str, Any]:
    return {one.excluded_reason: one for one in rows}


def _excluded(connection: Connection, selection: Selection, found: Mapping[str, Any]) -> ExcludedCounts:
    """Tell who or what of the match is left out, each by the first reason that there is."""

    def number(reason: str, what: str) -> int:
        return getattr(found[reason], what) if reason in found else 0

    return ExcludedCounts(
        number(INACTIVE, "people"),
        _archived(connection, selection, number(ARCHIVED, "courses")),
        number(INSTRUCTOR, "people"),
        number(EARLIER, "enrollments"),
    )


def _archived(connection: Connection, selection: Selection, matching: int) -> int:
    """Count the archived courses that are left out: where nobody and nothing was asked for, all there are."""
    asked = selection.user_ids is not None or selection.course_ids is not None or selection.where
    if asked or ARCHIVED in selection.included:
        return matching
    query = select(func.count()).where(courses.c.account == selection.account, courses.c.archived)
    return connection.execute(query).scalar_one()
