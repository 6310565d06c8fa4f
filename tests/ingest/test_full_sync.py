"""Reading everything, unattended: limits are waited for, failures tried again as long as that helps, and it ends."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mcp_truto_lms.domain.errors import RateLimited, SourceError, StoreError, Unavailable
from mcp_truto_lms.domain.source import Scope
from mcp_truto_lms.ingest.full_sync import SyncProgress, SyncResult, clock_time, progress_bar
from mcp_truto_lms.ingest.question_budget import ProgressUpdate
from mcp_truto_lms.sandbox.faults import HTML_BODY, WRONG_KEY, Fault
from mcp_truto_lms.sandbox.organisation import generate
from mcp_truto_lms.server.app_context import AppContext
from mcp_truto_lms.settings import Settings
from tests.conftest import TODAY, Desk, OpenDesk
from tests.stored import Shelf, course, open_shelf, person

pytestmark = pytest.mark.anyio

SMALL = generate(today=TODAY, learners=40, courses=12)
WANTED = sum(sample_course.status != "archived" for sample_course in SMALL.courses)
DOWN = Fault(status=503)


class Waits:
    """Stands in for sleeping, and mends the portal once it was waited for often enough."""

    def __init__(self, desk: Desk, times: int = 1) -> None:
        self.seconds: list[float] = []
        self._desk, self._times = desk, times

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        if len(self.seconds) == self._times:
            self._desk.portal.faults.clear()


async def synced(desk: Desk, waits: Waits, **options: Any) -> SyncResult:
    return await desk.account.sync(sleep=waits, **options)


async def test_a_sync_fetches_everything_once_and_then_nothing(open_desk: OpenDesk):
    async with open_desk(of=SMALL, deadline_seconds=0.01, call_budget=1) as desk:
        result = await synced(desk, Waits(desk))
        assert result.complete
        assert (result.sizes.courses, result.sizes.learners) == (len(SMALL.courses), len(SMALL.people))
        assert result.sizes.enrollments == len(SMALL.enrollments)
        assert desk.portal.log.counts()["courses/id"] == WANTED
        assert str(result).startswith(f"complete: {len(SMALL.courses)} courses, ")
        desk.portal.log.clear()
        assert (await synced(desk, Waits(desk))).calls == 0
        assert (await synced(desk, Waits(desk), fresh=True)).complete
        assert desk.portal.log.counts()["courses/id"] == WANTED


async def test_a_sync_is_complete_though_the_store_could_not_be_tidied(
    open_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    async with open_desk(of=SMALL) as desk:

        async def refuse() -> None:
            raise StoreError("What is to be tidied was locked for too long.")

        monkeypatch.setattr(desk.account._database, "tidy", refuse)
        assert (await synced(desk, Waits(desk))).complete
    assert "locked for too long" in caplog.text


class Limited(Shelf):
    """A source whose limit is used up after five scopes, until it was waited for."""

    left = 5

    async def enrollments(self, scope: Scope, **given: Any) -> Any:
        self.left -= 1
        if self.left < 0:
            raise RateLimited("The limit is used up.", retry_after_seconds=30)
        return await super().enrollments(scope, **given)


async def test_a_sync_waits_for_an_exhausted_limit_and_fetches_the_rest():
    people = [person(str(n), f"P{n}") for n in range(20)]
    shelf = Limited(people=people, titles=[course(str(n), f"C{n}") for n in range(12)])
    waits: list[tuple[float, str]] = []

    async def on_wait(seconds: float, failure: SourceError) -> None:
        waits.append((seconds, type(failure).__name__))
        shelf.left = 99

    async def at_once(seconds: float) -> None:
        pass

    async with open_shelf(shelf) as desk:
        result = await desk.account.sync(sleep=at_once, on_wait=on_wait)
    assert result.complete
    assert waits == [(30, "RateLimited")]


class Hour:
    """A clock that moves while a sync waits, which opens a limit of five scopes again."""

    def __init__(self, shelf: Any) -> None:
        self.moment, self.waits, self._shelf = datetime(2026, 11, 23, 12, tzinfo=UTC), 0, shelf

    def __call__(self) -> datetime:
        return self.moment

    async def sleep(self, seconds: float) -> None:
        self.waits += 1
        assert self.waits < 9, "a sync that reads the same again and again"
        self.moment += timedelta(hours=1)
        self._shelf.left = 5


async def test_a_sync_fetches_nothing_twice_however_long_it_waits_for_a_limit():
    people = [person(str(n), f"P{n}") for n in range(20)]
    shelf = Limited(people=people, titles=[course(str(n), f"C{n}") for n in range(12)])
    hour = Hour(shelf)
    app_context = AppContext(Settings(source="talentlms", today=TODAY), source=lambda _: shelf, clock=hour)
    async with app_context:
        result = await (await app_context.account()).sync(sleep=hour.sleep)
    assert (result.complete, hour.waits) == (True, 2)


async def test_a_sync_retries_a_passing_failure_after_growing_waits(open_desk: OpenDesk):
    async with open_desk(of=SMALL) as desk:
        desk.portal.faults.add(DOWN, times=None, endpoint="courses/id")
        waits = Waits(desk, times=3)
        assert (await synced(desk, waits)).complete
        assert waits.seconds == sorted(set(waits.seconds))
        assert len(waits.seconds) == 3


class Failing(Shelf):
    """A source that fails after every eight scopes, until it was waited for."""

    left = 8

    async def enrollments(self, scope: Scope, **given: Any) -> Any:
        self.left -= 1
        if self.left < 0:
            raise Unavailable("The LMS failed.")
        return await super().enrollments(scope, **given)


async def test_a_sync_of_an_older_store_continues_as_long_as_it_progresses():
    people = [person(str(n), f"P{n}") for n in range(200)]
    shelf = Failing(people=people, titles=[course(str(n), f"C{n}") for n in range(64)])
    hour = Hour(shelf)
    app_context = AppContext(Settings(source="talentlms", today=TODAY), source=lambda _: shelf, clock=hour)

    async def mended(seconds: float) -> None:
        shelf.left = 8

    async with app_context:
        account = await app_context.account()
        for _ in range(2):
            assert (await account.sync(sleep=mended)).complete
            hour.moment += timedelta(days=1)
            shelf.left = 8


async def test_a_sync_gives_up_on_a_portal_that_stays_down_and_says_so(open_desk: OpenDesk):
    async with open_desk(of=SMALL) as desk:
        desk.portal.faults.add(DOWN, times=None, endpoint="courses/id")
        waits = Waits(desk, times=99)
        result = await synced(desk, waits)
    assert not result.complete
    assert 1 < len(waits.seconds) < 10
    assert str(result).startswith("INCOMPLETE: ")
    assert "failed on its side" in str(result)


async def test_a_sync_does_not_wait_for_a_course_that_cannot_be_fetched(open_desk: OpenDesk):
    async with open_desk(of=SMALL) as desk:
        desk.portal.faults.add(HTML_BODY, times=None, endpoint="courses/id", arguments={"id": "102"})
        waits = Waits(desk)
        result = await synced(desk, waits)
    assert waits.seconds == []
    assert str(result).startswith(f"INCOMPLETE: {WANTED - 1} of {WANTED} courses read; ")


async def test_a_refused_key_ends_a_sync_at_once(open_desk: OpenDesk):
    async with open_desk(of=SMALL) as desk:
        desk.portal.faults.add(WRONG_KEY, times=None)
        waits = Waits(desk)
        result = await synced(desk, waits)
    assert (result.complete, result.coverage, waits.seconds) == (False, None, [])
    assert "refused the API key" in str(result)


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0, "0:00"), (9.4, "0:09"), (61, "1:01"), (3599.6, "1:00:00"), (7325, "2:02:05")]
)
def test_durations_read_like_a_clock(seconds: float, expected: str):
    assert clock_time(seconds) == expected


def test_the_bar_has_courses_calls_their_rate_and_the_time_left():
    bar = progress_bar(10, 40, "courses", calls=20, seconds=5, done_at_start=0)
    assert bar == "[######..................] 10/40 courses, 20 calls, 4.0/s, 0:15 left"
    assert progress_bar(40, 40, "courses", calls=0, seconds=0).endswith("0:00 left")


def ticks(*moments: float) -> Iterator[float]:
    yield from moments


class Calls:
    calls = 7


@pytest.mark.parametrize(("live", "lines"), [(True, 3), (False, 1)])
async def test_progress_moves_a_bar_in_a_terminal_and_writes_a_line_a_minute_elsewhere(live: bool, lines: int):
    out = io.StringIO()
    moments = ticks(0, 0, 1, 2, 61)
    watch = SyncProgress("acme", Calls(), out, live=live, clock=lambda: next(moments))  # type: ignore[arg-type]
    for done in (1, 2, 3):
        await watch.progress(ProgressUpdate(0, done, 9, "courses"))
    assert out.getvalue().count("acme: [") == lines
    assert ("\r" in out.getvalue()) == live
