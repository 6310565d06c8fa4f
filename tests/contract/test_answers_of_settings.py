"""The full text of answers that depend on settings, on time or on other systems; `settings/` has the snapshots."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from mcp import Client

from bench.expected_answers import MANDATORY, write_people_file
from mcp_truto_lms.sandbox.faults import Fault
from mcp_truto_lms.sandbox.records import Organisation
from mcp_truto_lms.server.app_context import AppContext
from mcp_truto_lms.server.mcp_server import create_server
from mcp_truto_lms.settings import Settings
from tests.conftest import LIST, SUMMARIZE, TODAY, Desk, OpenDesk
from tests.contract.snapshots import HERE, check
from tests.contract.test_answers import answered
from tests.stored import Shelf, at, course, open_shelf, person, record
from tests.truth import DAY, NOON

pytestmark = pytest.mark.anyio

PEOPLE_FILE_CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "people_by_team": (SUMMARIZE, {"group_by": "team"}),
    "people_by_manager_lowest_first": (SUMMARIZE, {"group_by": "manager", "sort": "%", "limit": 3}),
    "people_by_team_and_course": (SUMMARIZE, {"group_by": ["team", "course"], "sort": "-overdue", "limit": 3}),
    "people_of_a_manager": (SUMMARIZE, {"where": {"manager": "ruth bergman"}, "group_by": "learner", "limit": 3}),
    "people_of_a_team": (LIST, {"where": {"team": "Technology"}, "state": "overdue", "limit": 3}),
    "people_of_two_keys": (LIST, {"where": {"team": "Sales", "site": "Oslo"}, "limit": 3}),
    "people_not_enrolled_by_manager": (
        SUMMARIZE,
        {"state": "not_enrolled", "course": "Forklift", "group_by": "manager", "limit": 3},
    ),
    "mandatory_by_course": (SUMMARIZE, {"is_mandatory": "yes", "group_by": "course"}),
    "mandatory_overdue": (LIST, {"is_mandatory": "yes", "state": "overdue", "limit": 3}),
    "not_mandatory": (SUMMARIZE, {"is_mandatory": False, "group_by": "status"}),
    "error_unknown_manager": (LIST, {"where": {"manager": "Ruth Bergmann-Lind"}}),
    "error_unknown_key_with_people": (SUMMARIZE, {"group_by": "managers of"}),
}


@pytest.fixture(scope="module")
async def desk(
    open_desk: OpenDesk, organisation: Organisation, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Desk]:
    people_file = tmp_path_factory.mktemp("people") / "people.csv"
    write_people_file(organisation, people_file)
    with people_file.open("a", encoding="utf-8") as file:
        file.write("gone@northgate.example,Sales,Ines Vogel\n")
    async with open_desk(people_file=str(people_file), mandatory_courses=(*MANDATORY, "ETH-9")) as opened:
        yield opened


@pytest.mark.parametrize("name", PEOPLE_FILE_CASES)
async def test_an_answer_about_teams_or_mandatory_courses_is_as_reviewed(desk: Desk, name: str):
    tool, arguments = PEOPLE_FILE_CASES[name]
    text = await answered(desk, tool, arguments)
    assert ("ERROR: " in text) == name.startswith("error_")
    check(f"settings/{name}.txt", text)


async def test_answers_about_reported_activity_are_as_reviewed():
    people = [person("1", "Ann Lee"), person("2", "Bob Ray"), person("3", "Cid Fox")]
    records = [
        record("1", "c", "in_progress", last_activity_at=at(NOON - 40 * DAY), progress_percent=30),
        record("2", "c", "in_progress", last_activity_at=at(NOON - 3 * DAY), progress_percent=60),
        record("3", "c", "failed", enrolled_at=at(NOON - 90 * DAY), attempt_number=1, key="first"),
    ]
    async with open_shelf(Shelf(people, [course("c", "First Aid")], records)) as opened:
        text = await answered(opened, LIST, {"inactive_since": "-30d"})
        text += "\n" + await answered(opened, LIST, {"state": "at_risk"})
        text += "\n" + await answered(opened, SUMMARIZE, {"user": "Ann Lee"})
        text += "\n" + await answered(opened, SUMMARIZE, {"inactive_since": "-30d"})
    check("settings/activity.txt", text)


async def test_answers_of_several_accounts_are_as_reviewed():
    shelves = {
        name: Shelf([person("1", f"{name} Lee")], [course("c", "First Aid")], [record("1", "c", "enrolled")])
        for name in ("acme", "beta")
    }
    accounts = (("acme", "id-1"), ("beta", "id-2"))
    settings = Settings(
        source="truto", provider_values={"TRUTO_API_TOKEN": "t" * 20}, integrated_accounts=accounts, today=TODAY
    )
    async with (
        AppContext(settings, source=lambda account: shelves[account.name]) as app_context,
        Client(create_server(app_context)) as client,
    ):
        opened = Desk(client, await app_context.account("acme"), None)  # type: ignore[arg-type]  # there is no portal
        text = await answered(opened, LIST, {})
        for arguments in ({"account": "beta"}, {"account": "bta"}, {"account": "beta", "user": "acme Lee"}):
            text += "\n" + await answered(opened, LIST, arguments)
    check("settings/several_accounts.txt", text)


async def test_answers_from_stale_data_are_as_reviewed(open_desk: OpenDesk):
    moment = [datetime(2026, 11, 23, 12, tzinfo=UTC)]
    async with open_desk(clock=lambda: moment[0]) as opened:
        await opened.list(course="Forklift Safety")
        moment[0] += timedelta(hours=3)
        opened.portal.faults.add(Fault(status=503, body="html"), times=None)
        text = await answered(opened, LIST, {"course": "Forklift Safety", "state": "overdue", "limit": 2})
        text += "\n" + await answered(opened, SUMMARIZE, {"course": "Forklift Safety", "group_by": "status"})
    check("settings/old.txt", text)


async def test_an_answer_after_the_deadline_is_as_reviewed(open_desk: OpenDesk):
    async with open_desk(deadline_seconds=60.0, call_budget=5) as opened:
        text = await answered(opened, SUMMARIZE, {"group_by": "course", "limit": 2})
    call, first, *_ = text.splitlines()
    shown = re.sub(r"\d[\d,]*(?!\d)", "<n>", first)
    check("settings/too_long.txt", f"{call}\n{shown}\n")


async def test_a_cursor_of_changed_data_is_refused_as_reviewed(open_desk: OpenDesk):
    async with open_desk() as opened:
        token = (await opened.list(course="101", limit=5)).rpartition("cursor=")[2]
        roster = opened.portal._index.roster("101")
        roster.remove(roster[-1])
        await opened.list(course="101", fresh=True)
        text = await answered(opened, LIST, {"cursor": token}, {"cursor": "<cursor>"})
    check("settings/error_data_changed.txt", text)


async def test_every_snapshot_of_settings_has_a_test():
    others = ("activity", "several_accounts", "old", "too_long", "error_data_changed")
    assert {file.stem for file in (HERE / "settings").iterdir()} == {*PEOPLE_FILE_CASES, *others}
