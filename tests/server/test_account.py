"""Questions about an account: what is opened, logged, and answered where the LMS has little."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import anyio.from_thread
import pytest

from mcp_truto_lms.people.people_file import PeopleFile
from mcp_truto_lms.query.queries import EnrollmentQuery
from mcp_truto_lms.sandbox.organisation import generate
from mcp_truto_lms.sandbox.records import Organisation
from mcp_truto_lms.server.app_context import AppContext
from mcp_truto_lms.server.tools import summarize_learner_progress
from mcp_truto_lms.settings import Settings
from tests.conftest import LIST, TODAY, WAIT_SECONDS, OpenDesk
from tests.stored import Shelf, course, open_shelf, person, record
from tests.truth import facts, number

pytestmark = pytest.mark.anyio


async def test_the_account_is_opened_once_and_closed_with_the_app_context():
    opened: list[Shelf] = []

    class Closable(Shelf):
        closed = False

        async def aclose(self) -> None:
            self.closed = True

    def source(_: Any) -> Shelf:
        opened.append(Closable())
        return opened[-1]

    async with AppContext(Settings(today=TODAY), source=source) as app_context:
        assert await app_context.account() is await app_context.account()
    assert [shelf.closed for shelf in opened] == [True]


async def test_a_summary_of_a_single_learner_or_course_has_its_rows(open_desk: OpenDesk, organisation: Organisation):
    async with open_desk() as desk:
        learner = await desk.summarize(user="6")
        late = await desk.summarize(course="101")
        judged = await desk.summarize(course="101", state="finished")
        ambiguous = await desk.summarize(user="Maria García")
        courses = await desk.summarize(course=["101", "102"])
    total = number(facts(organisation), lambda fact: fact.user_id == "6")
    assert learner.splitlines()[0].startswith(f"{total} enrollments, 1 learner")
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
    calls = [int(entry.args[1]) for entry in caplog.records if entry.name == "mcp_truto_lms.server.tools"]
    assert calls[0] == desk.account.source.calls
    assert calls[1] == 0


async def test_where_the_lms_lists_no_courses_no_enrollments_are_fetched(open_desk: OpenDesk):
    empty = replace(generate(today=TODAY, learners=5, courses=3), courses=(), enrollments=())
    async with open_desk(of=empty) as desk:
        text = await desk.summarize()
    assert text.startswith("0 enrollments, 0 learners, 0 courses. ")
    assert "complete" in text
    assert "users/id" not in desk.portal.log.counts()


async def test_other_questions_are_answered_while_the_people_file_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file, read, answered = tmp_path / "people.csv", PeopleFile.load_if_changed, list[int]()
    file.write_text("user_id,team\n1,Sales\n")
    shelf = Shelf([person("1", "Jo")], [course("c", "C")], [record("1", "c", "enrolled")])
    async with open_shelf(shelf, people_file=str(file)) as desk:
        await desk.list()

        async def ask() -> None:
            with anyio.fail_after(WAIT_SECONDS):
                answered.append(len((await desk.account.list_enrollments(EnrollmentQuery())).rows))

        def read_after_another_question(self: PeopleFile) -> Any:
            anyio.from_thread.run(ask)
            return read(self)

        monkeypatch.setattr(PeopleFile, "load_if_changed", read_after_another_question)
        assert "Sales,1" in await desk.summarize(group_by="team")
    assert answered == [1]


async def test_rosters_are_fetched_though_the_directory_is_empty():
    shelf = Shelf([], [course("c", "Course")], [record("1", "c", "enrolled")])
    async with AppContext(Settings(source="talentlms", today=TODAY), source=lambda _: shelf) as app_context:
        text = (await summarize_learner_progress(app_context, {})).text
    assert text.startswith("1 enrollment")


async def test_calls_are_counted_for_the_question_that_made_them(open_desk: OpenDesk, caplog: pytest.LogCaptureFixture):
    async with open_desk() as desk:
        with caplog.at_level(logging.INFO, logger="mcp_truto_lms.server.tools"):
            async with anyio.create_task_group() as group:
                for course_id in ("101", "102", "103"):
                    group.start_soon(lambda course_id=course_id: desk.list(course=course_id))
    calls = [int(entry.args[1]) for entry in caplog.records if entry.name == "mcp_truto_lms.server.tools"]
    assert sum(calls) == desk.account.source.calls
