"""Which way is taken to what is asked, and what becomes of it where one is closed, limited, broken off or full."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select

from mcp_truto_lms.domain.errors import RateLimited, RouteClosed, StoreError, Unavailable
from mcp_truto_lms.domain.source import Capabilities, FetchRoute, Portal, Reading, Scope
from mcp_truto_lms.ingest.fetch_planner import FetchPlanner
from mcp_truto_lms.ingest.freshness import READERS
from mcp_truto_lms.store.database import Database
from mcp_truto_lms.store.schema import enrollments
from tests.stored import (
    MovableClock,
    Shelf,
    capable_of,
    course,
    fetch_enrollments,
    open_shelf,
    person,
    record,
    refreshing,
)

pytestmark = pytest.mark.anyio

HOUR = 3600


class Closing(Shelf):
    """A source whose ways turn out to be closed, one by one, as they are tried."""

    def __init__(self, *open_routes: FetchRoute, tells: bool = True) -> None:
        super().__init__(
            people=[person("u", "U"), person("v", "V")],
            titles=[course("c", "C")],
            records=[record("u", "c", "enrolled"), record("v", "c", "completed")],
        )
        self.closed: set[FetchRoute] = set()
        self.open_routes, self.tells = open_routes, tells
        self.tried: list[str] = []

    @property
    def capabilities(self) -> Capabilities:
        return capable_of(*(route for route in FetchRoute if route not in self.closed))

    async def enrollments(self, scope: Scope, **given: Any) -> Any:
        self.tried.append(scope.key)
        if scope.route not in self.open_routes:
            if self.tells:
                self.closed.add(scope.route)
            raise RouteClosed("This way is closed.")
        return await super().enrollments(scope, **given)


async def coverage(source: Shelf, user_ids: Any = None, course_ids: Any = None) -> tuple[int, int, str]:
    async with refreshing(source) as refresher:
        budget = refresher.begin()
        await refresher.run(budget, FetchPlanner.course_list)
        result = await fetch_enrollments(refresher, budget, user_ids=user_ids, course_ids=course_ids)
    return result.read, result.wanted, result.unit


@pytest.mark.parametrize(
    ("open_routes", "expected"),
    [
        ([FetchRoute.COURSE], (1, 1, "courses")),
        ([FetchRoute.LIST], (1, 1, "lists")),
        ([FetchRoute.LEARNER], (2, 2, "people")),
        ([FetchRoute.PAIR], (2, 2, "pairs")),
    ],
)
async def test_the_next_cheapest_route_is_used_where_a_route_is_closed(
    open_routes: list[FetchRoute], expected: tuple[int, int, str]
):
    assert await coverage(Closing(*open_routes)) == expected


async def test_people_of_a_course_are_fetched_pair_by_pair_where_no_other_route_is_open():
    assert await coverage(source := Closing(FetchRoute.PAIR), None, ["c"]) == (2, 2, "pairs")
    assert sorted(source.tried[-2:]) == ["pair:u:c", "pair:v:c"]
    assert await coverage(Closing(FetchRoute.PAIR), ["u"]) == (1, 1, "pairs")


async def test_a_provider_without_an_open_route_is_an_error():
    with pytest.raises(RouteClosed):
        await coverage(Closing())
    with pytest.raises(RouteClosed):
        await coverage(Closing(tells=False))


async def test_scopes_that_came_with_the_whole_list_are_not_fetched_alone():
    source = Closing(FetchRoute.LIST, FetchRoute.COURSE, FetchRoute.LEARNER)
    source.closed = {FetchRoute.COURSE, FetchRoute.LEARNER}
    async with refreshing(source) as refresher:
        await refresher.run(budget := refresher.begin(), FetchPlanner.course_list)
        await fetch_enrollments(refresher, budget)
        source.closed = set()
        assert (await fetch_enrollments(refresher, user_ids=["u"])).complete
        assert (await fetch_enrollments(refresher, course_ids=["c"])).complete
    assert source.tried == ["list"]


async def test_lists_are_good_for_an_hour_where_everything_is_fetched_more_often():
    class Listed(Shelf):
        @property
        def capabilities(self) -> Capabilities:
            return capable_of(FetchRoute.LIST)

    shelf, clock = Listed([person("u", "Ann")], [course("c", "C")], [record("u", "c", "enrolled")]), MovableClock()
    async with open_shelf(shelf, clock=clock) as desk:
        assert "0 of 0" not in await desk.list()
        shelf.people, shelf.titles = [person("u", "Ann", status="inactive")], [course("c", "C"), course("d", "Dance")]
        answers: list[str] = []
        for _ in range(3):
            clock.pass_by(HOUR // 3)
            answers.append(await desk.list())
        assert (await desk.list(course="Dance")).startswith("0 of 0")
    assert ["1 inactive" in everything for everything in answers] == [False, False, True]


class Torn(Shelf):
    """A source whose rosters come in parts, and break off where that is wanted."""

    torn = False

    async def roster_parts(self, course_id: str, **given: Any) -> AsyncGenerator[Reading]:
        whole = await self.enrollments(Scope(course_id=course_id), **given)
        for enrollment in whole.records:
            yield replace(whole, records=(enrollment,))
            if self.torn:
                raise Unavailable("The LMS broke off.")


async def test_a_roster_that_breaks_off_leaves_the_stored_rows():
    people = [person("u", "U"), person("v", "V")]
    shelf = Torn(people, [course("c", "C")], [record(user, "c", "enrolled") for user in "uv"])
    async with open_shelf(shelf) as desk:
        assert "2 of 2 enrollments" in await desk.list(course="c")
        shelf.torn = True
        text = await desk.list(course="c", fresh=True)
        assert "2 of 2 enrollments" in text
        assert "The LMS broke off." in text


class Limited(Shelf):
    """A source whose limit is used up after a few scopes."""

    tried = 0

    async def enrollments(self, scope: Scope, **given: Any) -> Any:
        self.tried += 1
        if self.tried > 3:
            raise RateLimited("The limit is used up.")
        return await super().enrollments(scope, **given)


async def test_an_exhausted_limit_ends_the_fetch():
    people = [person(str(n), "P") for n in range(60)]
    source = Limited(people=people, titles=[course(str(n), "C") for n in range(50)])
    read, wanted, _ = await coverage(source)
    assert (read, wanted) == (3, 50)
    assert source.tried <= 3 + READERS


async def test_the_portal_is_asked_about_itself_once_a_day():
    class Asked(Shelf):
        async def portal(self) -> Portal:
            self.calls += 1
            return await super().portal()

    shelf, clock = Asked(zone=ZoneInfo("Asia/Tokyo")), MovableClock()
    async with refreshing(shelf, clock=clock) as refresher:
        for hours, number in ((0, 1), (23, 1), (2, 2), (2, 2), (23, 3), (1, 3)):
            clock.pass_by(hours * HOUR)
            portal = await refresher.run(refresher.begin(), FetchPlanner.portal)
            assert (portal.zone, shelf.calls) == (shelf.zone, number)


async def test_a_portal_without_courses_has_a_complete_empty_answer():
    assert await coverage(Shelf()) == (0, 0, "courses")


class Full(Database):
    """A store that has no room for enrollments."""

    async def run(self, work: Any, *, write: bool = False) -> Any:
        def checked(connection: Any) -> Any:
            result = work(connection)
            if write and connection.execute(select(func.count()).select_from(enrollments)).scalar():
                raise StoreError("The disk is full.")
            return result

        return await super().run(checked, write=write)


async def test_a_store_that_fails_while_scopes_are_fetched_side_by_side_is_an_error():
    titles = [course(str(n), "C") for n in range(20)]
    source = Shelf([person("u", "U")], titles, [record("u", title.id, "enrolled") for title in titles])
    async with refreshing(source, Full()) as refresher:
        await refresher.run(budget := refresher.begin(), FetchPlanner.course_list)
        with pytest.raises(StoreError, match="The disk is full"):
            await fetch_enrollments(refresher, budget, course_ids=[title.id for title in titles])
