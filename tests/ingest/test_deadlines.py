"""A slow LMS: an answer comes in time, says what it rests on, and the rest is fetched in the background."""

from __future__ import annotations

import re
from datetime import timedelta

import anyio
import pytest

from mcp_truto_lms.sandbox.faults import Fault
from mcp_truto_lms.sandbox.organisation import generate
from mcp_truto_lms.sandbox.records import Organisation
from mcp_truto_lms.sandbox.variations import Variations
from tests.conftest import LIST, TODAY, WAIT_SECONDS, Desk, OpenDesk
from tests.ingest.portal_waits import PendingRequests, first_line, read_coverage, set_deadline, until
from tests.stored import MovableClock
from tests.truth import facts

pytestmark = pytest.mark.anyio


DOWN = Fault(status=503)


SMALL = generate(today=TODAY, learners=40, courses=8)


def under_way(desk: Desk) -> bool:
    """Whether anything is being fetched."""
    return bool(desk.account._refresher.fetcher.single_flight._under_way)


async def test_a_question_past_its_deadline_answers_with_stored_data_and_the_rest_is_fetched_in_the_background(
    open_desk: OpenDesk, organisation: Organisation
):
    async with open_desk() as desk:
        await desk.list(course=["101", "102"], state="not_enrolled")
        desk.portal.log.clear()
        desk.portal.faults.add(Fault(delay_seconds=1), after=7, times=None, endpoint="courses/id")
        set_deadline(desk, 0.5)
        text = await desk.summarize()
        read, wanted, unit = read_coverage(text)
        assert 2 <= read <= 9
        assert (wanted, unit) == (16, "courses")
        assert re.match(r"at least [\d,]+ enrollments, ", text)
        assert "complete" not in first_line(text)
        await until(lambda: not under_way(desk) and desk.portal.log.counts()["courses/id"] == 14)
        set_deadline(desk, 60)
        text = await desk.summarize()
        assert desk.portal.log.counts()["courses/id"] == 14
    assert text.startswith(f"{len(facts(organisation)):,} enrollments, ")
    assert ", complete." in first_line(text)


async def test_a_question_that_spent_its_call_budget_leaves_the_rest_to_the_background(open_desk: OpenDesk):
    async with open_desk(call_budget=4) as desk:
        desk.portal.faults.add(Fault(delay_seconds=0.05), times=None, endpoint="courses/id")
        read, wanted, _ = read_coverage(await desk.summarize())
        assert 1 <= read < wanted
        await until(lambda: not under_way(desk) and desk.portal.log.counts()["courses/id"] == wanted)
        assert not re.search(r"of \d+ courses read", first_line(await desk.summarize()))
        assert desk.portal.log.counts()["courses/id"] == wanted


async def test_background_fetches_end_with_the_server(open_desk: OpenDesk):
    async with open_desk() as desk:
        await desk.list(course="101")
        pending = PendingRequests(desk)
        desk.portal.faults.add(Fault(delay_seconds=30), times=None, endpoint="courses/id")
        set_deadline(desk, 0.5)
        await desk.summarize()
        assert pending.now > 0
    assert pending.now == 0


async def test_old_data_is_answered_after_a_moment_and_fetched_again_meanwhile(
    open_desk: OpenDesk, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("mcp_truto_lms.ingest.fetcher.PATIENCE_SECONDS", 0.05)
    async with open_desk(clock=clock) as desk:
        await desk.summarize()
        clock.moment += timedelta(hours=1)
        desk.portal.faults.add(Fault(delay_seconds=0.3), times=None, endpoint="courses/id")
        text = await desk.summarize()
        assert "As of 2026-11-23 14:00" in text
        assert re.search(r"Not fully refreshed: the LMS is being read again; ask again in \d+ s\.", text)
        with anyio.fail_after(WAIT_SECONDS):
            while "As of 2026-11-23 15:00" not in await desk.summarize():
                pass  # each waits for its patience


async def test_a_question_with_fresh_waits_for_new_data(
    open_desk: OpenDesk, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("mcp_truto_lms.ingest.fetcher.PATIENCE_SECONDS", 0.05)
    async with open_desk(clock=clock) as desk:
        await desk.list(course="101")
        clock.moment += timedelta(hours=1)
        desk.portal.faults.add(Fault(delay_seconds=0.3), times=None, endpoint="courses/id")
        assert "As of 2026-11-23 15:00" in await desk.list(course="101", fresh=True)


async def test_background_fetches_use_a_quarter_of_the_hourly_limit_at_most(open_desk: OpenDesk):
    async with open_desk(variations=Variations(burst_limit=100_000, hourly_limit=40), call_budget=1) as desk:
        desk.portal.faults.add(Fault(delay_seconds=0.02), times=None, endpoint="courses/id")
        read_coverage(await desk.summarize())
        await until(lambda: not under_way(desk))
        assert 10 <= desk.portal.log.counts()["courses/id"] <= 10 + 8


async def test_an_answer_says_that_nothing_was_fetched_before_the_deadline(open_desk: OpenDesk):
    async with open_desk() as desk:
        for lists in ({"course": "no such course"}, {"user": "no such person"}):
            await desk.refused(LIST, **lists)  # reads the list of courses, and of learners
        desk.portal.faults.add(Fault(delay_seconds=30), times=None, endpoint="courses/id")
        set_deadline(desk, 0.05)
        text = await desk.list(course="102")
    assert read_coverage(text) == (0, 1, "courses")
    assert text.startswith("0 of at least 0 enrollments")


NOT_IN_TIME = [
    ("siteinfo", "The LMS needed more than 1 s. Ask again.", 0),
    ("users/email", "The LMS needed more than 1 s. Ask again.", 0),
    ("courses", "The list of courses is still being read. Ask again in 1 s.", 1),
    ("users", "The list of learners is still being read. Ask again in 1 s.", 1),
]


@pytest.mark.parametrize(("endpoint", "expected", "goes_on"), NOT_IN_TIME)
async def test_the_deadline_of_a_question_holds_for_all_its_fetches_together(
    open_desk: OpenDesk, endpoint: str, expected: str, goes_on: int
):
    async with open_desk(deadline_seconds=1) as desk:
        pending = PendingRequests(desk)
        desk.portal.faults.add(Fault(delay_seconds=3600), times=None, endpoint=endpoint)
        with anyio.fail_after(WAIT_SECONDS):
            text = await desk.refused(LIST, user="nobody@northgate.example")
        assert text == expected
        assert pending.now == goes_on
    assert pending.now == 0


async def test_stored_data_is_answered_though_the_deadline_is_over(open_desk: OpenDesk, clock: MovableClock):
    async with open_desk(clock=clock) as desk:
        await desk.summarize()
        set_deadline(desk, 0.05)
        clock.moment += timedelta(days=2)
        desk.portal.faults.add(Fault(delay_seconds=3600), times=None)
        with anyio.fail_after(WAIT_SECONDS):
            text = await desk.summarize()
    assert re.match(r"[\d,]+ enrollments, ", text)
    assert "As of 2026-11-23 14:00" in text
    assert re.search(r"Not fully refreshed: the LMS is being read again; ask again in \d+ s\.", text)
