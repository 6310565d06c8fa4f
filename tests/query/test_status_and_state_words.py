"""Words of `status` and `state` are understood in either argument; the words of one argument are alternatives."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_truto_lms.domain.definitions import State
from mcp_truto_lms.domain.model import EnrollmentStatus
from mcp_truto_lms.query.queries import EnrollmentQuery, ProgressQuery
from tests.conftest import LIST, SUMMARIZE, TODAY, OpenDesk
from tests.query.parsed_queries import error_message, list_query
from tests.render.answer_reading import total
from tests.render.small_organisation import small, small_facts

IN_PROGRESS, COMPLETED = EnrollmentStatus.IN_PROGRESS, EnrollmentStatus.COMPLETED


@pytest.mark.parametrize(
    ("arguments", "status", "state"),
    [
        ({"status": "not_started"}, (), (State.NOT_STARTED,)),
        ({"status": ["at risk", "Due soon"]}, (), (State.AT_RISK, State.DUE_SOON)),
        ({"state": "completed"}, (COMPLETED,), ()),
        ({"state": ["In Progress", "completed"]}, (IN_PROGRESS, COMPLETED), ()),
        ({"status": ["In Progress", "Not Started"]}, (IN_PROGRESS, State.NOT_STARTED), ()),
        ({"state": ["overdue", "completed"]}, (), (State.OVERDUE, COMPLETED)),
        ({"status": "not_started", "state": "overdue"}, (State.NOT_STARTED,), (State.OVERDUE,)),
        ({"status": "failed"}, (EnrollmentStatus.FAILED,), ()),
        ({"state": "failed"}, (), (State.FAILED,)),
    ],
    ids=str,
)
def test_a_word_of_the_other_argument_is_understood(
    arguments: dict[str, Any], status: tuple[object, ...], state: tuple[object, ...]
):
    query = list_query(**arguments)
    assert (query.status, query.state) == (status, state)
    assert [*map(type, (*query.status, *query.state))] == [*map(type, (*status, *state))]
    stored = query.model_dump(mode="json", exclude_defaults=True)
    again = EnrollmentQuery.model_validate(stored)
    assert [*map(type, (*again.status, *again.state))] == [*map(type, (*status, *state))]


def test_not_enrolled_is_about_missing_people_in_either_argument():
    query = list_query(status="not enrolled", course="x")
    assert query == list_query(state="not_enrolled", course="x")
    assert query.asks_who_is_missing
    assert error_message(ProgressQuery, status=["not_enrolled", "completed"], course="x") == (
        "State not_enrolled is about people without an enrollment: omit completed."
    )
    assert error_message(status="not_enrolled", state="overdue", course="x") == (
        "State not_enrolled is about people without an enrollment: omit overdue."
    )


@pytest.mark.anyio
async def test_alternatives_are_counted_together_and_both_arguments_narrow(open_desk: OpenDesk):
    facts = small_facts()
    questions: list[tuple[dict[str, Any], int, str]] = [
        (
            {"status": ["In Progress", "Not Started"]},
            sum(fact.status == "in_progress" or fact.not_started for fact in facts),
            "in_progress or not_started",
        ),
        ({"status": "overdue, at_risk"}, sum(fact.overdue or fact.at_risk for fact in facts), "overdue or at_risk"),
        (
            {"state": ["completed", "due_soon"]},
            sum(fact.status == "completed" or fact.due_soon for fact in facts),
            "completed or due_soon",
        ),
        (
            {"status": "not_started", "state": "overdue"},
            sum(fact.not_started and fact.overdue for fact in facts),
            "overdue, not_started",
        ),
        (
            {"status": ["in_progress", "not_started"], "state": ["in_progress", "finished"]},
            sum(fact.status == "in_progress" for fact in facts),
            "in_progress or finished, in_progress or not_started",
        ),
    ]
    async with open_desk(of=small(), today=TODAY) as desk:
        await desk.list(state="failed", limit=1)
        for arguments, number, words in questions:
            assert number
            listed, counted = await desk.ask(LIST, **arguments), await desk.ask(SUMMARIZE, **arguments)
            assert total(listed) == number
            assert counted.startswith(f"{number:,} enrollments, ")
            assert f": {words}" in listed.splitlines()[0]
        assert await desk.list(status="not_started", limit=200) == await desk.list(state="not_started", limit=200)
