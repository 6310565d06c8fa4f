"""Several integrated accounts on one store: each is asked by its name, and nothing of one shows through another."""

from __future__ import annotations

import re
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import TextContent

from mcp_truto_lms.domain.errors import ConfigurationError
from mcp_truto_lms.http_serving import serve
from mcp_truto_lms.server.app_context import AppContext
from mcp_truto_lms.server.asgi import application, make_app
from mcp_truto_lms.server.mcp_server import create_server
from mcp_truto_lms.settings import Settings
from tests.conftest import LIST, SUMMARIZE, TODAY
from tests.stored import Shelf, course, person, record

pytestmark = pytest.mark.anyio

PEOPLE = 40


def shelf_of(name: str, status: str) -> Shelf:
    """Records whose ids are the same in every account, and whose names are not."""
    people = [person(str(n), f"{name} Person {n:02}", email=f"{n}@{name}.example") for n in range(PEOPLE)]
    records = [record(str(n), "c", status) for n in range(PEOPLE)]
    return Shelf(people, [course("c", f"{name} Course", code="C")], records)


def settings(**more: Any) -> Settings:
    accounts = (("acme", "id-1"), ("beta", "id-2"))
    return Settings(
        source="truto", provider_values={"TRUTO_API_TOKEN": "t" * 20}, integrated_accounts=accounts, today=TODAY, **more
    )


@asynccontextmanager
async def opened(chosen: Settings | None = None) -> AsyncGenerator[AppContext]:
    shelves = {"acme": shelf_of("Acme", "enrolled"), "beta": shelf_of("Beta", "completed")}
    async with AppContext(chosen or settings(), source=lambda account: shelves[account.name]) as app_context:
        yield app_context


async def ask(client: Client, tool: str, **arguments: Any) -> tuple[str, bool]:
    result = await client.call_tool(tool, arguments)
    return "".join(block.text for block in result.content if isinstance(block, TextContent)), bool(result.is_error)


QUESTIONS = [
    (LIST, {}),
    (LIST, {"limit": 200, "format": "json", "fields": ["user", "course", "status"]}),
    (LIST, {"user": "3"}),
    (LIST, {"course": "C", "fields": ["user.emails"]}),
    (SUMMARIZE, {}),
    (SUMMARIZE, {"group_by": "learner", "limit": 200}),
    (SUMMARIZE, {"user": "3"}),
]


@pytest.mark.parametrize(("tool", "arguments"), QUESTIONS, ids=str)
async def test_an_answer_has_data_of_its_own_account_only(tool: str, arguments: dict[str, Any]):
    async with opened() as app_context, Client(create_server(app_context)) as client:
        for _ in range(2):
            for name, other in (("acme", "beta"), ("beta", "acme")):
                text, failed = await ask(client, tool, account=name, **arguments)
                assert not failed, text
                assert name.title() in text
                assert other.title() not in text


async def test_a_name_of_another_account_is_unknown_and_not_offered():
    async with opened() as app_context, Client(create_server(app_context)) as client:
        await ask(client, LIST, account="beta")
        for arguments in ({"user": "Beta Person 03"}, {"user": "3@beta.example"}, {"course": "Beta Course"}):
            text, failed = await ask(client, LIST, account="acme", **arguments)
            assert failed
            assert "Beta" not in text.replace(repr(next(iter(arguments.values()))), "")


@pytest.mark.parametrize("named", [True, False])
async def test_a_cursor_continues_only_in_its_own_account(named: bool):
    async with opened() as app_context, Client(create_server(app_context)) as client:
        text, _ = await ask(client, LIST, account="beta", limit=25)
        cursor = re.search(r"cursor=(\S+)", text)[1]
        text, failed = await ask(client, LIST, cursor=cursor, **({"account": "beta"} if named else {}))
        assert not failed
        assert "Rows 26 to 40 of 40" in text
        assert "Beta" in text
        text, failed = await ask(client, LIST, cursor=cursor, account="acme")
        assert (failed, text) == (True, "This cursor is unknown or has expired: ask the question again without it.")


async def test_a_missing_or_wrong_account_name_lists_the_accounts():
    async with opened() as app_context, Client(create_server(app_context)) as client:
        assert await ask(client, SUMMARIZE) == ("account: several are connected, name one; known: acme, beta.", True)
        assert await ask(client, SUMMARIZE, account="gamma") == (
            "account: there is no 'gamma'; known: acme, beta.",
            True,
        )


async def test_an_account_is_one_name_also_in_a_list():
    async with opened() as app_context, Client(create_server(app_context)) as client:
        named = await ask(client, SUMMARIZE, account="beta")
        for value in (["beta"], '["beta"]', [None, "beta"]):
            assert await ask(client, SUMMARIZE, account=value) == named
        for value in (["acme", "beta"], {"name": "beta"}, True, [["beta"]], [{}, {"a": 1}]):
            text, failed = await ask(client, SUMMARIZE, account=value)
            assert (failed, text) == (True, "account: takes one name as text; known: acme, beta."), value
        for value in ("", "null", [], {}, None, [""]):
            text, failed = await ask(client, SUMMARIZE, account=value)
            assert (failed, text) == (True, "account: several are connected, name one; known: acme, beta."), value


async def test_the_account_argument_exists_only_with_several_accounts():
    async with opened() as app_context, Client(create_server(app_context)) as client:
        for tool in (await client.list_tools()).tools:
            assert tool.input_schema["properties"]["account"] == {"enum": ["acme", "beta"], "type": "string"}
    single = AppContext(Settings(today=TODAY))
    async with single, Client(create_server(single)) as client:
        for tool in (await client.list_tools()).tools:
            assert "account" not in tool.input_schema["properties"]
        for value in ("acme", ["acme"], {"name": "acme"}):
            text, failed = await ask(client, SUMMARIZE, account=value)
            assert failed
            assert "There is no argument 'account'" in text


@asynccontextmanager
async def over_http(app: Any) -> AsyncGenerator[str]:
    """Serve an application on a port; give its address."""
    ended = anyio.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with anyio.create_task_group() as group:
            group.start_soon(serve, app, listener, ended)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
            ended.set()


async def test_over_http_accounts_are_separate_and_a_cursor_belongs_to_its_caller():
    async with (
        opened() as app_context,
        over_http(application(create_server(app_context), "streamable-http", "127.0.0.1")) as address,
    ):

        async def asked(caller: str, **arguments: Any) -> tuple[str, bool]:
            async with (
                httpx.AsyncClient(headers={"Authorization": f"Bearer {caller}"}) as http,
                Client(streamable_http_client(f"{address}/mcp", http_client=http)) as client,
            ):
                return await ask(client, LIST, **arguments)

        text, _ = await asked("one", account="acme")
        assert "Acme" in text
        assert "Beta" not in text
        cursor = re.search(r"cursor=(\S+)", text)[1]
        assert (await asked("two", cursor=cursor))[0].startswith("This cursor is unknown or has expired")
        assert (await asked("one", cursor=cursor, account="beta"))[1]
        assert "Rows 26 to 40 of 40" in (await asked("one", cursor=cursor))[0]


async def test_the_unified_endpoint_serves_each_account_under_its_own_id():
    async with opened() as app_context:
        sources = {name: (await app_context.account(name)).source for name in app_context.names}
        app = make_app(create_server(app_context), sources, host="127.0.0.1")
        async with over_http(app) as address, httpx.AsyncClient(base_url=address) as http:
            for name, other in (("acme", "Beta"), ("beta", "Acme")):
                text = (await http.get("/unified/lms/courses", params={"integrated_account_id": name})).text
                assert f"{name.title()} Course" in text
                assert other not in text


NAMED = [
    ("id-1", (("default", "id-1"),)),
    ("acme=id-1", (("acme", "id-1"),)),
    (" acme = id-1 , beta=id-2,", (("acme", "id-1"), ("beta", "id-2"))),
]


@pytest.mark.parametrize(("text", "expected"), NAMED)
def test_accounts_are_an_id_or_several_ids_by_name(text: str, expected: tuple[tuple[str, str], ...]):
    env = {"TRUTO_API_TOKEN": "t" * 20, "TRUTO_INTEGRATED_ACCOUNT_ID": text}
    assert Settings.from_env(env).integrated_accounts == expected


@pytest.mark.parametrize("text", ["a,b", "acme=", "=id", "acme=1,acme=2", "acme=1,beta=1", "a b=1,c=2"])
def test_ambiguous_accounts_are_refused(text: str):
    env = {"TRUTO_API_TOKEN": "t" * 20, "TRUTO_INTEGRATED_ACCOUNT_ID": text}
    with pytest.raises(ConfigurationError, match="TRUTO_INTEGRATED_ACCOUNT_ID takes one account id, or several"):
        Settings.from_env(env)


def test_the_same_account_name_at_another_lms_has_rows_of_its_own():
    keys = {
        Settings(source="talentlms", provider_values={"TALENTLMS_DOMAIN": host}).accounts()[0].key
        for host in ("acme", "beta")
    }
    keys |= {account.key for account in settings().accounts()} | {Settings(today=TODAY).accounts()[0].key}
    assert len(keys) == 5
