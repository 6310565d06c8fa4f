"""Transcripts and scores after rosters: within the call budget, and an answer says what is missing."""

from __future__ import annotations

import re
from math import inf

import anyio
import pytest

from mcp_truto_lms.sandbox.faults import MALFORMED_BODY, WRONG_KEY, Fault
from mcp_truto_lms.sandbox.organisation import generate
from tests.conftest import LIST, TODAY, OpenDesk
from tests.ingest.portal_waits import first_line, read_coverage, set_deadline
from tests.truth import facts

pytestmark = pytest.mark.anyio


DOWN = Fault(status=503)


SMALL = generate(today=TODAY, learners=40, courses=8)


def unknown_outcomes(text: str) -> int:
    """Read how many outcomes an answer says are not read yet."""
    match = re.search(r"([\d,]+) outcomes? not read yet", first_line(text))
    assert match, text
    assert "complete" not in first_line(text)
    return int(match[1].replace(",", ""))


def bounds_of(text: str, name: str) -> tuple[float, float]:
    """Read the least and the most that a number of the headline can become."""
    match = re.search(rf"{name} (at least |at most )?(\d+)(?: \((\d+) to (\d+)\))?", text)
    assert match, text
    words, number = match[1], int(match[2])
    if match[3] is not None:
        return int(match[3]), int(match[4])
    return 0 if words == "at most " else number, inf if words == "at least " else number


def failures() -> int:
    return sum(fact.status == "failed" for fact in facts(SMALL))


async def test_an_answer_says_how_many_outcomes_were_not_fetched_before_the_deadline(open_desk: OpenDesk):
    people = len({fact.user_id for fact in facts(SMALL)})
    async with open_desk(of=SMALL) as desk:
        portal_goes_on = anyio.Event()
        desk.portal._sleep = lambda _: portal_goes_on.wait()
        desk.portal.faults.add(Fault(delay_seconds=1), after=9, times=None, endpoint="users/id")
        await desk.summarize(state="not_enrolled", course=[title.id for title in SMALL.courses])
        assert desk.portal.log.counts()["courses/id"] == len(SMALL.courses)
        set_deadline(desk, 0.3)
        text = await desk.list(state="failed")
        assert people - 9 <= unknown_outcomes(text) <= len(facts(SMALL))
        assert re.match(r"\d+ of at least \d+ enrollments: failed", text)
        portal_goes_on.set()
        set_deadline(desk, 60)
        text = await desk.list(state="failed")
    assert f"of {failures()} enrollments: failed" in text
    assert ", complete." in first_line(text)


async def test_transcripts_that_do_not_fit_the_call_budget_are_announced_as_unknown(open_desk: OpenDesk):
    async with open_desk(of=SMALL, call_budget=15) as desk:
        text = await desk.summarize(state="failed")
    assert text.startswith("at least 0 enrollments")
    assert unknown_outcomes(text) == len(facts(SMALL))


async def test_without_a_call_budget_the_bounds_of_every_number_hold(open_desk: OpenDesk):
    truth = facts(SMALL)
    async with open_desk(of=SMALL, call_budget=0) as desk:
        text = await desk.summarize()
        assert unknown_outcomes(text) == len(truth)
        assert first_line(text).startswith(f"{len(truth)} enrollments, ")
        numbers = {
            "finished": sum(fact.finished for fact in truth),
            "overdue": sum(fact.overdue for fact in truth),
            "due in 14 days": sum(fact.due_soon for fact in truth),
            "not started": sum(fact.not_started for fact in truth),
            "at risk": sum(fact.at_risk for fact in truth),
        }
        for name, number in numbers.items():
            least, most = bounds_of(text, name)
            assert least <= number <= most, name


async def test_an_answer_says_that_transcripts_could_not_be_fetched(open_desk: OpenDesk):
    async with open_desk(of=SMALL) as desk:
        desk.portal.faults.add(DOWN, times=None, endpoint="users/id")
        text = await desk.summarize(state="failed")
        assert text.startswith("at least 0 enrollments")
        assert "Not fully refreshed: TalentLMS failed on its side" in text
        desk.portal.faults.clear()
        desk.portal.faults.add(WRONG_KEY, times=None, endpoint="users/id")
        assert "refused the API key" in await desk.refused(LIST, state="failed")


async def test_an_answer_without_all_rosters_stays_incomplete_after_the_transcripts(open_desk: OpenDesk):
    async with open_desk(of=SMALL) as desk:
        desk.portal.faults.add(MALFORMED_BODY, times=None, endpoint="courses/id", arguments={"id": "102"})
        text = await desk.list(state="failed")
    wanted = sum(sample_course.status != "archived" for sample_course in SMALL.courses)
    assert read_coverage(text) == (wanted - 1, wanted, "courses")


async def test_scores_beyond_the_call_budget_are_reported_as_missing(open_desk: OpenDesk):
    async with open_desk(of=SMALL, call_budget=15) as desk:
        text = await desk.list(course="101", sort="-score")
        assert desk.portal.log.counts()["getuserstatusincourse"] == 15
        missing = int(re.search(r"score not read yet for ([\d,]+); ask again to continue", text)[1])
        for _ in range(-(-missing // 15)):
            text = await desk.list(course="101", sort="-score")
        assert "not read yet" not in text
        desk.portal.log.clear()
        await desk.list(course="101", fields="score")
        assert not list(desk.portal.log)


async def test_scores_that_cannot_be_fetched_are_reported_as_missing_with_the_reason(open_desk: OpenDesk):
    async with open_desk(of=SMALL) as desk:
        desk.portal.faults.add(MALFORMED_BODY, endpoint="getuserstatusincourse")
        text = await desk.list(course="101", fields="score")
    assert re.search(r"Not fully refreshed: TalentLMS .*\. score not read yet for 1; ask again to continue", text)
    assert ", complete." in first_line(text)
