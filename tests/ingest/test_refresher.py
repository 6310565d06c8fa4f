"""What is read before an answer: the fewest calls, once for all who wait, and again when it is too old."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from math import inf
from typing import Any

import anyio
import pytest

from mcp_truto_lms.domain.call_counter import CALL_COUNTER
from mcp_truto_lms.domain.errors import RateLimited
from mcp_truto_lms.domain.source import Reading, Scope
from mcp_truto_lms.ingest import fetcher
from mcp_truto_lms.ingest.background import Background, BackgroundJob
from mcp_truto_lms.ingest.fetch_planner import FetchPlanner
from mcp_truto_lms.ingest.freshness import READERS
from mcp_truto_lms.ingest.single_flight import SingleFlight
from mcp_truto_lms.sandbox.faults import Fault
from mcp_truto_lms.sandbox.organisation import generate
from mcp_truto_lms.sandbox.records import Organisation
from mcp_truto_lms.store import account_state, list_writer, scope_writer
from mcp_truto_lms.store.account_state import FetchInfo
from mcp_truto_lms.store.database import Database
from tests.conftest import TODAY, Desk, OpenDesk
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

MINUTE, HOUR = 60, 3600
HELLO = {"siteinfo": 1, "ratelimit": 1}
LABELS = {"getcustomregistrationfields": 1}
PEOPLE = {"users": 2, **LABELS}
"""A first page, and the one that shows that there are no more."""


def calls(desk: Desk) -> dict[str, int]:
    """Take what was asked of the portal since it was looked at last."""
    found = dict(desk.portal.log.counts())
    desk.portal.log.clear()
    return found


def asked(desk: Desk, endpoint: str) -> list[str]:
    return sorted(one.arguments["id"] for one in desk.portal.log if one.endpoint == endpoint)


def current(organisation: Organisation) -> list[str]:
    return sorted(one.id for one in organisation.courses if one.status != "archived")


# The fewest calls


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ({"user": 6}, {**LABELS, "users/id": 1}),
        ({"user": "jane.doe@northgate.example"}, {**LABELS, "users/email": 1, "users/id": 1}),
        ({"user": "Jane Doe"}, {**PEOPLE, "users/id": 1}),
        ({"user": ["6", "7"]}, {**LABELS, "users/id": 2}),
        ({"course": "Forklift Safety"}, {**PEOPLE, "courses/id": 1}),
        ({"course": ["101", "COC-01"]}, {**PEOPLE, "courses/id": 2}),
        ({"course": "Old Expense Tool"}, {**PEOPLE, "courses/id": 1}),
        ({"user": "6", "course": "101"}, {**LABELS, "users/id": 1}),
        ({"user": ["6", "7"], "course": "101"}, {**LABELS, "users/id": 2}),
        ({"user": "Maria García", "course": "101"}, {**PEOPLE, "courses/id": 1}),
        (
            {"user": ["jane.doe@northgate.example", "omar.khan@northgate.example"], "course": "101"},
            {**LABELS, "users/email": 2, "users/id": 2},
        ),
        ({}, {**PEOPLE, "courses/id": 16}),
        ({"state": "overdue"}, {**PEOPLE, "courses/id": 16}),
    ],
    ids=str,
)
async def test_a_question_costs_what_it_touches_and_the_same_one_again_nothing(
    open_desk: OpenDesk, question: dict[str, Any], expected: dict[str, int]
):
    async with open_desk() as desk:
        await desk.list(**question)
        assert calls(desk) == {**HELLO, "courses": 1, **expected}
        await desk.list(**question)
        await desk.summarize(**question)
        assert calls(desk) == {}


async def test_everything_is_every_course_that_is_not_archived(open_desk: OpenDesk, organisation: Organisation):
    async with open_desk() as desk:
        await desk.summarize()
        assert asked(desk, "courses/id") == current(organisation)


async def test_everything_goes_by_transcripts_where_there_are_more_courses_than_people(open_desk: OpenDesk):
    small = generate(today=TODAY, learners=5, courses=18)
    async with open_desk(of=small) as desk:
        text = await desk.summarize()
        assert asked(desk, "users/id") == sorted(one.id for one in small.people)
        assert calls(desk) == {**HELLO, "courses": 1, **PEOPLE, "users/id": len(small.people)}
    current_courses = {one.id for one in small.courses if one.status != "archived"}
    active = {one.id for one in small.people if one.active}
    number = sum(
        one.role == "learner" and one.user_id in active and one.course_id in current_courses
        for one in small.enrollments
    )
    assert text.startswith(f"{number:,} enrollments")


async def test_after_everything_was_read_smaller_questions_cost_nothing(open_desk: OpenDesk):
    async with open_desk() as desk:
        await desk.summarize()
        calls(desk)
        await desk.list(course="Forklift Safety")
        await desk.list(user="Jane Doe")
        await desk.list(user="6", course="101")
        assert calls(desk) == {}


async def test_everything_reads_only_the_courses_that_no_question_before_read(open_desk: OpenDesk):
    async with open_desk() as desk:
        await desk.list(course=["101", "102"])
        calls(desk)
        await desk.list()
        assert calls(desk) == {"courses/id": 14}


async def test_names_that_nobody_has_are_looked_for_in_the_directory_once(open_desk: OpenDesk):
    async with open_desk() as desk:
        for term in ("nobody@northgate.example", "99999", "Nobody Nowhere"):
            assert "No learner" in await desk.refused("list_course_enrollments", user=term)
        assert calls(desk) == {**HELLO, "courses": 1, **PEOPLE, "users/email": 1, "users/id": 1}
        await desk.refused("list_course_enrollments", course="Underwater Basketry")
        assert calls(desk) == {}


async def test_whom_names_stand_for_is_told_by_what_was_read_for_all_of_them():
    shelf, clock = Shelf([person("1", "Jane Doe")], [course("c", "C")]), MovableClock()
    async with open_shelf(shelf, clock=clock) as desk:
        await desk.list(user="Jane Doe")
        clock.pass_by(HOUR)
        shelf.people = [*shelf.people, person("2", "Jane Doe"), person("3", "New Comer")]
        text = await desk.list(user=["Jane Doe", "New Comer"])
    assert "id 2" in text


async def test_an_id_that_nobody_has_costs_one_look_before_the_directory(open_desk: OpenDesk):
    async with open_desk() as desk:
        await desk.refused("list_course_enrollments", user="99999")
        assert calls(desk) == {**HELLO, "courses": 1, **PEOPLE, "users/id": 1}


async def test_an_id_is_not_mistaken_for_a_number_in_somebodys_name(open_desk: OpenDesk, organisation: Organisation):
    odd = next(one for one in organisation.people if one.id == "8")
    people = tuple(replace(one, last_name="Agent 7") if one is odd else one for one in organisation.people)
    async with open_desk(of=replace(organisation, people=people)) as desk:
        await desk.list(user="8")
        assert "Omar Khan" in await desk.list(user="7")


# Ages


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


LOOKS = [
    ({"user": "6"}, MINUTE, {"users/id": 1}),
    ({"user": "6", "course": "101"}, MINUTE, {"users/id": 1}),
    ({"course": "101"}, 15 * MINUTE, {"courses/id": 1}),
    ({}, 15 * MINUTE, {"courses/id": 16}),
]


@pytest.mark.parametrize(("question", "age", "expected"), LOOKS, ids=str)
async def test_what_was_read_is_good_for_its_time_and_read_again_after(
    open_desk: OpenDesk, clock: MovableClock, question: dict[str, Any], age: int, expected: dict[str, int]
):
    async with open_desk(clock=clock) as desk:
        await desk.list(**question)
        calls(desk)
        clock.pass_by(age - 1)
        await desk.list(**question)
        assert calls(desk) == {}
        clock.pass_by(1)
        text = await desk.list(**question)
        assert calls(desk) == expected
        assert f"As of {(clock() + timedelta(hours=2)):%Y-%m-%d %H:%M}" in text


async def test_the_course_list_is_good_for_an_hour_and_the_directory_for_a_day(
    open_desk: OpenDesk, clock: MovableClock
):
    async with open_desk(clock=clock) as desk:
        await desk.list(course="101")
        calls(desk)
        clock.pass_by(HOUR - 1)
        await desk.list(course="101")
        assert calls(desk) == {"courses/id": 1}
        clock.pass_by(1)
        await desk.list(course="101")
        assert calls(desk) == {"courses": 1}
        clock.pass_by(23 * HOUR - 1)
        await desk.list(course="101")
        assert calls(desk) == {"courses": 1, "courses/id": 1}
        clock.pass_by(15 * MINUTE)
        await desk.list(course="101")
        assert calls(desk) == {"users": 2, "courses/id": 1}


async def test_what_takes_long_to_read_is_good_for_ten_times_as_long():
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
async def test_a_course_is_as_old_as_when_it_was_read_last_alone_or_with_everything(alone: int, with_all: int):
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


async def test_a_course_is_not_good_for_longer_because_others_were_read_before_it():
    begun: list[Scope] = []

    class Slow(Shelf):
        async def enrollments(self, scope: Scope, **given: Any) -> Any:
            begun.append(scope)
            if len(begun) <= READERS:
                await anyio.sleep(0.1)
            return await super().enrollments(scope, **given)

    titles = [course(str(n), "C") for n in range(READERS + 1)]
    async with refreshing(Slow(titles=titles), database := Database()) as refresher:
        await refresher.run(call := refresher.begin(), FetchPlanner.course_list)
        await fetch_enrollments(refresher, call, course_ids=[one.id for one in titles])
        states = await database.run(lambda c: account_state.scope_states(c, ACCOUNT))
    assert states[begun[-1].key].took_seconds < states[begun[0].key].took_seconds


async def test_many_courses_that_take_long_together_are_good_for_longer_together():
    database, clock = Database(), MovableClock()
    titles = [course(str(n), "C") for n in range(READERS * 3)]
    async with refreshing(Shelf([person("u", "U")] * 99, titles), database, clock) as refresher:
        stamp = FetchInfo(fetched_at=refresher.now(), took_seconds=60)
        await database.run(lambda c: list_writer.replace_courses(c, ACCOUNT, titles, stamp), write=True)
        for one in titles:
            scope = Scope(course_id=one.id)
            await database.run(
                lambda c, scope=scope: scope_writer.replace_scope(
                    c, ACCOUNT, scope, scope_rows(ACCOUNT, Reading(())), stamp
                ),
                write=True,
            )
        ids, before = [one.id for one in titles], refresher.now()
        clock.pass_by(1799)
        assert (await fetch_enrollments(refresher, course_ids=ids)).as_of == before
        assert (await fetch_enrollments(refresher, course_ids=ids[:1])).as_of == refresher.now()
        clock.pass_by(1)
        assert (await fetch_enrollments(refresher, course_ids=ids)).as_of > before


FRESH = [
    ({"user": "6"}, {"users/id": 1}),
    ({"user": "Jane Doe"}, {"users": 2, "users/id": 1}),
    ({"course": "101"}, {"users": 2, "courses/id": 1}),
    ({}, {"users": 2, "courses/id": 16}),
]


@pytest.mark.parametrize(("question", "expected"), FRESH, ids=str)
async def test_fresh_reads_again_whatever_the_age_and_each_thing_once(
    open_desk: OpenDesk, question: dict[str, Any], expected: dict[str, int]
):
    async with open_desk() as desk:
        await desk.list(**question)
        calls(desk)
        await desk.list(**question, fresh=True)
        assert calls(desk) == {"courses": 1, **expected}


@pytest.mark.parametrize("question", [{"user": "6"}, {"user": "Jane Doe"}, {"course": "101"}, {}], ids=str)
async def test_a_first_question_that_wants_it_fresh_costs_no_more(open_desk: OpenDesk, question: dict[str, Any]):
    async with open_desk() as desk:
        await desk.list(**question)
        usual = calls(desk)
    async with open_desk() as desk:
        await desk.list(**question, fresh=True)
        assert calls(desk) == usual


# Once for all who wait


async def test_what_several_calls_want_at_once_is_read_once(open_desk: OpenDesk):
    async with open_desk() as desk:
        desk.portal.faults.add(Fault(delay_seconds=0.01), times=None)
        answers: list[str] = []

        async def ask() -> None:
            answers.append(await desk.list(course=["101", "102"]))

        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(ask)
        assert calls(desk) == {**HELLO, "courses": 1, **PEOPLE, "courses/id": 2}
    assert len(answers) == 5
    assert len({one.split("cursor=")[0] for one in answers}) == 1


async def test_a_fresh_question_does_not_take_what_was_asked_for_before_it_began(open_desk: OpenDesk):
    async with open_desk() as desk:
        await desk.list(user="6")
        calls(desk)
        desk.portal.faults.add(Fault(delay_seconds=0.03), endpoint="users/id")
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: desk.list(user="6", fresh=True))
            await until(lambda: desk.portal.log.counts()["users/id"] == 1)
            await desk.list(user="6", fresh=True)
        assert calls(desk)["users/id"] == 2


async def until(happened: Callable[[], bool]) -> None:
    """Wait until something that has no event of its own has happened."""
    with anyio.fail_after(5):
        while not happened():  # noqa: ASYNC110 - the portal tells nobody
            await anyio.sleep(0.001)


async def test_when_the_call_that_reads_is_cancelled_the_reading_goes_on_for_who_waits(open_desk: OpenDesk):
    texts: list[str] = []
    async with open_desk() as desk:
        await desk.list(course="102")
        calls(desk)
        desk.portal.faults.add(Fault(delay_seconds=1), endpoint="courses/id")

        async def wait_for_the_first() -> None:
            texts.append(await desk.list(course="101"))

        async with anyio.create_task_group() as group:
            reading = anyio.CancelScope()

            async def read() -> None:
                with reading:
                    await desk.list(course="101")

            group.start_soon(read)
            await until(lambda: len(desk.portal.log) == 1)
            group.start_soon(wait_for_the_first)
            flights = desk.account._refresher.fetcher.single_flight._under_way
            await until(lambda: any(one.waiting == 2 for one in flights.values()))
            reading.cancel()
        assert reading.cancelled_caught
        assert calls(desk) == {"courses/id": 1}
    assert ", complete." in texts[0]


async def test_a_cancelled_call_ends_what_only_it_waits_for(open_desk: OpenDesk):
    async with open_desk() as desk:
        await desk.list(course="102")
        calls(desk)
        desk.portal.faults.add(Fault(delay_seconds=30), endpoint="courses/id")
        with anyio.move_on_after(0.1):
            await desk.list(course="101")
        await until(lambda: not desk.account._refresher.fetcher.single_flight._under_way)
        assert ", complete." in await desk.list(course="101")
        assert calls(desk) == {"courses/id": 2}


async def test_a_store_is_tidied_in_the_background_after_much_was_written(
    open_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch
):
    async with open_desk() as desk:
        tidied, database = list[str](), desk.account._database

        async def tidy() -> None:
            tidied.append("tidied")

        monkeypatch.setattr(database, "tidy", tidy)
        monkeypatch.setattr(fetcher, "TIDIED_ROWS", 100)
        await desk.list(user="6")
        assert not tidied
        await desk.list()
        await until(lambda: tidied == ["tidied"])
        await desk.list(fresh=True)
        await desk.account._refresher.tidy()
        assert tidied == ["tidied"] * 2, "what was read again and is as it was is nothing new"


async def test_what_was_read_with_somebody_who_is_gone_is_read_again_in_the_same_call():
    titles = [course("c", "C"), course("d", "D")]
    shelf, clock = Shelf([person("u", "U"), person("v", "V")], titles, [record("v", "c", "enrolled")]), MovableClock()
    async with refreshing(shelf, clock=clock) as refresher:
        await refresher.run(call := refresher.begin(), FetchPlanner.course_list)
        await fetch_enrollments(refresher, call, course_ids=["c", "d"])
        clock.pass_by(24 * HOUR - MINUTE)
        await fetch_enrollments(refresher, course_ids=["c"])
        clock.pass_by(MINUTE)
        shelf.people, shelf.records = shelf.people[:1], []
        assert (await fetch_enrollments(refresher, course_ids=["c", "d"])).complete


async def test_a_question_is_not_refused_what_a_reading_in_the_background_was_refused():
    may_end, tried = anyio.Event(), list[bool]()

    async def fetch() -> None:
        await may_end.wait()
        tally = CALL_COUNTER.get()
        tried.append(tally is not None and tally.background)
        if tried[-1]:
            raise RateLimited("Reading in the background has used its quarter.")

    async def is_stale() -> bool:
        return True

    async with Background() as background:
        flights = SingleFlight(ACCOUNT, Database(), background)

        async def read(work: BackgroundJob) -> None:
            work.detach()
            await flights.ensure("key", fetch, is_stale)

        assert not await background.run(read, ends_at=inf)
        async with anyio.create_task_group() as group:
            group.start_soon(flights.ensure, "key", fetch, is_stale)
            await until(lambda: any(one.waiting == 2 for one in flights._under_way.values()))
            may_end.set()
    assert tried == [True, False]
