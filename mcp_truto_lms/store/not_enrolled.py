"""Who is not enrolled: active people, and of the courses asked for those in which they have no enrollment at all."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Select, and_, exists, func, select

from mcp_truto_lms.domain import definitions
from mcp_truto_lms.query.vocabulary import GroupBy
from mcp_truto_lms.store.counts import Counts, Totals, number_of
from mcp_truto_lms.store.groups import NOBODY, Group, Key
from mcp_truto_lms.store.row_queries import STREAMED
from mcp_truto_lms.store.schema import INACTIVE, courses, dimensions, enrollments, learners
from mcp_truto_lms.store.selection import Selection, in_list, of_dimensions


def totals(connection: Connection, selection: Selection) -> Totals:
    """Count the missing enrollments, and of how many people in how many courses."""
    query = select(
        func.count().label("number"),
        func.count(learners.c.id.distinct()).label("learners"),
        func.count(courses.c.id.distinct()).label("courses"),
    )
    found = connection.execute(query.select_from(_PAIRS).where(_people(selection), _missing(selection))).one()
    return Totals(enrollments=found.number, learners=found.learners, courses=found.courses)


def rows(
    connection: Connection, selection: Selection, *, sort: str | None, limit: int | None = None, offset: int = 0
) -> Iterator[dict[str, Any]]:
    """Read people and the courses that they lack, by the dotted paths of an enrollment, by name; or some of them."""
    by = {
        "user.name": learners.c.normalized_name,
        "user.id": learners.c.id,
        "user.emails": learners.c.email,
        "course.title": courses.c.normalized_name,
        "course.id": courses.c.id,
    }
    order: list[ColumnElement[Any]] = [
        learners.c.normalized_name,
        learners.c.id,
        courses.c.normalized_name,
        courses.c.id,
    ]
    if sort is not None:
        first = by[sort.lstrip("-")]
        order = [first.is_(None), first.desc() if sort.startswith("-") else first.asc(), *order]
    query: Select[*tuple[Any, ...]] = select(
        learners.c.id.label("user.id"),
        learners.c.name.label("user.name"),
        learners.c.emails.label("user.emails"),
        courses.c.id.label("course.id"),
        courses.c.title.label("course.title"),
    )
    query = query.select_from(_PAIRS).where(_people(selection), _missing(selection)).order_by(*order)
    options = STREAMED if limit is None else {}
    with connection.execute(query.limit(limit).offset(offset), execution_options=options) as result:
        for found in result.mappings():
            row = dict(found)
            row["user.emails"] = json.loads(row["user.emails"]) if row["user.emails"] else None
            yield row


def groups(
    connection: Connection, selection: Selection, by: Sequence[str], *, sort: str, limit: int
) -> tuple[list[Group], int]:
    """Count by course, learner or dimension who is not enrolled, the most first or by name; and count the groups."""
    source: FromClause = _PAIRS
    keys: list[ColumnElement[Any]] = []
    shown: list[ColumnElement[Any]] = []
    folded: list[ColumnElement[Any]] = []
    chosen = dict(selection.where)
    for index, one in enumerate(by):
        if one in (GroupBy.COURSE, GroupBy.LEARNER):
            table = courses if one == GroupBy.COURSE else learners
            keys.append(table.c.id.label(f"key_{index}"))
            shown.append(func.max(table.c.title if one == GroupBy.COURSE else table.c.name))
            folded.append(func.max(table.c.normalized_name))
            continue
        values = dimensions.alias(f"dimension_{index}")
        on = [
            values.c.account == learners.c.account,
            values.c.learner_id == learners.c.id,
            values.c.name == str(one),
        ]
        if one in chosen:
            on.append(values.c.normalized_value.in_(chosen[one]))
        source = source.outerjoin(values, and_(*on))
        keys.append(values.c.normalized_value.label(f"key_{index}"))
        shown.append(func.max(values.c.value))
        folded.append(func.max(values.c.normalized_value))
    missing = number_of(_missing(selection)).label("missing")
    names = [one.label(f"name_{index}") for index, one in enumerate(shown)]
    sorts = [one.label(f"folded_{index}") for index, one in enumerate(folded)]
    grouped = (
        select(*keys, *names, *sorts, missing, func.count().label("possible"))
        .select_from(source)
        .where(_people(selection))
        .group_by(*keys)
        .subquery()
    )
    c, down = grouped.c, sort.startswith("-")
    order: list[ColumnElement[Any]] = []
    for index in range(len(by)):
        for one in (c[f"folded_{index}"], c[f"key_{index}"]):
            order += [one.is_(None), one.desc() if sort == "-name" else one.asc()]
    if sort.lstrip("-") != "name":
        order.insert(0, c.missing.desc() if down else c.missing.asc())
    query = select(grouped, func.count().over().label("number")).where(c.missing > 0).order_by(*order).limit(limit)
    found = connection.execute(query).mappings().all()
    lines = [
        Group(
            tuple(
                Key(row[f"key_{index}"] or "", NOBODY if row[f"name_{index}"] is None else row[f"name_{index}"])
                for index in range(len(by))
            ),
            Counts(enrollments=int(row["missing"])),
            possible=row["possible"],
        )
        for row in found
    ]
    return lines, int(found[0]["number"]) if found else 0


_PAIRS = learners.join(courses, courses.c.account == learners.c.account)


def _people(selection: Selection) -> ColumnElement[bool]:
    """Compose the people that an answer is about, and the courses asked for."""
    parts = [learners.c.account == selection.account, in_list(courses.c.id, selection.course_ids or ())]
    if INACTIVE not in selection.included:
        parts.append(learners.c.active)
    if selection.user_ids is None:
        parts.append(definitions.is_learner_role(learners))
    else:
        parts.append(in_list(learners.c.id, selection.user_ids))
    return and_(*parts, *of_dimensions(learners.c.id, selection.account, selection.where))


def _missing(selection: Selection) -> ColumnElement[bool]:
    row = enrollments
    mine = and_(row.c.account == selection.account, row.c.user_id == learners.c.id, row.c.course_id == courses.c.id)
    return ~exists().where(mine).correlate(learners, courses)
