"""The rows of a match, in order.

Missing values sort last, ascending and descending; text sorts by its normalized form; the id breaks ties, so that every
engine returns the same order.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from functools import reduce
from operator import add
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, Select, and_, bindparam, case, func, select

from mcp_truto_lms.domain import definitions
from mcp_truto_lms.domain.columns import CERTIFICATE_COLUMNS, SIGNALS, row_columns
from mcp_truto_lms.domain.model import CUSTOM_FIELDS
from mcp_truto_lms.domain.signals import Signal, SignalKind
from mcp_truto_lms.store.schema import column_name, courses, enrollments, learners
from mcp_truto_lms.store.selection import Selection, cached_statement

STREAMED = {"yield_per": 1_000}
"""Execution options that make an engine return rows in batches rather than all at once."""
_JSON_PATHS = ("user.emails", "urls", CUSTOM_FIELDS)
_LATE_SINCE = f"{SIGNALS} late since"
_SIGNAL_LABELS = {kind: f"{SIGNALS} {kind}" for kind in SignalKind}
_LEARNER = and_(learners.c.account == enrollments.c.account, learners.c.id == enrollments.c.user_id)
_COURSE = and_(courses.c.account == enrollments.c.account, courses.c.id == enrollments.c.course_id)


def read_rows(
    connection: Connection,
    selection: Selection,
    *,
    sort: str | None,
    limit: int | None = None,
    offset: int = 0,
    signals: bool = False,
) -> Generator[dict[str, Any]]:
    """Read rows in order, every column by its dotted path, with custom fields parsed.

    Custom fields do not repeat what has a column. One query streams all rows; few of them are in memory at a time.

    Args:
        connection: to the store
        selection: the match
        sort: a column, with `-` before it for descending; None sorts by due date, or by signals where only those at
            risk are asked for
        limit: the most rows; None reads all
        offset: how many rows to skip
        signals: whether each row also has its `Signal`s, as a tuple
    """
    query = _rows_statement(selection, sort, paged=limit is not None, signals=signals)
    options = STREAMED if limit is None else {}
    values = selection.bind_values() | {"limit": limit, "offset": offset}
    with connection.execute(query, values, execution_options=options) as result:
        for mapping in result.mappings():
            row = dict(mapping)
            for path in _JSON_PATHS:
                row[path] = json.loads(row[path]) if row[path] else None
            for path in CERTIFICATE_COLUMNS if row[CUSTOM_FIELDS] else ():
                row[CUSTOM_FIELDS].pop(path, None)
            row[CUSTOM_FIELDS] = row[CUSTOM_FIELDS] or None
            if signals:
                row[SIGNALS] = _pop_signals(row, selection.now)
            yield row


@cached_statement
def _rows_statement(selection: Selection, sort: str | None, *, paged: bool, signals: bool) -> Select[Any]:
    """Compose the query for all rows, or for `limit` of them from `offset` on."""
    order, match = _order(selection, sort), selection.counted()
    if paged:  # an index alone finds the ids of the page; only its rows are read whole
        limit, offset = (bindparam(name, type_=BigInteger()) for name in ("limit", "offset"))
        ids = select(enrollments.c.id).where(match).order_by(*order).limit(limit).offset(offset)
        if sort is not None and sort.lstrip("-") == "user.emails":
            ids = ids.select_from(enrollments.outerjoin(learners, _LEARNER))
        match = and_(enrollments.c.account == selection.account, enrollments.c.id.in_(ids))
    source = enrollments.outerjoin(learners, _LEARNER).outerjoin(courses, _COURSE)
    columns = [column_value(path, selection.now).label(path) for path in row_columns()]
    extra = _signal_columns(selection) if signals else []
    return select(*columns, *extra).select_from(source).where(match).order_by(*order)


def column_value(path: str, now: int) -> ColumnElement[Any]:
    """Compose the value of a column that a row stores."""
    if path == "status":
        return definitions.status_at(enrollments, now)
    if path == "user.name":
        return func.coalesce(learners.c.name, enrollments.c.user_id)
    if path == "user.emails":
        return learners.c.emails
    if path == "course.title":
        return func.coalesce(courses.c.title, enrollments.c.course_id)
    return enrollments.c[column_name(path)]


def _signal_flags(selection: Selection) -> dict[SignalKind, ColumnElement[int]]:
    """Compose 1 for each signal that a row shows, and 0 for each that it does not."""
    conditions = definitions.signals(enrollments, selection.now, selection.thresholds)
    return {kind: case((condition, 1), else_=0) for kind, condition in conditions.items()}


def _signal_columns(selection: Selection) -> list[ColumnElement[Any]]:
    flags = [flag.label(_SIGNAL_LABELS[kind]) for kind, flag in _signal_flags(selection).items()]
    return [*flags, definitions.late_since(enrollments, selection.now).label(_LATE_SINCE)]


def _pop_signals(row: dict[str, Any], now: int) -> tuple[Signal, ...]:
    """Take the columns of the signals out of a row, and return them as values."""
    late_since = row.pop(_LATE_SINCE)
    days_late = None if late_since is None else definitions.days_late(late_since, now)
    kinds = [kind for kind, label in _SIGNAL_LABELS.items() if row.pop(label)]
    return tuple(Signal(kind, days_late if kind is SignalKind.OVERDUE else None) for kind in kinds)


def default_order(selection: Selection) -> list[ColumnElement[Any]]:
    """Compose the order where none is asked for: by signals if only those at risk are, else by due date."""
    row = enrollments
    if selection.states != (definitions.State.AT_RISK,):
        return [row.c.due_at.asc().nulls_last(), *_tie_breakers(selection)]
    number_of_signals = reduce(add, _signal_flags(selection).values())
    late_since = definitions.late_since(row, selection.now)
    names = [row.c.learner_normalized_name, row.c.course_normalized_name]
    return [
        number_of_signals.desc(),
        late_since.asc().nulls_last(),
        *names,
        row.c.user_id.asc().nulls_last(),
        row.c.id,
    ]


def _order(selection: Selection, sort: str | None) -> list[ColumnElement[Any]]:
    if sort is None:
        return default_order(selection)
    row, path = enrollments, sort.lstrip("-")
    normalized = {"user.name": row.c.learner_normalized_name, "course.title": row.c.course_normalized_name}
    value = normalized.get(path, column_value(path, selection.now))
    return [(value.desc() if sort.startswith("-") else value.asc()).nulls_last(), *_tie_breakers(selection)]


def _tie_breakers(selection: Selection) -> list[ColumnElement[Any]]:
    row = enrollments
    columns: list[ColumnElement[Any]] = [row.c.learner_normalized_name, row.c.user_id.asc().nulls_last(), row.c.id]
    if len(selection.course_ids or ()) == 1:  # an index has this order for one course
        return columns
    return [row.c.course_normalized_name, *columns]
