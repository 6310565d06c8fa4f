"""Queries as the tools parse them from arguments, and the message where they reject them."""

from __future__ import annotations

import pytest

from mcp_truto_lms.domain.errors import QueryError
from mcp_truto_lms.query.queries import EnrollmentFilter, EnrollmentQuery, ProgressQuery


def list_query(**arguments: object) -> EnrollmentQuery:
    """Parse the arguments of `list_course_enrollments`."""
    return EnrollmentQuery.parse(arguments)


def progress_query(**arguments: object) -> ProgressQuery:
    """Parse the arguments of `summarize_learner_progress`."""
    return ProgressQuery.parse(arguments)


def error_message(query: type[EnrollmentFilter] = EnrollmentQuery, **arguments: object) -> str:
    """Return the message of the error that the arguments raise."""
    with pytest.raises(QueryError) as raised:
        query.parse(arguments)
    return str(raised.value)
