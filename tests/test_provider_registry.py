"""The registry: a provider is added by one entry, and settings, both tools and the doctor know it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from mcp import Client

from mcp_truto_lms.cli.doctor import Finding, examine
from mcp_truto_lms.domain.errors import ConfigurationError
from mcp_truto_lms.provider_registry import PROVIDERS, TRUTO_ADDRESS
from mcp_truto_lms.providers.truto.client import DEFAULT_BASE_URL
from mcp_truto_lms.server.app_context import AppContext
from mcp_truto_lms.server.mcp_server import create_server
from mcp_truto_lms.settings import Settings
from tests.conftest import LIST, SUMMARIZE
from tests.third_provider import provider_of

pytestmark = pytest.mark.anyio

RECORDS = [
    ("Ann Lee", "First Aid", "in_progress", "2026-11-01"),
    ("Ann Lee", "Fire Safety", "completed", "2026-11-01"),
    ("Bo Ray", "First Aid", "failed", "2026-12-24"),
]
ENV = {"LIST_NAME": "staff", "LIST_KEY": "s3cr3t-k3y", "MCP_TRUTO_LMS_TODAY": "2026-11-23"}


@pytest.fixture(autouse=True)
def third_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PROVIDERS, "list", provider_of(RECORDS))


@asynccontextmanager
async def connected() -> AsyncGenerator[Client]:
    with anyio.fail_after(30):
        async with (
            AppContext(Settings.from_env(ENV)) as context,
            Client(create_server(context), raise_exceptions=True) as client,
        ):
            yield client


async def ask(client: Client, tool: str, **arguments: object) -> str:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    return result.content[0].text


def test_its_credentials_choose_it():
    settings = Settings.from_env(ENV)
    assert settings.source == "list"
    assert settings.provider_values == {"LIST_NAME": "staff", "LIST_KEY": "s3cr3t-k3y"}
    assert "s3cr3t" not in repr(settings)


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"LIST_NAME": "staff"}, "LIST_KEY is missing: set it to the key of the list."),
        ({"LIST_KEY": "k"}, "LIST_NAME is missing: set it to the name of the list."),
        ({**ENV, "LIST_URL": "list"}, "LIST_URL is not an address: it looks like https://list.example."),
        (
            {**ENV, "TALENTLMS_DOMAIN": "acme"},
            (
                "Credentials of both TalentLMS and the list are set: "
                "choose one with MCP_TRUTO_LMS_SOURCE=talentlms or list."
            ),
        ),
        (
            {"MCP_TRUTO_LMS_SOURCE": "moodle"},
            "MCP_TRUTO_LMS_SOURCE is 'moodle': it takes auto, truto, talentlms, sample, list.",
        ),
    ],
)
def test_its_settings_are_checked_like_those_of_every_provider(env: dict[str, str], message: str):
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_env(env)
    assert str(caught.value) == message


def test_another_list_is_another_account_in_the_store():
    keys = {Settings.from_env({**ENV, "LIST_NAME": name}).accounts()[0].key for name in ("staff", "guests")}
    assert len(keys) == 2


async def test_it_answers_a_list():
    async with connected() as client:
        text = await ask(client, LIST, state="overdue")
        assert text.startswith("A LIST, no LMS. 1 of 1 enrollments: overdue.")
        assert "Ann Lee" in text
        assert ", complete." in text
        assert "Not reported by this LMS: score." in await ask(client, LIST, fields="learner,score")


async def test_its_rosters_know_who_failed():
    async with connected() as client:
        text = await ask(client, LIST, state="failed")
        assert "1 of 1 enrollments: failed." in text
        assert "Bo Ray" in text
        assert "Failed unknown" not in await ask(client, SUMMARIZE, group_by="status")


async def test_it_answers_a_summary():
    async with connected() as client:
        text = await ask(client, SUMMARIZE, group_by="course")
    assert text.startswith("A LIST, no LMS. 3 enrollments, 2 learners, 2 courses")
    assert "Fire Safety,1,1" in text


async def test_the_doctor_examines_it():
    async with AppContext(Settings.from_env(ENV)) as context:
        findings = [finding async for finding in examine(context)]
    assert findings == [
        Finding(True, "Reading the list staff; the key is set."),
        Finding(True, "It answers and lists 2 courses."),
        Finding(True, "It lists 2 people."),
        Finding(True, "Enrollments can be read: the roster of one course has 2 enrollments."),
        Finding(
            True,
            "Days are in UTC, or in MCP_TRUTO_LMS_TIMEZONE: the LMS reports no time zone. Not seen in what was read: "
            "certificates. Not reported by this LMS: progress, score. 0 calls were made.",
        ),
    ]


async def test_without_an_lms_the_doctor_says_how_to_connect_every_provider():
    async with AppContext(Settings.from_env({"MCP_TRUTO_LMS_TODAY": "2026-11-23"})) as context:
        finding = await anext(examine(context))
    for provider in PROVIDERS.values():
        assert all(variable.name in finding.text for variable in provider.required)


def test_no_neutral_module_names_a_provider():
    package = Path(__file__).parent.parent / "mcp_truto_lms"
    folders = ("domain", "query", "people", "store", "ingest", "reports", "render", "server")
    modules = [path for folder in folders for path in (package / folder).rglob("*.py")]
    assert modules
    named = [str(path) for path in modules if "talentlms" in path.read_text("utf-8").lower()]
    assert named == []


def test_the_address_of_truto_is_that_of_its_client():
    assert TRUTO_ADDRESS == DEFAULT_BASE_URL
