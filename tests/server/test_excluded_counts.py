"""What is excluded is counted the same, whatever was asked before and whichever route was read."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from mcp_truto_lms.sandbox.organisation import generate
from mcp_truto_lms.sandbox.records import CourseRole, Organisation, Outcome, SampleEnrollment
from tests.conftest import LIST, SUMMARIZE, TODAY, Desk, OpenDesk
from tests.stored import MovableClock

pytestmark = pytest.mark.anyio


def _portal(*, learners: int, courses: int) -> Organisation:
    """Generate an organisation with inactive learners, of whom one has failed, and archived courses with a teacher."""
    portal = generate(today=TODAY, learners=learners, courses=courses)
    learner_ids = [row.user_id for row in portal.enrollments if row.role is CourseRole.LEARNER]
    inactive, archived = {learner_ids[0], learner_ids[-1]}, {row.course_id for row in portal.enrollments[:2]}
    failed = next(row for row in portal.enrollments if row.user_id in inactive and row.course_id not in archived)
    teacher = next(row for row in portal.enrollments if row.course_id in archived and row.user_id not in inactive)
    changed = {
        failed: replace(failed, outcome=Outcome.FAILED, completed_on=None, percent=50),
        teacher: replace(teacher, role=CourseRole.INSTRUCTOR),
    }
    return replace(
        portal,
        people=tuple(replace(each, active=each.active and each.id not in inactive) for each in portal.people),
        courses=tuple(
            replace(course, status="archived" if course.id in archived else course.status) for course in portal.courses
        ),
        enrollments=tuple(changed.get(row, row) for row in portal.enrollments),
    )


MANY_PEOPLE, MANY_COURSES = _portal(learners=30, courses=8), _portal(learners=10, courses=30)
"""Rosters are read of the first. The second has fewer people than courses: everybody's transcripts are read."""


def _ids(organisation: Organisation) -> dict[str, str]:
    """Name an archived course, a current one, an inactive person with enrollments, and an active one."""
    enrolled = {enrollment.user_id for enrollment in organisation.enrollments}
    return {
        "archived": next(course.id for course in organisation.courses if course.status == "archived"),
        "current": next(course.id for course in organisation.courses if course.status == "active"),
        "inactive": next(each.id for each in organisation.people if not each.active and each.id in enrolled),
        "active": next(each.id for each in organisation.people if each.active and each.id in enrolled),
    }


def _questions(ids: dict[str, str]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (SUMMARIZE, {}),
        (LIST, {"state": "failed"}),
        (LIST, {"status": "in_progress", "completed_to": "2026-11-01"}),
        (SUMMARIZE, {"group_by": "status"}),
        (LIST, {"course": ids["current"]}),
        (LIST, {"course": ids["archived"]}),
        (LIST, {"course": [ids["archived"], ids["current"]]}),
        (LIST, {"user": ids["active"]}),
        (LIST, {"user": ids["inactive"]}),
        (LIST, {"user": ids["inactive"], "course": ids["archived"]}),
        (SUMMARIZE, {"where": {"site": "Oslo"}}),
        (LIST, {"due_from": "2026-01-01"}),
    ]


@pytest.mark.parametrize("portal", [MANY_PEOPLE, MANY_COURSES], ids=["rosters", "transcripts"])
async def test_every_answer_excludes_the_same_after_any_other_question(open_desk: OpenDesk, portal: Organisation):
    questions = _questions(_ids(portal))
    texts: list[str] = []
    settings = {"call_budget": 1_000, "deadline_seconds": 100}
    for tool, arguments in questions:
        async with open_desk(of=portal, clock=MovableClock(), **settings) as desk:
            texts.append(await _text(desk, tool, arguments))
    async with open_desk(of=portal, clock=MovableClock(), **settings) as desk:
        for tool, arguments in reversed(questions):
            await desk.ask(tool, **arguments)
        later = [await _text(desk, tool, arguments) for tool, arguments in questions]
    assert later == texts


@pytest.mark.parametrize("portal", [MANY_PEOPLE, MANY_COURSES], ids=["rosters", "transcripts"])
async def test_excluded_people_and_courses_are_those_of_the_portal(open_desk: OpenDesk, portal: Organisation):
    ids = _ids(portal)
    inactive = {person.id for person in portal.people if not person.active}
    archived = {course.id for course in portal.courses if course.status == "archived"}

    def counted(of: Callable[[SampleEnrollment], bool], *, names_course: bool = False) -> dict[str, int]:
        rows = [row for row in portal.enrollments if of(row) and (names_course or row.course_id not in archived)]
        learners = {row.user_id for row in rows if row.role is CourseRole.LEARNER}
        numbers = {
            "inactive": len(learners & inactive),
            "archived": 0 if names_course else len(archived),
            "instructor": len({row.user_id for row in rows if row.role is CourseRole.INSTRUCTOR}),
        }
        return {word: number for word, number in numbers.items() if number}

    async with open_desk(of=portal, clock=MovableClock()) as desk:
        for course in (ids["archived"], ids["current"]):
            of_course = counted(lambda row, course=course: row.course_id == course, names_course=True)
            assert await _excluded(desk, course=course) == of_course
        of_person = counted(lambda row: row.user_id == ids["active"])
        assert await _excluded(desk, user=ids["active"]) == of_person
        everything = counted(lambda _: True)
        assert await _excluded(desk) == await _excluded(desk, state="overdue") == everything
        assert everything["inactive"] > 0
        assert everything["archived"] > 0


async def _text(desk: Desk, tool: str, arguments: dict[str, Any]) -> str:
    """Ask, and return the answer without its random cursor."""
    return (await desk.ask(tool, **arguments)).partition("cursor=")[0]


async def _excluded(desk: Desk, **arguments: Any) -> dict[str, int]:
    """Read what an answer says that it excludes."""
    text = await desk.list(**arguments)
    sentence = re.search(r"Excluded: ([^.]*)\.", text)
    numbers = re.findall(r"(\d+) (inactive|archived|instructor)", sentence[1] if sentence else "")
    return {word: int(number) for number, word in numbers}
