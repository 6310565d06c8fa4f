"""Outcomes that rosters cannot tell become known by themselves, and are read again before they are old."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mcp_truto_lms.domain.source import FetchRoute, Reading, Scope
from mcp_truto_lms.sandbox.faults import MALFORMED_BODY, Fault
from mcp_truto_lms.sandbox.organisation import generate
from mcp_truto_lms.sandbox.records import Outcome, SampleEnrollment
from tests.conftest import TODAY, Desk, OpenDesk
from tests.ingest.portal_calls import asked, calls
from tests.ingest.portal_waits import first_line, until
from tests.stored import MovableClock, Shelf, course, open_shelf, person, record
from tests.truth import DAY, facts

pytestmark = pytest.mark.anyio

SMALL = generate(today=TODAY, learners=40, courses=8)
POPULATION = {fact.user_id for fact in facts(SMALL)}
OPEN = {fact.user_id for fact in facts(SMALL) if not fact.finished}
UNFINISHED = sum(not fact.finished for fact in facts(SMALL))
FAILED = sum(fact.status == "failed" for fact in facts(SMALL))


async def until_read(desk: Desk) -> None:
    """Wait until the background has nothing left to read."""
    await until(lambda: not desk.account.is_reading_outcomes)


def progress(desk: Desk, **changes: object) -> SampleEnrollment:
    """Change an enrollment of the portal that is in progress."""
    index = desk.portal._index
    enrollment = next(
        each
        for each in SMALL.enrollments
        if each.outcome is Outcome.INCOMPLETE and each.user_id in OPEN and each.role == "learner"
    )
    changed = replace(enrollment, **changes)
    for listing in (index.transcript(enrollment.user_id), index.roster(enrollment.course_id)):
        listing[listing.index(enrollment)] = changed
    return changed


async def test_outcomes_beyond_the_call_budget_become_known_without_another_question(open_desk: OpenDesk):
    async with open_desk(of=SMALL, call_budget=10) as desk:
        before = await desk.list(state="failed")
        assert "outcomes not read yet" in first_line(before)
        assert ", complete." not in first_line(before)
        await until_read(desk)
        assert set(asked(desk, "users/id")) == POPULATION
        calls(desk)
        after = await desk.list(state="failed")
        assert calls(desk) == {}
    assert f" of {FAILED} enrollments: failed" in first_line(after)
    assert ", complete." in first_line(after)


async def test_a_number_that_an_outcome_can_change_is_printed_with_its_bounds(open_desk: OpenDesk):
    async with open_desk(of=SMALL, call_budget=0) as desk:
        desk.portal.faults.add(Fault(status=503), times=None, endpoint="users/id")
        listed, counted = await desk.list(state="failed"), await desk.summarize()
    assert first_line(listed).startswith("0 of at least 0 enrollments: failed.")
    population = facts(SMALL)
    dated = [fact for fact in population if fact.completed is not None or fact.percent == 100]
    assert f"(0 to {len(dated)})" in counted.splitlines()[1]
    overdue = sum(fact.overdue for fact in population if fact not in dated)
    assert f"overdue at least {overdue}" in counted
    assert "outcome not read" in counted


async def test_people_who_were_active_last_are_read_first(open_desk: OpenDesk):
    async with open_desk(of=SMALL, call_budget=0) as desk:
        await desk.summarize()
        await until_read(desk)
        order = [request.arguments["id"] for request in desk.portal.log if request.endpoint == "users/id"]
    latest: dict[str, int] = {}
    for fact in facts(SMALL):
        latest[fact.user_id] = max(latest.get(fact.user_id, 0), fact.completed or fact.enrolled)
    assert [latest[user_id] for user_id in order[:8]] == sorted(latest.values(), reverse=True)[:8]


async def test_reading_continues_after_a_restart_where_it_ended(open_desk: OpenDesk, tmp_path: Path):
    store = str(tmp_path / "store.db")
    async with open_desk(of=SMALL, call_budget=0, store=store) as desk:
        desk.portal.faults.add(Fault(status=503), after=10, times=None, endpoint="users/id")
        await desk.summarize()
        await until(lambda: len(asked(desk, "users/id")) > 10)
        read = set(asked(desk, "users/id")[:10])
    async with open_desk(of=SMALL, call_budget=0, store=store) as desk:
        await desk.list(user=next(iter(read)))
        await until_read(desk)
        again = asked(desk, "users/id")
        text = await desk.summarize()
    assert len(again) < len(POPULATION)
    assert ", complete." in first_line(text)


async def test_a_limit_is_waited_for_as_long_as_it_says(open_desk: OpenDesk):
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        desk.portal.faults.clear()

    async with open_desk(of=SMALL, call_budget=0) as desk:
        desk.account._refresher.outcome_reader._sleep = sleep
        refusal = Fault(status=429, retry_after="1")
        desk.portal.faults.add(refusal, times=None, endpoint="users/id")
        await desk.summarize()
        await until_read(desk)
        text = await desk.summarize()
    assert waits == [1.0]
    assert ", complete." in first_line(text)


async def test_a_change_that_a_roster_shows_is_read_at_once_and_nobody_else(open_desk: OpenDesk):
    clock = MovableClock()
    async with open_desk(of=SMALL, clock=clock) as desk:
        await desk.summarize()
        failed = progress(desk, outcome=Outcome.FAILED, seconds_spent=99_999)
        clock.pass_by(16 * 60)
        calls(desk)
        text = await desk.list(state="failed")
        assert asked(desk, "users/id") == [failed.user_id]
    assert f" of {FAILED + 1} enrollments: failed" in first_line(text)
    assert ", complete." in first_line(text)


async def test_outcomes_are_read_again_within_a_day_where_something_changed_and_else_within_a_week(
    open_desk: OpenDesk,
):
    clock = MovableClock()
    async with open_desk(of=SMALL, clock=clock) as desk:
        await desk.summarize()
        active = progress(desk, seconds_spent=99_999)
        clock.pass_by(16 * 60)
        await desk.summarize()
        await until_read(desk)
        calls(desk)
        clock.pass_by(DAY + 60)
        await desk.summarize()
        await until_read(desk)
        assert asked(desk, "users/id") == [active.user_id]
        calls(desk)
        clock.pass_by(6 * DAY)
        await desk.summarize()
        await until_read(desk)
        assert set(asked(desk, "users/id")) == OPEN - {active.user_id}


async def test_an_outcome_that_is_older_than_eight_days_is_announced_until_it_is_read(open_desk: OpenDesk):
    clock = MovableClock()
    async with open_desk(of=SMALL, clock=clock) as desk:
        assert ", complete." in first_line(await desk.summarize())
        progress(desk, outcome=Outcome.FAILED)
        clock.pass_by(8 * DAY + 60)
        desk.portal.faults.add(Fault(status=503), times=None, endpoint="users/id")
        text = await desk.list(state="failed")
        assert f" of {FAILED} (0 to {UNFINISHED}) enrollments: failed" in first_line(text)
        assert "outcomes not read yet" in first_line(text)
        desk.portal.faults.clear()
        text = await desk.list(state="failed")
    assert f" of {FAILED + 1} enrollments: failed" in first_line(text)


async def test_a_fresh_question_rests_on_no_stored_outcome(open_desk: OpenDesk):
    clock = MovableClock()
    async with open_desk(of=SMALL, clock=clock) as desk:
        await desk.summarize()
        progress(desk, outcome=Outcome.FAILED)  # no roster shows it
        clock.pass_by(60)
        text = await desk.list(state="failed", fresh=True)
    assert f" of {FAILED + 1} enrollments: failed" in first_line(text)
    assert ", complete." in first_line(text)


async def test_a_sync_reads_every_outcome(open_desk: OpenDesk):
    async with open_desk(of=SMALL, call_budget=0) as desk:
        result = await desk.account.sync()
        assert result.complete
        assert set(asked(desk, "users/id")) == POPULATION
        calls(desk)
        text = await desk.list(state="failed")
        assert calls(desk) == {}
    assert f" of {FAILED} enrollments: failed" in first_line(text)


async def test_a_sync_that_cannot_read_an_outcome_is_incomplete(open_desk: OpenDesk):
    unreadable = min(POPULATION)
    async with open_desk(of=SMALL) as desk:
        desk.portal.faults.add(MALFORMED_BODY, times=None, endpoint="users/id", arguments={"id": unreadable})
        result = await desk.account.sync()
    assert not result.complete
    assert "INCOMPLETE" in str(result)


class Silent(Shelf):
    """A source whose transcripts tell no more than its rosters."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.transcripts = 0

    async def enrollments(self, scope: Scope, **maps: Any) -> Reading:
        self.transcripts += scope.route is FetchRoute.LEARNER
        reading = await super().enrollments(scope, **maps)
        return replace(reading, records=tuple(replace(each, route=FetchRoute.COURSE) for each in reading.records))


async def test_a_transcript_that_did_not_tell_the_outcome_is_read_again_only_after_a_later_roster():
    clock = MovableClock()
    source = Silent(
        people=[person(key, f"P {key}") for key in ("1", "2", "3")],
        titles=[course("c", "Course")],
        records=[record(key, "c", "in_progress", progress_percent=10) for key in ("1", "2", "3")],
    )
    async with open_shelf(source, clock=clock) as desk:
        reads: list[int] = []
        for seconds in (0, 1, 1, 1, 16 * 60, 1, 1):
            clock.pass_by(seconds)
            assert "3 outcomes not read yet" in await desk.summarize()
            await until_read(desk)
            reads.append(source.transcripts)
    assert reads == [3, 3, 3, 3, 6, 6, 6]
