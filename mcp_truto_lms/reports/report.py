"""Reports: a resolved question answered from the store, in one transaction; nothing is read from the LMS here."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import islice
from typing import Any, cast

from sqlalchemy import Connection

from mcp_truto_lms.domain.columns import ALL_COLUMNS, Columns
from mcp_truto_lms.domain.definitions import State
from mcp_truto_lms.domain.errors import QueryError
from mcp_truto_lms.domain.model import CUSTOM_FIELDS, EnrollmentColumn, enrollment_columns
from mcp_truto_lms.domain.source import Portal
from mcp_truto_lms.domain.text_cleaning import clean
from mcp_truto_lms.ingest.question_budget import Coverage
from mcp_truto_lms.query.queries import EnrollmentFilter, EnrollmentQuery, ProgressQuery
from mcp_truto_lms.query.vocabulary import SIGNALS, Format, GroupBy, is_usual_group
from mcp_truto_lms.reports.dimension_resolution import resolve_groups, resolve_mandatory, resolve_where
from mcp_truto_lms.reports.results import AtRiskTable, GroupTable, ListAnswer, MatchStats, ResolvedQuery, SummaryAnswer
from mcp_truto_lms.settings import PREFIX, Settings
from mcp_truto_lms.store import counts, not_enrolled, row_queries
from mcp_truto_lms.store.counts import ExcludedCounts
from mcp_truto_lms.store.groups import TIME, Group, Key, course_groups, groups

DEFAULT_COLUMNS = ("user.name", "course.title", "status", "progress_percent", "due_at")
FILTER_COLUMNS = {
    "completed_from": "completed_at",
    "completed_to": "completed_at",
    "enrolled_from": "enrolled_at",
    "enrolled_to": "enrolled_at",
    "inactive_since": "last_activity_at",
}
"""What is shown besides where it is filtered by; other filters are on what is shown anyway, or is the same."""
OVERVIEW_ROWS = 8
_DAYS_LATE = re.compile(r"(?<=overdue) \d+ d\b")
"""In signals: by it a due date could be told."""
PAGE_ROWS = 2_000
"""Of the pages of a whole match."""
FILLED_MONTHS = 12
"""Up to so many months without anything are shown between others."""
_NEEDED = {"is_mandatory": "is_mandatory", "inactive_since": "last_activity_at"}
"""Filters that mean nothing where the LMS does not report a column."""


def resolve_against_store(
    connection: Connection, question: ResolvedQuery, portal: Portal, settings: Settings
) -> ResolvedQuery:
    """Resolve what only the store can tell: dimensions of the learners, and the courses that settings call mandatory.

    Raises:
        QueryError: nobody has such a dimension, or the LMS does not report what is filtered by.
    """
    query, account = question.query, question.account
    named = settings.mandatory_courses if query.is_mandatory is not None else ()
    for name, path in _NEEDED.items():
        told = named or (path not in portal.unreported and row_queries.is_reported(connection, account, path))
        if getattr(query, name) is not None and not told:
            raise QueryError(_not_reported(name))
    return replace(
        question,
        where=resolve_where(connection, account, query.where),
        groups=resolve_groups(connection, account, query.group_by) if isinstance(query, ProgressQuery) else (),
        mandatory=resolve_mandatory(connection, account, named),
        thresholds=settings.at_risk,
    )


def _not_reported(name: str) -> str:
    if name == "is_mandatory":
        hint = f"name the mandatory courses in {PREFIX}MANDATORY_COURSES, or leave it out"
    else:
        hint = "ask by state not_started or by progress_below instead"
    return f"{name}: not reported by this LMS; {hint}."


def match_stats(
    connection: Connection, question: ResolvedQuery, coverage: Coverage, *, sample: bool, data_version: int
) -> MatchStats:
    """Count the whole match, and who is left out of it."""
    selection = question.selection()
    if question.query.asks_who_is_missing:
        totals = not_enrolled.totals(connection, selection)
        return MatchStats(question, totals, {}, ExcludedCounts(0, 0, 0, 0), coverage, sample, data_version)
    listed = isinstance(question.query, EnrollmentQuery)
    found = (
        counts.count_list(connection, selection) if listed else counts.count_by_course_and_status(connection, selection)
    )
    counted = found.totals, found.by_status, found.excluded
    return MatchStats(question, *counted, coverage, sample, data_version, found.by_course)


def page(connection: Connection, stats: MatchStats, portal: Portal, *, offset: int = 0) -> ListAnswer:
    """Read a page of the match."""
    query, selection = cast("EnrollmentQuery", stats.question.query), stats.question.selection()
    columns = columns_of(query, stats.question.columns, several=len(stats.question.course_ids or ()) > 1)
    shown = tuple(one for one in columns if one.path not in portal.unreported or one.path == "score")
    rows = tuple(_rows(connection, stats, shown, limit=query.limit, offset=offset))
    spreads: dict[str, row_queries.ColumnStats] = {}
    if query.format is Format.TABLE and not query.asks_who_is_missing:
        whole = len(rows) == stats.counts.enrollments
        known = {one.path: spread for one in shown if (spread := _spread(rows, one.path, whole=whole))}
        known |= {one.path: spread for one in shown if rows and (spread := _of_one(stats.question, one.path))}
        spreads = (
            row_queries.column_stats(connection, selection, [one.path for one in shown if one.path not in known])
            | known
        )
    return _answer(
        connection,
        stats,
        shown,
        rows,
        apart=[one.path for one in shown if not _of_one(stats.question, one.path)],
        offset=offset,
        spreads=spreads,
        unreported=tuple(one.header for one in columns if one not in shown),
    )


def _of_one(question: ResolvedQuery, path: str) -> row_queries.ColumnStats | None:
    """Tell that a column is of the one learner or course asked for: the same in every row, as the first line says."""
    ids = {"user": question.user_ids, "course": question.course_ids}.get(path.split(".")[0])
    return row_queries.ColumnStats(filled=True, constant=ids[0]) if ids is not None and len(ids) == 1 else None


def _spread(rows: Sequence[Mapping[str, Any]], path: str, *, whole: bool) -> row_queries.ColumnStats | None:
    """Tell what a column of the model holds in a match, as far as a page does, or its rows are the whole of it."""
    if path not in enrollment_columns():
        return None
    values = [row.get(row_queries.identity_column(path)) for row in rows]
    if len({*map(repr, values)}) > 1:
        return row_queries.ColumnStats(filled=True, constant=None)
    constant = values[0] if values else None
    return row_queries.ColumnStats(filled=constant is not None, constant=constant) if whole else None


def pages(connection: Connection, stats: MatchStats, portal: Portal) -> Iterator[ListAnswer]:
    """Read the whole match, page by page, of which there is one at least; every column is there, filled or not."""
    query = cast("EnrollmentQuery", stats.question.query)
    several = len(stats.question.course_ids or ()) > 1
    columns = tuple(columns_of(query, stats.question.columns, several=several))
    unreported = tuple(one.header for one in columns if one.path in portal.unreported and one.path != "score")
    rows, offset = _rows(connection, stats, columns), 0
    while (taken := tuple(islice(rows, PAGE_ROWS))) or not offset:
        apart = [one.path for one in columns]
        yield _answer(connection, stats, columns, taken, apart=apart, offset=offset, spreads={}, unreported=unreported)
        if not taken:
            return
        offset += len(taken)


def _rows(
    connection: Connection,
    stats: MatchStats,
    columns: Sequence[EnrollmentColumn],
    *,
    limit: int | None = None,
    offset: int = 0,
) -> Iterator[dict[str, Any]]:
    """Read rows of the match, as they are taken."""
    query, selection = cast("EnrollmentQuery", stats.question.query), stats.question.selection()
    if query.asks_who_is_missing:
        return not_enrolled.rows(connection, selection, sort=query.sort, limit=limit, offset=offset)
    signals, sort = any(one.path == SIGNALS for one in columns), query.order(stats.question.columns)
    rows = row_queries.rows(connection, selection, sort=sort, limit=limit, offset=offset, signals=signals)
    return _without_days(rows) if signals and "due_at" not in stats.question.columns else rows


def _without_days(rows: Generator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    with closing(rows):
        for row in rows:
            yield {**row, SIGNALS: _DAYS_LATE.sub("", row[SIGNALS])}


def _answer(
    connection: Connection,
    stats: MatchStats,
    columns: tuple[EnrollmentColumn, ...],
    rows: tuple[Mapping[str, Any], ...],
    *,
    apart: Sequence[str],
    offset: int,
    spreads: Mapping[str, row_queries.ColumnStats],
    unreported: tuple[str, ...],
) -> ListAnswer:
    account = stats.question.account
    return ListAnswer(
        stats=stats,
        columns=columns,
        rows=rows,
        offset=offset,
        spreads=spreads,
        unreported=unreported,
        duplicate_names={
            path: row_queries.duplicate_names(connection, account, by, {row[key] for row in rows if row[key]})
            for path, key, by in (
                ("user.name", "user.id", GroupBy.LEARNER),
                ("course.title", "course.id", GroupBy.COURSE),
            )
            if path in apart
        },
    )


def summary(connection: Connection, base: MatchStats, portal: Portal) -> SummaryAnswer:
    """Count the match by groups, or as the overall picture."""
    question, coverage = base.question, base.coverage
    query, selection = cast("ProgressQuery", question.query), question.selection()
    if query.asks_who_is_missing:
        by = question.groups or (GroupBy.COURSE,)
        sort = query.sort or "-enrollments"
        found, number = not_enrolled.groups(connection, selection, by, sort=sort, limit=query.limit)
        return SummaryAnswer(base, (_table(connection, selection.account, by, found, number, sort),))
    details = _details(connection, base, portal) if not question.groups else None
    in_period = query.period_asked and not query.judges_outcome
    grouped = replace(selection, in_period=in_period)
    period = counts.count_by_course_and_status(connection, grouped) if in_period else None
    by_course = period.by_course if period is not None else base.by_course
    tables: list[GroupTable] = []
    for by in [] if details is not None else _groupings(question):
        sort = query.sort or _usual_sort(by, query)
        limit = query.limit if question.groups else min(query.limit, OVERVIEW_ROWS)
        if by == (GroupBy.COURSE,):
            found, number = course_groups(connection, question.account, by_course, sort=sort, limit=limit)
        else:
            found, number = groups(connection, grouped, by, sort=sort, limit=limit, zone=question.zone)
        if by == (GroupBy.MONTH,) and sort == TIME:
            gaps = _gaps(found)
            found, number = sorted([*found, *gaps], key=lambda one: one.keys[0].id or "~"), number + len(gaps)
        tables.append(_table(connection, selection.account, by, found, number, sort))
    overall = not (question.groups or question.users or question.courses or in_period)
    alone = _only_one(question) is GroupBy.COURSE and coverage.complete
    of_courses = any(GroupBy.COURSE in one.by for one in tables) and not _narrowed(query)
    return SummaryAnswer(
        stats=base,
        tables=tuple(tables),
        trouble=_trouble(connection, question, min(query.limit, OVERVIEW_ROWS)) if overall else None,
        period=period.totals if period is not None else None,
        details=details,
        not_enrolled=not_enrolled.totals(connection, selection).learners if alone else None,
        empty_courses=tuple(row_queries.empty_courses(connection, selection))
        if of_courses and coverage.complete
        else (),
    )


def _details(connection: Connection, base: MatchStats, portal: Portal) -> ListAnswer | None:
    """Read one learner's courses, or who is late in the one course asked for."""
    question, query = base.question, cast("ProgressQuery", base.question.query)
    if (only := _only_one(question)) is None:
        return None
    listed = {**_filters(query), "limit": query.limit}
    if only is GroupBy.COURSE:
        late = (State.OVERDUE,) if not query.judges_outcome else query.state
        listed |= {"state": late, "limit": min(query.limit, OVERVIEW_ROWS)}
    narrowed = replace(question, query=EnrollmentQuery.model_validate(listed))
    theirs = match_stats(connection, narrowed, base.coverage, sample=base.sample, data_version=base.data_version)
    return page(connection, theirs, portal)


def _table(
    connection: Connection, account: str, by: Sequence[str], found: Sequence[Group], number: int, sort: str
) -> GroupTable:
    def duplicate_names(index: int, one: str) -> frozenset[str]:
        if one not in (GroupBy.COURSE, GroupBy.LEARNER):
            return frozenset()
        return row_queries.duplicate_names(connection, account, GroupBy(one), {line.keys[index].id for line in found})

    return GroupTable(
        tuple(by),
        tuple(found),
        number,
        sort,
        tuple(duplicate_names(index, one) for index, one in enumerate(by)),
        tuple(one for one in by if not is_usual_group(one) and row_queries.has_several(connection, account, one)),
    )


def _trouble(connection: Connection, question: ResolvedQuery, limit: int) -> AtRiskTable:
    lines, number = row_queries.most_at_risk(connection, question.selection(), limit=limit)
    if "due_at" not in question.columns:
        lines = [replace(one, late_since=None) for one in lines]
    ids = {one.id for one in lines}
    return AtRiskTable(
        tuple(lines), number, row_queries.duplicate_names(connection, question.account, GroupBy.LEARNER, ids)
    )


def _usual_sort(by: Sequence[str], query: ProgressQuery) -> str:
    """Choose the order: months by time, else where most is to be done."""
    if GroupBy.MONTH in by:
        return TIME if by[0] == GroupBy.MONTH else "name"
    late = not query.judges_outcome and not query.period_asked
    return "-overdue" if late and by != (GroupBy.STATUS,) else "-enrollments"


def _gaps(found: Sequence[Group]) -> list[Group]:
    """Make the months between those that were found, as long as they are few."""
    numbers = [_month_number(one.keys[0].id) for one in found if one.keys[0].id]
    between = [one for one in range(min(numbers), max(numbers)) if one not in numbers] if numbers else []
    named = [f"{one // 12:04d}-{one % 12 + 1:02d}" for one in between if len(between) <= FILLED_MONTHS]
    return [Group((Key(name, name),), counts.Counts()) for name in named]


def _month_number(name: str) -> int:
    year, month = name.split("-")
    return int(year) * 12 + int(month) - 1


def _filters(query: EnrollmentFilter) -> dict[str, object]:
    return {name: getattr(query, name) for name in EnrollmentFilter.model_fields}


def _narrowed(query: EnrollmentFilter) -> bool:
    """Tell whether a course without a line may only lack what was asked for."""
    return any(
        getattr(query, name) != field.default
        for name, field in EnrollmentFilter.model_fields.items()
        if name not in ("course", "fresh")
    )


def _only_one(question: ResolvedQuery) -> GroupBy | None:
    """Tell whether a question is about one learner, or about one course as a whole."""
    if len(question.user_ids or ()) == 1:
        return GroupBy.LEARNER
    return GroupBy.COURSE if question.users is None and len(question.course_ids or ()) == 1 else None


def _groupings(question: ResolvedQuery) -> list[tuple[str, ...]]:
    """Choose what to count by: what was asked for, else what a name left open, else the courses."""
    if question.groups:
        return [question.groups]
    return [(GroupBy.LEARNER if question.users is not None else GroupBy.COURSE,)]


def columns_of(
    query: EnrollmentQuery, offered: Columns = ALL_COLUMNS, *, several: bool = True
) -> list[EnrollmentColumn]:
    """Choose the columns: those asked for, else the usual ones and what is filtered and sorted by.

    Where names are for nobody, a learner is shown by the id.
    """
    known = offered.known
    usual = ["user.id" if path == "user.name" and path not in known else path for path in DEFAULT_COLUMNS]
    paths = list(query.fields or [path for path in usual if path in known])
    if query.asks_who_is_missing:
        paths = list(query.fields or usual[: 2 if several else 1])
    elif not query.fields:
        paths += [path for name, path in FILTER_COLUMNS.items() if getattr(query, name) is not None]
        paths += [SIGNALS] if State.AT_RISK in query.state else []
    if query.sort:
        paths.append(query.sort.lstrip("-"))
    return [
        known[path] if path in known else EnrollmentColumn(path, _header(path), "text")
        for path in dict.fromkeys(paths)
        if path not in query.exclude_fields
    ]


def _header(path: str) -> str:
    """Head a custom field by its name, or by its path where the model has a column of that name."""
    name = clean(path.removeprefix(f"{CUSTOM_FIELDS}."))
    taken = {SIGNALS, *(one.header for one in enrollment_columns().values())}
    return clean(path) if path != SIGNALS and name.casefold() in taken else name
