"""Reading: every answer is a query here, composed from a selection and the definitions of `progress`.

Totals are those of the whole match, whatever page, order or format was asked for, and the same for a list and a
summary of the same selection. Missing values sort last, ascending and descending; text sorts folded; the id breaks
ties, so that the order is the same on every engine.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    Table,
    and_,
    bindparam,
    case,
    exists,
    func,
    not_,
    select,
)

from mcp_truto_lms.domain import definitions
from mcp_truto_lms.domain.model import enrollment_columns
from mcp_truto_lms.domain.source import FetchRoute
from mcp_truto_lms.query.vocabulary import SIGNALS, GroupBy
from mcp_truto_lms.store.counts import number_of
from mcp_truto_lms.store.schema import INCLUDED, column_name, courses, dimensions, enrollments, learners
from mcp_truto_lms.store.selection import Selection, cached_statement, in_bound_list, in_list, pack


@dataclass(frozen=True, slots=True)
class ColumnStats:
    """What a column holds in the whole match: whether there is any value, and the value where it is always the same."""

    filled: bool
    constant: Any


@dataclass(frozen=True, slots=True)
class Match:
    """A learner or a course that a name stands for."""

    id: str
    name: str
    excluded: bool


_LATE = f"{SIGNALS} since"
_LEARNER = and_(learners.c.account == enrollments.c.account, learners.c.id == enrollments.c.user_id)
STREAMED = {"yield_per": 1_000}
"""Has an engine hand rows over by the thousand, rather than all at once."""


def _ordered(value: ColumnElement[Any], *, descending: bool) -> list[ColumnElement[Any]]:
    return [(value.desc() if descending else value.asc()).nulls_last()]


def _value(path: str, now: int) -> ColumnElement[Any]:
    if path == "status":
        return definitions.status_at(enrollments, now)
    if path == "user.name":
        return func.coalesce(learners.c.name, enrollments.c.user_id)
    if path == "user.emails":
        return learners.c.emails
    if path == "course.title":
        return func.coalesce(courses.c.title, enrollments.c.course_id)
    return enrollments.c[column_name(path)]


def identity_column(path: str) -> str:
    """Name the column that tells whether another one varies: of learners and courses, who and what they are."""
    owner = path.split(".")[0]
    return f"{owner}.id" if owner in ("user", "course") else path


def column_stats(connection: Connection, selection: Selection, paths: Sequence[str]) -> dict[str, ColumnStats]:
    """Tell which columns are empty or the same in the whole match.

    A learner's or course's columns are judged by the learner and the course, so that two people of one name stay two.
    """
    values = {path: _value(identity_column(path), selection.now) for path in paths if path in enrollment_columns()}
    if not values:
        return {}
    match = select(*(value.label(path) for path, value in values.items())).where(selection.counted())
    first = connection.execute(match.limit(1)).mappings().first()
    if first is None:
        return {path: ColumnStats(filled=False, constant=None) for path in values}
    others = [
        exists().where(selection.counted(), value.is_distinct_from(first[path])).label(path)
        for path, value in values.items()
    ]
    differs = connection.execute(select(*others)).mappings().one()
    return {
        path: ColumnStats(filled=value is not None or differs[path], constant=None if differs[path] else value)
        for path, value in first.items()
    }


def rows(
    connection: Connection,
    selection: Selection,
    *,
    sort: str | None,
    limit: int | None = None,
    offset: int = 0,
    signals: bool = False,
) -> Generator[dict[str, Any]]:
    """Read rows of the match in order, every column of the model by its dotted path, custom fields parsed.

    All of them come as they are taken, from one query; few are in memory at a time.

    Args:
        connection: to the store
        selection: the match
        sort: a column, `-` before it for descending; None is by due date, where risk is asked for by signals
        limit: the most rows; None is all
        offset: how many come before
        signals: whether the signs of trouble are told as well, as a column of words
    """
    query = _rows(selection, sort, paged=limit is not None, signals=signals)
    options = STREAMED if limit is None else {}
    given = selection.bind_values() | {"limit": limit, "offset": offset}
    with connection.execute(query, given, execution_options=options) as result:
        for found in result.mappings():
            row = dict(found)
            for path in ("user.emails", "urls", "custom_fields"):
                row[path] = json.loads(row[path]) if row[path] else None
            if signals:
                row[SIGNALS] = _told_signs(row, selection.now)
            yield row


@cached_statement
def _rows(selection: Selection, sort: str | None, *, paged: bool, signals: bool) -> Select[Any]:
    """Compose the rows of a match in order, every column of the model by its dotted path; or `limit` from `offset`."""
    order, match = _order(selection, sort), selection.counted()
    if paged:  # which rows, by what an index holds; then all that they hold
        limit, offset = (bindparam(name, type_=BigInteger()) for name in ("limit", "offset"))
        ids = select(enrollments.c.id).where(match).order_by(*order).limit(limit).offset(offset)
        if sort is not None and sort.lstrip("-") == "user.emails":
            ids = ids.select_from(enrollments.outerjoin(learners, _LEARNER))
        match = and_(enrollments.c.account == selection.account, enrollments.c.id.in_(ids))
    source = enrollments.outerjoin(learners, _LEARNER).outerjoin(
        courses, and_(courses.c.account == enrollments.c.account, courses.c.id == enrollments.c.course_id)
    )
    columns = [_value(path, selection.now).label(path) for path in enrollment_columns()]
    signs = _signs(selection) if signals else []
    return select(*columns, *signs).select_from(source).where(match).order_by(*order)


def _signs(selection: Selection) -> list[ColumnElement[Any]]:
    """Compose the signs of trouble as columns, and since when a row is late."""
    signs = definitions.signals(enrollments, selection.now, selection.thresholds).items()
    late = definitions.late_since(enrollments, selection.now).label(_LATE)
    return [*(case((sign, 1), else_=0).label(f"{SIGNALS} {word}") for word, sign in signs), late]


def _told_signs(row: dict[str, Any], now: int) -> str:
    """Put the signs of a row into words, and take their columns out of it."""
    since = row.pop(_LATE)
    shown: list[str] = []
    for name in [one for one in row if one.startswith(f"{SIGNALS} ")]:
        if row.pop(name):
            word = name.removeprefix(f"{SIGNALS} ")
            late = f" {definitions.days_late(since, now)} d" if word == "overdue" and since is not None else ""
            shown.append(f"{word}{late}")
    return "; ".join(shown)


def _order(selection: Selection, sort: str | None) -> list[ColumnElement[Any]]:
    row, now = enrollments, selection.now
    learner = row.c.user_id.asc().nulls_last()
    usual = [row.c.learner_normalized_name, learner, row.c.id]
    if len(selection.course_ids or ()) != 1:  # where it is one, an index has the order
        usual.insert(0, row.c.course_normalized_name)
    if sort is None and selection.states == (definitions.State.AT_RISK,):
        signs = definitions.signals(row, now, selection.thresholds).values()
        number, *others = (case((one, 1), else_=0) for one in signs)
        for one in others:
            number = number + one
        by_name = [row.c.learner_normalized_name, row.c.course_normalized_name, learner, row.c.id]
        return [number.desc(), *_ordered(definitions.late_since(row, now), descending=False), *by_name]
    if sort is None:
        return [*_ordered(row.c.due_at, descending=False), *usual]
    path = sort.lstrip("-")
    folded = {"user.name": row.c.learner_normalized_name, "course.title": row.c.course_normalized_name}
    return [*_ordered(folded.get(path, _value(path, now)), descending=sort.startswith("-")), *usual]


@dataclass(frozen=True, slots=True)
class AtRiskLearner:
    """A learner at risk.

    Args:
        enrollments: how many are at risk
        signals: how many of them show each sign, those alone that any shows
        late_since: epoch seconds, of the one that is overdue for longest
    """

    id: str
    name: str
    enrollments: int
    signals: Mapping[str, int]
    late_since: int | None


def most_at_risk(connection: Connection, selection: Selection, *, limit: int) -> tuple[list[AtRiskLearner], int]:
    """List the learners of the match with most signs of trouble, the one late for longest first; and count them all."""
    row, now = enrollments, selection.now
    signs = definitions.signals(row, now, selection.thresholds)
    sums = [number_of(sign).label(f"sign_{index}") for index, sign in enumerate(signs.values())]
    grouped = (
        select(
            row.c.user_id,
            func.count().label("number"),
            func.min(definitions.late_since(row, now)).label("late"),
            *sums,
        )
        .where(selection.counted(), definitions.at_risk(row, now, selection.thresholds), row.c.user_id.is_not(None))
        .group_by(row.c.user_id)
        .subquery()
    )
    c = grouped.c
    every, *others = (c[one.name] for one in sums)
    for one in others:
        every = every + one
    query = (
        select(grouped, func.coalesce(learners.c.name, c.user_id).label("name"), func.count().over().label("all"))
        .select_from(
            grouped.outerjoin(learners, and_(learners.c.account == selection.account, learners.c.id == c.user_id))
        )
        .order_by(
            every.desc(), *_ordered(c.late, descending=False), func.coalesce(learners.c.normalized_name, ""), c.user_id
        )
        .limit(limit)
    )
    found = connection.execute(query).mappings().all()
    lines = [
        AtRiskLearner(
            line["user_id"],
            line["name"],
            int(line["number"]),
            {word: int(line[f"sign_{index}"]) for index, word in enumerate(signs) if line[f"sign_{index}"]},
            line["late"],
        )
        for line in found
    ]
    return lines, int(found[0]["all"]) if found else 0


def is_reported(connection: Connection, account: str, path: str) -> bool:
    """Tell whether any enrollment of the account has a value of a column."""
    column = enrollments.c[column_name(path)]
    query = select(exists().where(enrollments.c.account == account, column.is_not(None)))
    return bool(connection.execute(query).scalar())


def duplicate_names(connection: Connection, account: str, by: GroupBy, ids: Collection[str]) -> frozenset[str]:
    """Find those of some learners or courses whose folded name another one bears, hidden ones aside."""
    given = {"account": account, "ids": pack(sorted(ids))}
    return frozenset(connection.execute(_duplicate_names_statement(by), given).scalars()) if ids else frozenset()


@cache
def _duplicate_names_statement(by: GroupBy) -> Select[Any]:
    table = courses if by is GroupBy.COURSE else learners
    other = table.alias()
    shown = not_(other.c.archived) if by is GroupBy.COURSE else other.c.active
    here, same = table.c.account == bindparam("account"), other.c.account == bindparam("account")
    named = exists().where(same, other.c.normalized_name == table.c.normalized_name, other.c.id != table.c.id, shown)
    return select(table.c.id).where(here, in_bound_list(table.c.id, "ids"), named)


def has_several(connection: Connection, account: str, name: str) -> bool:
    """Tell whether anybody has more than one value of a dimension."""
    row = dimensions.c
    query = select(row.learner_id).where(row.account == account, row.name == name)
    return connection.execute(query.group_by(row.learner_id).having(func.count() > 1).limit(1)).first() is not None


@dataclass(frozen=True, slots=True)
class ListedCourse:
    """A course as the course list has it; the record is its unified JSON."""

    id: str
    code: str | None
    title: str
    folded: str
    record: str


def course_list(connection: Connection, account: str) -> list[ListedCourse]:
    """List every course."""
    row = courses.c
    query = select(row.id, row.code, row.title, row.normalized_name, row.record).where(row.account == account)
    return [ListedCourse(*one) for one in connection.execute(query.order_by(row.normalized_name, row.id))]


def empty_courses(connection: Connection, selection: Selection) -> list[str]:
    """List the courses, archived ones aside, in which nobody of the population is enrolled."""
    row = enrollments
    here = and_(row.c.account == selection.account, row.c.course_id == courses.c.id, row.c.excluded_reason == INCLUDED)
    query = select(courses.c.title).where(
        courses.c.account == selection.account, not_(courses.c.archived), ~exists().where(here)
    )
    if selection.course_ids is not None:
        query = query.where(in_list(courses.c.id, selection.course_ids))
    return [*connection.execute(query.order_by(courses.c.normalized_name, courses.c.id)).scalars()]


def refinable(connection: Connection, selection: Selection) -> list[tuple[str, str]]:
    """List the (learner, course) pairs that a transcript may tell a failure of, whatever outcome is asked for.

    That is whatever was worked on and read from a roster, or from a transcript, which may be old by now.
    """
    row, wide = enrollments, selection.whatever_outcome()
    worked_on = not_(definitions.not_started(row, selection.now))
    untold = and_(row.c.route.in_([FetchRoute.COURSE, FetchRoute.LEARNER]), row.c.user_id.is_not(None), worked_on)
    query = select(row.c.user_id, row.c.course_id).where(wide.counted(), untold)
    return [(one.user_id, one.course_id) for one in connection.execute(query.order_by(row.c.user_id, row.c.course_id))]


def unscored(connection: Connection, selection: Selection) -> list[tuple[str, str]]:
    """List the (learner, course) pairs of the match that were worked on and have no score yet."""
    row, now = enrollments, selection.now
    query = (
        select(row.c.user_id, row.c.course_id)
        .where(
            selection.counted(), row.c.score.is_(None), row.c.route != "pair", not_(definitions.not_started(row, now))
        )
        .order_by(*_order(selection, None))
    )
    return [(one.user_id, one.course_id) for one in connection.execute(query)]


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of an account is in the store."""

    courses: int
    learners: int
    enrollments: int


def sizes(connection: Connection, account: str) -> Sizes:
    """Count what is in the store, whether it counts in answers or not."""

    def number(table: Table) -> int:
        return connection.execute(select(func.count()).where(table.c.account == account)).scalar_one()

    return Sizes(number(courses), number(learners), number(enrollments))


def course_records(connection: Connection, account: str) -> dict[str, str]:
    """Read every course as its unified JSON, by id."""
    query = select(courses.c.id, courses.c.record).where(courses.c.account == account)
    return {row.id: row.record for row in connection.execute(query)}


def learner_records(connection: Connection, account: str, ids: Collection[str] | None = None) -> dict[str, str]:
    """Read people as unified JSON, by id; without ids, everybody."""
    query = select(learners.c.id, learners.c.record).where(learners.c.account == account)
    found = connection.execute(query if ids is None else query.where(learners.c.id.in_(ids)))
    return {row.id: row.record for row in found}


def learner_ids(connection: Connection, account: str, *, most: int | None = None) -> list[str]:
    """List every learner by id; or the first ones."""
    query = _LEARNER_IDS if most is None else _LEARNER_IDS.limit(most)
    return list(connection.execute(query, {"account": account}).scalars())


_LEARNER_IDS = select(learners.c.id).where(learners.c.account == bindparam("account"))
