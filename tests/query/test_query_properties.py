"""Properties of a query: whether it needs the people directory, or judges the outcome."""

from __future__ import annotations

import pytest

from tests.query.parsed_queries import list_query, progress_query


@pytest.mark.parametrize(
    ("arguments", "needs_directory"),
    [
        ({}, False),
        ({"group_by": ["course", "month"]}, False),
        ({"group_by": "team"}, True),
        ({"where": {"site": "Oslo"}}, True),
        ({"state": "not_enrolled", "course": "x"}, True),
    ],
)
def test_a_query_by_dimensions_or_about_missing_people_needs_the_directory(
    arguments: dict[str, object], needs_directory: bool
):
    assert progress_query(**arguments).needs_directory is needs_directory


@pytest.mark.parametrize(
    ("arguments", "judges_outcome"),
    [
        ({}, False),
        ({"user": "x", "course": "y", "due_to": "today", "fresh": True}, False),
        ({"state": "overdue"}, True),
        ({"status": "completed"}, True),
        ({"progress_below": 1}, True),
        ({"inactive_since": "-30d"}, True),
        ({"state": "no_due_date"}, False),
        ({"completed_from": "-30d", "enrolled_to": "today", "where": "team=Sales", "is_mandatory": True}, False),
    ],
)
def test_a_query_that_filters_by_outcome_judges_the_outcome(arguments: dict[str, object], judges_outcome: bool):
    assert list_query(**arguments).judges_outcome is judges_outcome
