"""Exports over HTTP: who may fetch one, where, and for how long."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from mcp_truto_lms.server import export_download
from mcp_truto_lms.server.app_context import AppContext
from mcp_truto_lms.server.asgi import application, make_app
from mcp_truto_lms.server.mcp_server import create_server
from mcp_truto_lms.settings import Settings
from tests.conftest import LIST
from tests.postgres import NewAddress
from tests.server.test_accounts import over_http
from tests.stored import Shelf, course, open_shelf, person, record
from tests.truth import NOON

pytestmark = pytest.mark.anyio

PEOPLE = 50
SHELF = Shelf(
    [person(str(one), f"Person {one:02}") for one in range(PEOPLE)],
    [course("c", "Course")],
    [record(str(one), "c", "enrolled") for one in range(PEOPLE)],
)


class Hands:
    """A clock that is put forward by hand."""

    def __init__(self) -> None:
        self.now = datetime.fromtimestamp(NOON, UTC)

    def __call__(self) -> datetime:
        return self.now


@asynccontextmanager
async def replica(hands: Hands, *, store: str = "", together: bool = False) -> AsyncGenerator[str]:
    """Serve an application on a port; give its address."""
    settings = Settings(source="talentlms", store=store)
    async with AppContext(settings, source=lambda _: SHELF, clock=hands) as connection:
        server = create_server(connection)
        app = (
            make_app(server, {}, host="127.0.0.1") if together else application(server, "streamable-http", "127.0.0.1")
        )
        async with over_http(app) as address:
            yield address


async def export(address: str, caller: str, **arguments: Any) -> str:
    """Ask for a CSV; the address that the answer names."""
    async with (
        httpx.AsyncClient(headers={"Authorization": f"Bearer {caller}"}) as http,
        Client(streamable_http_client(f"{address}/mcp", http_client=http)) as client,
    ):
        result = await client.call_tool(LIST, {"format": "csv", **arguments})
    text = "".join(getattr(one, "text", "") for one in result.content)
    assert not result.is_error, text
    assert "Person" not in text
    found = re.search(
        r"^CSV, download with the same bearer token, if any, until [\d: -]+ UTC: (.+)$", text, re.MULTILINE
    )
    assert found, text
    return found[1]


async def fetch(address: str, caller: str, **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {caller}", **headers}) as http:
        return await http.get(address)


@pytest.mark.parametrize("together", [False, True])
async def test_the_one_who_asked_fetches_all_of_it_and_nobody_keeps_a_copy_on_the_way(together: bool):
    async with replica(Hands(), together=together) as address:
        link = await export(address, "one", limit=1, sort="learner")
        answer = await fetch(link, "one")
    assert link.startswith(f"{address}/exports/")
    assert len(link.rpartition("/")[2]) >= 43
    assert answer.status_code == 200
    rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
    assert [one[0] for one in rows] == ["learner", *(f"Person {one:02}" for one in range(PEOPLE))]
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="enrollments-2026-11-23.csv"'
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert int(answer.headers["content-length"]) == len(answer.content)


async def test_another_caller_an_unknown_address_and_an_old_one_are_answered_alike():
    hands = Hands()
    async with replica(hands) as address:
        link = await export(address, "one")
        answers = [await fetch(link, "two"), await fetch(f"{link}x", "one"), await fetch(f"{address}/exports/", "one")]
        hands.now += timedelta(hours=1)
        assert (await fetch(link, "one")).status_code == 200
        hands.now += timedelta(seconds=1)
        answers.append(await fetch(link, "one"))
    assert {one.status_code for one in answers} == {404}
    assert len({one.text for one in (answers[0], answers[1], answers[3])}) == 1
    assert answers[0].headers["cache-control"] == "no-store"


async def test_a_token_is_the_same_however_its_scheme_is_spelled():
    async with replica(Hands()) as address:
        link = await export(address, "one")
        async with httpx.AsyncClient(headers={"Authorization": "bearer  one"}) as http:
            assert (await http.get(link)).status_code == 200
        async with httpx.AsyncClient(headers={"Authorization": "Basic one"}) as http:
            assert (await http.get(link)).status_code == 404


@pytest.mark.parametrize("together", [False, True])
async def test_a_web_page_of_another_name_cannot_fetch_it(together: bool):
    async with replica(Hands(), together=together) as address:
        link = await export(address, "one")
        assert (await fetch(link, "one", Host="evil.example")).status_code == 421
        assert (await fetch(link, "one", Origin="http://evil.example")).status_code == 403


@pytest.mark.parametrize("kind", ["file", "postgres"])
async def test_any_replica_gives_out_what_another_one_made(kind: str, new_address: NewAddress, tmp_path: Path):
    store = new_address() if kind == "postgres" else str(tmp_path / "lms.db")
    hands = Hands()
    async with replica(hands, store=store) as first, replica(hands, store=store) as second:
        path = (await export(first, "one")).removeprefix(first)
        answers = [await fetch(f"{second}{path}", caller) for caller in ("one", "two")]
    assert [one.status_code for one in answers] == [200, 404]
    assert answers[0].text.count("Person") == PEOPLE


async def test_a_file_that_goes_away_while_it_is_sent_never_looks_whole(monkeypatch: pytest.MonkeyPatch):
    async def nothing(*_: object) -> AsyncGenerator[bytes]:
        yield b"learner\r\n"

    monkeypatch.setattr(export_download, "_body", nothing)
    async with replica(Hands()) as address:
        link = await export(address, "one")
        with pytest.raises(httpx.RemoteProtocolError):
            await fetch(link, "one")


async def test_a_store_that_cannot_be_used_is_told_as_such(tmp_path: Path):
    async with replica(Hands(), store=str(tmp_path / "not" / "there.db")) as address:
        answer = await fetch(f"{address}/exports/token", "one")
    assert answer.status_code == 503
    assert answer.text.startswith("MCP_TRUTO_LMS_STORE: the folder ")


async def test_where_files_are_shared_there_is_a_file(tmp_path: Path):
    async with open_shelf(SHELF, export_dir=str(tmp_path)) as desk:
        text = await desk.list(format="csv")
    assert f"\nCSV file, readable by its owner only: {tmp_path}" in text
