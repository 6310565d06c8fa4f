"""A slow or failing LMS: an answer says what it rests on, keeps what was read, and leaves nothing running behind."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest
from mcp import Client

from mcp_truto_lms.domain.errors import NotFound, QueryError
from mcp_truto_lms.domain.source import Reading, Scope
from mcp_truto_lms.sandbox.faults import CUT_CONNECTION, HTML_BODY, MALFORMED_BODY, WRONG_KEY, Fault
from mcp_truto_lms.sandbox.organisation import generate
from mcp_truto_lms.sandbox.records import Organisation
from mcp_truto_lms.sandbox.variations import Variations
from mcp_truto_lms.server.app_context import AppContext
from mcp_truto_lms.server.tools import summarize_learner_progress
from mcp_truto_lms.settings import Settings
from tests.conftest import LIST, SUMMARIZE, TODAY, Desk, OpenDesk
from tests.stored import Shelf, course, open_shelf, person, record
from tests.truth import facts

pytestmark = pytest.mark.anyio

DOWN = Fault(status=503)
SMALL = generate(today=TODAY, learners=40, courses=8)


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 11, 23, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment


@pytest.fixture
def clock() -> Clock:
    return Clock()


class Waiting:
    """Counts the requests that the portal has not answered yet, by standing in for its sleep."""

    def __init__(self, desk: Desk) -> None:
        self.now = 0
        desk.portal._sleep = self

    async def __call__(self, seconds: float) -> None:
        self.now += 1
        try:
            await anyio.sleep(seconds)
        finally:
            self.now -= 1


async def until(happened: Callable[[], bool]) -> None:
    """Wait until something that has no event of its own has happened."""
    with anyio.fail_after(5):
        while not happened():  # noqa: ASYNC110 - the portal tells nobody
            await anyio.sleep(0.001)


def first_line(text: str) -> str:
    return text.splitlines()[0]


def told(text: str) -> tuple[int, int, str]:
    """Read what an incomplete answer says of its coverage."""
    found = re.search(r"(\d+) of (\d+) (\w+) read, ask again (?:to go on|in \d+ s)", first_line(text))
    assert found, text
    return int(found[1]), int(found[2]), found[3]


# Deadlines


def give(desk: Desk, seconds: float) -> None:
    """Change how long a call may take."""
    refresher = desk.account._refresher
    changed = replace(refresher._settings, deadline_seconds=seconds)
    refresher._settings = refresher.fetcher._settings = changed


async def test_a_call_whose_time_is_over_answers_with_what_is_there_and_the_rest_is_read_without_it(
    open_desk: OpenDesk, organisation: Organisation
):
    async with open_desk() as desk:
        await desk.list(course=["101", "102"])
        desk.portal.log.clear()
        desk.portal.faults.add(Fault(delay_seconds=1), after=7, times=None, endpoint="courses/id")
        give(desk, 0.5)
        text = await desk.summarize()
        read, wanted, unit = told(text)
        assert 2 <= read <= 9
        assert (wanted, unit) == (16, "courses")
        assert re.match(r"at least [\d,]+ enrollments, ", text)
        assert "complete" not in first_line(text)
        await until(lambda: not desk.account._refresher.fetcher.single_flight._under_way and len(desk.portal.log) == 14)
        give(desk, 60)
        text = await desk.summarize()
        assert desk.portal.log.counts() == {"courses/id": 14}
    assert text.startswith(f"{len(facts(organisation)):,} enrollments, ")
    assert ", complete." in first_line(text)


async def test_a_call_that_has_spent_its_calls_leaves_the_rest_to_the_background(open_desk: OpenDesk):
    async with open_desk(call_budget=4) as desk:
        desk.portal.faults.add(Fault(delay_seconds=0.05), times=None, endpoint="courses/id")
        read, wanted, _ = told(await desk.summarize())
        assert 3 <= read < wanted
        await until(lambda: not desk.account._refresher.fetcher.single_flight._under_way)
        assert ", complete." in first_line(await desk.summarize())
        assert desk.portal.log.counts()["courses/id"] == wanted


async def test_what_goes_on_in_the_background_ends_with_the_server(open_desk: OpenDesk):
    async with open_desk() as desk:
        await desk.list(course="101")
        waiting = Waiting(desk)
        desk.portal.faults.add(Fault(delay_seconds=30), times=None, endpoint="courses/id")
        give(desk, 0.5)
        await desk.summarize()
        assert waiting.now > 0
    assert waiting.now == 0


async def test_what_is_old_is_told_after_a_moment_and_read_again_meanwhile(
    open_desk: OpenDesk, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("mcp_truto_lms.ingest.fetcher.PATIENCE_SECONDS", 0.05)
    async with open_desk(clock=clock) as desk:
        await desk.summarize()
        clock.moment += timedelta(hours=1)
        desk.portal.faults.add(Fault(delay_seconds=0.3), times=None, endpoint="courses/id")
        text = await desk.summarize()
        assert "As of 2026-11-23 14:00" in text
        assert re.search(r"Not fully refreshed: the LMS is being read again; ask again in \d+ s\.", text)
        with anyio.fail_after(30):
            while "As of 2026-11-23 15:00" not in await desk.summarize():
                pass  # each waits for its patience


async def test_whoever_wants_it_fresh_waits_for_it(open_desk: OpenDesk, clock: Clock, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("mcp_truto_lms.ingest.fetcher.PATIENCE_SECONDS", 0.05)
    async with open_desk(clock=clock) as desk:
        await desk.list(course="101")
        clock.moment += timedelta(hours=1)
        desk.portal.faults.add(Fault(delay_seconds=0.3), times=None, endpoint="courses/id")
        assert "As of 2026-11-23 15:00" in await desk.list(course="101", fresh=True)


async def test_the_background_takes_a_quarter_of_the_hour_at_most(open_desk: OpenDesk):
    async with open_desk(variations=Variations(burst_limit=100_000, hourly_limit=40), call_budget=1) as desk:
        desk.portal.faults.add(Fault(delay_seconds=0.02), times=None, endpoint="courses/id")
        told(await desk.summarize())
        await until(lambda: not desk.account._refresher.fetcher.single_flight._under_way)
        assert 10 <= desk.portal.log.counts()["courses/id"] <= 10 + 8


async def test_a_call_that_reads_nothing_in_its_time_says_so(open_desk: OpenDesk):
    async with open_desk() as desk:
        await desk.list(course="101")
        desk.portal.faults.add(Fault(delay_seconds=30), times=None, endpoint="courses/id")
        give(desk, 0.05)
        text = await desk.list(course="102")
    assert told(text) == (0, 1, "courses")
    assert text.startswith("0 of at least 0 enrollments")


NOT_IN_TIME = [
    ("siteinfo", "The LMS needed more than 0.5 s. Ask again.", 0),
    ("users/email", "The LMS needed more than 0.5 s. Ask again.", 0),
    ("courses", "The list of courses is still being read. Ask again in 1 s.", 1),
    ("users", "The list of learners is still being read. Ask again in 1 s.", 1),
]


@pytest.mark.parametrize(("endpoint", "expected", "goes_on"), NOT_IN_TIME)
async def test_the_time_of_a_call_is_one_for_all_that_it_reads(
    open_desk: OpenDesk, endpoint: str, expected: str, goes_on: int
):
    async with open_desk(deadline_seconds=0.5) as desk:
        waiting = Waiting(desk)
        desk.portal.faults.add(Fault(delay_seconds=30), times=None, endpoint=endpoint)
        with anyio.fail_after(5):
            text = await desk.refused(LIST, user="nobody@northgate.example")
        assert text == expected
        assert waiting.now == goes_on
    assert waiting.now == 0


async def test_what_is_in_the_store_is_answered_though_the_time_is_over(open_desk: OpenDesk, clock: Clock):
    async with open_desk(clock=clock) as desk:
        await desk.summarize()
        give(desk, 0.05)
        clock.moment += timedelta(days=2)
        desk.portal.faults.add(Fault(delay_seconds=30), times=None)
        with anyio.fail_after(5):
            text = await desk.summarize()
    assert re.match(r"[\d,]+ enrollments, ", text)
    assert "As of 2026-11-23 14:00" in text
    assert re.search(r"Not fully refreshed: the LMS is being read again; ask again in \d+ s\.", text)


def failures() -> int:
    return sum(one.status == "failed" for one in facts(SMALL, failed_shown=True))


async def test_refining_that_is_cut_short_says_for_how_many_people_it_was_done(open_desk: OpenDesk):
    async with open_desk(of=SMALL) as desk:
        await desk.summarize()
        desk.portal.faults.add(Fault(delay_seconds=0.5), after=9, times=None, endpoint="users/id")
        give(desk, 0.3)
        text = await desk.list(state="failed")
        read, wanted, unit = told(text)
        assert 0 <= read <= 9 + 8
        assert (wanted > 20, unit) == (True, "people")
        assert "of at least" in first_line(text)
        desk.portal.faults.clear()
        give(desk, 60)
        text = await desk.list(state="failed")
    assert f"of {failures()} enrollments: failed" in text
    assert ", complete." in first_line(text)


async def test_refining_keeps_to_the_call_budget_and_goes_on_with_the_next_question(open_desk: OpenDesk):
    reads: list[int] = []
    async with open_desk(of=SMALL, call_budget=15) as desk:
        for _ in range(5):
            desk.portal.log.clear()
            text = await desk.list(status="failed")
            reads.append(desk.portal.log.counts()["users/id"])
            if ", complete." in first_line(text):
                break
            assert told(text)[0] == sum(reads)
    assert reads[:2] == [15, 15]
    assert 0 < reads[2] < 15
    assert len(reads) == 3
    assert f"of {failures()} enrollments: failed" in text


async def test_without_a_call_budget_failed_is_never_a_final_number(open_desk: OpenDesk):
    async with open_desk(of=SMALL, call_budget=0) as desk:
        text = await desk.summarize(state="failed")
    assert text.startswith("at least 0 enrollments")
    assert told(text)[0] == 0


async def test_where_refining_fails_the_answer_says_so(open_desk: OpenDesk):
    async with open_desk(of=SMALL) as desk:
        desk.portal.faults.add(DOWN, times=None, endpoint="users/id")
        text = await desk.summarize(state="failed")
        assert text.startswith("at least 0 enrollments")
        assert "Not fully refreshed: TalentLMS failed on its side" in text
        desk.portal.faults.clear()
        desk.portal.faults.add(WRONG_KEY, times=None, endpoint="users/id")
        assert "refused the API key" in await desk.refused(LIST, state="failed")


async def test_an_answer_that_was_cut_short_stays_so_when_it_is_refined(open_desk: OpenDesk):
    async with open_desk(of=SMALL) as desk:
        desk.portal.faults.add(MALFORMED_BODY, times=None, endpoint="courses/id", arguments={"id": "102"})
        text = await desk.list(state="failed")
    wanted = sum(one.status != "archived" for one in SMALL.courses)
    assert told(text) == (wanted - 1, wanted, "courses")


async def test_scores_beyond_the_call_budget_are_said_to_be_missing(open_desk: OpenDesk):
    async with open_desk(of=SMALL, call_budget=15) as desk:
        text = await desk.list(course="101", sort="-score")
        assert desk.portal.log.counts()["getuserstatusincourse"] == 15
        missing = int(re.search(r"score not read yet for ([\d,]+); ask again to go on", text)[1])
        for _ in range(-(-missing // 15)):
            text = await desk.list(course="101", sort="-score")
        assert "not read yet" not in text
        desk.portal.log.clear()
        await desk.list(course="101", fields="score")
        assert not list(desk.portal.log)


async def test_scores_that_cannot_be_read_are_said_to_be_missing_and_why(open_desk: OpenDesk):
    async with open_desk(of=SMALL) as desk:
        desk.portal.faults.add(MALFORMED_BODY, endpoint="getuserstatusincourse")
        text = await desk.list(course="101", fields="score")
    assert re.search(r"Not fully refreshed: TalentLMS .*\. score not read yet for 1; ask again to go on", text)
    assert ", complete." in first_line(text)


# Faults


@pytest.mark.parametrize("fault", [DOWN, CUT_CONNECTION, Fault(status=500, body="html")], ids=["503", "cut", "500"])
async def test_a_portal_that_is_down_from_the_start_is_an_error_that_says_what_to_do(open_desk: OpenDesk, fault: Fault):
    async with open_desk() as desk:
        desk.portal.faults.add(fault, times=None)
        for tool in (LIST, SUMMARIZE):
            text = await desk.refused(tool)
            assert re.search(r"Ask again (later|in a few minutes)", text)
            assert "http" not in text.replace("HTTP", "")
        desk.portal.faults.clear()
        assert ", complete." in await desk.summarize()


async def test_a_portal_that_goes_down_later_is_answered_for_from_what_was_read_with_its_age(
    open_desk: OpenDesk, clock: Clock
):
    async with open_desk(clock=clock) as desk:
        before = await desk.summarize()
        clock.moment += timedelta(days=2, minutes=5)
        desk.portal.faults.add(DOWN, times=None)
        for fresh in (False, True):
            text = await desk.summarize(fresh=fresh)
            assert "As of 2026-11-23 14:00" in first_line(text)
            assert "Not fully refreshed: TalentLMS failed on its side (HTTP 503)" in text
            assert first_line(text).split(". ")[0] == first_line(before).split(". ")[0]
        assert await desk.refused(LIST, user="someone.new@northgate.example")


async def test_a_portal_that_goes_down_in_the_middle_leaves_what_was_read(open_desk: OpenDesk):
    async with open_desk() as desk:
        desk.portal.faults.add(DOWN, times=None, after=4, endpoint="courses/id")
        text = await desk.summarize()
        assert told(text) == (4, 16, "courses")
        assert "Not fully refreshed: TalentLMS failed on its side" in text
        desk.portal.faults.clear()
        desk.portal.log.clear()
        assert ", complete." in await desk.summarize()
        assert desk.portal.log.counts()["courses/id"] == 12


async def test_a_portal_that_is_down_is_not_asked_for_every_course(open_desk: OpenDesk):
    async with open_desk() as desk:
        await desk.list(user="Jane Doe")
        desk.portal.log.clear()
        desk.portal.faults.add(DOWN, times=None)
        assert "failed on its side" in await desk.refused(SUMMARIZE)
        tried = {one.arguments["id"] for one in desk.portal.log if one.endpoint == "courses/id"}
    assert len(tried) < 16


async def test_a_key_that_is_refused_in_the_middle_is_an_error_and_nothing_old_is_told(
    open_desk: OpenDesk, clock: Clock
):
    async with open_desk(clock=clock) as desk:
        await desk.summarize()
        desk.portal.faults.add(WRONG_KEY, times=None, after=5)
        text = await desk.refused(SUMMARIZE, fresh=True)
        assert "TalentLMS refused the API key" in text
        assert "TALENTLMS_API_KEY" in text
        clock.moment += timedelta(days=2)
        assert "refused the API key" in await desk.refused(LIST, user="Jane Doe")
        assert "refused the API key" in await desk.refused(LIST, course="101")


async def test_a_key_that_is_refused_for_the_course_list_alone_is_an_error_too(open_desk: OpenDesk, clock: Clock):
    async with open_desk(of=SMALL, clock=clock) as desk:
        await desk.list(course="101")
        clock.moment += timedelta(hours=1)
        desk.portal.faults.add(WRONG_KEY, times=None, endpoint="courses")
        assert "refused the API key" in await desk.refused(LIST, course="101")


async def test_a_key_that_is_refused_stops_the_reading(open_desk: OpenDesk):
    async with open_desk() as desk:
        desk.portal.faults.add(WRONG_KEY, times=None, endpoint="courses/id")
        await desk.refused(SUMMARIZE)
        assert desk.portal.log.counts()["courses/id"] <= 8


async def test_a_used_up_hour_is_an_error_at_the_start(open_desk: OpenDesk):
    async with open_desk(variations=Variations()) as desk:
        desk.portal.limits.use_up()
        text = await desk.refused(SUMMARIZE)
    assert re.search(r"hourly limit of 2,000 calls is nearly used up\. It opens again at", text)


async def test_an_hour_that_is_used_up_in_the_middle_marks_the_answer(open_desk: OpenDesk, clock: Clock):
    async with open_desk(variations=Variations(), clock=clock) as desk:
        desk.portal.limits.use_up(remaining=215)
        text = await desk.summarize()
        read, wanted, _ = told(text)
        assert 0 < read < wanted == 16
        assert "hourly limit" in text
        assert await desk.summarize() == text
        known = min(desk.portal._index.courses, key=int)
        clock.moment += timedelta(days=2)
        text = await desk.list(course=known, fresh=True)
    assert "As of 2026-11-23 14:00" in text
    assert "hourly limit" in text


@pytest.mark.parametrize("fault", [MALFORMED_BODY, HTML_BODY], ids=["malformed", "html"])
async def test_one_course_that_cannot_be_read_does_not_hide_the_others(open_desk: OpenDesk, fault: Fault):
    async with open_desk() as desk:
        desk.portal.faults.add(fault, times=None, endpoint="courses/id", arguments={"id": "103"})
        text = await desk.summarize(group_by="course")
        assert told(text) == (15, 16, "courses")
        assert "GDPR" not in text
        assert "Phishing" in text
        desk.portal.faults.clear()
        desk.portal.log.clear()
        assert ", complete." in await desk.summarize(group_by="course")
        assert [one.arguments["id"] for one in desk.portal.log] == ["103"]


async def test_a_course_that_fails_for_good_does_not_keep_the_others_from_being_read(open_desk: OpenDesk):
    async with open_desk() as desk:
        desk.portal.faults.add(Fault(status=500), times=None, endpoint="courses/id", arguments={"id": "101"})
        assert told(await desk.summarize()) == (15, 16, "courses")


async def test_who_is_not_enrolled_in_what_was_not_read_is_said_to_be_unknown(open_desk: OpenDesk):
    async with open_desk(of=SMALL) as desk:
        desk.portal.faults.add(HTML_BODY, times=None, endpoint="courses/id", arguments={"id": "103"})
        for ask in (desk.list, desk.summarize):
            text = await ask(state="not_enrolled", course=["101", "103"])
            assert told(text) == (1, 2, "courses")
            assert re.match(r"(\d+ of )?at most \d+ missing enrollments", text)
            assert "Includes people whose enrollments are not read yet." in text


async def test_a_listed_course_that_the_lms_does_not_show_is_missing_and_not_empty(open_desk: OpenDesk):
    async with open_desk() as desk:
        before = await desk.list(course="103")
        desk.portal._index.courses.pop("103")
        text = await desk.list(course="103", fresh=True)
        assert text.splitlines()[1:4] == before.splitlines()[1:4]
        assert "The LMS lists course 103, but does not show it." in text
        assert "lists course 103" in await desk.summarize(fresh=True)


async def test_the_course_list_is_read_once_more_for_all_courses_that_are_not_shown(open_desk: OpenDesk):
    async with open_desk() as desk:
        await desk.summarize()
        for one in ("102", "103", "104"):
            desk.portal._index.courses.pop(one)
        desk.portal.log.clear()
        text = await desk.summarize(fresh=True)
        assert desk.portal.log.counts()["courses"] == 2
        assert "but does not show it" in text


class Closing(Shelf):
    """A source that loses its last course after it was listed."""

    async def enrollments(self, scope: Scope, **known: Any) -> Reading:
        if scope.course_id == "d":
            self.titles = self.titles[:1]
            raise NotFound("There is no such course.")
        return await super().enrollments(scope, **known)


async def test_a_course_that_is_gone_since_it_was_listed_is_no_gap():
    shelf = Closing([person("1", "Ann")], [course("c", "C"), course("d", "D")], [record("1", "c", "enrolled")])
    async with open_shelf(shelf) as desk:
        assert ", complete." in first_line(await desk.summarize())


async def test_somebody_who_joined_after_the_directory_was_read_is_found_by_id_and_soon_by_name(clock: Clock):
    shelf = Shelf(
        [person("1", "Ann")], [course("c", "C")], [record("1", "c", "enrolled"), record("2", "c", "enrolled")]
    )
    connection = AppContext(Settings(source="talentlms", today=TODAY), source=lambda _: shelf, clock=clock)
    async with connection:
        await summarize_learner_progress(connection, {})
        shelf.people = [person("1", "Ann"), person("2", "Newcomer")]
        with pytest.raises(QueryError, match="No learner"):
            await summarize_learner_progress(connection, {"user": "Newcomer"})
        clock.moment += timedelta(minutes=16)
        assert "Newcomer" in first_line((await summarize_learner_progress(connection, {"user": "Newcomer"})).text)


@pytest.mark.parametrize("fault", [DOWN, CUT_CONNECTION, Fault(status=429)], ids=["503", "cut", "429"])
async def test_what_passes_by_itself_is_not_noticed(open_desk: OpenDesk, fault: Fault):
    async with open_desk(of=SMALL) as desk:
        for after in (0, 3, 9):
            desk.portal.faults.add(fault, times=2, after=after)
        text = await desk.summarize()
    assert text.startswith(f"{len(facts(SMALL)):,} enrollments, ")
    assert ", complete." in first_line(text)
    assert "Not fully refreshed" not in text


async def test_a_portal_that_says_nothing_of_itself_is_answered_in_utc(open_desk: OpenDesk):
    async with open_desk() as desk:
        desk.portal.faults.add(MALFORMED_BODY, times=None, endpoint="siteinfo")
        assert "12:00 UTC, complete." in await desk.list(course="101")
        desk.portal.log.clear()
        assert "12:00 UTC, complete." in await desk.list()
        assert desk.portal.log.counts() == {"courses/id": 15}


class Learning(Shelf):
    """A source that knows what its LMS never fills once it has read something."""

    async def enrollments(self, scope: Scope, **known: Any) -> Reading:
        self.unreported = frozenset({"is_mandatory"})
        return await super().enrollments(scope, **known)


async def test_what_the_first_reading_tells_of_the_lms_is_told_with_the_first_answer():
    shelf = Learning([person("1", "Ann")], [course("c", "C")], [record("1", "c", "enrolled")])
    async with open_shelf(shelf) as desk:
        assert "Not reported by this LMS: mandatory." in await desk.list(fields=["user.name", "is_mandatory"])


# Progress and cancelling


async def call_with_progress(
    client: Client, tool: str, **arguments: Any
) -> list[tuple[float, float | None, str | None]]:
    heard: list[tuple[float, float | None, str | None]] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, total, message))

    result = await client.call_tool(tool, arguments, progress_callback=hear)
    assert not result.is_error
    return heard


async def test_progress_arrives_at_the_client_with_growing_numbers_and_a_total(open_desk: OpenDesk):
    async with open_desk() as desk:
        await desk.list(course="101")
        heard = await call_with_progress(desk.client, SUMMARIZE)
        assert [one[:2] for one in heard] == [(n, 16) for n in range(2, 17)]
        assert heard[-1][2] == "16 of 16 courses read"
        assert await call_with_progress(desk.client, SUMMARIZE) == []


async def test_progress_keeps_growing_while_an_answer_is_refined(open_desk: OpenDesk):
    async with open_desk(of=SMALL) as desk:
        heard = await call_with_progress(desk.client, LIST, state="failed", course="101")
    numbers = [one[0] for one in heard]
    assert numbers == sorted({*numbers})
    assert heard[0] == (1, 1, "1 of 1 courses read")
    assert heard[-1][0] == heard[-1][1]
    assert heard[-1][2].endswith("people read")
    assert all(progress <= total for progress, total, _ in heard)


@pytest.mark.parametrize("endpoint", ["siteinfo", "courses", "users", "courses/id"])
async def test_a_cancelled_call_leaves_no_request_behind_and_the_next_call_works(open_desk: OpenDesk, endpoint: str):
    async with open_desk() as desk:
        waiting = Waiting(desk)
        desk.portal.faults.add(Fault(delay_seconds=30), times=None, endpoint=endpoint)
        async with anyio.create_task_group() as group:
            group.start_soon(desk.summarize)
            await until(lambda: waiting.now > 0)
            group.cancel_scope.cancel()
        await until(lambda: waiting.now == 0)
        desk.portal.faults.clear()
        assert ", complete." in await desk.summarize()


async def test_the_end_of_the_connection_ends_what_is_being_read(open_desk: OpenDesk):
    async with anyio.create_task_group() as group, open_desk() as desk:
        waiting = Waiting(desk)
        desk.portal.faults.add(Fault(delay_seconds=30), times=None, endpoint="courses/id")

        async def ask() -> None:
            with anyio.CancelScope():
                await desk.client.call_tool(SUMMARIZE, {})

        group.start_soon(ask)
        await until(lambda: waiting.now == 8)
        group.cancel_scope.cancel()
    assert waiting.now == 0
