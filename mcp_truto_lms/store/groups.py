"""Grouping: the match counted by course, learner, status, month or a dimension of the learners, one or two at a time.

Enrollments are counted once, by what stands on their rows; a dimension is joined to what was counted per learner. So a
learner in two teams counts in both, and how many learners a team has needs no second look at the enrollments. By month,
an enrollment counts in the month of its enrolling, and what is finished besides in the month of its completion. Months
are those of a zone, as instants from Python.
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
from mcp_truto_lms.store.counts import MEASURES, Counts, added, as_counts, measures
from mcp_truto_lms.store.schema import courses, dimensions, enrollments, learners
from mcp_truto_lms.store.selection import Selection, in_list

MONTHS_AROUND = 600
"""Dates further away from now than so many months are taken for mistakes, and for no date."""
NOBODY, NO_DATE = "(none)", "(no date)"
TIME = "time"
"""The order of months, where none is asked for."""
_FAR = 200_000_000_000
"""Seconds from 1970 on that any zone can still put on a calendar."""


@dataclass(frozen=True, slots=True)
class Key:
    """What a group is of: an id, empty where there is none, and what it is called."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Group:
    """One line of a summary.

    Args:
        keys: one or two
        learners: with any enrollment in it that is not withdrawn; told where it is grouped by a dimension
        learners_finished: those of them who finished all of theirs in it
        finished_in_month: where it is grouped by month
        possible: where it is of missing enrollments, how many there could be
    """

    keys: tuple[Key, ...]
    counts: Counts
    learners: int = 0
    learners_finished: int = 0
    finished_in_month: int = 0
    possible: int = 0

    @property
    def learner_rate(self) -> float | None:
        """Learners who finished all of theirs, in percent."""
        return 100 * self.learners_finished / self.learners if self.learners else None


def groups(
    connection: Connection, selection: Selection, by: Sequence[str], *, sort: str, limit: int, zone: tzinfo = UTC
) -> tuple[list[Group], int]:
    """Count the match by one or two keys, in the order asked for; also tell how many groups there are.

    In the order of time, of too many months the latest are chosen.
    """
    months = _months(connection, selection, zone) if GroupBy.MONTH in by else _Months(0, ())
    counted = _joined(_counted(selection, by, months), selection, by).subquery()
    names, folded, source = _named(counted, selection.account, by)
    number = func.count().over().label("number")
    query = select(counted, *(name.label(f"name_{index}") for index, name in enumerate(names)), number)
    query = query.select_from(source).order_by(*_order(counted, folded, sort)).limit(limit)
    found = connection.execute(query).mappings().all()
    lines = [_group(dict(row), by) for row in found]
    return lines[::-1] if sort == TIME else lines, int(found[0]["number"]) if found else 0


def course_groups(
    connection: Connection, account: str, counted: Mapping[str | None, Counts], *, sort: str, limit: int
) -> tuple[list[Group], int]:
    """Put what was counted by course into groups, in the order that `groups` has; also tell how many there are."""
    row, ids = courses.c, [key for key in counted if key is not None]
    query = select(row.id, row.title, row.normalized_name).where(row.account == account, in_list(row.id, ids))
    known = {key: (title, folded) for key, title, folded in connection.execute(query)}

    def named(key: str | None) -> Group:
        title = NOBODY if key is None else known[key][0] if key in known else key
        return Group((Key(key or "", title),), counted[key])

    word, down = sort.lstrip("-"), sort.startswith("-")
    by_name = sorted(ids, key=lambda key: (known.get(key, ("", ""))[1], key))
    lines = [*map(named, reversed(by_name) if word == "name" and down else by_name)]
    lines += [named(None)] if None in counted else []
    if word != "name":
        told = [one for one in lines if getattr(one.counts, word) is not None]
        untold = [one for one in lines if getattr(one.counts, word) is None]
        lines = [*sorted(told, key=lambda one: getattr(one.counts, word), reverse=down), *untold]
    return lines[:limit], len(lines)


def _counted(selection: Selection, by: Sequence[str], months: _Months) -> Select[Any] | CompoundSelect[Any]:
    """Count enrollments by what is on their rows, and by learner where a dimension is joined later."""
    row = enrollments
    plain: dict[str, ColumnElement[Any]] = {
        GroupBy.COURSE: row.c.course_id,
        GroupBy.LEARNER: row.c.user_id,
        GroupBy.STATUS: definitions.status_at(row, selection.now),
    }

    def keys(moment: ColumnElement[Any]) -> list[ColumnElement[Any]]:
        found: list[ColumnElement[Any]] = [
            (_month_of(moment, months) if one == GroupBy.MONTH else plain[one]).label(f"key_{index}")
            for index, one in enumerate(by)
            if is_usual_group(one)
        ]
        return found if all(map(is_usual_group, by)) else [*found, row.c.user_id.label("learner")]

    enrolled = keys(row.c.enrolled_at)
    in_month = literal(0, Integer).label("finished_in_month")
    query = select(*enrolled, *measures(selection), in_month).where(selection.counted()).group_by(*enrolled)
    if GroupBy.MONTH not in by:
        return query
    completed = keys(row.c.completed_at)
    nothing = [literal(0, Integer).label(name) for name in MEASURES]
    finished = select(*completed, *nothing, func.count().label("finished_in_month"))
    within = and_(selection.counted(), selection.finished(), row.c.completed_at.is_not(None))
    return union_all(query, finished.where(within).group_by(*completed))


def _joined(counted: Select[Any] | CompoundSelect[Any], selection: Selection, by: Sequence[str]) -> Select[Any]:
    """Add up what was counted, by all keys; people without a value of a dimension are a group of their own."""
    rows = counted.subquery()
    source: FromClause = rows
    keys: list[ColumnElement[Any]] = []
    shown: list[ColumnElement[Any]] = []
    chosen = dict(selection.where)
    for index, one in enumerate(by):
        if is_usual_group(one):
            keys.append(rows.c[f"key_{index}"].label(f"key_{index}"))
            continue
        values = dimensions.alias(f"dimension_{index}")
        on = [
            values.c.account == selection.account,
            values.c.learner_id == rows.c.learner,
            values.c.name == str(one),
        ]
        if one in chosen:
            on.append(values.c.normalized_value.in_(chosen[one]))
        source = source.outerjoin(values, and_(*on))
        keys.append(values.c.normalized_value.label(f"key_{index}"))
        shown.append(func.max(values.c.value).label(f"shown_{index}"))
    per_learner: list[ColumnElement[Any]] = []
    if shown:
        base = rows.c.enrollments - rows.c.withdrawn
        some = and_(rows.c.learner.is_not(None), base > 0)
        for name, condition in (("learners", some), ("learners_finished", and_(some, rows.c.finished == base))):
            per_learner.append(func.sum(case((condition, 1), else_=0)).label(name))
    in_month = func.sum(rows.c.finished_in_month).label("finished_in_month")
    return select(*keys, *shown, *added(rows), in_month, *per_learner).select_from(source).group_by(*keys)


def _named(
    counted: FromClause, account: str, by: Sequence[str]
) -> tuple[list[ColumnElement[Any]], list[ColumnElement[Any]], FromClause]:
    """Join what the keys are called, and what sorts them."""
    source = counted
    names: list[ColumnElement[Any]] = []
    folded: list[ColumnElement[Any]] = []
    for index, one in enumerate(by):
        key = counted.c[f"key_{index}"]
        if one in (GroupBy.COURSE, GroupBy.LEARNER):
            table = courses.alias("of_course") if one == GroupBy.COURSE else learners.alias("of_learner")
            source = source.outerjoin(table, and_(table.c.account == account, table.c.id == key))
            names.append(func.coalesce(table.c.title if one == GroupBy.COURSE else table.c.name, key))
            folded.append(func.coalesce(table.c.normalized_name, ""))
        else:
            names.append(key if is_usual_group(one) else counted.c[f"shown_{index}"])
            folded.append(key)
    return names, folded, source


def _order(counted: FromClause, folded: Sequence[ColumnElement[Any]], sort: str) -> list[ColumnElement[Any]]:
    """Compose the order. In that of time the latest come first, to be turned round once they are few enough."""
    c, word, down = counted.c, sort.lstrip("-"), sort.startswith("-")
    by_name: list[ColumnElement[Any]] = []
    for index, text in enumerate(folded):
        key = c[f"key_{index}"]
        turned = word == TIME or (word == "name" and down)
        by_name.append(key.is_not(None) if word == TIME else key.is_(None))
        by_name += [one.desc() if turned else one.asc() for one in ((key,) if text is key else (text, key))]
    if word in ("name", TIME):
        return by_name
    untold = null()
    values = {
        "rate": _share(c.finished, c.enrollments - c.withdrawn),
        "average": case((c.progress_known > 0, c.progress_sum / c.progress_known), else_=untold),
        "hours": case((c.seconds_known > 0, c.seconds), else_=untold),
        "learner_rate": _share(c.learners_finished, c.learners) if "learners" in c else untold,
        "learners": c.learners if "learners" in c else untold,
    }
    value = values[word] if word in values else c[word]
    return [value.is_(None), value.desc() if down else value.asc(), *by_name]


def _share(part: ColumnElement[Any], whole: ColumnElement[Any]) -> ColumnElement[Any]:
    return case((whole > 0, 100.0 * part / whole), else_=null())


def _group(row: Mapping[str, Any], by: Sequence[str]) -> Group:
    keys: list[Key] = []
    for index, one in enumerate(by):
        key, name = row[f"key_{index}"], row[f"name_{index}"]
        if one == GroupBy.MONTH:
            key = name = None if key is None else month_name(int(key))
        untold = NO_DATE if one == GroupBy.MONTH else NOBODY
        keys.append(Key("" if key is None else str(key), untold if name is None else str(name)))
    return Group(
        tuple(keys),
        as_counts(row),
        learners=int(row.get("learners", 0)),
        learners_finished=int(row.get("learners_finished", 0)),
        finished_in_month=int(row["finished_in_month"]),
    )


def month_name(number: int) -> str:
    """Print a month that is counted from January of the year 0."""
    return f"{first_of_month(number):%Y-%m}"


@dataclass(frozen=True, slots=True)
class _Months:
    """When months begin: the first one's number, and the instants at which they and the month after them begin."""

    first: int
    starts: tuple[int, ...]


def _months(connection: Connection, selection: Selection, zone: tzinfo) -> _Months:
    """Find the months in which anything of the match was enrolled or completed."""
    row = enrollments.c
    edges = (row.enrolled_at, row.completed_at)
    query = select(*(func.min(one) for one in edges), *(func.max(one) for one in edges)).where(selection.counted())
    found = [one for one in connection.execute(query).one() if one is not None]
    now = _month_at(selection.now, zone)
    span = [min(max(_month_at(one, zone), now - MONTHS_AROUND), now + MONTHS_AROUND) for one in found]
    numbers = range(min(span), max(span) + 2) if span else range(0)
    return _Months(min(span, default=0), tuple(_start(one, zone) for one in numbers))


def _month_at(moment: int, zone: tzinfo) -> int:
    day = datetime.fromtimestamp(min(max(moment, -_FAR), _FAR), zone)
    return day.year * 12 + day.month - 1


def _start(number: int, zone: tzinfo) -> int:
    return int(datetime.combine(first_of_month(number), time(), zone).timestamp())


def _month_of(moment: ColumnElement[Any], months: _Months) -> ColumnElement[Any]:
    """Compose the number of the month of an instant: a search by halves, as there may be hundreds."""
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
