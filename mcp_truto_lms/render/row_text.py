"""Rows of a list as lines: the choice of the shown columns, and names with ids where several people share one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mcp_truto_lms.domain.definitions import State
from mcp_truto_lms.domain.errors import QueryError
from mcp_truto_lms.domain.model import EnrollmentColumn, EnrollmentStatus
from mcp_truto_lms.domain.text_cleaning import CELL_CHARACTERS, clean
from mcp_truto_lms.render.cells import cell, cells, csv_line, value_at
from mcp_truto_lms.render.header_footer import constant_columns
from mcp_truto_lms.render.token_budget import estimate_tokens
from mcp_truto_lms.reports.results import ListAnswer

CELL_LIMITS = (CELL_CHARACTERS, 40, 20)
"""The longest cell of a table in characters; the next limit is used if not even one row fits."""
ID_COLUMNS = {"user.name": "user.id", "course.title": "course.id"}
"""The columns whose names are disambiguated, and where their ids are."""


@dataclass(frozen=True, slots=True)
class ColumnSplit:
    """The columns of a list by where they are printed.

    Args:
        shown: those with a cell in each row
        constants: those with one value in the whole match, as the first line prints them, by path
        empty: the headers of those without a value in the whole match
    """

    shown: tuple[EnrollmentColumn, ...]
    constants: Mapping[str, str]
    empty: tuple[str, ...]


def split_columns(answer: ListAnswer, constant_tokens: int) -> ColumnSplit:
    """Split the columns into those of the rows, those of the first line, and the empty ones.

    Args:
        answer: the rows
        constant_tokens: the most tokens that constants may take on the first line
    """
    stats, query = answer.stats, answer.stats.question.query
    stated = constant_columns(stats)  # the filters say their value already
    is_one_status = len(query.status) == 1 and isinstance(query.status[0], EnrollmentStatus)
    if query.state == (State.FAILED,) or (is_one_status and query.status != (EnrollmentStatus.OVERDUE,)):
        stated.add("status")
    if query.state == (State.NOT_STARTED,):
        stated.add("progress_percent")
    total = stats.counts.enrollments
    shown: list[EnrollmentColumn] = []
    constants: dict[str, str] = {}
    empty: list[str] = []
    for column in answer.columns:
        column_stats = answer.column_stats.get(column.path)
        if column_stats is not None and total and not column_stats.filled:
            empty.append(column.header)
            continue
        is_constant = column_stats is not None and column_stats.constant is not None and column.kind != "fields"
        if is_constant and total > 1 and answer.rows:
            value = value_at(answer.rows[0], column.path)
            printed = cell(value, column.kind, stats.question.zone)
            words = "" if column.path in stated else f"{column.header} {printed}"
            cost = estimate_tokens(f", {words}")
            if cost <= constant_tokens or not words:
                constant_tokens -= cost
                constants[column.path] = words
                continue
        shown.append(column)
    return ColumnSplit(tuple(shown), constants, tuple(empty))


def unfilled_custom_fields(answer: ListAnswer) -> list[EnrollmentColumn]:
    """List the custom fields without a value in these rows; the store does not know which fields the match has."""
    return [
        column
        for column in answer.columns
        if column.path not in answer.column_stats
        and answer.rows
        and all(value_at(row, column.path) is None for row in answer.rows)
    ]


def header_line(columns: Sequence[EnrollmentColumn]) -> str:
    """Print the headers."""
    return csv_line([column.header for column in columns])


def row_lines(answer: ListAnswer, columns: Sequence[EnrollmentColumn], limit: int) -> list[str]:
    """Print rows; names that several people or courses have carry the id."""
    printed_rows = [cells(row, columns, answer.stats.question.zone, limit) for row in answer.rows]
    for index, column in enumerate(columns):
        if (id_column := ID_COLUMNS.get(column.path)) is None:
            continue
        names = [printed_row[index] for printed_row in printed_rows]
        ids = [str(row[id_column] or "") for row in answer.rows]
        duplicates = answer.duplicate_names.get(column.path, frozenset())
        for printed_row, name in zip(printed_rows, disambiguate(names, ids, duplicates), strict=True):
            printed_row[index] = name
    return [csv_line(printed_row) for printed_row in printed_rows]


def disambiguate(names: Sequence[str], ids: Sequence[str], duplicate_ids: frozenset[str]) -> list[str]:
    """Add the id to each printed name that several ids share, among these names or elsewhere.

    Args:
        names: as printed
        ids: of each name
        duplicate_ids: the ids whose name another id of the account has
    """
    ids_by_name: dict[str, set[str]] = {}
    for name, key in zip(names, ids, strict=True):
        ids_by_name.setdefault(name, set()).add(key)
    return [
        f"{name} (id {clean(key)})" if key in duplicate_ids or len(ids_by_name[name]) > 1 else name
        for name, key in zip(names, ids, strict=True)
    ]


def refuse_empty_page(lines: Sequence[str], rows: Sequence[Mapping[str, Any]], budget: int) -> None:
    """Check that a page with rows shows at least one, so that its cursor leads on.

    Raises:
        QueryError: not even one row fits.
    """
    if rows and not lines:
        raise QueryError(f"No row fits into {budget:,} tokens; choose fewer columns with fields.")
