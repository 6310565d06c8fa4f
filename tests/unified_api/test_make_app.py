"""The endpoint, `/mcp` and `/healthz` as one application, served on a port."""

import socket
from contextlib import asynccontextmanager

import anyio
import httpx
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from scripted_source import ScriptedSource, enrolled
from unified_endpoint import WAIT_SECONDS

from mcp_truto_lms.http_serving import serve
from mcp_truto_lms.server.app_context import AppContext
from mcp_truto_lms.server.asgi import make_app
from mcp_truto_lms.server.mcp_server import create_server
from mcp_truto_lms.settings import Settings

pytestmark = pytest.mark.anyio
ENROLLMENTS = "/unified/lms/course-enrollments?integrated_account_id=acme"
TOKEN = "t0ken"


@pytest.fixture
def serving():
    """Serve for the duration of a block; yield a client of the address."""

    @asynccontextmanager
    async def opened(**options):
        settings = Settings(source="sample")
        accounts = {"acme": ScriptedSource({"1": [enrolled("1", "1")]})}
        ended = anyio.Event()
        async with AppContext(settings) as context:
            app = make_app(create_server(context), accounts, host="127.0.0.1", **options)
            with anyio.fail_after(WAIT_SECONDS), socket.create_server(("127.0.0.1", 0)) as listener:
                address = f"http://127.0.0.1:{listener.getsockname()[1]}"
                async with anyio.create_task_group() as group, httpx.AsyncClient(base_url=address) as client:
                    group.start_soon(serve, app, listener, ended)
                    yield client
                    ended.set()

    return opened


async def test_a_port_serves_the_endpoint_mcp_and_the_health_check(serving):
    async with serving() as client:
        assert (await client.get("/healthz")).json() == {"status": "ok"}
        assert (await client.get(ENROLLMENTS)).json()["result_count"] == 1
        assert (await client.get("/unified/lms/nothing")).status_code == 404
        assert (await client.get("/nothing")).status_code == 404
        async with Client(f"{client.base_url}/mcp".replace("//mcp", "/mcp")) as mcp:
            assert len((await mcp.list_tools()).tools) == 2


async def test_every_path_except_the_health_check_requires_the_token(serving):
    async with serving(token=TOKEN) as client:
        assert (await client.get("/healthz")).status_code == 200
        for path in (ENROLLMENTS, "/mcp", "/nothing", "/healthz/"):
            assert (await client.get(path)).status_code == 401
        client.headers["Authorization"] = f"Bearer {TOKEN}"
        assert (await client.get(ENROLLMENTS)).status_code == 200
        async with httpx.AsyncClient(headers=client.headers) as authorized:
            address = str(client.base_url.join("/mcp"))
            async with Client(streamable_http_client(address, http_client=authorized)) as mcp:
                assert len((await mcp.list_tools()).tools) == 2


async def test_a_foreign_host_or_origin_is_refused_except_at_the_health_check(serving):
    foreign_headers = [{"Host": "evil.example"}, {"Origin": "http://evil.example"}]
    async with serving() as client:
        for path in (ENROLLMENTS, "/mcp"):
            responses = [await client.get(path, headers=headers) for headers in foreign_headers]
            assert [response.status_code for response in responses] == [421, 403]
            for response in responses:
                assert set(response.json()) == {"statusCode", "error", "message"}
                assert response.json()["statusCode"] == response.status_code
        assert (await client.get("/healthz", headers={"Host": "10.0.0.7"})).status_code == 200


async def test_allowed_hosts_are_accepted_with_and_without_a_port(serving):
    async with serving(allowed_hosts=["learning.acme.example"]) as client:
        for host in ("learning.acme.example", "learning.acme.example:8443", "localhost:1"):
            headers = {"Host": host, "Origin": f"https://{host}"}
            assert (await client.get(ENROLLMENTS, headers=headers)).status_code == 200
        assert (await client.get(ENROLLMENTS, headers={"Host": "acme.example"})).status_code == 421
