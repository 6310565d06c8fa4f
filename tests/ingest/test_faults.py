"""A failing LMS: an answer rests on what is stored, with its age, or is an error that says what to do."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from mcp_truto_lms.domain.errors import NotFound, QueryError
from mcp_truto_lms.domain.source import Reading, Scope
from mcp_truto_lms.sandbox.faults import CUT_CONNECTION, HTML_BODY, MALFORMED_BODY, WRONG_KEY, Fault
from mcp_truto_lms.sandbox.organisation import generate
from mcp_truto_lms.sandbox.variations import Variations
from mcp_truto_lms.server.app_context import AppContext
from mcp_truto_lms.server.tools import summarize_learner_progress
from mcp_truto_lms.settings import Settings
from tests.conftest import LIST, SUMMARIZE, TODAY, OpenDesk
from tests.ingest.portal_calls import asked, calls, transcripts
from tests.ingest.portal_waits import first_line, read_coverage
from tests.stored import MovableClock, Shelf, course, open_shelf, person, record
from tests.truth import facts

pytestmark = pytest.mark.anyio


DOWN = Fault(status=503)


SMALL = generate(today=TODAY, learners=40, courses=8)


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


async def test_stored_data_is_answered_with_its_age_while_the_portal_is_down(open_desk: OpenDesk, clock: MovableClock):
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


async def test_scopes_fetched_before_the_portal_went_down_are_stored(open_desk: OpenDesk):
    async with open_desk() as desk:
        desk.portal.faults.add(DOWN, times=None, after=4, endpoint="courses/id")
        text = await desk.summarize()
        assert read_coverage(text) == (4, 16, "courses")
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
        tried = {request.arguments["id"] for request in desk.portal.log if request.endpoint == "courses/id"}
    assert len(tried) < 16


async def test_a_key_that_is_refused_midway_is_an_error_and_no_stored_data_is_answered(
    open_desk: OpenDesk, clock: MovableClock
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


async def test_a_key_that_is_refused_for_the_course_list_alone_is_an_error_too(
    open_desk: OpenDesk, clock: MovableClock
):
    async with open_desk(of=SMALL, clock=clock) as desk:
        await desk.list(course="101")
        clock.moment += timedelta(hours=1)
        desk.portal.faults.add(WRONG_KEY, times=None, endpoint="courses")
        assert "refused the API key" in await desk.refused(LIST, course="101")


async def test_a_refused_key_stops_the_fetch(open_desk: OpenDesk):
    async with open_desk() as desk:
        desk.portal.faults.add(WRONG_KEY, times=None, endpoint="courses/id")
        await desk.refused(SUMMARIZE)
        assert desk.portal.log.counts()["courses/id"] <= 8


async def test_an_exhausted_hourly_limit_is_an_error_at_the_start(open_desk: OpenDesk):
    async with open_desk(variations=Variations()) as desk:
        desk.portal.limits.use_up()
        text = await desk.refused(SUMMARIZE)
    assert re.search(r"hourly limit of 2,000 calls is nearly used up\. It opens again at", text)


async def test_an_hourly_limit_exhausted_midway_marks_the_answer(open_desk: OpenDesk, clock: MovableClock):
    async with open_desk(variations=Variations(), clock=clock) as desk:
        desk.portal.limits.use_up(remaining=215)
        text = await desk.summarize()
        read, wanted, _ = read_coverage(text)
        assert 0 < read < wanted == 16
        assert "hourly limit" in text
        assert await desk.summarize() == text
        known = next(request.arguments["id"] for request in desk.portal.log if request.endpoint == "courses/id")
        clock.moment += timedelta(days=2)
        text = await desk.list(course=known, fresh=True)
    assert "As of 2026-11-23 14:00" in text
    assert "hourly limit" in text


@pytest.mark.parametrize("fault", [MALFORMED_BODY, HTML_BODY], ids=["malformed", "html"])
async def test_a_course_that_cannot_be_fetched_does_not_hide_the_others(open_desk: OpenDesk, fault: Fault):
    async with open_desk() as desk:
        desk.portal.faults.add(fault, times=None, endpoint="courses/id", arguments={"id": "103"})
        text = await desk.summarize(group_by="course")
        assert read_coverage(text) == (15, 16, "courses")
        assert text.startswith("at least ")
        assert "Phishing" in text
        desk.portal.faults.clear()
        desk.portal.log.clear()
        assert ", complete." in await desk.summarize(group_by="course")
        assert asked(desk, "courses/id") == ["103"]


async def test_a_course_that_always_fails_does_not_stop_the_others(open_desk: OpenDesk):
    async with open_desk() as desk:
        desk.portal.faults.add(Fault(status=500), times=None, endpoint="courses/id", arguments={"id": "101"})
        assert read_coverage(await desk.summarize()) == (15, 16, "courses")


async def test_people_not_enrolled_in_a_course_that_was_not_fetched_are_reported_as_unknown(open_desk: OpenDesk):
    async with open_desk(of=SMALL) as desk:
        desk.portal.faults.add(HTML_BODY, times=None, endpoint="courses/id", arguments={"id": "103"})
        for ask in (desk.list, desk.summarize):
            text = await ask(state="not_enrolled", course=["101", "103"])
            assert read_coverage(text) == (1, 2, "courses")
            assert re.match(r"(\d+ of )?at most \d+ missing enrollments", text)
            assert "Includes people whose enrollments are not read yet." in text


async def test_a_listed_course_that_the_lms_does_not_show_is_missing_and_not_empty(open_desk: OpenDesk):
    async with open_desk() as desk:
        before = await desk.list(course="103")
        desk.portal.variations = replace(desk.portal.variations, unreadable_ids=frozenset({"103"}))
        text = await desk.list(course="103", fresh=True)
        assert text.splitlines()[1:4] == before.splitlines()[1:4]
        assert "The LMS lists, but does not show: GDPR & Data Protection." in text
        assert "1 course not readable" in first_line(await desk.summarize(fresh=True))


async def test_a_listed_person_whom_the_lms_does_not_show_keeps_their_enrollments(open_desk: OpenDesk):
    async with open_desk(of=SMALL) as desk:
        user_id = next(each.user_id for each in SMALL.enrollments if each.role == "learner")
        before = await desk.summarize(user=user_id)
        desk.portal._index.people.pop(user_id)
        text = await desk.summarize(user=user_id, fresh=True)
        assert text.splitlines()[1] == before.splitlines()[1]
        assert f"The LMS lists person {user_id}, but does not show them." in text


async def test_the_course_list_is_fetched_once_more_for_all_courses_that_are_not_shown(open_desk: OpenDesk):
    async with open_desk() as desk:
        await desk.summarize()
        hidden = frozenset({"102", "103", "104"})
        desk.portal.variations = replace(desk.portal.variations, unreadable_ids=hidden)
        desk.portal.log.clear()
        text = await desk.summarize(fresh=True)
        assert desk.portal.log.counts()["courses"] == 2
        assert "3 courses not readable" in first_line(text)


class Closing(Shelf):
    """A source that loses its last course after it was listed."""

    async def enrollments(self, scope: Scope, **known: Any) -> Reading:
        if scope.course_id == "d":
            self.titles = self.titles[:1]
            raise NotFound("There is no such course.")
        return await super().enrollments(scope, **known)


async def test_a_course_deleted_after_it_was_listed_does_not_make_an_answer_incomplete():
    shelf = Closing([person("1", "Ann")], [course("c", "C"), course("d", "D")], [record("1", "c", "enrolled")])
    async with open_shelf(shelf) as desk:
        assert ", complete." in first_line(await desk.summarize())


async def test_a_person_who_joined_after_the_directory_was_fetched_is_known_by_name_soon(clock: MovableClock):
    shelf = Shelf(
        [person("1", "Ann")], [course("c", "C")], [record("1", "c", "enrolled"), record("2", "c", "enrolled")]
    )
    app_context = AppContext(Settings(source="talentlms", today=TODAY), source=lambda _: shelf, clock=clock)
    async with app_context:
        await summarize_learner_progress(app_context, {})
        shelf.people = [person("1", "Ann"), person("2", "Newcomer")]
        with pytest.raises(QueryError, match="No learner"):
            await summarize_learner_progress(app_context, {"user": "Newcomer"})
        clock.moment += timedelta(minutes=16)
        assert "Newcomer" in first_line((await summarize_learner_progress(app_context, {"user": "Newcomer"})).text)


@pytest.mark.parametrize("fault", [DOWN, CUT_CONNECTION, Fault(status=429)], ids=["503", "cut", "429"])
async def test_a_short_failure_is_retried_without_a_trace_in_the_answer(open_desk: OpenDesk, fault: Fault):
    async with open_desk(of=SMALL) as desk:
        for after in (0, 3, 9):
            desk.portal.faults.add(fault, times=2, after=after)
        text = await desk.summarize()
    assert text.startswith(f"{len(facts(SMALL)):,} enrollments, ")
    assert ", complete." in first_line(text)
    assert "Not fully refreshed" not in text


async def test_a_portal_that_says_nothing_of_itself_is_answered_in_the_zone_of_its_rows(open_desk: OpenDesk):
    async with open_desk() as desk:
        desk.portal.faults.add(MALFORMED_BODY, times=None, endpoint="siteinfo")
        assert "14:00 Europe/Athens, complete." in await desk.list(course="101")
        desk.portal.log.clear()
        assert "14:00 Europe/Athens, complete." in await desk.list()
        others = transcripts()["users/id"] - transcripts("101")["users/id"]
        assert calls(desk) == {"courses/id": 15, "users/id": others}


class Learning(Shelf):
    """A source that knows what its LMS never fills once it has read something."""

    async def enrollments(self, scope: Scope, **known: Any) -> Reading:
        self.unreported = frozenset({"is_mandatory"})
        return await super().enrollments(scope, **known)


async def test_columns_that_the_first_fetch_shows_to_be_unreported_are_named_in_the_first_answer():
    shelf = Learning([person("1", "Ann")], [course("c", "C")], [record("1", "c", "enrolled")])
    async with open_shelf(shelf) as desk:
        assert "Not reported by this LMS: mandatory." in await desk.list(fields=["user.name", "is_mandatory"])
