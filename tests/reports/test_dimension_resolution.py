"""HR's own dimensions and mandatory courses as people type them, from the question to the answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest
from sqlalchemy import insert

from mcp_truto_lms.domain.model import Course
from mcp_truto_lms.domain.normalization import normalize
from mcp_truto_lms.sandbox.organisation import generate
from mcp_truto_lms.server.app_context import AppContext
from mcp_truto_lms.server.tools import summarize_learner_progress
from mcp_truto_lms.settings import Settings
from mcp_truto_lms.store.schema import dimensions
from tests.conftest import LIST, SUMMARIZE, TODAY, Desk
from tests.stored import ACCOUNT, Shelf, at, course, open_shelf, person, record
from tests.truth import DAY, NOON

pytestmark = pytest.mark.anyio

DIMENSIONS = [
    ("1", "team", "Sales"),
    ("2", "team", "Sales"),
    ("2", "team", "R & D"),
    ("1", "manager", "Ann Öst"),
    ("3", "custom_fields.site", "Łódź"),
    ("1", "custom_fields.site", "Oslo"),
    ("2", "custom_fields.job title", "Driver"),
]
TITLES = [
    course("c", "First Aid", code="FA-1"),
    Course.model_validate({"id": "d", "title": "Ethics", "categories": [{"id": "7", "name": "Compliance"}]}),
    Course.model_validate({"id": "e", "title": "Excel", "tags": ["Office"]}),
]
RECORDS = [record(user, title, "enrolled", due=NOON - DAY) for user in "123" for title in "cde"]
SHELF = Shelf([person("1", "Jo"), person("2", "Bo"), person("3", "Cy")], TITLES, RECORDS)


async def add_dimensions(desk: Desk) -> Desk:
    rows = [
        {"account": ACCOUNT, "learner_id": key, "name": name, "normalized_value": normalize(value), "value": value}
        for key, name, value in DIMENSIONS
    ]
    await desk.list()
    await desk.account._database.run(lambda c: c.execute(insert(dimensions), rows), write=True)
    return desk


@pytest.fixture(scope="module")
async def desk(anyio_backend: str) -> AsyncGenerator[Desk]:
    async with open_shelf(SHELF) as opened:
        yield await add_dimensions(opened)


@pytest.mark.parametrize(
    ("where", "number", "words"),
    [
        ({"team": "Sales"}, 6, "team Sales"),
        ({"TEAM": "  sales "}, 6, "team Sales"),
        ({"team": ["Sales", "r & d"]}, 6, "team Sales or R & D"),
        ({"manager": "ann ost"}, 3, "manager Ann Öst"),
        ({"custom_fields.Site": "lodz"}, 3, "site Łódź"),
        ({"site": "Oslo"}, 3, "site Oslo"),
        ({"custom_fields": {"Job_Title": "driver"}}, 3, "job title Driver"),
        ({"team": "Sales", "site": "Oslo"}, 3, "team Sales, site Oslo"),
        ({"team": "(none)"}, 3, "team (none)"),
    ],
)
async def test_a_dimension_may_be_typed_in_any_spelling_and_is_printed_as_stored(
    desk: Desk, where: dict[str, Any], number: int, words: str
):
    listed, counted = await desk.list(where=where), await desk.summarize(where=where)
    assert listed.startswith(f"{number} of {number} enrollments: {words}")
    assert counted.startswith(f"{number} enrollments, ")
    assert f": {words}. As of" in counted.splitlines()[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"where": {"team": "Sale"}}, "where: no team 'Sale'; nearest: Sales."),
        ({"where": {"team": "Qqq"}}, "where: no team 'Qqq'; for example: R & D, Sales."),
        (
            {"where": {"teem": "Sales"}},
            (
                "where: nobody has 'teem'; nearest: team; known: team, manager, custom_fields.job title, "
                "custom_fields.site."
            ),
        ),
        (
            {"where": {"zz": "Sales"}},
            "where: nobody has 'zz'; known: team, manager, custom_fields.job title, custom_fields.site.",
        ),
        (
            {"group_by": "manger"},
            (
                "group_by: nobody has 'manger'; nearest: manager, learner; known: course, learner, status, month, "
                "team, manager, custom_fields.job title, custom_fields.site."
            ),
        ),
        (
            {"group_by": "zz"},
            (
                "group_by: nobody has 'zz'; known: course, learner, status, month, team, manager, "
                "custom_fields.job title, custom_fields.site."
            ),
        ),
    ],
)
async def test_an_error_for_an_unknown_key_or_value_offers_the_nearest(
    desk: Desk, arguments: dict[str, Any], message: str
):
    assert await desk.refused(SUMMARIZE, **arguments) == message


async def test_a_key_that_nobody_has_is_an_error_and_not_an_empty_answer():
    async with open_shelf(SHELF) as desk:
        assert await desk.refused(LIST, where={"team": "Sales"}) == "where: nobody has 'team', nor any other."
        assert (await desk.refused(SUMMARIZE, group_by="team")).startswith(
            "group_by: nobody has 'team'; known: course,"
        )


async def test_an_unknown_key_is_answered_with_team_before_any_team_is_read():
    async with open_shelf(SHELF) as desk:
        assert await desk.refused(SUMMARIZE, group_by="department") == (
            "group_by: nobody has 'department'; known: course, learner, status, month, team, manager."
        )


async def test_a_grouping_may_be_the_label_of_a_custom_field(desk: Desk):
    whole = await desk.summarize(group_by="custom_fields.job title")
    assert await desk.summarize(group_by="Job Title") == await desk.summarize(group_by=["job_title"]) == whole


async def test_a_cursor_continues_with_the_same_team(desk: Desk):
    first = await desk.list(where={"team": "Sales"}, limit=4)
    rest = await desk.list(cursor=first.rpartition("cursor=")[2])
    assert rest.startswith("Rows 5 to 6 of 6 enrollments: team Sales, ")


async def test_a_summary_by_team_says_that_people_count_in_each_of_their_teams(desk: Desk):
    text = await desk.summarize(group_by="team")
    assert text.splitlines()[1:5] == [
        "team,learners,enrollments,finished,%,learners %,overdue,due 14d,not started,avg %",
        "Sales,2,6,0,0,0,6,0,6,",
        "R & D,1,3,0,0,0,3,0,3,",
        "(none),1,3,0,0,0,3,0,3,",
    ]
    assert "People with several teams count in each." in text
    assert "learners % = learners who finished all of theirs" in text
    assert text.startswith("9 enrollments, 3 learners, 3 courses.")


async def test_a_custom_field_groups_by_its_short_name_and_two_keys_are_two_columns(desk: Desk):
    text = await desk.summarize(group_by=["job title", "course"], limit=2)
    assert text.splitlines()[1:4] == [
        "job title,course,enrollments,finished,%,overdue,due 14d,not started,avg %",
        "(none),Ethics,2,0,0,2,0,2,",
        "(none),Excel,2,0,0,2,0,2,",
    ]
    assert "2 of 6 lines, most overdue first; and 4 more." in text


@pytest.mark.parametrize(
    ("named", "courses"),
    [
        (("c",), {"First Aid"}),
        (("fa-1", "EXCEL"), {"First Aid", "Excel"}),
        (("compliance",), {"Ethics"}),
        (("7", "office"), {"Ethics", "Excel"}),
    ],
)
async def test_courses_are_mandatory_by_id_code_title_or_category(named: tuple[str, ...], courses: set[str]):
    async with open_shelf(SHELF, mandatory_courses=named) as desk:
        mandatory = await desk.list(is_mandatory=True, user="1", fields="course,learner")
        others = await desk.summarize(is_mandatory=False, group_by="course", sort="name")
    assert {title for title in ("First Aid", "Ethics", "Excel") if title in mandatory} == courses
    assert not any(f"\n{title}," in others for title in courses)
    assert f"{9 - 3 * len(courses)} enrollments, " in others
    assert ": not mandatory. As of" in others


async def test_a_note_names_the_terms_of_the_setting_without_a_course():
    async with open_shelf(SHELF, mandatory_courses=("FA-1", "Gone")) as desk:
        text = await desk.list(is_mandatory=True)
    assert text.startswith("3 of 3 enrollments: mandatory, ")
    assert "MCP_TRUTO_LMS_MANDATORY_COURSES: no course matches Gone." in text


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        (
            {"is_mandatory": True},
            (
                "is_mandatory: not reported by this LMS; "
                "name the mandatory courses in MCP_TRUTO_LMS_MANDATORY_COURSES, or omit it."
            ),
        ),
        (
            {"inactive_since": "-30d"},
            "inactive_since: not reported by this LMS; ask by state not_started or by progress_below instead.",
        ),
    ],
)
async def test_a_filter_by_a_column_that_the_lms_does_not_report_is_refused(
    desk: Desk, argument: dict[str, Any], message: str
):
    for tool in (LIST, SUMMARIZE):
        assert await desk.refused(tool, **argument) == message


async def test_a_filter_by_a_column_that_the_lms_reports_shows_the_column():
    records = [
        record("1", "c", "enrolled", is_mandatory=True, last_activity_at=at(NOON - 40 * DAY)),
        record("2", "c", "enrolled", is_mandatory=False, last_activity_at=at(NOON - DAY)),
        record("3", "c", "completed", last_activity_at=at(NOON - 50 * DAY)),
    ]
    async with open_shelf(Shelf(SHELF.people, TITLES, records)) as desk:
        assert (await desk.list(is_mandatory="yes")).startswith("1 of 1 enrollments: mandatory. As of")
        assert (await desk.list(is_mandatory="no")).startswith("1 of 1 enrollments: not mandatory. As of")
        text = await desk.list(inactive_since="-30d")
    assert text.splitlines()[0].startswith("1 of 1 enrollments: inactive since 2026-10-24. As of")
    assert text.splitlines()[1:3] == ["learner,course,status,last_activity", "Jo,First Aid,enrolled,2026-10-14"]
    assert "inactive = not finished, no activity since; without any, enrolled before" in text


@pytest.mark.parametrize("named", ["compliance", "1"])
async def test_a_category_of_the_portal_is_named_as_mandatory_by_its_name_or_its_id(named: str):
    async with AppContext(Settings(mandatory_courses=(named,), today=TODAY)) as connection:
        reply = await summarize_learner_progress(connection, {"is_mandatory": True, "group_by": "course"})
    titles = {course.name for course in generate(today=TODAY).courses if course.name in reply.text}
    assert titles == {
        "Security Awareness 2026",
        "Code of Conduct",
        "GDPR & Data Protection",
        "Anti-Bribery & Corruption",
        "Phishing: Spot the Bait",
    }


def test_thresholds_and_mandatory_courses_are_settings():
    env = {
        "MCP_TRUTO_LMS_MANDATORY_COURSES": " FA-1, First Aid,,FA-1 ",
        "MCP_TRUTO_LMS_AT_RISK": "due_days=7, progress = 30",
    }
    chosen = Settings.from_env(env)
    assert chosen.mandatory_courses == ("FA-1", "First Aid")
    assert (chosen.at_risk.due_days, chosen.at_risk.progress, chosen.at_risk.inactive_days) == (7, 30, 30)


async def test_thresholds_change_the_answer_and_are_printed():
    records = [record("1", "c", "in_progress", due=NOON + 10 * DAY, progress_percent=40)]
    env = {"MCP_TRUTO_LMS_AT_RISK": "due_days=7"}
    for at_risk, number, words in (
        (Settings().at_risk, 1, "within 14 days"),
        (Settings.from_env(env).at_risk, 0, "within 7 days"),
    ):
        async with open_shelf(Shelf(SHELF.people, TITLES, records), at_risk=at_risk) as desk:
            text = await desk.list(state="at_risk")
        assert text.startswith(f"{number} of {number} enrollments: at_risk. As of")
        assert words in text
