"""Time limits, openings and failures of courses: each fact of an enrollment is independent of the others."""

from __future__ import annotations

import json

import pytest

from mcp_truto_lms.sandbox.records import Outcome
from tests.conftest import Desk, OpenDesk
from tests.server.portals import CONDUCT, DAY, JANE, NOON, OMAR, enrollment, portal_with, variations, with_course

pytestmark = pytest.mark.anyio
QUESTIONS = [{"user": JANE}, {"course": CONDUCT}, {"user": JANE, "course": CONDUCT}]
STATES = ("finished", "failed", "overdue", "expired", "not_started", "at_risk", "due_soon")


async def states(desk: Desk, **question: str) -> set[str]:
    """Return the states in which Jane's enrollment is shown."""
    shown: set[str] = set()
    for state in STATES:
        envelope = json.loads(await desk.list(**question, state=state, format="json"))
        if any(row["user"]["name"] == "Jane Doe" for row in envelope["result"]):
            shown.add(state)
    return shown


@pytest.mark.parametrize("question", QUESTIONS, ids=str)
async def test_after_the_time_limit_an_enrollment_is_overdue_and_expired(open_desk: OpenDesk, question: dict[str, str]):
    begun = {"outcome": Outcome.INCOMPLETE, "percent": 10, "seconds_spent": 60}
    organisation = portal_with(enrollment(JANE, **begun), enrollment(OMAR, enrolled_on=NOON - 10 * DAY))
    organisation = with_course(organisation, CONDUCT, time_limit_days=30)
    async with open_desk(of=organisation) as desk:
        assert await states(desk, **question) == {"overdue", "expired", "at_risk"}


@pytest.mark.parametrize("question", QUESTIONS, ids=str)
async def test_before_a_course_opens_nobody_is_late_at_risk_or_not_started(
    open_desk: OpenDesk, question: dict[str, str]
):
    organisation = with_course(portal_with(enrollment(JANE), enrollment(OMAR)), CONDUCT, opens_on=NOON + 20 * DAY)
    async with open_desk(of=organisation) as desk:
        assert await states(desk, **question) == set()


@pytest.mark.parametrize("question", QUESTIONS, ids=str)
async def test_incomplete_at_zero_percent_is_started(open_desk: OpenDesk, question: dict[str, str]):
    organisation = portal_with(enrollment(JANE, outcome=Outcome.INCOMPLETE), enrollment(OMAR))
    async with open_desk(of=organisation) as desk:
        assert "in_progress" in await desk.list(user=JANE)
        assert await states(desk, **question) == set()


@pytest.mark.parametrize("sets_date", [False, True])
@pytest.mark.parametrize("question", QUESTIONS, ids=str)
async def test_a_failure_after_the_end_of_access_is_failed_overdue_and_expired(
    open_desk: OpenDesk, question: dict[str, str], sets_date: bool
):
    failed = {"outcome": Outcome.FAILED, "percent": 40, "failed_on": NOON - 9 * DAY, "seconds_spent": 60}
    organisation = portal_with(enrollment(JANE, expired_on=NOON - DAY, **failed), enrollment(OMAR))
    async with open_desk(of=organisation, variations=variations(failed_sets_completed_on=sets_date)) as desk:
        assert await states(desk, **question) == {"failed", "overdue", "expired", "at_risk"}
