"""Which columns a list shows: those asked for, else the default ones and those that the query filters or sorts by."""

from __future__ import annotations

from mcp_truto_lms.domain.columns import ALL_COLUMNS, DEFAULT_COLUMNS, DERIVED_COLUMNS, SIGNALS, Columns, row_columns
from mcp_truto_lms.domain.definitions import State
from mcp_truto_lms.domain.model import CUSTOM_FIELDS, EnrollmentColumn
from mcp_truto_lms.domain.text_cleaning import clean
from mcp_truto_lms.query.filters import FILTERS
from mcp_truto_lms.query.queries import EnrollmentQuery


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
        filters = [FILTERS[name] for name in query.given_filters]
        paths += [each.column for each in filters if each.column is not None and each.adds_column]
        paths += [SIGNALS] if State.AT_RISK in query.states_named else []
    if query.sort:
        paths.append(query.sort.lstrip("-"))
    return [
        known[path] if path in known else _extra_column(path)
        for path in dict.fromkeys(paths)
        if path not in query.exclude_fields
    ]


def _extra_column(path: str) -> EnrollmentColumn:
    """Describe a column that the model does not have: a derived one, or a custom field."""
    return DERIVED_COLUMNS.get(path) or EnrollmentColumn(path, _custom_field_header(path), "text")


def _custom_field_header(path: str) -> str:
    """Return the name of a custom field, or its path if another column has this name."""
    name = clean(path.removeprefix(f"{CUSTOM_FIELDS}."))
    other_headers = {*DERIVED_COLUMNS, *(column.header for column in row_columns().values())}
    return clean(path) if name.casefold() in other_headers else name
