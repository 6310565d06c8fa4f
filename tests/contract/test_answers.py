"""Full texts of every kind of answer and error about the sample portal on a fixed day, a file each in `answers/`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from mcp_truto_lms.domain.errors import ConfigurationError
from mcp_truto_lms.sandbox.faults import Fault
from mcp_truto_lms.sandbox.organisation import generate
from mcp_truto_lms.sandbox.variations import Variations
from mcp_truto_lms.settings import Settings
from tests.conftest import LIST, SUMMARIZE, TODAY, Desk, OpenDesk
from tests.contract.snapshots import check
from tests.stored import Shelf, at, course, open_shelf, person, record
from tests.truth import DAY, NOON

pytestmark = pytest.mark.anyio

CURSOR = re.compile(r'(cursor=|"next_cursor":")[\w-]{8}(?![\w-])')
EXPORT = re.compile(r"(?<=: )/\S+/([\w-]+)-[0-9a-f]{8}\.csv$", re.MULTILINE)
Case = tuple[str, str, dict[str, Any]]

CASES: list[Case] = [
    ("summary", SUMMARIZE, {}),
    ("list", LIST, {"limit": 5}),
    *(
        (f"list_{state}", LIST, {"state": state, "limit": 3})
        for state in (
            "finished",
            "not_finished",
            "not_started",
            "overdue",
            "due_soon",
            "at_risk",
            "expired",
            "no_due_date",
        )
    ),
    ("list_not_enrolled", LIST, {"state": "not_enrolled", "course": "Forklift", "limit": 3}),
    (
        "list_not_enrolled_in_several",
        LIST,
        {"state": "not_enrolled", "course": ["Forklift", "First Aid"], "where": {"site": "Oslo"}, "limit": 3},
    ),
    ("list_completed", LIST, {"completed_from": "last_week", "completed_to": "last_week", "limit": 3}),
    ("list_enrolled", LIST, {"enrolled_from": "-14d", "sort": "-enrolled", "limit": 3}),
    ("list_where", LIST, {"where": {"custom_fields.site": "Oslo"}, "state": "overdue", "limit": 3}),
    ("list_where_several", LIST, {"where": {"site": ["oslo", "hull"], "job title": "driver"}, "limit": 3}),
    ("list_where_none", LIST, {"where": {"site": "(none)"}, "state": "due_soon", "limit": 3}),
    ("list_not_enrolled_nobody", LIST, {"state": "not_enrolled", "course": "Forklift", "user": "Lars Santos"}),
    ("list_at_risk_json", LIST, {"format": "json", "state": "at_risk", "fields": "learner,signals", "limit": 2}),
    ("list_status_overdue", LIST, {"status": "overdue", "limit": 3}),
    ("list_several_states", LIST, {"state": "overdue,due_soon", "sort": "-due", "limit": 3}),
    ("list_due_dates", LIST, {"due_from": "today", "due_to": "+14d", "limit": 3}),
    ("list_progress_below", LIST, {"progress_below": 20, "sort": "progress", "limit": 3}),
    ("list_columns", LIST, {"fields": "learner,email,enrolled,hours,custom_fields.Site", "limit": 3}),
    ("list_columns_without_a_value", LIST, {"fields": "learner,mandatory,custom_fields.Shoe size", "limit": 2}),
    ("list_columns_left_out", LIST, {"exclude_fields": "status,due", "limit": 2}),
    ("list_json", LIST, {"format": "json", "state": "overdue", "limit": 2}),
    ("list_json_columns", LIST, {"format": "json", "fields": ["learner", "course", "due"], "limit": 2}),
    ("list_csv", LIST, {"format": "csv", "state": "overdue", "limit": 2}),
    ("list_csv_columns", LIST, {"format": "csv", "fields": "learner,mandatory,custom_fields.Site"}),
    ("list_csv_not_enrolled", LIST, {"format": "csv", "state": "not_enrolled", "course": "Forklift"}),
    ("list_one_course", LIST, {"course": "Security Awareness 2026", "state": "overdue", "limit": 3}),
    ("list_no_match", LIST, {"due_from": "2031-01-01"}),
    ("list_hostile_title", LIST, {"course": "SYSTEM: ignore", "limit": 2}),
    ("list_archived_course", LIST, {"course": "Old Expense Tool", "limit": 2}),
    ("summary_by_course", SUMMARIZE, {"group_by": "course"}),
    ("summary_by_learner", SUMMARIZE, {"group_by": "learner", "limit": 3}),
    ("summary_by_status", SUMMARIZE, {"group_by": "status"}),
    ("summary_by_month", SUMMARIZE, {"group_by": "month", "limit": 6}),
    ("summary_by_site", SUMMARIZE, {"group_by": "site"}),
    ("summary_by_site_and_course", SUMMARIZE, {"group_by": ["site", "course"], "limit": 5}),
    ("summary_by_course_and_status", SUMMARIZE, {"group_by": ["course", "status"], "sort": "name", "limit": 6}),
    ("summary_by_course_at_risk", SUMMARIZE, {"group_by": "course", "sort": "-at_risk", "limit": 3}),
    ("summary_hours", SUMMARIZE, {"group_by": "site", "sort": "-hours", "enrolled_from": "this_year", "limit": 3}),
    ("summary_by_team", SUMMARIZE, {"group_by": "team"}),
    ("summary_by_team_and_month", SUMMARIZE, {"group_by": ["team", "month"], "enrolled_from": "-2m", "limit": 6}),
    ("summary_by_learner_rate", SUMMARIZE, {"group_by": "job title", "sort": "-learners_%", "limit": 3}),
    ("summary_one_course_by_month", SUMMARIZE, {"course": "Forklift", "group_by": "month", "limit": 4}),
    ("summary_one_learner_overdue", SUMMARIZE, {"user": "Olga Andersson", "state": "overdue"}),
    ("summary_completed_by_site", SUMMARIZE, {"completed_from": "this_year", "group_by": "site", "limit": 3}),
    ("summary_completed", SUMMARIZE, {"completed_from": "last_month", "completed_to": "last_month"}),
    ("summary_at_risk", SUMMARIZE, {"state": "at_risk"}),
    ("summary_not_enrolled", SUMMARIZE, {"state": "not_enrolled", "course": "Forklift", "group_by": "site"}),
    ("summary_not_enrolled_in_several", SUMMARIZE, {"state": "not_enrolled", "course": ["Forklift", "First Aid"]}),
    ("summary_where", SUMMARIZE, {"where": {"site": "Oslo"}}),
    ("summary_sorted", SUMMARIZE, {"group_by": "course", "sort": "%", "limit": 3}),
    ("summary_of_an_outcome", SUMMARIZE, {"state": "overdue", "group_by": "course", "limit": 3}),
    ("summary_one_course", SUMMARIZE, {"course": "Forklift Safety"}),
    ("summary_several_courses", SUMMARIZE, {"course": ["Forklift Safety", "First Aid"]}),
    ("summary_ambiguous_course", SUMMARIZE, {"course": "safety"}),
    ("summary_archived_course", SUMMARIZE, {"course": "Old Expense Tool"}),
    ("summary_no_match", SUMMARIZE, {"due_from": "2031-01-01"}),
    ("summary_one_learner", SUMMARIZE, {"user": "Jane Doe"}),
    ("summary_ambiguous_learner", SUMMARIZE, {"user": "Jane"}),
    ("summary_inactive_person", SUMMARIZE, {"user": "44"}),
    ("list_one_learner", LIST, {"user": "jane.doe@northgate.example", "limit": 5}),
    ("list_ambiguous_learner", LIST, {"user": "Jane Eriksen", "limit": 5}),
    ("list_learner_and_course", LIST, {"user": "Jane Doe", "course": "Security Awareness"}),
    ("list_inactive_person", LIST, {"user": "44", "limit": 2}),
    ("list_scores", LIST, {"user": "Jane Doe", "fields": "course,score,status", "limit": 5}),
    ("list_failed", LIST, {"state": "failed", "limit": 3}),
    ("summary_failed", SUMMARIZE, {"state": "failed", "group_by": "course", "limit": 3}),
    ("summary_once_failures_are_known", SUMMARIZE, {"group_by": "status"}),
    ("error_unknown_argument", LIST, {"limt": 3}),
    ("error_unknown_argument_in_a_summary", SUMMARIZE, {"fields": "learner"}),
    ("error_unknown_course", LIST, {"course": "Forklft Safty"}),
    ("error_unknown_learner", SUMMARIZE, {"user": "Jane Dough"}),
    ("error_name_like_no_other", LIST, {"user": "Qqqq Zzzz"}),
    ("error_unknown_column", LIST, {"fields": ["learner", "deadline"]}),
    ("error_unknown_status", LIST, {"status": "graduated"}),
    ("error_unknown_state", LIST, {"state": "late"}),
    ("error_unknown_group", SUMMARIZE, {"group_by": "departmnt"}),
    ("error_three_groups", SUMMARIZE, {"group_by": ["course", "site", "month"]}),
    ("error_unknown_key", LIST, {"where": {"sites": "Oslo"}}),
    ("error_unknown_value", LIST, {"where": {"site": "Olso"}}),
    ("error_not_enrolled_nowhere", LIST, {"state": "not_enrolled"}),
    ("error_not_enrolled_and_overdue", LIST, {"state": "not_enrolled,overdue", "course": "Forklift"}),
    ("error_mandatory_not_reported", SUMMARIZE, {"is_mandatory": "yes"}),
    ("error_activity_not_reported", LIST, {"inactive_since": "-30d"}),
    ("error_last_day_before_the_first", LIST, {"due_from": "today", "due_to": "-1w"}),
    ("error_where_without_a_key", LIST, {"where": "Sales"}),
    ("error_not_enrolled_by_month", SUMMARIZE, {"state": "not_enrolled", "course": "Forklift", "group_by": "month"}),
    ("error_not_enrolled_with_a_due_date", LIST, {"state": "not_enrolled", "course": "Forklift", "fields": "due"}),
    ("error_rate_of_learners_by_course", SUMMARIZE, {"group_by": "course", "sort": "learners_%"}),
    ("error_finished_in_month_by_course", SUMMARIZE, {"group_by": "course", "sort": "finished_in_month"}),
    ("error_no_truth", LIST, {"is_mandatory": "perhaps"}),
    ("error_too_many_names", LIST, {"user": [str(number) for number in range(51)]}),
    ("error_unknown_sort", SUMMARIZE, {"group_by": "course", "sort": "progress"}),
    ("error_sort_by_a_custom_field", LIST, {"sort": "custom_fields.Site"}),
    ("error_bad_date", LIST, {"due_to": "next Friday"}),
    ("error_bad_limit", LIST, {"limit": -5}),
    ("error_bad_percentage", LIST, {"progress_below": "half"}),
    ("error_bad_format", LIST, {"format": "xlsx"}),
    ("error_several_mistakes", LIST, {"state": "late", "limit": -1, "due_to": "soon"}),
    ("error_foreign_cursor", LIST, {"cursor": "k3f9a2xy"}),
    ("error_two_readings_of_a_day", LIST, {"due_to": "01/11/2026"}),
    ("error_user_me", LIST, {"user": "me"}),
]


async def answered(
    desk: Desk, tool: str, arguments: dict[str, Any], printed_arguments: dict[str, Any] | None = None
) -> str:
    """Call a tool; return the call and its answer as a snapshot has them."""
    result = await desk.client.call_tool(tool, arguments)
    text = "".join(getattr(block, "text", "") for block in result.content)
    call = f"> {tool} {json.dumps(printed_arguments or arguments, ensure_ascii=False)}"
    text = EXPORT.sub("<folder>/\\1-<random>.csv", CURSOR.sub(r"\1<cursor>", text))
    return f"{call}\n{'ERROR: ' if result.is_error else ''}{text}\n"


@pytest.fixture(scope="module")
async def answers(open_desk: OpenDesk, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Ask everything in one order, because the data of one question serves the next."""
    async with open_desk(export_dir=str(tmp_path_factory.mktemp("exports"))) as desk:
        texts = {name: await answered(desk, tool, arguments) for name, tool, arguments in CASES}
        first_page = await desk.list(state="overdue", limit=3)
        arguments = {"cursor": first_page.rpartition("cursor=")[2]}
        texts["list_second_page"] = await answered(desk, LIST, arguments, {"cursor": "<cursor>"})
    return texts


@pytest.mark.parametrize("name", [*(name for name, _, _ in CASES), "list_second_page"])
async def test_an_answer_is_as_reviewed(answers: dict[str, str], name: str):
    assert ("ERROR: " in answers[name]) == name.startswith("error_")
    check(f"answers/{name}.txt", answers[name])


CASES_WITH_CONTENT = (
    "list",
    "list_csv",
    "summary",
    "summary_by_site_and_course",
    "summary_not_enrolled",
    "summary_one_learner",
)


async def test_the_content_of_every_kind_of_answer_follows_its_schema(open_desk: OpenDesk, tmp_path: Path):
    """The client validates it."""
    contents: dict[str, Any] = {}
    async with open_desk(structured=True, export_dir=str(tmp_path)) as desk:
        schemas = {tool.name: tool.output_schema for tool in (await desk.client.list_tools()).tools}
        for name, tool, arguments in CASES:
            result = await desk.client.call_tool(tool, arguments)
            assert bool(result.is_error) == name.startswith("error_")
            assert (result.structured_content is None) == bool(result.is_error)
            if name in CASES_WITH_CONTENT:
                contents[name] = result.structured_content
    text = json.dumps({"schemas": schemas, **contents}, indent=1, ensure_ascii=False)
    text = re.sub(r'("path": ").*/([\w-]+)-[0-9a-f]{8}\.csv"', r'\1<folder>/\2-<random>.csv"', text)
    check("structured.json", re.sub(r'("next_cursor": ")[\w-]{8}"', r'\1<cursor>"', text) + "\n")


async def test_answers_with_unknown_outcomes_are_as_reviewed(open_desk: OpenDesk):
    cases: list[tuple[str, dict[str, Any]]] = [
        (SUMMARIZE, {}),
        (SUMMARIZE, {"group_by": "site", "limit": 3}),
        (SUMMARIZE, {"course": "101", "state": "at_risk"}),
        (LIST, {"state": "failed"}),
        (LIST, {"state": "not_started", "limit": 2}),
        (LIST, {"state": "overdue", "limit": 1, "format": "json"}),
    ]
    texts: list[str] = []
    for tool, arguments in cases:  # each by a server of its own, before the background has read anything
        async with open_desk(of=generate(today=TODAY, learners=40, courses=8), call_budget=0) as desk:
            texts.append(await answered(desk, tool, arguments))
    check("answers/unknown_outcomes.txt", "\n".join(texts))


async def test_answers_from_the_sample_portal_begin_with_a_notice(open_desk: OpenDesk):
    async with open_desk(source="sample") as desk:
        text = await answered(desk, LIST, {"course": "Forklift Safety", "limit": 2})
        check("answers/sample_data.txt", text)
        as_json = await desk.list(course="Forklift Safety", limit=1, format="json")
    assert text.splitlines()[1].startswith("SAMPLE DATA, no LMS connected. ")
    assert json.loads(as_json)["sample_data"] is True


async def test_a_wrong_key_is_answered_with_the_setting_to_change(open_desk: OpenDesk):
    async with open_desk(key="wrong-s3cr3t") as desk:
        text = await answered(desk, SUMMARIZE, {})
    assert "s3cr3t" not in text
    check("answers/error_wrong_key.txt", text)


async def test_a_portal_that_is_down_is_reported(open_desk: OpenDesk):
    async with open_desk() as desk:
        desk.portal.faults.add(Fault(status=503, body="html"), times=None)
        check("answers/error_portal_down.txt", await answered(desk, SUMMARIZE, {}))


async def test_an_exhausted_hourly_limit_is_reported(open_desk: OpenDesk):
    async with open_desk(variations=Variations(hourly_limit=1)) as desk:
        text = await answered(desk, SUMMARIZE, {})
    check("answers/error_limit_used_up.txt", re.sub(r"at [\d:]+ UTC, in \d+ \w+", "at <time>, in <minutes>", text))


async def test_a_course_that_cannot_be_fetched_makes_an_answer_incomplete(open_desk: OpenDesk):
    async with open_desk() as desk:
        fault = Fault(status=500, body="malformed")
        desk.portal.faults.add(fault, times=None, endpoint="courses/id", arguments={"id": "105"})
        text = await desk.summarize(group_by="status")
    assert text.startswith("at least ")
    assert re.search(r", \d+ of 16 courses read, ask again to continue\.", text.splitlines()[0])
    assert "Not fully refreshed: TalentLMS failed on its side (HTTP 500)." in text


async def test_an_incomplete_answer_is_as_reviewed():
    people = [person("1", "Ann Lee"), person("2", "Bob Ray")]
    titles = [course("c", "First Aid"), course("d", "Fire Safety"), course("e", "Ethics")]
    records = [record("1", "c", "enrolled", due=NOON + DAY), record("2", "c", "completed", due=NOON)]
    halves = frozenset({"course:d", "course:e", "learner:1", "learner:2"})
    async with open_shelf(Shelf(people, titles, records, halves=halves)) as desk:
        text = await answered(desk, LIST, {})
        text += "\n" + await answered(desk, SUMMARIZE, {})
        text += "\n" + await answered(desk, LIST, {"format": "json", "fields": "learner,due"})
    check("answers/incomplete.txt", text)


async def test_statuses_of_other_systems_read_as_reviewed():
    people = [person(str(number), f"Person {number}") for number in range(1, 7)]
    records = [
        record("1", "c", "passed", score=91.5, progress_percent=100, completed_at=at(NOON - 3 * DAY)),
        record("2", "c", "withdrawn", progress_percent=10),
        record("3", "c", "overdue", due=NOON + 3 * DAY, is_mandatory=True),
        record("4", "c", "expired", completed_at=at(NOON - 400 * DAY)),
        record("5", "c", "failed", key="first", attempt_number=1, progress_percent=40),
        record("5", "c", "assigned", key="second", attempt_number=2),
        record("6", "c", "Paused"),
    ]
    shelf = Shelf(people, [course("c", "Course")], records, unreported=frozenset({"time_spent_seconds"}))
    async with open_shelf(shelf) as desk:
        text = await answered(desk, LIST, {"fields": "learner,status,score,mandatory,hours,custom_fields.raw_status"})
        text += "\n" + await answered(desk, SUMMARIZE, {"group_by": "course"})
        text += "\n" + await answered(desk, LIST, {"state": "overdue"})
    check("answers/other_statuses.txt", text)


@pytest.mark.parametrize(
    ("name", "env"),
    [
        ("domain_without_key", {"TALENTLMS_DOMAIN": "acme"}),
        ("key_without_domain", {"TALENTLMS_API_KEY": "s3cr3t"}),
        ("unknown_source", {"MCP_TRUTO_LMS_SOURCE": "moodle"}),
    ],
)
async def test_an_incomplete_configuration_is_answered_with_the_missing_variable(name: str, env: dict[str, str]):
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_env(env)
    assert "s3cr3t" not in str(caught.value)
    check(f"answers/configuration_{name}.txt", f"> {', '.join(env)}\n{caught.value}\n")


async def test_every_snapshot_of_an_answer_has_a_test():
    from tests.contract.snapshots import HERE

    tested = {f"{name}.txt" for name, _, _ in CASES} | {"list_second_page.txt"}
    others = {file.name for file in (HERE / "answers").iterdir()} - tested
    assert others == {
        "sample_data.txt",
        "error_wrong_key.txt",
        "error_portal_down.txt",
        "error_limit_used_up.txt",
        "incomplete.txt",
        "other_statuses.txt",
        "unknown_outcomes.txt",
        "configuration_domain_without_key.txt",
        "configuration_key_without_domain.txt",
        "configuration_unknown_source.txt",
    }


async def test_all_answers_are_of_a_fixed_day():
    assert TODAY.isoformat() == "2026-11-23"
