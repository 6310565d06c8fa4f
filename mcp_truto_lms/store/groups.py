"""Groups: the match counted by one or two keys: course, learner, status, month or a dimension of the learners.

Enrollments are counted once, by columns of their rows; dimensions are joined to the counts per learner. So a learner in
two teams counts in both, and the number of learners in a team takes no second pass over the enrollments. By month, an
enrollment counts in the month in which it was enrolled, and a completion also counts in its own month. Python computes
when months begin, because databases do not know the time zone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, tzinfo
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Connection,
    FromClause,
    Integer,
    Select,
    and_,
    case,
    cast,
    func,
    literal,
    null,
    or_,
    select,
    union_all,
)

from mcp_truto_lms.domain import definitions
from mcp_truto_lms.domain.days import first_of_month
from mcp_truto_lms.query.vocabulary import GroupBy, is_usual_group
from mcp_truto_lms.store.counts import MEASURES, Counts, as_counts, measures, sums
from mcp_truto_lms.store.schema import courses, dimensions, enrollments, learners
from mcp_truto_lms.store.selection import Selection, in_list

MONTHS_AROUND = 600
"""Dates more months away from now than this are mistakes, and count as no date."""
NOBODY, NO_DATE = "(none)", "(no date)"
TIME = "time"
"""The default order of months."""
_FAR = 200_000_000_000
"""The latest seconds since 1970 that every time zone can convert to a date."""


@dataclass(frozen=True, slots=True)
class GroupKey:
    """What a group is about: an id, empty if there is none, and its name."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Group:
    """One line of a summary.

    Args:
        keys: one or two
        learners: learners with any enrollment in it that is not withdrawn; only counted by dimension
        learners_finished: those of them who finished all of their enrollments in it
        finished_in_month: completions in the month, only counted by month
        possible: of missing enrollments, how many there could be
    """

    keys: tuple[GroupKey, ...]
    counts: Counts
    learners: int = 0
    learners_finished: int = 0
    finished_in_month: int = 0
    possible: int = 0

    @property
    def learner_rate(self) -> float | None:
        """Learners who finished all of their enrollments, in percent."""
        return 100 * self.learners_finished / self.learners if self.learners else None


def count_groups(
    connection: Connection, selection: Selection, by: Sequence[str], *, sort: str, limit: int, zone: tzinfo = UTC
) -> tuple[list[Group], int]:
    """Count the match by one or two keys, in an order; also count all groups.

    In the order of time, the limit keeps the latest months.
    """
    months = _months(connection, selection, zone) if GroupBy.MONTH in by else _Months(0, ())
    grouped = _join_dimensions(_count_by_row(selection, by, months), selection, by).subquery()
    names, sort_names, source = _join_names(grouped, selection.account, by)
    number = func.count().over().label("number")
    query = select(grouped, *(name.label(f"name_{index}") for index, name in enumerate(names)), number)
    query = query.select_from(source).order_by(*_order(grouped, sort_names, sort)).limit(limit)
    rows = connection.execute(query).mappings().all()
    groups = [_group(dict(row), by) for row in rows]
    return groups[::-1] if sort == TIME else groups, int(rows[0]["number"]) if rows else 0


def order_course_groups(
    connection: Connection, account: str, by_course: Mapping[str | None, Counts], *, sort: str, limit: int
) -> tuple[list[Group], int]:
    """Make groups of counts by course, in the order that `count_groups` has; also count all groups."""
    row, ids = courses.c, [course_id for course_id in by_course if course_id is not None]
    query = select(row.id, row.title, row.normalized_name).where(row.account == account, in_list(row.id, ids))
    titles = {course_id: (title, normalized) for course_id, title, normalized in connection.execute(query)}

    def group(course_id: str | None) -> Group:
        title = NOBODY if course_id is None else titles[course_id][0] if course_id in titles else course_id
        return Group((GroupKey(course_id or "", title),), by_course[course_id])

    column, is_descending = sort.lstrip("-"), sort.startswith("-")
    by_title = sorted(ids, key=lambda course_id: (titles.get(course_id, ("", ""))[1], course_id))
    groups = [*map(group, reversed(by_title) if column == "name" and is_descending else by_title)]
    groups += [group(None)] if None in by_course else []
    if column != "name":
        known = [group for group in groups if getattr(group.counts, column) is not None]
        unknown = [group for group in groups if getattr(group.counts, column) is None]
        known.sort(key=lambda group: getattr(group.counts, column), reverse=is_descending)
        groups = [*known, *unknown]
    return groups[:limit], len(groups)


def has_several_values(connection: Connection, account: str, name: str) -> bool:
    """Return whether anybody has more than one value of a dimension, and so counts in several groups."""
    row = dimensions.c
    query = select(row.learner_id).where(row.account == account, row.name == name)
    return connection.execute(query.group_by(row.learner_id).having(func.count() > 1).limit(1)).first() is not None


def _count_by_row(selection: Selection, by: Sequence[str], months: _Months) -> Select[Any] | CompoundSelect[Any]:
    """Count enrollments by columns of their rows, and by learner where a dimension is joined later."""
    row = enrollments
    columns: dict[str, ColumnElement[Any]] = {
        GroupBy.COURSE: row.c.course_id,
        GroupBy.LEARNER: row.c.user_id,
        GroupBy.STATUS: definitions.status_at(row, selection.now),
    }

    def keys(moment: ColumnElement[Any]) -> list[ColumnElement[Any]]:
        row_keys: list[ColumnElement[Any]] = [
            (_month_of(moment, months) if key == GroupBy.MONTH else columns[key]).label(f"key_{index}")
            for index, key in enumerate(by)
            if is_usual_group(key)
        ]
        return row_keys if all(map(is_usual_group, by)) else [*row_keys, row.c.user_id.label("learner")]

    enrolled = keys(row.c.enrolled_at)
    not_in_month = literal(0, Integer).label("finished_in_month")
    query = select(*enrolled, *measures(selection), not_in_month).where(selection.counted()).group_by(*enrolled)
    if GroupBy.MONTH not in by:
        return query
    completed = keys(row.c.completed_at)
    nothing = [literal(0, Integer).label(name) for name in MEASURES]
    finished = select(*completed, *nothing, func.count().label("finished_in_month"))
    with_date = and_(selection.counted(), selection.finished(), row.c.completed_at.is_not(None))
    return union_all(query, finished.where(with_date).group_by(*completed))


def _join_dimensions(counts: Select[Any] | CompoundSelect[Any], selection: Selection, by: Sequence[str]) -> Select[Any]:
    """Sum the counts by all keys; people without a value of a dimension are a group of their own."""
    rows = counts.subquery()
    source: FromClause = rows
    keys: list[ColumnElement[Any]] = []
    shown: list[ColumnElement[Any]] = []
    chosen_values = dict(selection.where)
    for index, key in enumerate(by):
        if is_usual_group(key):
            keys.append(rows.c[f"key_{index}"].label(f"key_{index}"))
            continue
        values = dimensions.alias(f"dimension_{index}")
        conditions = [
            values.c.account == selection.account,
            values.c.learner_id == rows.c.learner,
            values.c.name == str(key),
        ]
        if key in chosen_values:
            conditions.append(values.c.normalized_value.in_(chosen_values[key]))
        source = source.outerjoin(values, and_(*conditions))
        keys.append(values.c.normalized_value.label(f"key_{index}"))
        shown.append(func.max(values.c.value).label(f"shown_{index}"))
    per_learner: list[ColumnElement[Any]] = []
    if shown:
        base = rows.c.enrollments - rows.c.withdrawn
        has_any = and_(rows.c.learner.is_not(None), base > 0)
        has_finished_all = and_(has_any, rows.c.finished == base)
        for name, condition in (("learners", has_any), ("learners_finished", has_finished_all)):
            per_learner.append(func.sum(case((condition, 1), else_=0)).label(name))
    in_month = func.sum(rows.c.finished_in_month).label("finished_in_month")
    return select(*keys, *shown, *sums(rows), in_month, *per_learner).select_from(source).group_by(*keys)


def _join_names(
    counts: FromClause, account: str, by: Sequence[str]
) -> tuple[list[ColumnElement[Any]], list[ColumnElement[Any]], FromClause]:
    """Join the names of the keys, and the normalized names that sort them."""
    source = counts
    names: list[ColumnElement[Any]] = []
    sort_names: list[ColumnElement[Any]] = []
    for index, by_key in enumerate(by):
        key = counts.c[f"key_{index}"]
        if by_key in (GroupBy.COURSE, GroupBy.LEARNER):
            table = courses.alias("of_course") if by_key == GroupBy.COURSE else learners.alias("of_learner")
            source = source.outerjoin(table, and_(table.c.account == account, table.c.id == key))
            names.append(func.coalesce(table.c.title if by_key == GroupBy.COURSE else table.c.name, key))
            sort_names.append(func.coalesce(table.c.normalized_name, ""))
        else:
            names.append(key if is_usual_group(by_key) else counts.c[f"shown_{index}"])
            sort_names.append(key)
    return names, sort_names, source


def _order(counts: FromClause, sort_names: Sequence[ColumnElement[Any]], sort: str) -> list[ColumnElement[Any]]:
    """Compose the order. In that of time the latest months come first, so that a limit keeps them."""
    column, word, is_descending = counts.c, sort.lstrip("-"), sort.startswith("-")
    by_name: list[ColumnElement[Any]] = []
    for index, sort_name in enumerate(sort_names):
        key = column[f"key_{index}"]
        is_reversed = word == TIME or (word == "name" and is_descending)
        by_name.append(key.is_not(None) if word == TIME else key.is_(None))
        sorted_by = (key,) if sort_name is key else (sort_name, key)
        by_name += [value.desc() if is_reversed else value.asc() for value in sorted_by]
    if word in ("name", TIME):
        return by_name
    unknown = null()
    values = {
        "rate": _percentage(column.finished, column.enrollments - column.withdrawn),
        "average": case((column.progress_known > 0, column.progress_sum / column.progress_known), else_=unknown),
        "hours": case((column.seconds_known > 0, column.seconds), else_=unknown),
        "learner_rate": _percentage(column.learners_finished, column.learners) if "learners" in column else unknown,
        "learners": column.learners if "learners" in column else unknown,
    }
    value = values[word] if word in values else column[word]
    return [value.is_(None), value.desc() if is_descending else value.asc(), *by_name]


def _percentage(part: ColumnElement[Any], whole: ColumnElement[Any]) -> ColumnElement[Any]:
    return case((whole > 0, 100.0 * part / whole), else_=null())


def _group(row: Mapping[str, Any], by: Sequence[str]) -> Group:
    keys: list[GroupKey] = []
    for index, by_key in enumerate(by):
        key, name = row[f"key_{index}"], row[f"name_{index}"]
        if by_key == GroupBy.MONTH:
            key = name = None if key is None else month_name(int(key))
        absent = NO_DATE if by_key == GroupBy.MONTH else NOBODY
        keys.append(GroupKey("" if key is None else str(key), absent if name is None else str(name)))
    return Group(
        tuple(keys),
        as_counts(row),
        learners=int(row.get("learners", 0)),
        learners_finished=int(row.get("learners_finished", 0)),
        finished_in_month=int(row["finished_in_month"]),
    )


def month_name(number: int) -> str:
    """Print a month, counted from January of the year 0, as `2026-11`."""
    return f"{first_of_month(number):%Y-%m}"


@dataclass(frozen=True, slots=True)
class _Months:
    """A run of months.

    Args:
        first: the number of the first month, counted from January of the year 0
        starts: the instants at which the months, and the one after them, begin
    """

    first: int
    starts: tuple[int, ...]


def _months(connection: Connection, selection: Selection, zone: tzinfo) -> _Months:
    """Find the months in which anything of the match was enrolled or completed."""
    row = enrollments.c
    dates = (row.enrolled_at, row.completed_at)
    query = select(*map(func.min, dates), *map(func.max, dates)).where(selection.counted())
    edges = [edge for edge in connection.execute(query).one() if edge is not None]
    now = _month_at(selection.now, zone)
    numbers = [min(max(_month_at(edge, zone), now - MONTHS_AROUND), now + MONTHS_AROUND) for edge in edges]
    months = range(min(numbers), max(numbers) + 2) if numbers else range(0)
    return _Months(min(numbers, default=0), tuple(_start(number, zone) for number in months))


def _month_at(moment: int, zone: tzinfo) -> int:
    day = datetime.fromtimestamp(min(max(moment, -_FAR), _FAR), zone)
    return day.year * 12 + day.month - 1


def _start(number: int, zone: tzinfo) -> int:
    return int(datetime.combine(first_of_month(number), time(), zone).timestamp())


def _month_of(moment: ColumnElement[Any], months: _Months) -> ColumnElement[Any]:
    """Compose the number of the month of an instant, by binary search, as there may be hundreds of months."""
    starts = months.starts
    if not starts:
        return cast(null(), Integer)

    def between(low: int, high: int) -> ColumnElement[Any]:
        if high - low == 1:
            return literal(months.first + low, Integer)
        middle = (low + high) // 2
        return case((moment < starts[middle], between(low, middle)), else_=between(middle, high))

    outside = or_(moment.is_(None), moment < starts[0], moment >= starts[-1])
    return case((outside, cast(null(), Integer)), else_=between(0, len(starts) - 1))
