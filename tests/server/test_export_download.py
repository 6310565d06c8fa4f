"""Downloads of exports: who may download one, from which address, and for how long."""

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
    [person(str(number), f"Person {number:02}") for number in range(PEOPLE)],
    [course("c", "Course")],
    [record(str(number), "c", "enrolled") for number in range(PEOPLE)],
)


class ManualClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = datetime.fromtimestamp(NOON, UTC)

    def __call__(self) -> datetime:
        return self.now


@asynccontextmanager
async def replica(clock: ManualClock, *, store: str = "", both_transports: bool = False) -> AsyncGenerator[str]:
    """Serve an application on a loopback port; yield its address."""
    settings = Settings(source="talentlms", store=store)
    async with AppContext(settings, source=lambda _: SHELF, clock=clock) as app_context:
        server = create_server(app_context)
        app = (
            make_app(server, {}, host="127.0.0.1")
            if both_transports
            else application(server, "streamable-http", "127.0.0.1")
        )
        async with over_http(app) as address:
            yield address


async def export(address: str, caller: str, **arguments: Any) -> str:
    """Ask for a CSV; return the address in the answer."""
    async with (
        httpx.AsyncClient(headers={"Authorization": f"Bearer {caller}"}) as http,
        Client(streamable_http_client(f"{address}/mcp", http_client=http)) as client,
    ):
        result = await client.call_tool(LIST, {"format": "csv", **arguments})
    text = "".join(getattr(block, "text", "") for block in result.content)
    assert not result.is_error, text
    assert "Person" not in text
    match = re.search(
        r"^CSV, download with the same bearer token, if any, until [\d: -]+ UTC: (.+)$", text, re.MULTILINE
    )
    assert match, text
    return match[1]


async def fetch(address: str, caller: str, **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {caller}", **headers}) as http:
        return await http.get(address)


@pytest.mark.parametrize("both_transports", [False, True])
async def test_the_caller_downloads_the_whole_file_and_no_cache_stores_it(both_transports: bool):
    async with replica(ManualClock(), both_transports=both_transports) as address:
        link = await export(address, "alice", limit=1, sort="learner")
        answer = await fetch(link, "alice")
    assert link.startswith(f"{address}/exports/")
    assert len(link.rpartition("/")[2]) >= 43
    assert answer.status_code == 200
    rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
    assert [name for name, *_ in rows] == ["learner", *(f"Person {number:02}" for number in range(PEOPLE))]
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="enrollments-2026-11-23.csv"'
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert int(answer.headers["content-length"]) == len(answer.content)


async def test_another_caller_an_unknown_address_and_an_expired_one_get_the_same_answer():
    clock = ManualClock()
    async with replica(clock) as address:
        link = await export(address, "alice")
        answers = [
            await fetch(link, "bob"),
            await fetch(f"{link}x", "alice"),
            await fetch(f"{address}/exports/", "alice"),
        ]
        clock.now += timedelta(hours=1)
        assert (await fetch(link, "alice")).status_code == 200
        clock.now += timedelta(seconds=1)
        answers.append(await fetch(link, "alice"))
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text for answer in (answers[0], answers[1], answers[3])}) == 1
    assert answers[0].headers["cache-control"] == "no-store"


async def test_the_case_of_the_scheme_does_not_change_the_caller():
    async with replica(ManualClock()) as address:
        link = await export(address, "alice")
        async with httpx.AsyncClient(headers={"Authorization": "bearer  alice"}) as http:
            assert (await http.get(link)).status_code == 200
        async with httpx.AsyncClient(headers={"Authorization": "Basic alice"}) as http:
            assert (await http.get(link)).status_code == 404


@pytest.mark.parametrize("both_transports", [False, True])
async def test_a_web_page_of_another_host_or_origin_cannot_download(both_transports: bool):
    async with replica(ManualClock(), both_transports=both_transports) as address:
        link = await export(address, "alice")
        assert (await fetch(link, "alice", Host="evil.example")).status_code == 421
        assert (await fetch(link, "alice", Origin="http://evil.example")).status_code == 403


@pytest.mark.parametrize("kind", ["file", "postgres"])
async def test_any_replica_serves_the_export_of_another(kind: str, new_address: NewAddress, tmp_path: Path):
    store = new_address() if kind == "postgres" else str(tmp_path / "lms.db")
    clock = ManualClock()
    async with replica(clock, store=store) as first, replica(clock, store=store) as second:
        path = (await export(first, "alice")).removeprefix(first)
        answers = [await fetch(f"{second}{path}", caller) for caller in ("alice", "bob")]
    assert [answer.status_code for answer in answers] == [200, 404]
    assert answers[0].text.count("Person") == PEOPLE


async def test_an_export_that_is_deleted_during_a_download_does_not_look_complete(monkeypatch: pytest.MonkeyPatch):
    async def only_the_header(*_: object) -> AsyncGenerator[bytes]:
        yield b"learner\r\n"

    monkeypatch.setattr(export_download, "_content", only_the_header)
    async with replica(ManualClock()) as address:
        link = await export(address, "alice")
        with pytest.raises(httpx.RemoteProtocolError):
            await fetch(link, "alice")


async def test_an_unusable_store_is_reported_with_its_setting(tmp_path: Path):
    async with replica(ManualClock(), store=str(tmp_path / "not" / "there.db")) as address:
        answer = await fetch(f"{address}/exports/token", "alice")
    assert answer.status_code == 503
    assert answer.text.startswith("MCP_TRUTO_LMS_STORE: the folder ")


async def test_a_caller_who_shares_files_gets_a_file(tmp_path: Path):
    async with open_shelf(SHELF, export_dir=str(tmp_path)) as desk:
        text = await desk.list(format="csv")
    assert f"\nCSV file, readable by its owner only: {tmp_path}" in text
