"""What nobody may see is nowhere: not in an answer, an error, a resource, a completion, the log, or a file at rest."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from mcp import MCPError
from mcp_types import PromptReference

from mcp_truto_lms.cli.doctor import examine
from mcp_truto_lms.domain.columns import NEEDED
from mcp_truto_lms.domain.errors import ConfigurationError
from mcp_truto_lms.domain.model import enrollment_columns
from mcp_truto_lms.domain.normalization import normalize
from mcp_truto_lms.sandbox.faults import Fault
from mcp_truto_lms.sandbox.records import Organisation
from mcp_truto_lms.server.app_context import AppContext
from mcp_truto_lms.server.asgi import make_app
from mcp_truto_lms.server.mcp_server import create_server
from mcp_truto_lms.settings import Settings
from tests.conftest import LIST, SUMMARIZE, TODAY, Desk, OpenDesk
from tests.contract.test_answers import CASES

pytestmark = pytest.mark.anyio

ALIAS = re.compile(r"Learner [0-9A-HJKMNP-TV-Z]{10}(?![0-9A-Z])")
WORD = re.compile(r"[^\W_]+")
REMOVABLE = [path for path in enrollment_columns() if path not in NEEDED]
PEOPLE_FILE = """email,name,vorname,team,boss,location,work mail
jane.doe@northgate.example,Jane Doe,Jane,Sales,Omar Khan,Berlin,jane.doe@northgate.example
omar.khan@northgate.example,Omar Khan,Omar,Sales,Zelda Quux,Berlin,
maria.garcia@northgate.example,Maria García,Maria,Support,Omar Khan,Bergen,
"""


@pytest.fixture(scope="module")
def secrets(organisation: Organisation) -> list[str]:
    """Whatever of people the portal knows, but for words that stand elsewhere too: courses, the zone, a role."""
    others = [*(one.name for one in organisation.courses), "Europe/Athens", "instructor"]
    elsewhere = words_of(" ".join(others))
    found: set[str] = set()
    for one in organisation.people:
        found |= {one.first_name, one.last_name, f"{one.first_name} {one.last_name}", one.email, one.login}
        found |= {*one.custom_fields}
    folded = {normalize(each) for each in found} | {"northgate.example", "zelda", "quux"}
    return sorted(each for each in folded if len(each) > 2 and words_of(each) not in elsewhere)


def told(secrets: Iterable[str], text: str) -> list[str]:
    """List the secrets that stand in a text, as words of their own."""
    words = words_of(text)
    return [each for each in secrets if words_of(each) in words]


@cache
def words_of(text: str) -> str:
    return f" {' '.join(word for each in text.split() for word in WORD.findall(normalize(each)))} "


async def everything(desk: Desk, users: Iterable[str]) -> dict[str, str]:
    """Ask for all that a client can get, a text each."""
    found: dict[str, str] = {}
    cases = [(name, tool, arguments) for name, tool, arguments in CASES]
    for user in users:
        cases += [(f"list of {user}", LIST, {"user": user}), (f"summary of {user}", SUMMARIZE, {"user": user})]
    cases += [
        ("by team", SUMMARIZE, {"group_by": "team"}),
        ("by manager", SUMMARIZE, {"group_by": ["boss", "team"]}),
        ("by location", SUMMARIZE, {"group_by": "location"}),
        ("keys", LIST, {"where": {"shoe size": "41"}}),
        ("values", LIST, {"where": {"team": "Nobody's"}}),
        ("values of people", LIST, {"where": {"boss": "Nobody"}}),
        ("all columns", LIST, {"fields": [*enrollment_columns()], "limit": 200}),
        ("by learner", SUMMARIZE, {"group_by": "learner", "limit": 200}),
        ("people", LIST, {"state": "not_enrolled", "course": "Forklift", "limit": 200}),
        ("json", LIST, {"format": "json", "limit": 50}),
    ]
    for name, tool, arguments in cases:
        result = await desk.client.call_tool(tool, arguments)
        found[name] = "".join(getattr(block, "text", "") for block in result.content)
        if result.structured_content is not None:
            data = {key: one for key, one in result.structured_content.items() if key != "tables"}  # somebody's name
            data["groups"] = result.structured_content.get("tables")
            found[f"{name} as data"] = json.dumps(data, ensure_ascii=False)
    for fields in ({}, {"fields": [*enrollment_columns()]}):
        told_where = await desk.client.call_tool(LIST, {"format": "csv", **fields})
        text = "".join(getattr(block, "text", "") for block in told_where.content)
        place = re.search(r"its owner alone: (.+\.csv)$", text, re.MULTILINE)
        found[f"csv of {len(fields)}"] = await anyio.Path(place[1]).read_text("utf-8-sig") if place else text
    first = await desk.list(limit=50)
    found["second page"] = await desk.list(cursor=first.rpartition("cursor=")[2])
    for one in (await desk.client.list_resources()).resources:
        found[str(one.uri)] = (await desk.client.read_resource(str(one.uri))).contents[0].text  # type: ignore[union-attr]
    prompts = [("overdue_report", {"course": "Forklift"}), ("compliance_snapshot", {})]
    prompts += [("learner_check_in", {"learner": user}) for user in users]
    for name, arguments in prompts:
        found[f"{name} {arguments}"] = str((await desk.client.get_prompt(name, arguments)).messages)
    reference = PromptReference(type="ref/prompt", name="learner_check_in")
    for letter in "abcdefghijklmnopqrstuvwxyz0123456789@":
        completion = (await desk.client.complete(reference, {"name": "learner", "value": letter})).completion
        found[f"completion of {letter}"] = str(completion.values)
    told_tools = str([one.model_dump() for one in (await desk.client.list_tools()).tools])
    found["tools"] = told_tools.replace("'tables'", "'groups'")  # a word of the schema, and somebody's name
    return found


Seen = tuple[dict[str, str], str, bytes]


def people_file(folder: Path) -> str:
    (file := folder / "people.csv").write_text(PEOPLE_FILE, "utf-8")
    return str(file)


@pytest.fixture(scope="module")
async def seen(anyio_backend: str, open_desk: OpenDesk, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """Ask for everything under aliases; the texts, the log, and the bytes of the store."""
    folder = tmp_path_factory.mktemp("pseudonyms")
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(logging.Formatter().format(record))  # type: ignore[method-assign]
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        options = {"pseudonyms": "1", "store": str(folder / "lms.db"), "people_file": people_file(folder)}
        async with open_desk(**options, structured=True, export_dir=str(folder)) as desk:
            aliases = ALIAS.findall(await desk.list(limit=2))
            found = await everything(desk, aliases[:1])
            fault = Fault(status=500)
            desk.portal.faults.add(fault, times=None)
            found["trouble"] = await desk.list(user=aliases[0], fresh=True)
            found["progress"] = str(await desk.refused(LIST, user="Jane Doe"))
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    async with AppContext(Settings(pseudonyms="1", today=TODAY)) as connection:
        found["doctor"] = str([one async for one in examine(connection)])
    kept = b"".join(one.read_bytes() for one in sorted(folder.iterdir()) if one.name.startswith("lms.db"))
    return found, "\n".join(lines), kept


async def test_under_aliases_no_text_of_any_kind_tells_who_somebody_is(seen: Seen, secrets: list[str]):
    texts, log, _ = seen
    assert {name: hits for name, text in texts.items() if (hits := told(secrets, text))} == {}
    assert "calls to the LMS" in log
    assert told(secrets, log) == []


async def test_under_aliases_nothing_at_rest_tells_who_somebody_is(seen: Seen, secrets: list[str]):
    _, _, kept = seen
    assert b"Learner " in kept
    assert told(secrets, kept.decode("utf-8", "replace")) == []


async def test_the_sweep_finds_names_where_there_are_names(open_desk: OpenDesk, secrets: list[str]):
    async with open_desk() as desk:
        assert {"jane doe", "jane"} <= {*told(secrets, await desk.list(user="Jane Doe"))}
        assert told(secrets, await desk.list(fields="email", limit=5))
        assert "oslo" in told(secrets, await desk.summarize(group_by="site"))


async def test_under_aliases_no_id_is_shown(seen: Seen):
    texts = seen[0]
    assert "user.id" not in texts["tools"]
    assert "learner_id" not in texts["lms://schema/course-enrollment"]
    for line in texts["json"], texts["list_json"]:
        for one in json.loads(line)["result"]:
            assert {*one["user"]} == {"name"}
            assert "id" not in one


async def test_the_people_file_still_joins_and_names_nobody(seen: Seen):
    texts = seen[0]
    assert "Sales" in texts["by team"]
    assert "Berlin" in texts["by location"]
    assert ALIAS.search(texts["by manager"])
    assert "nobody has 'shoe size'" in texts["keys"]
    assert texts["keys"].endswith("known: team, manager, boss, location, work mail.")


async def test_an_alias_is_found_however_it_is_typed_and_nothing_else_is(open_desk: OpenDesk):
    async with open_desk(pseudonyms="a secret of our own".replace(" ", "-")) as desk:
        (alias, *_) = ALIAS.findall(await desk.list(limit=1))
        whole = await desk.list(user=alias)
        for typed in (alias.lower(), alias.removeprefix("Learner "), f" {alias.removeprefix('Learner ').lower()} "):
            assert await desk.list(user=typed) == whole
        calls = desk.account.source.calls
        for typed in ("Jane Doe", "jane.doe@northgate.example", "7", "Doe", [alias, "Jane"]):
            refusal = await desk.refused(LIST, user=typed)
            assert refusal == await desk.refused(SUMMARIZE, user=typed)
            assert refusal.startswith("user: takes aliases alone")
            assert "Jane" not in refusal
        unknown = await desk.refused(LIST, user="0000000000")
        assert unknown.startswith("No learner with this alias: 'Learner 0000000000'")
        assert "Nearest" not in unknown
        assert desk.account.source.calls <= calls + 2  # the directory, for the alias that might be new
        with pytest.raises(MCPError, match="takes an alias"):
            await desk.client.get_prompt("learner_check_in", {"learner": "Jane Doe"})


async def test_counts_are_the_same_under_aliases(open_desk: OpenDesk):
    async with open_desk() as plain, open_desk(pseudonyms="1") as hidden:
        for arguments in ({"group_by": "course"}, {"group_by": "team"}, {"group_by": ["month", "status"]}):
            shown = (await hidden.summarize(**arguments)).replace("Learner names are aliases. ", "")
            assert shown == await plain.summarize(**arguments)


async def test_a_store_never_mixes_names_and_aliases(open_desk: OpenDesk, tmp_path: Path):
    store = str(tmp_path / "lms.db")
    async with open_desk(store=store) as desk:
        assert "Jane Doe" in await desk.list(user="Jane Doe")
    async with open_desk(store=store, pseudonyms="1") as desk:
        hidden = await desk.list(limit=5)
        assert len(ALIAS.findall(hidden)) == 5
    async with open_desk(store=store, pseudonyms="another-secret-of-ours") as desk:
        assert not {*ALIAS.findall(hidden)} & {*ALIAS.findall(await desk.list(limit=200))}
    async with open_desk(store=store) as desk:
        assert "Jane Doe" in await desk.list(user="Jane Doe")


async def test_the_endpoint_is_closed_under_aliases():
    settings = Settings(pseudonyms="1", today=TODAY)
    async with AppContext(settings) as connection:
        source = (await connection.account()).source
        app = make_app(create_server(connection), {"a": source}, host="127.0.0.1", columns=settings.columns)
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            for path in ("course-enrollments", "users", "users/3", "courses", "courses/101"):
                answer = await client.get(f"/unified/lms/{path}?integrated_account_id=a")
                assert answer.status_code == 404
                assert "pseudonyms are on" in answer.text
        assert source.calls == 0


ALL_OUT = tuple(REMOVABLE)


@pytest.fixture(scope="module")
async def bare(anyio_backend: str, open_desk: OpenDesk, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Ask for everything where every column is out that can be."""
    folder = tmp_path_factory.mktemp("excluded")
    options = {"people_file": people_file(folder), "export_dir": str(folder), "structured": True}
    async with open_desk(exclude_fields=ALL_OUT, **options) as desk:
        return await everything(desk, ["3"])


async def test_columns_that_are_out_are_in_no_text(bare: dict[str, str], secrets: list[str]):
    of_the_file = ("by team", "by manager", "by location", "keys", "values", "values of people")  # it is HR's own
    about = {name: name.removesuffix(" as data") for name in bare}
    texts = {one: text for one, text in bare.items() if about[one] not in of_the_file}
    texts = {one: text for one, text in texts.items() if not text.startswith("No learner")}
    assert {name: hits for name, text in texts.items() if (hits := told(secrets, text))} == {}
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


async def test_teams_and_the_people_file_are_there_without_addresses(bare: dict[str, str]):
    assert "Sales" in bare["by team"]
    assert "Bergen" in bare["by location"]


async def test_without_names_a_learner_is_the_id(bare: dict[str, str]):
    assert "learner_id,course,status" in bare["list"]
    assert bare["list of 3"].splitlines()[0].count(": 3. ") == 1


@pytest.mark.parametrize(
    ("excluded", "arguments", "refusal"),
    [
        ("due_at", {"due_from": "today"}, "There is no argument 'due_from'"),
        ("due_at", {"state": "no_due_date"}, "state: 'no_due_date' is no state"),
        ("due_at", {"sort": "due"}, "sort: 'due' is no column"),
        ("completed_at", {"completed_to": "today"}, "There is no argument 'completed_to'"),
        ("enrolled_at", {"enrolled_to": "today"}, "There is no argument 'enrolled_to'"),
        ("progress_percent", {"progress_below": 5}, "There is no argument 'progress_below'"),
        ("is_mandatory", {"is_mandatory": True}, "There is no argument 'is_mandatory'"),
        ("last_activity_at", {"inactive_since": "-3d"}, "There is no argument 'inactive_since'"),
        ("score", {"fields": "learner,score"}, "fields: 'score' is no column"),
        ("score", {"exclude_fields": "score"}, "exclude_fields: 'score' is no column"),
        ("user.emails", {"user": "jane.doe@northgate.example"}, "user: takes no e-mail address here"),
        ("user.emails", {"fields": "email"}, "fields: 'email' is no column"),
        ("custom_fields.site", {"fields": "custom_fields.Site"}, "fields: 'custom_fields.Site' is no column"),
        ("custom_fields.site", {"where": {"site": "Oslo"}}, "where: nobody has 'site'"),
        ("custom_fields", {"where": {"job title": "Driver"}}, "where: nobody has 'job title'"),
    ],
)
async def test_what_asks_for_a_column_that_is_out_is_refused(
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
async def test_a_summary_is_neither_counted_nor_sorted_by_a_column_that_is_out(
    open_desk: OpenDesk, excluded: str, arguments: dict[str, Any]
):
    async with open_desk(exclude_fields=(excluded,)) as desk:
        assert re.match(r"sort: .* is no column|group_by: ", await desk.refused(SUMMARIZE, **arguments))


async def test_judgements_stay_where_what_they_rest_on_is_out(open_desk: OpenDesk):
    async with open_desk() as plain, open_desk(exclude_fields=("due_at",)) as hidden:
        for state in ("overdue", "due_soon", "at_risk"):
            number = re.search(r"of ([\d,]+) enrollments", await plain.list(state=state))
            text = await hidden.list(state=state)
            assert number is not None
            assert number[0] in text
            assert not re.search(r"overdue \d+ d", text)


async def test_where_due_dates_are_out_rows_neither_stand_in_their_order_nor_are_said_to(open_desk: OpenDesk):
    async with open_desk(exclude_fields=("due_at",)) as desk:
        for state in ("overdue", ["at_risk", "overdue"]):
            text = await desk.list(state=state, limit=20)
            titles = [line.split(",")[1] for line in text.splitlines()[2:22]]
            assert titles == sorted(titles, key=str.casefold)
            assert "Sorted by course." in text


async def test_one_custom_field_goes_and_the_others_stay(open_desk: OpenDesk):
    async with open_desk(exclude_fields=("custom_fields.employee number",)) as desk:
        text = await desk.list(format="json", user="Jane Doe")
    assert '"Site":' in text
    assert "Employee number" not in text


async def test_the_endpoint_has_no_column_that_is_out(organisation: Organisation, secrets: list[str]):
    excluded = ("user.name", "user.emails", "due_at", "custom_fields", "progress_percent")
    settings = Settings(exclude_fields=excluded, today=TODAY)
    texts: dict[str, str] = {}
    async with AppContext(settings) as connection:
        source = (await connection.account()).source.with_remote_data()
        app = make_app(create_server(connection), {"a": source}, host="127.0.0.1", columns=settings.columns)
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
    assert {name: hits for name, text in texts.items() if (hits := told(secrets, text))} == {}
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
def test_columns_are_named_as_they_are_written_anywhere(value: str, meant: tuple[str, ...]):
    assert Settings.from_env({"MCP_TRUTO_LMS_EXCLUDE_FIELDS": value}).exclude_fields == meant


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"EXCLUDE_FIELDS": "emials"}, "did you mean 'user.emails'?"),
        ({"EXCLUDE_FIELDS": "score,status"}, "status cannot be excluded"),
        ({"EXCLUDE_FIELDS": "user"}, "user.id cannot be excluded"),
        ({"EXCLUDE_FIELDS": "signals"}, "signals cannot be excluded"),
        ({"EXCLUDE_FIELDS": "learner", "PSEUDONYMS": "1"}, "user.name cannot be excluded, it is the alias already"),
        ({"PSEUDONYMS": "short"}, "takes 1, or a secret of at least 16 visible characters"),
        ({"PSEUDONYMS": "with blanks between words"}, "takes 1, or a secret of at least 16 visible characters"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_without_telling_it(env: dict[str, str], said: str):
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_env({f"MCP_TRUTO_LMS_{name}": value for name, value in env.items()})
    assert said in str(caught.value)
    assert env.get("PSEUDONYMS", "none").replace("1", "none") not in str(caught.value)
