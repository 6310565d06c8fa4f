"""The full text of answers with excluded columns and with aliases; `privacy/` has the snapshots."""

from __future__ import annotations

import json

import pytest
from mcp import Client

from mcp_truto_lms.domain.errors import ConfigurationError
from mcp_truto_lms.server.app_context import AppContext
from mcp_truto_lms.server.mcp_server import create_server
from mcp_truto_lms.settings import Settings
from tests.conftest import LIST, SUMMARIZE, OpenDesk
from tests.contract.snapshots import check
from tests.contract.test_answers import answered

pytestmark = pytest.mark.anyio

EXCLUDED = ("user.emails", "due_at", "score", "time_spent_seconds", "progress_percent", "enrolled_at", "custom_fields")


async def test_answers_with_aliases_are_as_reviewed(open_desk: OpenDesk):
    async with open_desk(pseudonyms="a-secret-of-ours") as desk:
        texts = [
            await answered(desk, LIST, {"state": "overdue", "limit": 3}),
            await answered(desk, LIST, {"user": "5x3p5dphp5", "limit": 3}),
            await answered(desk, LIST, {"format": "json", "limit": 1}),
            await answered(desk, SUMMARIZE, {"group_by": "learner", "limit": 3}),
        ]
        errors = [
            await answered(desk, LIST, {"user": "Jane Doe"}),
            await answered(desk, SUMMARIZE, {"user": ["jane.doe@northgate.example", "7"]}),
            await answered(desk, LIST, {"user": "0000000000"}),
            await answered(desk, LIST, {"fields": "learner_id"}),
            await answered(desk, LIST, {"where": {"site": "Oslo"}}),
        ]
    check("privacy/aliases.txt", "\n".join(texts))
    check("privacy/aliases_errors.txt", "\n".join(errors))


async def test_answers_with_excluded_columns_are_as_reviewed(open_desk: OpenDesk):
    async with open_desk(exclude_fields=EXCLUDED) as desk:
        texts = [
            await answered(desk, LIST, {"state": "at_risk", "limit": 3}),
            await answered(desk, LIST, {"format": "json", "user": "Jane Doe", "limit": 1}),
            await answered(desk, SUMMARIZE, {}),
            await answered(desk, LIST, {"due_from": "today"}),
            await answered(desk, LIST, {"fields": "learner,score"}),
            await answered(desk, LIST, {"user": "jane.doe@northgate.example"}),
            await answered(desk, SUMMARIZE, {"group_by": "month"}),
        ]
    async with open_desk(exclude_fields=("user.name",)) as desk:
        texts.append(await answered(desk, LIST, {"state": "overdue", "limit": 2}))
        texts.append(await answered(desk, LIST, {"user": "Jane Doe"}))
    check("privacy/without_columns.txt", "\n".join(texts))


@pytest.mark.parametrize(
    ("name", "settings"),
    [("without_columns", Settings(exclude_fields=EXCLUDED)), ("aliases", Settings(pseudonyms="1"))],
)
async def test_the_tools_do_not_offer_excluded_columns(name: str, settings: Settings):
    async with Client(create_server(AppContext(settings))) as client:
        tools = (await client.list_tools()).tools
    schemas = {tool.name: tool.input_schema for tool in tools}
    check(f"privacy/{name}_schemas.json", json.dumps(schemas, indent=2, ensure_ascii=False) + "\n")


async def test_invalid_settings_are_refused_as_reviewed():
    errors: list[str] = []
    for value in ("due_att", "user.id", "signals"):
        with pytest.raises(ConfigurationError) as caught:
            Settings.from_env({"MCP_TRUTO_LMS_EXCLUDE_FIELDS": value})
        errors.append(f"> {value}\n{caught.value}\n")
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_env({"MCP_TRUTO_LMS_PSEUDONYMS": "yes"})
    check("privacy/settings.txt", "".join([*errors, f"{caught.value}\n"]))
