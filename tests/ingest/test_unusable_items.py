"""What the LMS lists and nobody can use is a number on the first line, which then does not say that it is complete."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mcp_truto_lms.sandbox.organisation import generate
from mcp_truto_lms.sandbox.records import Organisation
from tests.conftest import TODAY, OpenDesk
from tests.ingest.portal_calls import calls
from tests.ingest.portal_waits import first_line
from tests.render.answer_reading import total
from tests.stored import MovableClock
from tests.truth import facts

pytestmark = pytest.mark.anyio

WHOLE = generate(today=TODAY, learners=30, courses=8)
POPULATION = facts(WHOLE)
SOMEBODY = Counter(fact.user_id for fact in POPULATION).most_common(1)[0][0]
COURSE = next(fact.course_id for fact in POPULATION if fact.user_id == SOMEBODY)
ROWS = sum(fact.user_id == SOMEBODY for fact in POPULATION)


def _without_id(whole: Organisation, old: str) -> Organisation:
    """Take its id away from a person or a course, wherever the portal prints it."""

    def renamed(key: str) -> str:
        return "" if key == old else key

    return replace(
        whole,
        people=tuple(replace(person, id=renamed(person.id)) for person in whole.people),
        courses=tuple(replace(course, id=renamed(course.id)) for course in whole.courses),
        enrollments=tuple(
            replace(row, user_id=renamed(row.user_id), course_id=renamed(row.course_id)) for row in whole.enrollments
        ),
    )


async def test_rows_and_people_without_an_id_are_numbers_on_the_first_line(open_desk: OpenDesk):
    async with open_desk(of=_without_id(WHOLE, SOMEBODY)) as desk:
        text = await desk.list()
        assert f"{ROWS} rows without a usable id, 1 person not listed" in first_line(text)
        assert "complete" not in first_line(text)
        assert f"at least {len(POPULATION) - ROWS} enrollments" in first_line(text)
        assert "1 row without a usable id, 1 person not listed" in first_line(await desk.list(course=COURSE))
        for ask in (desk.list, desk.summarize):
            missing = await ask(course=COURSE, state="not_enrolled")
            assert "1 row without a usable id" in first_line(missing)
            assert "at most" in first_line(missing)
        assert '"complete":false' in await desk.list(format="json")


async def test_a_course_without_an_id_is_a_number_where_the_answer_rests_on_all_courses(open_desk: OpenDesk):
    async with open_desk(of=_without_id(WHOLE, COURSE)) as desk:
        text = first_line(await desk.summarize())
        of_others = sum(fact.course_id != COURSE for fact in POPULATION)
        assert f"at least {of_others} enrollments" in text
        assert "1 course not listed" in text
        assert "complete" not in text
        other = next(fact.course_id for fact in POPULATION if fact.course_id != COURSE)
        assert ", complete." in first_line(await desk.list(course=other))


async def test_an_answer_that_rests_on_nothing_unusable_is_complete(open_desk: OpenDesk):
    somebody_else = next(fact.user_id for fact in POPULATION if fact.user_id != SOMEBODY)
    async with open_desk(of=_without_id(WHOLE, SOMEBODY)) as desk:
        await desk.list()
        text = await desk.list(user=somebody_else)
        assert ", complete." in first_line(text)
        assert total(text) == sum(fact.user_id == somebody_else for fact in POPULATION)


async def test_what_is_unusable_is_stored_and_not_read_again(open_desk: OpenDesk, tmp_path: Path):
    settings: dict[str, Any] = {"clock": MovableClock(), "store": str(tmp_path / "store.db")}
    async with open_desk(of=_without_id(WHOLE, SOMEBODY), **settings) as desk:
        before = await desk.summarize(group_by="course")
        calls(desk)
        assert await desk.summarize(group_by="course") == before
        assert calls(desk) == {}
    async with open_desk(of=_without_id(WHOLE, SOMEBODY), **settings) as desk:
        assert await desk.summarize(group_by="course") == before
        assert calls(desk) == {}
    assert f"{ROWS} rows without a usable id" in first_line(before)
