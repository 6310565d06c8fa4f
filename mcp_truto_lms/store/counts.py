"""Counting: the numbers of a match or of a group, each by its definition in `progress`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, case, func, null, select

from mcp_truto_lms import progress
from mcp_truto_lms.store.schema import ARCHIVED, EARLIER, INACTIVE, INSTRUCTOR, courses, enrollments
from mcp_truto_lms.store.selection import Selection


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
    maybe_failed: int = 0
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
class LeftOut:
    """Who matches and is not counted."""

    inactive_people: int
    archived_courses: int
    instructors: int
    earlier_attempts: int


@dataclass(frozen=True, slots=True)
class Survey:
    """What a whole match amounts to: its totals, its enrollments by status, most first, and who is left out."""

    totals: Totals
    by_status: Mapping[str, int]
    left_out: LeftOut


MEASURES = tuple(one.name for one in fields(Counts))


def number_of(condition: ColumnElement[bool]) -> ColumnElement[int]:
    """Count the rows of which something is true."""
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)


def measures(selection: Selection) -> list[ColumnElement[Any]]:
    """Compose what is counted of enrollments, labelled by the fields of `Counts`."""
    row, now = enrollments, selection.now
    conditions = {
        "finished": selection.finished(),
        "overdue": progress.overdue(row, now),
        "due_soon": progress.due_soon(row, now),
        "not_started": progress.not_started(row, now),
        "at_risk": progress.at_risk(row, now, selection.thresholds),
        "withdrawn": progress.withdrawn(row, now),
        "no_due_date": progress.no_due_date(row, now),
        "maybe_failed": progress.maybe_failed(row, now),
    }
    numbers = {
        "enrollments": func.count(),
        **{name: number_of(condition) for name, condition in conditions.items()},
        "progress_sum": func.coalesce(func.sum(row.c.progress_percent), 0.0),
        "progress_known": func.count(row.c.progress_percent),
        "seconds": func.coalesce(func.sum(row.c.time_spent_seconds), 0),
        "seconds_known": func.count(row.c.time_spent_seconds),
    }
    return [numbers[name].label(name) for name in MEASURES]


def added(rows: FromClause) -> list[ColumnElement[Any]]:
    """Compose the sums of numbers that were counted already."""
    return [func.coalesce(func.sum(rows.c[name]), 0).label(name) for name in MEASURES]


def as_counts(row: Mapping[str, Any]) -> Counts:
    """Read the numbers of one row; engines differ in what a sum is."""
    whole = {name: int(row[name]) for name in MEASURES if name != "progress_sum"}
    return Counts(progress_sum=float(row["progress_sum"]), **whole)


def survey(connection: Connection, selection: Selection) -> Survey:
    """Count the whole match, by status, and who is left out of it."""
    row = enrollments
    place = case((selection.is_included(), ""), else_=row.c.left_out).label("place")
    status = progress.status_at(row, selection.now).label("status_now")
    query = select(place, status, *measures(selection)).where(selection.matching()).group_by(place, status)
    by_status: dict[str, int] = {}
    sums = dict.fromkeys(MEASURES, 0.0)
    for found in connection.execute(query).mappings():
        if found["place"]:
            continue
        by_status[found["status_now"]] = int(found["enrollments"])
        for name in MEASURES:
            sums[name] += found[name] if name == "progress_sum" else int(found[name])
    distinct = _distinct(connection, selection)
    counts = {name: int(value) for name, value in sums.items() if name != "progress_sum"}
    return Survey(
        Totals(**counts, progress_sum=sums["progress_sum"], learners=distinct["learners"], courses=distinct["courses"]),
        dict(sorted(by_status.items(), key=lambda item: (-item[1], item[0]))),
        LeftOut(
            distinct["inactive"],
            _archived(connection, selection, distinct["archived"]),
            distinct["instructors"],
            distinct["earlier"],
        ),
    )


def _distinct(connection: Connection, selection: Selection) -> Mapping[str, int]:
    row, counted = enrollments, selection.is_included()

    def distinct(column: ColumnElement[Any], condition: ColumnElement[bool]) -> ColumnElement[int]:
        return func.count(case((condition, column), else_=null()).distinct())

    def hidden(column: ColumnElement[Any], reason: str) -> ColumnElement[int]:
        return distinct(column, ~counted & (row.c.left_out == reason))

    query = select(
        distinct(row.c.user_id, counted).label("learners"),
        distinct(row.c.course_id, counted).label("courses"),
        hidden(row.c.user_id, INACTIVE).label("inactive"),
        hidden(row.c.course_id, ARCHIVED).label("archived"),
        hidden(row.c.user_id, INSTRUCTOR).label("instructors"),
        hidden(row.c.id, EARLIER).label("earlier"),
    ).where(selection.matching())
    return {name: int(value) for name, value in connection.execute(query).mappings().one().items()}


def _archived(connection: Connection, selection: Selection, matching: int) -> int:
    """Count the archived courses that are left out: where nobody was asked for, also those without enrollments."""
    if selection.user_ids is not None or selection.where or ARCHIVED in selection.included:
        return matching
    parts = [courses.c.account == selection.account, courses.c.archived]
    if selection.course_ids is not None:
        parts.append(courses.c.id.in_(selection.course_ids))
    return connection.execute(select(func.count()).select_from(courses).where(*parts)).scalar_one()
