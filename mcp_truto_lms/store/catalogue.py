"""The catalogue: the courses and learners of an account, and how much of it is stored."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, Table, and_, bindparam, exists, func, not_, select

from mcp_truto_lms.store.schema import INCLUDED, courses, enrollments, learners
from mcp_truto_lms.store.selection import Selection, in_list


@dataclass(frozen=True, slots=True)
class ListedCourse:
    """A course of the course list.

    Args:
        record: its unified JSON
    """

    id: str
    code: str | None
    title: str
    normalized_name: str
    record: str


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of an account is in the store."""

    courses: int
    learners: int
    enrollments: int


def course_list(connection: Connection, account: str) -> list[ListedCourse]:
    """List every course, by title."""
    row = courses.c
    query = select(row.id, row.code, row.title, row.normalized_name, row.record).where(row.account == account)
    return [ListedCourse(*course) for course in connection.execute(query.order_by(row.normalized_name, row.id))]


def empty_courses(connection: Connection, selection: Selection) -> list[str]:
    """List the titles of the courses, without archived ones, in which nobody of the population is enrolled."""
    row = enrollments.c
    of_course = and_(row.account == selection.account, row.course_id == courses.c.id, row.excluded_reason == INCLUDED)
    query = select(courses.c.title).where(
        courses.c.account == selection.account, not_(courses.c.archived), ~exists().where(of_course)
    )
    if selection.course_ids is not None:
        query = query.where(in_list(courses.c.id, selection.course_ids))
    return [*connection.execute(query.order_by(courses.c.normalized_name, courses.c.id)).scalars()]


def sizes(connection: Connection, account: str) -> Sizes:
    """Count all that is stored, including what answers exclude."""

    def number(table: Table) -> int:
        return connection.execute(select(func.count()).where(table.c.account == account)).scalar_one()

    return Sizes(number(courses), number(learners), number(enrollments))


def course_titles(connection: Connection, account: str, ids: Collection[str]) -> tuple[str, ...]:
    """List the titles of courses."""
    if not ids:
        return ()
    query = select(courses.c.title).where(courses.c.account == account, in_list(courses.c.id, [*ids]))
    return tuple(connection.execute(query.order_by(courses.c.normalized_name, courses.c.id)).scalars())


def course_records(connection: Connection, account: str) -> dict[str, str]:
    """Read every course as its unified JSON, by id."""
    query = select(courses.c.id, courses.c.record).where(courses.c.account == account)
    return {row.id: row.record for row in connection.execute(query)}


def learner_records(connection: Connection, account: str, ids: Collection[str] | None = None) -> dict[str, str]:
    """Read people as unified JSON, by id; without ids, all of them."""
    query = select(learners.c.id, learners.c.record).where(learners.c.account == account)
    rows = connection.execute(query if ids is None else query.where(learners.c.id.in_(ids)))
    return {row.id: row.record for row in rows}


def learner_ids(connection: Connection, account: str, *, most: int | None = None) -> list[str]:
    """List the ids of all learners in their order, or the first `most` of them."""
    query = _LEARNER_IDS if most is None else _LEARNER_IDS.limit(most)
    return list(connection.execute(query, {"account": account}).scalars())


_LEARNER_IDS = select(learners.c.id).where(learners.c.account == bindparam("account")).order_by(learners.c.id)
