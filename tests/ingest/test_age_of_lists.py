"""Who is active, and which courses are archived, rests on lists: an answer is as old as they are."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.conftest import LIST
from tests.render.answer_reading import row_total
from tests.stored import MovableClock, Shelf, course, open_shelf, person, record

pytestmark = pytest.mark.anyio

MINUTE, HOUR = 60, 3600
PEOPLE = [person("1", "Ann"), person("2", "Bob"), *(person(str(key), f"Guest {key}") for key in range(3, 9))]
TITLES = [course("c", "Current"), course("d", "Due")]
ROWS = [record("1", "c", "enrolled"), record("2", "c", "enrolled"), record("1", "d", "enrolled")]


@pytest.mark.parametrize(
    ("question", "older_seconds"),
    [
        ({}, 2 * MINUTE),
        ({"state": "not_enrolled", "course": "c"}, MINUTE),
        ({"course": "c"}, MINUTE),
        ({"user": "1"}, 0),
        ({"user": ["1", "2", "3", "4", "5", "6"]}, 2 * MINUTE),
        ({"user": "1", "course": "c"}, 0),
        ({"user": "1", "state": "not_enrolled", "course": "c"}, 0),
    ],
    ids=str,
)
async def test_an_answer_is_as_old_as_the_lists_that_its_population_rests_on(
    clock: MovableClock, question: dict[str, Any], older_seconds: int
):
    shelf = Shelf(PEOPLE, TITLES, ROWS)
    async with open_shelf(shelf, clock=clock) as desk:
        await desk.refused(LIST, course="no such course")  # reads the course list
        clock.pass_by(MINUTE)
        await desk.refused(LIST, user="no such person")  # reads the directory
        clock.pass_by(MINUTE)
        text = await desk.list(**question)
    assert f"As of {(clock() - timedelta(seconds=older_seconds)):%Y-%m-%d %H:%M} UTC" in text


@pytest.mark.parametrize("question", [{}, {"course": "c"}, {"state": "not_enrolled", "course": "c"}], ids=str)
async def test_somebody_who_left_is_counted_for_an_hour_at_most_and_never_with_fresh(
    clock: MovableClock, question: dict[str, Any]
):
    shelf = Shelf(PEOPLE[:3], TITLES, ROWS)
    async with open_shelf(shelf, clock=clock) as desk:
        before = await desk.list(**question)
        shelf.people = [*PEOPLE[:1], person("2", "Bob", status="inactive"), person("3", "Guest 3", status="inactive")]
        clock.pass_by(HOUR - 1)
        assert row_total(await desk.list(**question)) == row_total(before)
        assert row_total(await desk.list(**question, fresh=True)) == row_total(before) - 1
        shelf.people = PEOPLE[:3]
        clock.pass_by(HOUR)
        assert row_total(await desk.list(**question)) == row_total(before)


async def test_a_course_that_was_archived_is_counted_for_an_hour_at_most(clock: MovableClock):
    shelf = Shelf(PEOPLE[:2], TITLES, ROWS)
    async with open_shelf(shelf, clock=clock) as desk:
        before = await desk.list()
        shelf.titles = [TITLES[0], course("d", "Due", status="archived")]
        clock.pass_by(HOUR - 1)
        assert row_total(await desk.list()) == row_total(before)
        clock.pass_by(1)
        assert row_total(await desk.list()) == row_total(before) - 1
