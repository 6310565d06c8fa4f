"""Rows of a list as lines: which columns they have, and who or what bears the same name told apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mcp_truto_lms.domain import text_cleaning
from mcp_truto_lms.domain.definitions import State
from mcp_truto_lms.domain.errors import QueryError
from mcp_truto_lms.domain.model import EnrollmentColumn, EnrollmentStatus
from mcp_truto_lms.render import cells
from mcp_truto_lms.render.header_footer import constant_columns
from mcp_truto_lms.reports.results import ListAnswer

CELL_LIMITS = (text_cleaning.CELL_CHARACTERS, 40, 20)
"""The longest cell of a table; a shorter one where not even one row fits."""
KEYS = {"user.name": "user.id", "course.title": "course.id"}


def split(answer: ListAnswer, room: int) -> tuple[list[EnrollmentColumn], dict[str, str], list[str]]:
    """Part the columns into those with a cell in each row, those that are the same everywhere, and the empty ones.

    What is the same everywhere is taken out of the rows as long as it fits into `room` tokens.
    """
    zone, total = answer.stats.question.zone, answer.stats.counts.enrollments
    query = answer.stats.question.query
    told = constant_columns(answer.stats)
    if query.state == (State.FAILED,) or (len(query.status) == 1 and query.status != (EnrollmentStatus.OVERDUE,)):
        told.add("status")
    if query.state == (State.NOT_STARTED,):
        told.add("progress_percent")
    columns: list[EnrollmentColumn] = []
    constants: dict[str, str] = {}
    empty: list[str] = []
    for column in answer.columns:
        spread = answer.column_stats.get(column.path)
        if spread is not None and total and not spread.filled:
            empty.append(column.header)
            continue
        if spread is not None and spread.constant is not None and total > 1 and answer.rows and column.kind != "fields":
            printed = cells.cell(cells.value_at(answer.rows[0], column.path), column.kind, zone)
            words = "" if column.path in told else f"{column.header} {printed}"
            cost = cells.estimate_tokens(f", {words}")
            if cost <= room or not words:
                room -= cost
                constants[column.path] = words
                continue
        columns.append(column)
    return columns, constants, empty


def unfilled(answer: ListAnswer) -> list[EnrollmentColumn]:
    """Find the custom fields that none of the rows has: the catalogue does not know which there are."""
    return [
        one
        for one in answer.columns
        if one.path not in answer.column_stats
        and answer.rows
        and all(cells.value_at(row, one.path) is None for row in answer.rows)
    ]


def header(columns: Sequence[EnrollmentColumn]) -> str:
    """Print the headers."""
    return cells.line([text_cleaning.clean(one.header) for one in columns])


def lines(answer: ListAnswer, columns: Sequence[EnrollmentColumn], limit: int) -> list[str]:
    """Print rows; who or what bears the name of another one is told apart by the id."""
    rows = answer.rows
    printed = [cells.cells(row, columns, answer.stats.question.zone, limit) for row in rows]
    for index, column in enumerate(columns):
        if (key := KEYS.get(column.path)) is None:
            continue
        names = [cells[index] for cells in printed]
        ids = [str(row[key] or "") for row in rows]
        apart = disambiguate(names, ids, answer.duplicate_names.get(column.path, frozenset()))
        for name, line_cells in zip(apart, printed, strict=True):
            line_cells[index] = name
    return [cells.line(one) for one in printed]


def disambiguate(names: Sequence[str], ids: Sequence[str], duplicate_names: frozenset[str]) -> list[str]:
    """Add the id to names, as they are printed, that stand for more than one id, here or elsewhere."""
    by_name: dict[str, set[str]] = {}
    for name, key in zip(names, ids, strict=True):
        by_name.setdefault(name, set()).add(key)
    return [
        f"{name} (id {text_cleaning.clean(key)})" if key in duplicate_names or len(by_name[name]) > 1 else name
        for name, key in zip(names, ids, strict=True)
    ]


def rows_within_budget(printed: Iterable[Sequence[str]], left: int) -> list[str]:
    """Take as many lines as fit of the first printing of which any fits."""
    for each in printed:
        if shown := cells.take_within_budget(each, left):
            return shown
    return []


def one_at_least(shown: list[str], answered: Sequence[Mapping[str, Any]], budget: int) -> list[str]:
    """Refuse a page without a row where rows are left: a list must be able to go on.

    Raises:
        QueryError: not even one row fits.
    """
    if answered and not shown:
        raise QueryError(f"Not even one row fits into {budget:,} tokens: ask for fewer columns with fields.")
    return shown
