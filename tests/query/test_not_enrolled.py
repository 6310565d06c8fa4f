"""The state `not_enrolled` is about people without an enrollment, and rejects filters on enrollments."""

from __future__ import annotations

import pytest

from mcp_truto_lms.query.queries import ProgressQuery
from tests.query.parsed_queries import error_message, progress_query


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "State not_enrolled needs course, to say in which."),
        (
            {"course": "x", "state": ["not_enrolled", "overdue"], "due_to": "today"},
            "State not_enrolled is about people without an enrollment: omit overdue, due_to.",
        ),
        (
            {"course": "x", "is_mandatory": False},
            "State not_enrolled is about people without an enrollment: omit is",
        ),
        (
            {"course": "x", "sort": "due"},
            "State not_enrolled has no due_at, as there is no enrollment; it has user.name, ",
        ),
        ({"course": "x", "fields": "learner,status"}, "State not_enrolled has no status, as there is no enrollment; "),
    ],
)
def test_not_enrolled_requires_a_course_and_rejects_filters_and_columns_of_enrollments(
    arguments: dict[str, object], message: str
):
    assert error_message(**{"state": "not_enrolled", **arguments}).startswith(message)


def test_people_who_are_not_enrolled_are_grouped_and_sorted_by_what_they_have():
    not_enrolled = {"state": "not_enrolled", "course": "x"}
    query = progress_query(**not_enrolled, group_by="team", sort="-not_enrolled", where={"site": "Oslo"})
    assert query.sort == "-enrollments"
    assert error_message(ProgressQuery, **not_enrolled, group_by="status") == (
        "State not_enrolled has no status: group by course, learner, or a key of where."
    )
    assert error_message(ProgressQuery, **not_enrolled, sort="-overdue") == (
        "State not_enrolled is sorted by name or not_enrolled."
    )
