"""A cursor continues the same answer, at the same moment, or says that it cannot."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import anyio.from_thread
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from mcp_truto_lms.query.queries import EnrollmentQuery
from mcp_truto_lms.sandbox.organisation import generate
from mcp_truto_lms.store import list_writer
from mcp_truto_lms.store.rows import learner_rows
from mcp_truto_lms.store.schema import cursors
from tests.conftest import LIST, TODAY, OpenDesk
from tests.stored import ACCOUNT, STAMP, MovableClock, Shelf, course, open_shelf, person, record
from tests.truth import NOON, facts

pytestmark = pytest.mark.anyio


SMALL = generate(today=TODAY, learners=12, courses=5)


def pair_id(row: Any) -> str:
    """Return the id of an enrollment, as the portal makes it."""
    return f"{row.user_id}_{row.course_id}"


def cursor_of(text: str) -> str:
    return re.search(r"cursor=(\S+)$", text)[1]


async def test_an_unknown_cursor_is_refused(open_desk: OpenDesk):
    async with open_desk(of=SMALL) as desk, open_desk(of=SMALL) as other:
        token = cursor_of(await other.list(limit=5))
        for foreign in (token, "nonsense"):
            text = await desk.refused(LIST, cursor=foreign)
            assert text == "This cursor is unknown or has expired: ask the question again without it."


QUESTION = {"state": "overdue", "where": {"team": "North"}, "sort": "-due", "fields": ["learner", "due"], "limit": 2}


@pytest.mark.parametrize(
    "beside",
    [
        {},
        QUESTION,
        {"state": ["Overdue"], "limit": 2},
        {"where": "{team: north}", "fields": "learner,due"},
        {"user": "", "course": [], "progress_below": 0, "fresh": False, "format": "table", "limit": 25},
        {"is_mandatory": False, "limit": 0},
        QUESTION | {"fresh": True},
    ],
    ids=str,
)
async def test_the_same_or_default_arguments_beside_a_cursor_continue_the_answer(
    open_desk: OpenDesk, beside: dict[str, Any]
):
    async with open_desk() as desk:
        whole = await desk.list(**(QUESTION | {"limit": 4}))
        page = await desk.list(**beside, cursor=cursor_of(await desk.list(**QUESTION)))
    assert page.startswith("Rows 3 to 4 of ")
    assert page.splitlines()[2:4] == whole.splitlines()[4:6]


async def test_a_limit_beside_a_cursor_is_the_number_of_rows_from_there(open_desk: OpenDesk):
    async with open_desk() as desk:
        page = await desk.list(**(QUESTION | {"limit": 3}), cursor=cursor_of(await desk.list(**QUESTION)))
        assert page.startswith("Rows 3 to 5 of ")
        assert (await desk.list(cursor=cursor_of(page))).startswith("Rows 6 to 8 of ")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"state": "finished"}, 'state was ["overdue"]'),
        ({"user": "Jane"}, "user was not given"),
        ({"where": {"team": "South"}}, 'where was [["team", ["North"]]]'),
        ({"sort": "due"}, 'sort was "-due_at"'),
        ({"fields": "due,learner"}, 'fields was ["user.name", "due_at"]'),
        ({"format": "json"}, "format was not given"),
        ({"format": "csv"}, "format was not given"),
        ({"is_mandatory": "no"}, "is_mandatory was not given"),
        ({"due_to": "today", "status": "enrolled"}, "status was not given and due_to was not given"),
        ({"state": "not_enrolled"}, 'state was ["overdue"]'),
    ],
    ids=str,
)
async def test_changed_arguments_beside_a_cursor_are_refused_by_name(
    open_desk: OpenDesk, changed: dict[str, Any], words: str
):
    async with open_desk() as desk:
        token = cursor_of(await desk.list(**QUESTION))
        text = await desk.refused(LIST, **(QUESTION | changed), cursor=token)
    assert text == (f"cursor: it continues another question, where {words}: send the cursor alone, or ask without it.")


async def test_a_limit_above_the_most_is_said_once_on_the_first_page(open_desk: OpenDesk):
    async with open_desk() as desk:
        text = await desk.list(limit=5_000, fields="id")
        assert text.startswith("200 of ")
        assert "limit: 200 at most." in text
        page = await desk.list(cursor=cursor_of(text))
    assert page.startswith("Rows 201 to 400 of ")
    assert "at most." not in page


async def test_a_cursor_expires_after_an_hour_and_fetches_nothing(open_desk: OpenDesk):
    clock = MovableClock()
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
        tokens = await desk.account._database.run(lambda c: c.execute(select(cursors.c.token)).all())
        assert len(tokens) == 1


async def test_a_page_is_judged_at_the_moment_of_the_first_one(open_desk: OpenDesk):
    clock = MovableClock()
    due = min(fact.due for fact in facts(SMALL) if fact.due is not None and fact.due > NOON and not fact.finished)
    clock.moment = datetime.fromtimestamp(due - 60, UTC)
    async with open_desk(of=SMALL, clock=clock) as desk:
        text = await desk.list(state="overdue", limit=2)
        clock.moment += timedelta(minutes=5)
        page = await desk.list(cursor=cursor_of(text))
        later = await desk.list(state="overdue", limit=2)
    total = [int(re.search(r"of (\d+) enrollments", answer)[1]) for answer in (text, page, later)]
    assert total[0] == total[1] < total[2]


async def test_an_answer_is_as_old_as_the_oldest_of_what_it_rests_on(open_desk: OpenDesk):
    clock = MovableClock()
    async with open_desk(of=SMALL, clock=clock) as desk:
        await desk.list(course="101")
        clock.moment += timedelta(minutes=10)
        assert "As of 2026-11-23 14:10" in await desk.list(course="102", fresh=True)  # reads the lists too
        assert "As of 2026-11-23 14:00" in await desk.list(course=["101", "102"])


async def test_a_cursor_ends_with_a_change_and_survives_a_fetch_without_one(open_desk: OpenDesk):
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
                    assert len({enrollment["id"] for enrollment in seen}) == len(seen) == 30
                assert len({enrollment["progress_percent"] for enrollment in seen}) == 1

        async with anyio.create_task_group() as group:
            group.start_soon(change)
            for _ in range(3):
                group.start_soon(page_through)
    assert "whole" in ends


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(limit=st.integers(1, 60), sort=st.sampled_from(["due_at", "-progress_percent", "user.name", "-score", "status"]))
async def test_no_row_is_repeated_or_lost_at_any_limit(open_desk: OpenDesk, limit: int, sort: str):
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
    assert {*seen} == {pair_id(fact) for fact in facts(SMALL)}


def _forget_cursors(connection: Any) -> None:
    connection.execute(cursors.delete())
