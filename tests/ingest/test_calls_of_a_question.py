"""A question takes the fewest calls to the LMS, and none where its data is fresh."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mcp_truto_lms.sandbox.organisation import generate
from mcp_truto_lms.sandbox.records import Organisation
from tests.conftest import TODAY, OpenDesk
from tests.ingest.portal_calls import HELLO, LABELS, PEOPLE, asked, calls, current, transcripts
from tests.stored import (
    MovableClock,
    Shelf,
    course,
    open_shelf,
    person,
)

pytestmark = pytest.mark.anyio

HOUR = 3600


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ({"user": 6}, {**LABELS, "users/id": 1}),
        ({"user": "jane.doe@northgate.example"}, {**LABELS, "users/email": 1, "users/id": 1}),
        ({"user": "Jane Doe"}, {**PEOPLE, "users/id": 1}),
        ({"user": ["6", "7"]}, {**LABELS, "users/id": 2}),
        ({"course": "Forklift Safety"}, {**PEOPLE, "courses/id": 1, **transcripts("104")}),
        ({"course": ["101", "COC-01"]}, {**PEOPLE, "courses/id": 2, **transcripts("101", "102")}),
        ({"course": "Old Expense Tool"}, {**PEOPLE, "courses/id": 1, **transcripts("116")}),
        ({"user": "6", "course": "101"}, {**LABELS, "users/id": 1}),
        ({"user": ["6", "7"], "course": "101"}, {**LABELS, "users/id": 2}),
        ({"user": "Maria García", "course": "101"}, {**PEOPLE, "users/id": 2}),
        (
            {"user": ["jane.doe@northgate.example", "omar.khan@northgate.example"], "course": "101"},
            {**LABELS, "users/email": 2, "users/id": 2},
        ),
        ({}, {**PEOPLE, "courses/id": 16, **transcripts()}),
        ({"state": "overdue"}, {**PEOPLE, "courses/id": 16, **transcripts()}),
    ],
    ids=str,
)
async def test_a_question_fetches_what_it_needs_and_repeated_it_fetches_nothing(
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


async def test_everything_is_fetched_by_transcripts_where_there_are_more_courses_than_people(open_desk: OpenDesk):
    small = generate(today=TODAY, learners=5, courses=18)
    async with open_desk(of=small) as desk:
        text = await desk.summarize()
        assert asked(desk, "users/id") == sorted(learner.id for learner in small.people)
        assert calls(desk) == {**HELLO, "courses": 1, **PEOPLE, "users/id": len(small.people)}
    current_courses = {sample_course.id for sample_course in small.courses if sample_course.status != "archived"}
    active = {learner.id for learner in small.people if learner.active}
    number = sum(
        enrollment.role == "learner" and enrollment.user_id in active and enrollment.course_id in current_courses
        for enrollment in small.enrollments
    )
    assert text.startswith(f"{number:,} enrollments")


async def test_after_everything_was_fetched_smaller_questions_fetch_nothing(open_desk: OpenDesk):
    async with open_desk() as desk:
        await desk.summarize()
        calls(desk)
        await desk.list(course="Forklift Safety")
        await desk.list(user="Jane Doe")
        await desk.list(user="6", course="101")
        assert calls(desk) == {}


async def test_everything_fetches_only_the_courses_that_no_earlier_question_fetched(open_desk: OpenDesk):
    async with open_desk() as desk:
        await desk.list(course=["101", "102"])
        calls(desk)
        await desk.list()
        others = {"users/id": transcripts()["users/id"] - transcripts("101", "102")["users/id"]}
        assert calls(desk) == {"courses/id": 14, **{name: number for name, number in others.items() if number}}


async def test_unknown_names_are_looked_up_in_the_directory_once(open_desk: OpenDesk):
    async with open_desk() as desk:
        for term in ("nobody@northgate.example", "99999", "Nobody Nowhere"):
            assert "No learner" in await desk.refused("list_course_enrollments", user=term)
        assert calls(desk) == {**HELLO, "courses": 1, **PEOPLE, "users/email": 1, "users/id": 1}
        await desk.refused("list_course_enrollments", course="Underwater Basketry")
        assert calls(desk) == {}


async def test_all_names_are_resolved_again_after_a_fetch_for_any_of_them():
    shelf, clock = Shelf([person("1", "Jane Doe")], [course("c", "C")]), MovableClock()
    async with open_shelf(shelf, clock=clock) as desk:
        await desk.list(user="Jane Doe")
        clock.pass_by(HOUR)
        shelf.people = [*shelf.people, person("2", "Jane Doe"), person("3", "New Comer")]
        text = await desk.list(user=["Jane Doe", "New Comer"])
    assert "id 2" in text


async def test_an_unknown_id_costs_one_lookup_before_the_directory(open_desk: OpenDesk):
    async with open_desk() as desk:
        await desk.refused("list_course_enrollments", user="99999")
        assert calls(desk) == {**HELLO, "courses": 1, **PEOPLE, "users/id": 1}


async def test_an_id_is_not_mistaken_for_a_number_in_somebodys_name(open_desk: OpenDesk, organisation: Organisation):
    odd = next(learner for learner in organisation.people if learner.id == "8")
    people = tuple(
        replace(learner, last_name="Agent 7") if learner is odd else learner for learner in organisation.people
    )
    async with open_desk(of=replace(organisation, people=people)) as desk:
        await desk.list(user="8")
        assert "Omar Khan" in await desk.list(user="7")


FRESH = [
    ({"user": "6"}, {"users/id": 1}),
    ({"user": "Jane Doe"}, {"users": 2, "users/id": 1}),
    ({"course": "101"}, {"users": 2, "courses/id": 1, **transcripts("101")}),
    ({}, {"users": 2, "courses/id": 16, **transcripts()}),
]


@pytest.mark.parametrize(("question", "expected"), FRESH, ids=str)
async def test_fresh_fetches_everything_again_and_each_scope_once(
    open_desk: OpenDesk, clock: MovableClock, question: dict[str, Any], expected: dict[str, int]
):
    async with open_desk(clock=clock) as desk:
        await desk.list(**question)
        calls(desk)
        clock.pass_by(1)
        await desk.list(**question, fresh=True)
        assert calls(desk) == {"courses": 1, **expected}


@pytest.mark.parametrize("question", [{"user": "6"}, {"user": "Jane Doe"}, {"course": "101"}, {}], ids=str)
async def test_a_first_question_with_fresh_takes_no_more_calls(open_desk: OpenDesk, question: dict[str, Any]):
    async with open_desk() as desk:
        await desk.list(**question)
        usual = calls(desk)
    async with open_desk() as desk:
        await desk.list(**question, fresh=True)
        assert calls(desk) == usual
