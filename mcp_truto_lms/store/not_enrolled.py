"""Missing enrollments: active people, and the courses asked for in which they have no enrollment at all."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Select, and_, exists, func, select

from mcp_truto_lms.domain import definitions
from mcp_truto_lms.query.vocabulary import GroupBy
from mcp_truto_lms.store.counts import Counts, Totals, number_of
from mcp_truto_lms.store.enrollment_rows import STREAMED
from mcp_truto_lms.store.groups import NOBODY, Group, GroupKey
from mcp_truto_lms.store.schema import INACTIVE, courses, dimensions, enrollments, has_any_reason, learners
from mcp_truto_lms.store.selection import Selection, in_list, of_dimensions

_PAIRS = learners.join(courses, courses.c.account == learners.c.account)
"""Every learner with every course."""


def count_totals(connection: Connection, selection: Selection) -> Totals:
    """Count the missing enrollments, their people and their courses."""
    query = select(
        func.count().label("number"),
        func.count(learners.c.id.distinct()).label("learners"),
        func.count(courses.c.id.distinct()).label("courses"),
    )
    query = query.select_from(_PAIRS).where(_is_selected(selection), _is_missing(selection))
    totals = connection.execute(query).one()
    return Totals(enrollments=totals.number, learners=totals.learners, courses=totals.courses)


def read_rows(
    connection: Connection, selection: Selection, *, sort: str | None, limit: int | None = None, offset: int = 0
) -> Iterator[dict[str, Any]]:
    """Read people and the courses that they lack, by the dotted paths of an enrollment, sorted by name by default."""
    sort_values = {
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
        value = sort_values[sort.lstrip("-")]
        order = [value.is_(None), value.desc() if sort.startswith("-") else value.asc(), *order]
    query: Select[*tuple[Any, ...]] = select(
        learners.c.id.label("user.id"),
        learners.c.name.label("user.name"),
        learners.c.emails.label("user.emails"),
        courses.c.id.label("course.id"),
        courses.c.title.label("course.title"),
    )
    query = query.select_from(_PAIRS).where(_is_selected(selection), _is_missing(selection)).order_by(*order)
    options = STREAMED if limit is None else {}
    with connection.execute(query.limit(limit).offset(offset), execution_options=options) as result:
        for mapping in result.mappings():
            row = dict(mapping)
            row["user.emails"] = json.loads(row["user.emails"]) if row["user.emails"] else None
            yield row


def count_groups(
    connection: Connection, selection: Selection, by: Sequence[str], *, sort: str, limit: int
) -> tuple[list[Group], int]:
    """Count missing enrollments by course, learner or dimension, sorted by number or name; also count all groups."""
    source: FromClause = _PAIRS
    keys: list[ColumnElement[Any]] = []
    shown: list[ColumnElement[Any]] = []
    sort_names: list[ColumnElement[Any]] = []
    chosen_values = dict(selection.where)
    for index, key in enumerate(by):
        if key in (GroupBy.COURSE, GroupBy.LEARNER):
            table = courses if key == GroupBy.COURSE else learners
            keys.append(table.c.id.label(f"key_{index}"))
            shown.append(func.max(table.c.title if key == GroupBy.COURSE else table.c.name))
            sort_names.append(func.max(table.c.normalized_name))
            continue
        values = dimensions.alias(f"dimension_{index}")
        conditions = [
            values.c.account == learners.c.account,
            values.c.learner_id == learners.c.id,
            values.c.name == str(key),
        ]
        if key in chosen_values:
            conditions.append(values.c.normalized_value.in_(chosen_values[key]))
        source = source.outerjoin(values, and_(*conditions))
        keys.append(values.c.normalized_value.label(f"key_{index}"))
        shown.append(func.max(values.c.value))
        sort_names.append(func.max(values.c.normalized_value))
    missing = number_of(_is_missing(selection)).label("missing")
    labelled = [value.label(f"name_{index}") for index, value in enumerate(shown)]
    labelled += [value.label(f"sort_name_{index}") for index, value in enumerate(sort_names)]
    grouped = (
        select(*keys, *labelled, missing, func.count().label("possible"))
        .select_from(source)
        .where(_is_selected(selection))
        .group_by(*keys)
        .subquery()
    )
    column, is_descending = grouped.c, sort.startswith("-")
    order: list[ColumnElement[Any]] = []
    for index in range(len(by)):
        for value in (column[f"sort_name_{index}"], column[f"key_{index}"]):
            order += [value.is_(None), value.desc() if sort == "-name" else value.asc()]
    if sort.lstrip("-") != "name":
        order.insert(0, column.missing.desc() if is_descending else column.missing.asc())
    query = select(grouped, func.count().over().label("number")).where(column.missing > 0)
    rows = connection.execute(query.order_by(*order).limit(limit)).mappings().all()
    groups = [
        Group(
            tuple(
                GroupKey(row[f"key_{index}"] or "", NOBODY if row[f"name_{index}"] is None else row[f"name_{index}"])
                for index in range(len(by))
            ),
            Counts(enrollments=int(row["missing"])),
            possible=row["possible"],
        )
        for row in rows
    ]
    return groups, int(rows[0]["number"]) if rows else 0


def _is_selected(selection: Selection) -> ColumnElement[bool]:
    """Compose the people that an answer is about, and the courses asked for."""
    conditions = [learners.c.account == selection.account, in_list(courses.c.id, selection.course_ids or ())]
    if INACTIVE not in selection.included:
        conditions.append(learners.c.active)
    if selection.user_ids is None:
        conditions.append(definitions.is_learner_role(learners))
    else:
        conditions.append(in_list(learners.c.id, selection.user_ids))
    return and_(*conditions, *of_dimensions(learners.c.id, selection.account, selection.where))


def _is_missing(selection: Selection) -> ColumnElement[bool]:
    row = enrollments.c
    of_pair = and_(row.account == selection.account, row.user_id == learners.c.id, row.course_id == courses.c.id)
    return ~exists().where(has_any_reason(), of_pair).correlate(learners, courses)
