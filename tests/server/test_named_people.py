"""Several people or courses asked for by name: an answer names those who are unknown, and those without a row."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator

import pytest

from tests.conftest import LIST, SUMMARIZE, Desk
from tests.stored import Shelf, course, open_shelf, person, record
from tests.truth import DAY, NOON

pytestmark = pytest.mark.anyio

SHELF = Shelf(
    [person("1", "Jane Doe"), person("2", "Omar Khan"), person("3", "Zoe Noble"), person("4", "James Ray")],
    [course("c", "First Aid"), course("d", "Ethics")],
    [
        record("1", "c", "enrolled", due=NOON - DAY),
        record("1", "d", "completed"),
        record("3", "d", "completed"),
    ],
)


@pytest.fixture(scope="module")
async def desk(anyio_backend: str) -> AsyncGenerator[Desk]:
    async with open_shelf(SHELF) as opened:
        yield opened


@pytest.mark.parametrize("tool", [LIST, SUMMARIZE])
async def test_an_unknown_name_beside_a_known_one_is_named_and_the_others_are_answered(desk: Desk, tool: str):
    text = await desk.ask(tool, user=["Jane Doe", "Zed Nobody"])
    assert ": Jane Doe. As of" in text.splitlines()[0]
    assert "No learner: Zed Nobody." in text
    assert text.startswith("2 of 2 enrollments" if tool == LIST else "2 enrollments, 1 learner")


async def test_an_unknown_name_is_named_in_json_and_on_later_pages(desk: Desk):
    answer = json.loads(await desk.list(user=["Jane Doe", "Zoe Nobles"], format="json", limit=1))
    assert "No learner: Zoe Nobles (nearest: Zoe Noble, " in answer["notes"]
    page = json.loads(await desk.list(cursor=answer["next_cursor"]))
    assert "No learner: Zoe Nobles (nearest: Zoe Noble, " in page["notes"]


async def test_an_unknown_course_beside_a_known_one_is_named(desk: Desk):
    text = await desk.list(course=["Ethics", "Ethnics", "Woodwork"])
    assert text.startswith("2 of 2 enrollments: Ethics, ")
    assert "No course: Ethnics (nearest: Ethics), Woodwork." in text


async def test_names_that_are_all_unknown_are_refused(desk: Desk):
    text = await desk.refused(LIST, user=["Jnae Doe", "Zed Nobody"])
    assert text == (
        "No learner with this id, e-mail or name: 'Jnae Doe', among 4 names. Nearest: Jane Doe, Zoe Noble. "
        "No learner with this id, e-mail or name: 'Zed Nobody', among 4 names."
    )


@pytest.mark.parametrize("tool", [LIST, SUMMARIZE])
async def test_people_who_were_named_and_have_no_enrollment_are_named(desk: Desk, tool: str):
    text = await desk.ask(tool, user=["Jane Doe", "Omar Khan", "4"])
    assert "No enrollment: Omar Khan, James Ray." in text
    text = await desk.ask(tool, user=["Jane", "Omar", "Zoe"], state="overdue")
    assert "No such enrollment: Omar Khan, Zoe Noble." in text
    assert "No enrollment" not in await desk.ask(tool, user=["Jane", "Zoe"])


async def test_me_names_nobody(desk: Desk):
    for term in ("me", "I", "my", ["Jane Doe", "Me"]):
        assert "names nobody, as the server does not know who asks: " in await desk.refused(LIST, user=term)
