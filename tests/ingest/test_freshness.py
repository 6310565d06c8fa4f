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
from tests.conftest import LIST, OpenDesk
from tests.ingest.portal_calls import calls
from tests.render.answer_reading import row_total
from tests.stored import (
    ACCOUNT,
    MovableClock,
    Shelf,
    course,
    fetch_enrollments,
    open_shelf,
    person,
    record,
    refreshing,
    scope_rows,
)

pytestmark = pytest.mark.anyio

MINUTE = 60
HOUR = 3600


LOOKS = [
    ({"user": "6"}, MINUTE, {"users/id": 1}, MINUTE),
    ({"user": "6", "course": "101"}, MINUTE, {"users/id": 1}, MINUTE),
    ({"course": "101"}, 15 * MINUTE, {"courses/id": 1}, 0),
    ({}, 15 * MINUTE, {"courses/id": 16}, 0),
]
"""Each with the age at which it is fetched again, the calls of that, and how much younger the answer is then.

Who is active, and which courses are archived, rests on lists that stay as they are.
"""


@pytest.mark.parametrize(("question", "age", "expected", "younger"), LOOKS, ids=str)
async def test_stored_data_is_fresh_for_its_time_and_fetched_again_after_it(
    open_desk: OpenDesk, clock: MovableClock, question: dict[str, Any], age: int, expected: dict[str, int], younger: int
):
    asked_at = clock()
    async with open_desk(clock=clock) as desk:
        await desk.list(**question)
        calls(desk)
        clock.pass_by(age - 1)
        await desk.list(**question)
        assert calls(desk) == {}
        clock.pass_by(1)
        text = await desk.list(**question)
        made = calls(desk)
        made.pop("ratelimit", None)  # many calls look at the limit
        assert made == expected
        assert f"As of {(asked_at + timedelta(hours=2, seconds=younger)):%Y-%m-%d %H:%M}" in text


async def test_the_course_list_and_the_directory_are_fresh_for_an_hour(open_desk: OpenDesk, clock: MovableClock):
    async with open_desk(clock=clock) as desk:
        await desk.list(course="101")
        calls(desk)
        clock.pass_by(HOUR - 1)
        await desk.list(course="101")
        assert calls(desk) == {"courses/id": 1}
        clock.pass_by(1)
        text = await desk.list(course="101")
        assert calls(desk) == {"courses": 1, "users": 2}
        assert f"As of {(clock() + timedelta(hours=2, seconds=-1)):%Y-%m-%d %H:%M}" in text


PEOPLE = [person("1", "Ann"), person("2", "Bob"), *(person(str(key), f"Guest {key}") for key in range(3, 9))]
TITLES = [course("c", "Current"), course("d", "Due")]
ROWS = [record("1", "c", "enrolled"), record("2", "c", "enrolled"), record("1", "d", "enrolled")]
NAMED = {"user": [str(key) for key in range(1, 8)]}


@pytest.mark.parametrize(
    ("question", "older_seconds"),
    [
        ({}, 2 * MINUTE),
        ({"state": "not_enrolled", "course": "c"}, MINUTE),
        ({"course": "c"}, MINUTE),
        ({**NAMED, "course": "c"}, MINUTE),
        ({"user": "1"}, 0),
        ({"user": "1", "course": "c"}, 0),
        ({"user": "1", "state": "not_enrolled", "course": "c"}, 0),
    ],
    ids=str,
)
async def test_an_answer_is_as_old_as_the_lists_that_its_population_rests_on(
    clock: MovableClock, question: dict[str, Any], older_seconds: int
):
    shelf = Shelf(PEOPLE, TITLES, ROWS)
    async with open_shelf(shelf, clock=clock) as desk:
        await desk.refused(LIST, course="no such course")  # reads the course list
        clock.pass_by(MINUTE)
        await desk.refused(LIST, user="no such person")  # reads the directory
        clock.pass_by(MINUTE)
        text = await desk.list(**question)
    assert f"As of {(clock() - timedelta(seconds=older_seconds)):%Y-%m-%d %H:%M} UTC" in text


@pytest.mark.parametrize("question", [{}, {"course": "c"}, {"state": "not_enrolled", "course": "c"}], ids=str)
async def test_somebody_who_left_is_counted_for_an_hour_at_most_and_never_with_fresh(
    clock: MovableClock, question: dict[str, Any]
):
    shelf = Shelf(PEOPLE[:3], TITLES, ROWS)
    async with open_shelf(shelf, clock=clock) as desk:
        before = await desk.list(**question)
        shelf.people = [*PEOPLE[:1], person("2", "Bob", status="inactive"), person("3", "Guest 3", status="inactive")]
        clock.pass_by(HOUR - 1)
        assert row_total(await desk.list(**question)) == row_total(before)
        assert row_total(await desk.list(**question, fresh=True)) == row_total(before) - 1
        shelf.people = PEOPLE[:3]
        clock.pass_by(HOUR)
        assert row_total(await desk.list(**question)) == row_total(before)


async def test_a_course_that_was_archived_is_counted_for_an_hour_at_most(clock: MovableClock):
    shelf = Shelf(PEOPLE[:2], TITLES, ROWS)
    async with open_shelf(shelf, clock=clock) as desk:
        before = await desk.list()
        shelf.titles = [TITLES[0], course("d", "Due", status="archived")]
        clock.pass_by(HOUR - 1)
        assert row_total(await desk.list()) == row_total(before)
        clock.pass_by(1)
        assert row_total(await desk.list()) == row_total(before) - 1


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
        assert (await fetch_enrollments(refresher, course_ids=["c"])).as_of == before + 2999  # that of the directory


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
        clock.pass_by(24 * HOUR - MINUTE)
        await fetch_enrollments(refresher, course_ids=["c"])
        clock.pass_by(MINUTE)
        shelf.people, shelf.records = shelf.people[:1], []
        assert (await fetch_enrollments(refresher, course_ids=["c", "d"])).complete
