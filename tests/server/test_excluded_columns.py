"""Excluded columns are in no text and take no argument, and everything else stays."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import pytest

from mcp_truto_lms.domain.columns import NEEDED, row_columns
from mcp_truto_lms.domain.errors import ConfigurationError
from mcp_truto_lms.sandbox.records import Organisation
from mcp_truto_lms.server.app_context import AppContext
from mcp_truto_lms.server.asgi import make_app
from mcp_truto_lms.server.mcp_server import create_server
from mcp_truto_lms.settings import Settings
from tests.conftest import LIST, SUMMARIZE, TODAY, OpenDesk
from tests.server.all_texts import everything, people_file, secrets_in

pytestmark = pytest.mark.anyio


REMOVABLE = [path for path in row_columns() if path not in NEEDED]


ALL_OUT = tuple(REMOVABLE)


@pytest.fixture(scope="module")
async def bare(anyio_backend: str, open_desk: OpenDesk, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Ask for everything where every column is out that can be."""
    folder = tmp_path_factory.mktemp("excluded")
    options = {"people_file": people_file(folder), "export_dir": str(folder), "structured": True}
    async with open_desk(exclude_fields=ALL_OUT, **options) as desk:
        return await everything(desk, ["3"])


async def test_excluded_columns_are_in_no_text(bare: dict[str, str], secrets: list[str]):
    of_the_file = ("by team", "by manager", "by location", "keys", "values", "values of people")  # it is HR's own
    about = {name: name.removesuffix(" as data") for name in bare}
    texts = {name: text for name, text in bare.items() if about[name] not in of_the_file}
    texts = {name: text for name, text in texts.items() if not text.startswith("No learner")}
    assert {name: hits for name, text in texts.items() if (hits := secrets_in(secrets, text))} == {}
    for name, text in texts.items():
        if not name.startswith("error_bad"):
            days = {*re.findall(r"\b20\d\d-\d\d-\d\d", text)} - {"2026-11-23"}
            assert about[name] in ("tools", "summary_no_match") or not days, (name, days)
    for word in ("hours", "avg %", "up to"):
        assert word not in bare["summary"]
    for word in ("due_from", "completed_", "enrolled_from", "inactive_since", "progress_below", "is_mandatory"):
        assert word not in bare["tools"]
    assert not [path for path in REMOVABLE if f"'{path}'" in bare["tools"]]
    assert {*json.loads(bare["lms://schema/course-enrollment"])["x-columns"]} == NEEDED
    assert "completed_from" not in bare["lms://definitions"]
    assert "inactive since" not in bare["lms://definitions"]


async def test_teams_and_the_people_file_work_without_addresses(bare: dict[str, str]):
    assert "Sales" in bare["by team"]
    assert "Bergen" in bare["by location"]


async def test_without_names_a_learner_is_shown_by_id(bare: dict[str, str]):
    assert "learner_id,course,status" in bare["list"]
    assert bare["list of 3"].splitlines()[0].count(": 3. ") == 1


@pytest.mark.parametrize(
    ("excluded", "arguments", "refusal"),
    [
        ("due_at", {"due_from": "today"}, "There is no argument 'due_from'"),
        ("due_at", {"state": "no_due_date"}, "state: 'no_due_date' is not a state"),
        ("due_at", {"sort": "due"}, "sort: 'due' is not a column"),
        ("completed_at", {"completed_to": "today"}, "There is no argument 'completed_to'"),
        ("enrolled_at", {"enrolled_to": "today"}, "There is no argument 'enrolled_to'"),
        ("progress_percent", {"progress_below": 5}, "There is no argument 'progress_below'"),
        ("is_mandatory", {"is_mandatory": True}, "There is no argument 'is_mandatory'"),
        ("last_activity_at", {"inactive_since": "-3d"}, "There is no argument 'inactive_since'"),
        ("score", {"fields": "learner,score"}, "fields: 'score' is not a column"),
        ("score", {"exclude_fields": "score"}, "exclude_fields: 'score' is not a column"),
        ("user.emails", {"user": "jane.doe@northgate.example"}, "user: takes no e-mail address here"),
        ("user.emails", {"fields": "email"}, "fields: 'email' is not a column"),
        ("custom_fields.site", {"fields": "custom_fields.Site"}, "fields: 'custom_fields.Site' is not a column"),
        ("custom_fields.site", {"where": {"site": "Oslo"}}, "where: nobody has 'site'"),
        ("custom_fields", {"where": {"job title": "Driver"}}, "where: nobody has 'job title'"),
    ],
)
async def test_an_argument_on_an_excluded_column_is_refused(
    open_desk: OpenDesk, excluded: str, arguments: dict[str, Any], refusal: str
):
    async with open_desk(exclude_fields=(excluded,)) as desk:
        said = await desk.refused(LIST, **arguments)
    assert said.startswith(refusal)
    assert not re.search(rf"known: .*\b{re.escape(excluded)}\b(?!\.)", said)


@pytest.mark.parametrize(
    ("excluded", "arguments"),
    [
        ("progress_percent", {"group_by": "course", "sort": "avg"}),
        ("time_spent_seconds", {"group_by": "course", "sort": "hours"}),
        ("enrolled_at", {"group_by": "month"}),
        ("completed_at", {"group_by": "month", "sort": "finished_in_month"}),
        ("custom_fields.site", {"group_by": "site"}),
    ],
)
async def test_a_summary_is_neither_grouped_nor_sorted_by_an_excluded_column(
    open_desk: OpenDesk, excluded: str, arguments: dict[str, Any]
):
    async with open_desk(exclude_fields=(excluded,)) as desk:
        assert re.match(r"sort: .* is not a column|group_by: ", await desk.refused(SUMMARIZE, **arguments))


async def test_states_work_though_the_columns_they_rest_on_are_excluded(open_desk: OpenDesk):
    async with open_desk() as plain, open_desk(exclude_fields=("due_at",)) as hidden:
        for state in ("overdue", "due_soon", "at_risk"):
            number = re.search(r"of ([\d,]+) enrollments", await plain.list(state=state))
            text = await hidden.list(state=state)
            assert number is not None
            assert number[0] in text
            assert not re.search(r"overdue \d+ d", text)


async def test_without_due_dates_rows_are_sorted_by_another_column_and_say_so(open_desk: OpenDesk):
    async with open_desk(exclude_fields=("due_at",)) as desk:
        for state in ("overdue", ["at_risk", "overdue"]):
            text = await desk.list(state=state, limit=20)
            titles = [line.split(",")[1] for line in text.splitlines()[2:22]]
            assert titles == sorted(titles, key=str.casefold)
            assert "Sorted by course." in text


async def test_excluding_a_custom_field_leaves_the_others(open_desk: OpenDesk):
    async with open_desk(exclude_fields=("custom_fields.employee number",)) as desk:
        text = await desk.list(format="json", user="Jane Doe")
    assert '"Site":' in text
    assert "Employee number" not in text


async def test_the_endpoint_has_no_excluded_column(organisation: Organisation, secrets: list[str]):
    excluded = ("user.name", "user.emails", "due_at", "custom_fields", "progress_percent")
    settings = Settings(exclude_fields=excluded, today=TODAY)
    texts: dict[str, str] = {}
    async with AppContext(settings) as app_context:
        source = (await app_context.account()).source.with_remote_data()
        app = make_app(create_server(app_context), {"a": source}, host="127.0.0.1", columns=settings.columns)
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            for path in (
                "course-enrollments?limit=30",
                "course-enrollments?user[id]=7&truto_response_format=normalized",
                "course-enrollments?user[id]=7&course[id]=101",
                "course-enrollments?course[id]=101&truto_response_format=stream",
                "users?limit=50",
                "users?truto_response_format=stream",
                "users/7?",
                "courses?",
                "courses/101?truto_response_format=normalized",
            ):
                answer = await client.get(f"/unified/lms/{path}&integrated_account_id=a")
                assert answer.status_code == 200, answer.text
                texts[path] = answer.text
            for query in ("truto_response_format=raw", "truto_key_by=due_at", "truto_key_by=user.name"):
                refused = await client.get(f"/unified/lms/course-enrollments?{query}&integrated_account_id=a")
                assert refused.status_code == 400, query
                texts[query] = refused.text
            inside = "courses?limit=1&truto_key_by=custom_fields.time_limit_days"
            refused = await client.get(f"/unified/lms/{inside}&integrated_account_id=a")
            assert "excludes this field" in refused.text
    assert {name: hits for name, text in texts.items() if (hits := secrets_in(secrets, text))} == {}
    for word in ("emails", "due_at", '"custom_fields"', "progress_percent", '"remote_data":{', '"first_name":"'):
        assert [name for name, text in texts.items() if word in text and "key_by" not in name] == [], word


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ("score", ("score",)),
        ("email, hours", ("user.emails", "time_spent_seconds")),
        ("assigned_by", ("assigned_by.name",)),
        ("custom_fields.Site,custom_fields", ("custom_fields.Site", "custom_fields")),
        ("${user_config.exclude_fields}", ()),
    ],
)
def test_excluded_columns_may_be_named_by_path_or_header(value: str, meant: tuple[str, ...]):
    assert Settings.from_env({"MCP_TRUTO_LMS_EXCLUDE_FIELDS": value}).exclude_fields == meant


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"EXCLUDE_FIELDS": "emials"}, "did you mean 'user.emails'?"),
        ({"EXCLUDE_FIELDS": "score,status"}, "status cannot be excluded"),
        ({"EXCLUDE_FIELDS": "user"}, "user.id cannot be excluded"),
        ({"EXCLUDE_FIELDS": "signals"}, "signals cannot be excluded"),
        ({"EXCLUDE_FIELDS": "learner", "PSEUDONYMS": "1"}, "user.name cannot be excluded, it is already the alias"),
        ({"PSEUDONYMS": "short"}, "takes 1, or a secret of at least 16 visible characters"),
        ({"PSEUDONYMS": "with blanks between words"}, "takes 1, or a secret of at least 16 visible characters"),
    ],
)
def test_an_invalid_setting_is_refused_without_repeating_a_secret(env: dict[str, str], said: str):
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_env({f"MCP_TRUTO_LMS_{name}": value for name, value in env.items()})
    assert said in str(caught.value)
    assert env.get("PSEUDONYMS", "none").replace("1", "none") not in str(caught.value)
