"""Stored data is fresh for its time, and fetched again after it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import anyio
import pytest

from mcp_truto_lms.domain.source import Reading, Scope
from mcp_truto_lms.ingest.fetch_planner import FetchPlanner
from mcp_truto_lms.ingest.freshness import READERS
from mcp_truto_lms.store import account_state, list_writer, scope_writer
from mcp_truto_lms.store.account_state import FetchInfo
from mcp_truto_lms.store.database import Database
from tests.conftest import OpenDesk
from tests.ingest.portal_calls import calls
from tests.stored import (
    ACCOUNT,
    MovableClock,
    Shelf,
    course,
    fetch_enrollments,
    person,
    record,
    refreshing,
    scope_rows,
)

pytestmark = pytest.mark.anyio

MINUTE = 60
HOUR = 3600


LOOKS = [
    ({"user": "6"}, MINUTE, {"users/id": 1}),
    ({"user": "6", "course": "101"}, MINUTE, {"users/id": 1}),
    ({"course": "101"}, 15 * MINUTE, {"courses/id": 1}),
    ({}, 15 * MINUTE, {"courses/id": 16}),
]


@pytest.mark.parametrize(("question", "age", "expected"), LOOKS, ids=str)
async def test_stored_data_is_fresh_for_its_time_and_fetched_again_after_it(
    open_desk: OpenDesk, clock: MovableClock, question: dict[str, Any], age: int, expected: dict[str, int]
):
    async with open_desk(clock=clock) as desk:
        opened_at = clock()
        await desk.list(**question)
        calls(desk)
        clock.pass_by(age - 1)
        await desk.list(**question)
        assert calls(desk) == {}
        clock.pass_by(1)
        text = await desk.list(**question)
        assert calls(desk) == expected
        as_of = clock() + timedelta(hours=2) if "user" in question else opened_at + timedelta(hours=2)
        assert f"As of {as_of:%Y-%m-%d %H:%M}" in text


async def test_the_lists_of_courses_and_people_are_fresh_for_an_hour(open_desk: OpenDesk, clock: MovableClock):
    async with open_desk(clock=clock) as desk:
        await desk.list(course="101")
        calls(desk)
        clock.pass_by(HOUR - 1)
        await desk.list(course="101")
        assert calls(desk) == {"courses/id": 1}
        clock.pass_by(1)
        await desk.list(course="101")
        assert calls(desk) == {"courses": 1}
        clock.pass_by(15 * MINUTE)
        await desk.list(course="101")
        assert calls(desk) == {"users": 2, "courses/id": 1}


async def test_an_answer_is_as_old_as_the_lists_that_it_rests_on(open_desk: OpenDesk, clock: MovableClock):
    async with open_desk(clock=clock) as desk:
        await desk.summarize()
        clock.pass_by(30 * MINUTE)
        assert "As of 2026-11-23 14:00" in await desk.summarize()  # inactive people, and new courses
        assert "As of 2026-11-23 14:00" in await desk.summarize(state="not_enrolled", course="101")
        assert "As of 2026-11-23 14:30" in await desk.summarize(user="6", course="101")
        assert "As of 2026-11-23 14:30" in await desk.summarize(fresh=True)


async def test_a_slow_roster_stays_fresh_for_ten_times_the_duration_of_its_fetch():
    database, clock = Database(), MovableClock()
    async with refreshing(Shelf(), database, clock) as refresher:
        stamp = FetchInfo(fetched_at=refresher.now(), took_seconds=300)
        await database.run(lambda c: list_writer.replace_courses(c, ACCOUNT, [course("c", "C")], stamp), write=True)
        scope = Scope(course_id="c")
        await database.run(
            lambda c: scope_writer.replace_scope(c, ACCOUNT, scope, scope_rows(ACCOUNT, Reading(())), stamp), write=True
        )
        clock.pass_by(2999)
        before = refresher.now() - 2999
        assert (await fetch_enrollments(refresher, course_ids=["c"])).as_of == before
        clock.pass_by(1)
        assert (await fetch_enrollments(refresher, course_ids=["c"])).as_of == refresher.now()


@pytest.mark.parametrize(("alone", "with_all"), [(60, 30), (30, 60)])
async def test_the_age_of_a_course_is_that_of_its_last_fetch_alone_or_with_everything(alone: int, with_all: int):
    shelf, clock, database = Shelf(titles=[course("c", "C")]), MovableClock(), Database()
    async with refreshing(shelf, database, clock=clock) as refresher:
        now = refresher.now()
        for scope, ago in ((Scope(course_id="c"), alone), (Scope(), with_all)):
            stamp = FetchInfo(fetched_at=now - ago, took_seconds=1)
            await database.run(
                lambda c, of=scope, at=stamp: scope_writer.replace_scope(
                    c, ACCOUNT, of, scope_rows(ACCOUNT, Reading(())), at
                ),
                write=True,
            )
        assert (await fetch_enrollments(refresher, course_ids=["c"])).as_of == now - 30


async def test_the_duration_of_a_fetch_does_not_include_the_wait_for_other_fetches():
    begun: dict[str, float] = {}
    longest_wait = 0.1

    class Slow(Shelf):
        async def enrollments(self, scope: Scope, **given: Any) -> Any:
            begun[scope.key] = anyio.current_time()
            if len(begun) <= READERS:
                await anyio.sleep(longest_wait)
            return await super().enrollments(scope, **given)

    titles = [course(str(n), "C") for n in range(READERS + 1)]
    async with refreshing(Slow(titles=titles), database := Database()) as refresher:
        await refresher.run(budget := refresher.begin(), FetchPlanner.course_list)
        await fetch_enrollments(refresher, budget, course_ids=[title.id for title in titles])
        states = await database.run(lambda c: account_state.scope_states(c, ACCOUNT))
        ended_at = anyio.current_time()
    first, *_, last = begun
    assert states[last].took_seconds <= ended_at - begun[first] - longest_wait


async def test_many_courses_that_take_long_together_stay_fresh_for_longer_together():
    database, clock = Database(), MovableClock()
    titles = [course(str(n), "C") for n in range(READERS * 3)]
    async with refreshing(Shelf([person("u", "U")] * 99, titles), database, clock) as refresher:
        stamp = FetchInfo(fetched_at=refresher.now(), took_seconds=60)
        await database.run(lambda c: list_writer.replace_courses(c, ACCOUNT, titles, stamp), write=True)
        for title in titles:
            scope = Scope(course_id=title.id)
            await database.run(
                lambda c, scope=scope: scope_writer.replace_scope(
                    c, ACCOUNT, scope, scope_rows(ACCOUNT, Reading(())), stamp
                ),
                write=True,
            )
        ids, before = [title.id for title in titles], refresher.now()
        clock.pass_by(1799)
        assert (await fetch_enrollments(refresher, course_ids=ids)).as_of == before
        assert (await fetch_enrollments(refresher, course_ids=ids[:1])).as_of == refresher.now()
        clock.pass_by(1)
        assert (await fetch_enrollments(refresher, course_ids=ids)).as_of > before


async def test_scopes_of_a_deleted_person_are_fetched_again_in_the_same_question():
    titles = [course("c", "C"), course("d", "D")]
    shelf, clock = Shelf([person("u", "U"), person("v", "V")], titles, [record("v", "c", "enrolled")]), MovableClock()
    async with refreshing(shelf, clock=clock) as refresher:
        await refresher.run(budget := refresher.begin(), FetchPlanner.course_list)
        await fetch_enrollments(refresher, budget, course_ids=["c", "d"])
        clock.pass_by(HOUR - MINUTE)
        await fetch_enrollments(refresher, course_ids=["c"])
        clock.pass_by(MINUTE)
        shelf.people, shelf.records = shelf.people[:1], []
        assert (await fetch_enrollments(refresher, course_ids=["c", "d"])).complete
