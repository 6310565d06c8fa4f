"""Answers of one account: a status is the same whatever way it came, and a page continues the same answer or none."""

from __future__ import annotations

import json
import logging
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import anyio.from_thread
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from mcp_truto_lms.domain.source import Scope
from mcp_truto_lms.ingest.fetch_planner import FetchPlanner
from mcp_truto_lms.people.people_file import PeopleFile
from mcp_truto_lms.query.queries import EnrollmentQuery
from mcp_truto_lms.sandbox.organisation import generate
from mcp_truto_lms.sandbox.records import Organisation, Outcome, SampleEnrollment
from mcp_truto_lms.sandbox.variations import Variations
from mcp_truto_lms.server.app_context import AppContext
from mcp_truto_lms.server.tools import summarize_learner_progress
from mcp_truto_lms.settings import Settings
from mcp_truto_lms.store import list_writer
from mcp_truto_lms.store.rows import learner_rows
from mcp_truto_lms.store.schema import cursors
from tests.conftest import LIST, TODAY, Desk, OpenDesk
from tests.stored import ACCOUNT, STAMP, Shelf, course, open_shelf, person, record
from tests.truth import NOON, facts

pytestmark = pytest.mark.anyio

LANGUAGES = ["English", "Greek", "German"]
SMALL = generate(today=TODAY, learners=12, courses=5)


def variations(**changes: Any) -> Variations:
    return Variations(**{"burst_limit": 100_000, "hourly_limit": 100_000, **changes})


async def records(desk: Desk, **arguments: Any) -> list[dict[str, Any]]:
    """Ask for unified records, page by page."""
    found: list[dict[str, Any]] = []
    envelope = json.loads(await desk.list(**arguments, format="json", limit=200))
    while True:
        found += envelope["result"]
        if envelope["next_cursor"] is None:
            assert len(found) == envelope["total"]
            return found
        envelope = json.loads(await desk.list(cursor=envelope["next_cursor"]))


async def statuses(desk: Desk, **arguments: Any) -> dict[str, str]:
    return {one["id"]: one["status"] for one in await records(desk, **arguments)}


def with_failure(organisation: Organisation) -> Organisation:
    """Let one enrollment of each outcome be there, the failed ones judged."""
    changed: list[SampleEnrollment] = []
    for number, one in enumerate(organisation.enrollments):
        failed = number % 5 == 0 and one.role == "learner"
        changed.append(
            replace(one, outcome=Outcome.FAILED, percent=60, completed_on=None, failed_on=NOON - 999, seconds_spent=60)
            if failed
            else one
        )
    return replace(organisation, enrollments=tuple(changed))


FAILING = with_failure(SMALL)


# A status is a status


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("failed_sets_completed_on", [False, True])
async def test_a_status_is_the_same_by_transcript_and_by_pair_in_every_language(
    open_desk: OpenDesk, language: str, failed_sets_completed_on: bool
):
    wanted = variations(language=language, failed_sets_completed_on=failed_sets_completed_on)
    truth = {f"{one.user_id}_{one.course_id}": one.status for one in facts(FAILING, failed_shown=True)}
    people = sorted({one.user_id for one in facts(FAILING)})
    async with open_desk(of=FAILING, variations=wanted) as desk:
        by_transcript = await statuses(desk, user=people)
        assert "users" not in desk.portal.log.counts()
    by_pair: dict[str, str] = {}
    async with open_desk(of=FAILING, variations=wanted) as desk:
        account = desk.account
        refresher = account._refresher
        await refresher.run(refresher.begin(), FetchPlanner.course_list)
        await refresher.run(refresher.begin(), FetchPlanner.directory)
        pairs = [Scope(one.user_id, one.course_id) for one in facts(FAILING)]
        coverage = await refresher.run(
            refresher.begin(), lambda planner: planner.scopes("pairs", pairs, max_age_seconds=0)
        )
        assert coverage.complete
        rows = await account.list_enrollments(EnrollmentQuery(limit=200))
        by_pair = {row["id"]: row["status"] for row in rows.rows}
    assert by_transcript == truth
    assert {key: by_pair[key] for key in truth} == truth


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("failed_sets_completed_on", [False, True])
async def test_a_failure_is_told_by_transcripts_and_no_later_roster_undoes_it(
    open_desk: OpenDesk, language: str, failed_sets_completed_on: bool
):
    wanted = variations(language=language, failed_sets_completed_on=failed_sets_completed_on)
    truth = {f"{one.user_id}_{one.course_id}" for one in facts(FAILING, failed_shown=True) if one.status == "failed"}
    async with open_desk(of=FAILING, variations=wanted) as desk:
        assert "Failures unknown for" in await desk.summarize()
        assert {*await statuses(desk, state="failed")} == truth
        assert "Failed unknown" not in await desk.list(state="failed")
        everything = await statuses(desk, fresh=True)
        assert {key for key, status in everything.items() if status == "failed"} == truth


async def test_a_failure_that_no_roster_shows_is_found_once_the_transcripts_are_old(open_desk: OpenDesk):
    """A learner who fails keeps progress and dates in the roster: only a transcript that is read again tells it."""
    moment = datetime(2026, 11, 23, 12, tzinfo=UTC)
    async with open_desk(of=SMALL, clock=lambda: moment) as desk:
        before = await statuses(desk, state="failed")
        index = desk.portal._index
        counted = await statuses(desk)
        open_ones = [one for one in SMALL.enrollments if one.outcome is Outcome.INCOMPLETE]
        one = next(one for one in open_ones if counted.get(f"{one.user_id}_{one.course_id}") == "in_progress")
        failed = replace(one, outcome=Outcome.FAILED)
        for listing in (index.transcript(one.user_id), index.roster(one.course_id)):
            listing[listing.index(one)] = failed
        assert await statuses(desk, state="failed") == before
        moment += timedelta(minutes=15)
        after = await statuses(desk, state="failed")
    assert after.keys() - before.keys() == {f"{one.user_id}_{one.course_id}"}


async def test_scores_come_by_pairs_and_outlive_rosters_and_transcripts(open_desk: OpenDesk):
    truth = {f"{one.user_id}_{one.course_id}": one.score for one in SMALL.enrollments if one.score is not None}
    counted = {f"{one.user_id}_{one.course_id}" for one in facts(SMALL)}
    expected = {key: score for key, score in truth.items() if key in counted}
    async with open_desk(of=SMALL) as desk:
        for fresh in (False, True):
            found = await records(desk, fields=["id", "score"], fresh=fresh)
            assert {one["id"]: one["score"] for one in found if "score" in one} == expected
        await desk.list(user=sorted({one.user_id for one in facts(SMALL)}), fresh=True)
        found = await records(desk, fields=["id", "score"])
    assert {one["id"]: one["score"] for one in found if "score" in one} == expected


# What changed in the portal


async def test_a_person_who_was_un_enrolled_is_gone_with_the_next_reading(open_desk: OpenDesk):
    async with open_desk(of=SMALL) as desk:
        fact = facts(SMALL)[0]
        before = await statuses(desk, course=fact.course_id)
        roster = desk.portal._index.roster(fact.course_id)
        roster.remove(next(one for one in roster if one.user_id == fact.user_id))
        after = await statuses(desk, course=fact.course_id, fresh=True)
    assert before.keys() - after.keys() == {f"{fact.user_id}_{fact.course_id}"}


# Cursors


def cursor_of(text: str) -> str:
    return re.search(r"cursor=(\S+)$", text)[1]


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 11, 23, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment


async def test_a_cursor_that_nobody_gave_is_refused(open_desk: OpenDesk):
    async with open_desk(of=SMALL) as desk, open_desk(of=SMALL) as other:
        token = cursor_of(await other.list(limit=5))
        for foreign in (token, "nonsense"):
            text = await desk.refused(LIST, cursor=foreign)
            assert text == "This cursor is unknown or has expired: ask the question again without it."


async def test_a_cursor_expires_after_an_hour_and_reads_nothing_again_before(open_desk: OpenDesk):
    clock = Clock()
    async with open_desk(of=SMALL, clock=clock) as desk:
        text = await desk.list(limit=5)
        desk.portal.log.clear()
        clock.moment += timedelta(hours=1)
        assert await desk.list(cursor=cursor_of(text))
        assert not list(desk.portal.log)
        clock.moment += timedelta(seconds=1)
        assert "has expired" in await desk.refused(LIST, cursor=cursor_of(text))
        clock.moment += timedelta(hours=1)
        await desk.list(limit=5)
        kept = await desk.account._database.run(lambda c: c.execute(select(cursors.c.token)).all())
        assert len(kept) == 1


async def test_a_page_is_judged_at_the_moment_of_the_first_one(open_desk: OpenDesk):
    clock = Clock()
    due = min(one.due for one in facts(SMALL) if one.due is not None and one.due > NOON and not one.finished)
    clock.moment = datetime.fromtimestamp(due - 60, UTC)
    async with open_desk(of=SMALL, clock=clock) as desk:
        text = await desk.list(state="overdue", limit=2)
        clock.moment += timedelta(minutes=5)
        page = await desk.list(cursor=cursor_of(text))
        later = await desk.list(state="overdue", limit=2)
    total = [int(re.search(r"of (\d+) enrollments", one)[1]) for one in (text, page, later)]
    assert total[0] == total[1] < total[2]


async def test_an_answer_is_as_old_as_the_oldest_of_what_it_rests_on(open_desk: OpenDesk):
    clock = Clock()
    async with open_desk(of=SMALL, clock=clock) as desk:
        await desk.list(state="failed")
        clock.moment += timedelta(minutes=10)
        assert "As of 2026-11-23 14:10" in await desk.list(fresh=True)
        assert "As of 2026-11-23 14:00" in await desk.list(state="failed")


async def test_a_cursor_ends_with_a_change_and_survives_reading_the_same_again(open_desk: OpenDesk):
    async with open_desk(of=SMALL) as desk:
        await desk.list(user=["Jane Doe", "7"])
        token = cursor_of(await desk.list(limit=5))
        await desk.list(fresh=True)
        await desk.list(user=["Jane Doe", "7"], fresh=True)
        await desk.list(user="jane.doe@northgate.example", fresh=True)
        page = await desk.list(cursor=token)
        assert page.startswith("Rows 6 to 10")
        roster = desk.portal._index.roster("101")
        roster.remove(roster[-1])
        await desk.list(course="101", fresh=True)
        text = await desk.refused(LIST, cursor=token)
    assert text == "The data changed since that page: ask the question again without the cursor."


async def test_a_change_between_a_page_and_its_cursor_is_noticed(open_desk: OpenDesk):
    async with open_desk(of=SMALL) as desk:
        answer = await desk.account.list_enrollments(EnrollmentQuery(limit=5))
        await desk.account._database.run(
            lambda c: list_writer.replace_learners(c, ACCOUNT, learner_rows(ACCOUNT, []), STAMP)
        )
        await desk.account.store_cursor(answer, "token", 5)
        assert "The data changed" in await desk.refused(LIST, cursor="token")


async def test_readers_with_cursors_never_mix_two_states_while_the_data_is_replaced():
    """Each page either continues the state of its first page or says that there is none."""
    shelf = Shelf(people=[person(str(n), f"P{n}") for n in range(30)], titles=[course("c", "C")])

    def state(number: int) -> None:
        shelf.records = [record(str(n), "c", "enrolled", progress_percent=number) for n in range(30)]

    state(0)
    ends: list[str] = []
    async with open_shelf(shelf) as desk:

        async def change() -> None:
            for number in range(1, 13):
                state(number)
                await desk.list(course="C", fresh=True)

        async def page_through() -> None:
            for _ in range(8):
                envelope = json.loads(await desk.list(course="C", format="json", limit=10))
                seen = list(envelope["result"])
                while envelope["next_cursor"]:
                    result = await desk.client.call_tool(LIST, {"cursor": envelope["next_cursor"]})
                    if result.is_error:
                        ends.append("changed")
                        break
                    envelope = json.loads(result.content[0].text)
                    seen += envelope["result"]
                else:
                    ends.append("whole")
                    assert len({one["id"] for one in seen}) == len(seen) == 30
                assert len({one["progress_percent"] for one in seen}) == 1

        async with anyio.create_task_group() as group:
            group.start_soon(change)
            for _ in range(3):
                group.start_soon(page_through)
    assert "whole" in ends


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(limit=st.integers(1, 60), sort=st.sampled_from(["due_at", "-progress_percent", "user.name", "-score", "status"]))
async def test_no_row_comes_twice_and_none_is_lost_at_any_limit(open_desk: OpenDesk, limit: int, sort: str):
    async with open_desk(of=SMALL) as desk:
        seen: list[str] = []
        answer = await desk.account.list_enrollments(EnrollmentQuery(limit=limit, sort=sort, fields=("id",)))
        while True:
            seen += [row["id"] for row in answer.rows]
            if answer.offset + len(answer.rows) >= answer.stats.counts.enrollments:
                break
            await desk.account.store_cursor(answer, "token", len(answer.rows))
            answer = await desk.account.list_enrollments(EnrollmentQuery(cursor="token"))
            await desk.account._database.run(_forget_cursors)
    assert len(seen) == len({*seen})
    assert {*seen} == {f"{one.user_id}_{one.course_id}" for one in facts(SMALL)}


def _forget_cursors(connection: Any) -> None:
    connection.execute(cursors.delete())


# The connection


async def test_the_account_is_opened_once_and_closed_with_the_connection():
    opened: list[Shelf] = []

    class Closable(Shelf):
        closed = False

        async def aclose(self) -> None:
            self.closed = True

    def source(_: Any) -> Shelf:
        opened.append(Closable())
        return opened[-1]

    async with AppContext(Settings(today=TODAY), source=source) as connection:
        assert await connection.account() is await connection.account()
    assert [one.closed for one in opened] == [True]


# Summaries


async def test_a_summary_of_one_learner_or_course_is_one_state_with_its_rows(open_desk: OpenDesk):
    async with open_desk() as desk:
        learner = await desk.summarize(user="6")
        late = await desk.summarize(course="101")
        judged = await desk.summarize(course="101", state="finished")
        ambiguous = await desk.summarize(user="Maria García")
        courses = await desk.summarize(course=["101", "102"])
    assert learner.splitlines()[0].startswith("8 enrollments, 1 learner")
    assert "overdue, longest first" in late
    assert "not enrolled" in late
    assert "list_course_enrollments has all" in judged
    assert "learner,enrollments" in ambiguous
    assert "course,enrollments" in courses


async def test_a_last_day_before_the_first_is_refused_before_anything_is_counted(open_desk: OpenDesk):
    async with open_desk() as desk:
        for tool in (LIST, "summarize_learner_progress"):
            text = await desk.refused(tool, due_from="+14d", due_to="today")
            assert text == "due_to is before due_from: no day lies between them."
        assert "courses/id" not in desk.portal.log.counts()


async def test_how_many_calls_a_question_took_is_logged(open_desk: OpenDesk, caplog: pytest.LogCaptureFixture):
    async with open_desk() as desk:
        with caplog.at_level(logging.INFO, logger="mcp_truto_lms.server.tools"):
            await desk.list(course="101")
            await desk.list(course="101")
    told = [int(one.args[1]) for one in caplog.records if one.name == "mcp_truto_lms.server.tools"]
    assert told[0] == desk.account.source.calls
    assert told[1] == 0


async def test_without_an_lms_that_lists_courses_nothing_is_read_and_nothing_found(open_desk: OpenDesk):
    empty = replace(generate(today=TODAY, learners=5, courses=3), courses=(), enrollments=())
    async with open_desk(of=empty) as desk:
        text = await desk.summarize()
    assert text.startswith("0 enrollments, 0 learners, 0 courses. ")
    assert "complete" in text
    assert "users/id" not in desk.portal.log.counts()


async def test_other_questions_are_answered_while_the_people_file_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file, read, answered = tmp_path / "people.csv", PeopleFile.load_if_changed, list[int]()
    file.write_text("user_id,team\n1,Sales\n")
    shelf = Shelf([person("1", "Jo")], [course("c", "C")], [record("1", "c", "enrolled")])
    async with open_shelf(shelf, people_file=str(file)) as desk:
        await desk.list()

        async def ask() -> None:
            with anyio.fail_after(9):
                answered.append(len((await desk.account.list_enrollments(EnrollmentQuery())).rows))

        def read_after_another_question(self: PeopleFile) -> Any:
            anyio.from_thread.run(ask)
            return read(self)

        monkeypatch.setattr(PeopleFile, "load_if_changed", read_after_another_question)
        assert "Sales,1" in await desk.summarize(group_by="team")
    assert answered == [1]


async def test_where_nobody_is_listed_rosters_are_read_all_the_same():
    shelf = Shelf([], [course("c", "Course")], [record("1", "c", "enrolled")])
    async with AppContext(Settings(source="talentlms", today=TODAY), source=lambda _: shelf) as connection:
        text = (await summarize_learner_progress(connection, {})).text
    assert text.startswith("1 enrollment")


async def test_calls_are_counted_for_the_question_that_made_them(open_desk: OpenDesk, caplog: pytest.LogCaptureFixture):
    async with open_desk() as desk:
        with caplog.at_level(logging.INFO, logger="mcp_truto_lms.server.tools"):
            async with anyio.create_task_group() as group:
                for one in ("101", "102", "103"):
                    group.start_soon(lambda one=one: desk.list(course=one))
    told = [int(one.args[1]) for one in caplog.records if one.name == "mcp_truto_lms.server.tools"]
    assert sum(told) == desk.account.source.calls
