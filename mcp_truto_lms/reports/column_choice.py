"""Which columns a list shows: those asked for, else the default ones and those that the query filters or sorts by."""

from __future__ import annotations

from mcp_truto_lms.domain.columns import ALL_COLUMNS, Columns
from mcp_truto_lms.domain.definitions import State
from mcp_truto_lms.domain.model import CUSTOM_FIELDS, EnrollmentColumn, enrollment_columns
from mcp_truto_lms.domain.text_cleaning import clean
from mcp_truto_lms.query.queries import EnrollmentQuery
from mcp_truto_lms.query.vocabulary import SIGNALS

DEFAULT_COLUMNS = ("user.name", "course.title", "status", "progress_percent", "due_at")
FILTER_COLUMNS = {
    "completed_from": "completed_at",
    "completed_to": "completed_at",
    "enrolled_from": "enrolled_at",
    "enrolled_to": "enrolled_at",
    "inactive_since": "last_activity_at",
}
"""The columns that a filter adds. The other filters concern a default column, or one that is constant in the match."""


def choose_columns(
    query: EnrollmentQuery, offered: Columns = ALL_COLUMNS, *, several_courses: bool = True
) -> list[EnrollmentColumn]:
    """Choose the columns of a list.

    Args:
        query: the question
        offered: the columns that exist; where names are hidden, the id stands for a learner
        several_courses: whether people may miss more than one course, so that the course is shown
    """
    known = offered.known
    default = ["user.id" if path == "user.name" and path not in known else path for path in DEFAULT_COLUMNS]
    paths = list(query.fields or [path for path in default if path in known])
    if query.asks_who_is_missing:
        paths = list(query.fields or default[: 2 if several_courses else 1])
    elif not query.fields:
        paths += [path for name, path in FILTER_COLUMNS.items() if getattr(query, name) is not None]
        paths += [SIGNALS] if State.AT_RISK in query.state else []
    if query.sort:
        paths.append(query.sort.lstrip("-"))
    return [
        known[path] if path in known else _extra_column(path)
        for path in dict.fromkeys(paths)
        if path not in query.exclude_fields
    ]


def _extra_column(path: str) -> EnrollmentColumn:
    """Describe a column that the model does not have: the signals, or a custom field."""
    if path == SIGNALS:
        return EnrollmentColumn(SIGNALS, SIGNALS, "signals")
    return EnrollmentColumn(path, _custom_field_header(path), "text")


def _custom_field_header(path: str) -> str:
    """Return the name of a custom field, or its path if another column has this name."""
    name = clean(path.removeprefix(f"{CUSTOM_FIELDS}."))
    other_headers = {SIGNALS, *(column.header for column in enrollment_columns().values())}
    return clean(path) if name.casefold() in other_headers else name
