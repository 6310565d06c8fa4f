"""The list report: rows of the match, a page or all of them.

A report reads the store in one transaction and never fetches from the LMS.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import islice
from typing import Any, cast

from sqlalchemy import Connection

from mcp_truto_lms.domain.columns import SIGNALS, row_columns
from mcp_truto_lms.domain.model import EnrollmentColumn
from mcp_truto_lms.domain.source import Portal
from mcp_truto_lms.query.queries import EnrollmentQuery
from mcp_truto_lms.query.vocabulary import Format, GroupBy
from mcp_truto_lms.reports.column_choice import choose_columns
from mcp_truto_lms.reports.results import ListAnswer, MatchStats, ResolvedQuery
from mcp_truto_lms.store import enrollment_rows, not_enrolled
from mcp_truto_lms.store.column_stats import ColumnStats, column_stats, identity_column
from mcp_truto_lms.store.name_search import duplicate_names

PAGE_ROWS = 2_000
"""The rows of one page where the whole match is read."""
_NAME_COLUMNS = (("user.name", "user.id", GroupBy.LEARNER), ("course.title", "course.id", GroupBy.COURSE))
"""The columns in which two ids may show the same name."""


def read_page(connection: Connection, stats: MatchStats, portal: Portal, *, offset: int = 0) -> ListAnswer:
    """Read a page of the match."""
    query, question = cast("EnrollmentQuery", stats.question.query), stats.question
    columns = _columns(stats)
    shown = tuple(column for column in columns if _is_reported(column, portal))
    rows = tuple(_rows(connection, stats, shown, limit=query.limit, offset=offset))
    ambiguous = [column.path for column in shown if _single_value(question, column.path) is None]
    return ListAnswer(
        stats=stats,
        columns=shown,
        rows=rows,
        offset=offset,
        column_stats=_column_stats(connection, stats, [column.path for column in shown], rows),
        unreported=tuple(column.header for column in columns if column not in shown),
        duplicate_names=_duplicate_names(connection, question.account, ambiguous, rows),
    )


def read_pages(connection: Connection, stats: MatchStats, portal: Portal) -> Iterator[ListAnswer]:
    """Read the whole match page by page, at least one page, with every column whether filled or not."""
    columns = tuple(_columns(stats))
    unreported = tuple(column.header for column in columns if not _is_reported(column, portal))
    rows, offset = _rows(connection, stats, columns), 0
    while (page_rows := tuple(islice(rows, PAGE_ROWS))) or not offset:
        paths = [column.path for column in columns]
        names = _duplicate_names(connection, stats.question.account, paths, page_rows)
        yield ListAnswer(stats, columns, page_rows, offset, {}, unreported, names)
        if not page_rows:
            return
        offset += len(page_rows)


def _columns(stats: MatchStats) -> list[EnrollmentColumn]:
    query, question = cast("EnrollmentQuery", stats.question.query), stats.question
    return choose_columns(query, question.columns, several_courses=len(question.course_ids or ()) > 1)


def _is_reported(column: EnrollmentColumn, portal: Portal) -> bool:
    """Return whether the LMS can fill a column."""
    return column.path not in portal.unreported


def _rows(
    connection: Connection,
    stats: MatchStats,
    columns: Sequence[EnrollmentColumn],
    *,
    limit: int | None = None,
    offset: int = 0,
) -> Iterator[dict[str, Any]]:
    """Stream rows of the match."""
    query, selection = cast("EnrollmentQuery", stats.question.query), stats.question.selection()
    if query.asks_who_is_missing:
        return not_enrolled.read_rows(connection, selection, sort=query.sort, limit=limit, offset=offset)
    signals, sort = any(column.path == SIGNALS for column in columns), query.order(stats.question.columns)
    rows = enrollment_rows.read_rows(connection, selection, sort=sort, limit=limit, offset=offset, signals=signals)
    return _without_days_late(rows) if signals and "due_at" not in stats.question.columns else rows


def _without_days_late(rows: Generator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Hide how many days rows are late, because that would reveal an excluded due date."""
    with closing(rows):
        for row in rows:
            yield {**row, SIGNALS: tuple(replace(signal, days_late=None) for signal in row[SIGNALS])}


def _column_stats(
    connection: Connection, stats: MatchStats, paths: Sequence[str], rows: Sequence[Mapping[str, Any]]
) -> Mapping[str, ColumnStats]:
    """Find the columns that are empty or constant in the whole match; query the store only if the page cannot tell."""
    query, question = cast("EnrollmentQuery", stats.question.query), stats.question
    if query.format is not Format.TABLE or query.asks_who_is_missing:
        return {}
    is_whole_match = len(rows) == stats.counts.enrollments
    known: dict[str, ColumnStats] = {}
    for path in paths:
        single_value = _single_value(question, path) if rows else None
        path_stats = single_value or _stats_of_page(rows, path, is_whole_match=is_whole_match)
        if path_stats is not None:
            known[path] = path_stats
    return column_stats(connection, question.selection(), [path for path in paths if path not in known]) | known


def _single_value(question: ResolvedQuery, path: str) -> ColumnStats | None:
    """Return the stats of a column of the only learner or the only course asked for; None for other columns."""
    ids = {"user": question.user_ids, "course": question.course_ids}.get(path.split(".")[0])
    return ColumnStats(filled=True, constant=ids[0]) if ids is not None and len(ids) == 1 else None


def _stats_of_page(rows: Sequence[Mapping[str, Any]], path: str, *, is_whole_match: bool) -> ColumnStats | None:
    """Return the stats of a column as far as a page tells them; None if they depend on other pages."""
    if path not in row_columns():
        return None
    values = [row.get(identity_column(path)) for row in rows]
    if len({*map(repr, values)}) > 1:
        return ColumnStats(filled=True, constant=None)
    constant = values[0] if values else None
    return ColumnStats(filled=constant is not None, constant=constant) if is_whole_match else None


def _duplicate_names(
    connection: Connection, account: str, paths: Sequence[str], rows: Iterable[Mapping[str, Any]]
) -> dict[str, frozenset[str]]:
    """Return the ids of learners and courses of the rows whose name another one has too, by column."""
    return {
        path: duplicate_names(connection, account, by, {row[id_path] for row in rows if row[id_path]})
        for path, id_path, by in _NAME_COLUMNS
        if path in paths
    }
