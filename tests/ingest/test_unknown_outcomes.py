"""Unknown outcomes: where they are announced, who is read for them, and where nothing can tell them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from mcp_truto_lms.domain.errors import RouteClosed
from mcp_truto_lms.domain.model import Course, User
from mcp_truto_lms.domain.source import Capabilities, FetchRoute, Reading, Scope
from mcp_truto_lms.ingest import outcome_reader
from mcp_truto_lms.sandbox.faults import Fault
from mcp_truto_lms.sandbox.organisation import generate
from mcp_truto_lms.sandbox.records import Outcome
from tests.conftest import TODAY, OpenDesk
from tests.ingest.portal_waits import first_line, until
from tests.stored import Shelf, capable_of, course, open_shelf, person, record

pytestmark = pytest.mark.anyio

SMALL = generate(today=TODAY, learners=40, courses=8)
DOWN = Fault(status=503)


@dataclass
class RosterShelf(Shelf):
    """A source whose rosters are its only open route."""

    async def enrollments(
        self, scope: Scope, *, courses: Mapping[str, Course], learners: Mapping[str, User]
    ) -> Reading:
        self.calls += 1
        if scope.route is not FetchRoute.COURSE:
            raise RouteClosed("This account shows rosters only.")
        return await Shelf.enrollments(self, scope, courses=courses, learners=learners)

    @property
    def capabilities(self) -> Capabilities:
        return capable_of(FetchRoute.COURSE)


async def test_where_no_route_tells_outcomes_the_answer_rests_on_rosters_and_announces_it():
    records = [record("1", "c", "in_progress", progress_percent=50)]
    shelf = RosterShelf([person("1", "Ada")], [course("c", "Safety")], records)
    async with open_shelf(shelf) as desk:
        text = await desk.list(course="c")
        assert shelf.calls == 1
    assert first_line(text).startswith("1 of 1 enrollments")
    assert "1 outcome not read yet" in first_line(text)


@pytest.mark.parametrize("status", ["unknown", "expired"])
async def test_a_number_by_the_status_of_a_roster_is_not_complete(status: str):
    records = [record("1", "c", status)]
    async with open_shelf(RosterShelf([person("1", "Ada")], [course("c", "Safety")], records)) as desk:
        text = await desk.list(status=status)
    assert first_line(text).startswith("1 of at most 1 enrollments")
    assert "complete" not in first_line(text)


async def test_a_period_that_an_unknown_outcome_may_belong_to_is_not_complete(open_desk: OpenDesk):
    completed = next(each for each in SMALL.enrollments if each.completed_on and each.role == "learner")
    failed = replace(completed, outcome=Outcome.FAILED)  # still open after its date, which the roster takes as its end
    assert completed.completed_on is not None
    later = datetime.fromtimestamp(completed.completed_on, UTC).date() + timedelta(days=3)
    async with open_desk(of=replace(SMALL, enrollments=(failed,)), call_budget=0) as desk:
        desk.portal.faults.add(DOWN, times=None, endpoint="users/id")
        before = await desk.summarize(completed_from=str(later))
        desk.portal.faults.clear()
        await desk.account.sync()
        after = await desk.summarize(completed_from=str(later))
    assert ", complete." in first_line(after)
    assert f"{_title_of(failed.course_id)},1," in after
    assert "1 outcome not read yet" in first_line(before)


async def test_the_numbers_of_a_period_are_printed_with_their_bounds(open_desk: OpenDesk):
    since = date(2026, 10, 1)
    async with open_desk(of=SMALL, call_budget=0) as desk:
        desk.portal.faults.add(DOWN, times=None, endpoint="users/id")
        text = await desk.summarize(completed_from=str(since))
    assert ", complete." not in first_line(text)
    assert "were open or enrolled in that period, at most " in text
    assert "%)" not in text.splitlines()[1]


async def test_few_people_are_read_before_it_is_asked_again_whose_turn_it_is(
    open_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(outcome_reader, "BATCH_PEOPLE", 4)
    sizes: list[int] = []
    async with open_desk(of=SMALL, call_budget=0) as desk:
        fetcher = desk.account._refresher.fetcher
        fetch = fetcher.fetch_in_background

        async def counted(scopes: Sequence[Scope]) -> None:
            sizes.append(len(scopes))
            await fetch(scopes)

        monkeypatch.setattr(fetcher, "fetch_in_background", counted)
        await desk.summarize()
        await until(lambda: not desk.account.is_reading_outcomes)
        assert ", complete." in first_line(await desk.summarize())
    assert max(sizes) == 4


async def test_outcomes_of_an_archived_course_that_is_named_become_known(open_desk: OpenDesk):
    first, *others = SMALL.courses
    organisation = replace(SMALL, courses=(replace(first, status="archived"), *others))
    async with open_desk(of=organisation, call_budget=0) as desk:
        assert "outcomes not read yet" in first_line(await desk.list(course=first.id))
        await until(lambda: not desk.account.is_reading_outcomes)
        assert ", complete." in first_line(await desk.list(course=first.id))


def _title_of(course_id: str) -> Any:
    return next(each.name for each in SMALL.courses if each.id == course_id)
