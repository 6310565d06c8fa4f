"""Column statistics: which columns of a match are empty or constant, and which columns the LMS fills at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, exists, select

from mcp_truto_lms.domain.columns import row_columns
from mcp_truto_lms.store.enrollment_rows import column_value
from mcp_truto_lms.store.schema import column_name, enrollments
from mcp_truto_lms.store.selection import Selection


@dataclass(frozen=True, slots=True)
class ColumnStats:
    """What a column holds in the whole match: whether any row has a value, and the value if all rows share it."""

    filled: bool
    constant: Any


def identity_column(path: str) -> str:
    """Return the column whose values tell whether another column varies: for names and titles, the id."""
    owner = path.split(".")[0]
    return f"{owner}.id" if owner in ("user", "course") else path


def column_stats(connection: Connection, selection: Selection, paths: Sequence[str]) -> dict[str, ColumnStats]:
    """Find the columns that are empty or constant in the whole match.

    Columns of learners and courses are compared by id, so that two people with one name are two values.
    """
    values = {path: column_value(identity_column(path), selection.now) for path in paths if path in row_columns()}
    if not values:
        return {}
    match = select(*(value.label(path) for path, value in values.items())).where(selection.counted())
    first_row = connection.execute(match.limit(1)).mappings().first()
    if first_row is None:
        return {path: ColumnStats(filled=False, constant=None) for path in values}
    differences = [
        exists().where(selection.counted(), value.is_distinct_from(first_row[path])).label(path)
        for path, value in values.items()
    ]
    differs = connection.execute(select(*differences)).mappings().one()
    return {
        path: ColumnStats(filled=value is not None or differs[path], constant=None if differs[path] else value)
        for path, value in first_row.items()
    }


def is_reported(connection: Connection, account: str, path: str) -> bool:
    """Return whether any enrollment of the account has a value in a column."""
    column = enrollments.c[column_name(path)]
    query = select(exists().where(enrollments.c.account == account, column.is_not(None)))
    return bool(connection.execute(query).scalar())
