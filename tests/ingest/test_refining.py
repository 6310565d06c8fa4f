"""Transcripts and scores after rosters: within the call budget, and an answer says what is missing."""

from __future__ import annotations

import re

import pytest

from mcp_truto_lms.sandbox.faults import MALFORMED_BODY, WRONG_KEY, Fault
from mcp_truto_lms.sandbox.organisation import generate
from tests.conftest import LIST, TODAY, OpenDesk
from tests.ingest.portal_waits import first_line, read_coverage, set_deadline
from tests.truth import facts

pytestmark = pytest.mark.anyio


DOWN = Fault(status=503)


SMALL = generate(today=TODAY, learners=40, courses=8)


def failures() -> int:
    return sum(fact.status == "failed" for fact in facts(SMALL))


async def test_an_answer_says_how_many_transcripts_were_fetched_before_the_deadline(open_desk: OpenDesk):
    async with open_desk(of=SMALL) as desk:
        await desk.summarize()
        desk.portal.faults.add(Fault(delay_seconds=0.5), after=9, times=None, endpoint="users/id")
        set_deadline(desk, 0.3)
        text = await desk.list(state="failed")
        read, wanted, unit = read_coverage(text)
        assert 0 <= read <= 9 + 8
        assert (wanted > 20, unit) == (True, "people")
        assert "of at least" in first_line(text)
        desk.portal.faults.clear()
        set_deadline(desk, 60)
        text = await desk.list(state="failed")
    assert f"of {failures()} enrollments: failed" in text
    assert ", complete." in first_line(text)


async def test_transcripts_keep_to_the_call_budget_and_continue_with_the_next_question(open_desk: OpenDesk):
    reads: list[int] = []
    async with open_desk(of=SMALL, call_budget=15) as desk:
        for _ in range(5):
            desk.portal.log.clear()
            text = await desk.list(status="failed")
            reads.append(desk.portal.log.counts()["users/id"])
            if ", complete." in first_line(text):
                break
            assert read_coverage(text)[0] == sum(reads)
    assert reads[:2] == [15, 15]
    assert 0 < reads[2] < 15
    assert len(reads) == 3
    assert f"of {failures()} enrollments: failed" in text


async def test_without_a_call_budget_the_number_of_failures_is_never_final(open_desk: OpenDesk):
    async with open_desk(of=SMALL, call_budget=0) as desk:
        text = await desk.summarize(state="failed")
    assert text.startswith("at least 0 enrollments")
    assert read_coverage(text)[0] == 0


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
