"""How a process ends: by EOF or a signal, cleanly, and without leaving a request behind."""

import signal
import sys
from contextlib import suppress

import anyio
import anyio.to_thread
import pytest
from mcp import Client
from mcp.client.sse import sse_client
from processes import LIST, StdioServer, running, sample, serving, slow_portal

ENDS_WITHIN_SECONDS = 60
"""Far above what it takes on a busy machine, and far below the hour that the slow portal needs."""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals cannot be sent to one process there")
SIGNALS = [signal.SIGINT, signal.SIGTERM]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_the_stdio_server_while_its_stdin_stays_open(number):
    with StdioServer(sample()) as server:
        server.popen.send_signal(number)
        assert server.popen.wait(ENDS_WITHIN_SECONDS) == 0
        assert (server.rest(), server.stderr) == (b"", "")


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_the_stdio_server_while_a_call_waits_for_the_portal(number, organisation):
    with slow_portal(organisation) as portal, StdioServer(portal.env) as server:
        server.start("tools/call", name=LIST, arguments={})
        assert portal.requested.wait(ENDS_WITHIN_SECONDS)
        server.popen.send_signal(number)
        assert server.popen.wait(ENDS_WITHIN_SECONDS) == 0
        assert portal.abandoned.wait(ENDS_WITHIN_SECONDS)
        assert server.stderr == ""


def test_eof_ends_the_stdio_server():
    with StdioServer(sample()) as server:
        server.request("tools/call", name=LIST, arguments={"limit": 1})
        server.stdin.close()
        assert server.popen.wait(ENDS_WITHIN_SECONDS) == 0
        assert (server.rest(), server.stderr) == (b"", "")


def test_eof_ends_the_stdio_server_while_a_call_waits_for_the_portal(organisation):
    with slow_portal(organisation) as portal, StdioServer(portal.env) as server:
        server.start("tools/call", name=LIST, arguments={})
        assert portal.requested.wait(ENDS_WITHIN_SECONDS)
        server.stdin.close()
        assert server.popen.wait(ENDS_WITHIN_SECONDS) == 0
        assert portal.abandoned.wait(ENDS_WITHIN_SECONDS)
        assert server.stderr == ""


@pytest.mark.parametrize(
    ("transport", "number", "mode"), [("sse", signal.SIGINT, "legacy"), ("streamable-http", signal.SIGTERM, "auto")]
)
def test_a_signal_ends_an_http_server_whose_client_waits_for_an_answer(transport, number, mode, organisation):
    with slow_portal(organisation) as portal, serving(transport, env=portal.env) as (url, process):

        async def use() -> None:
            with suppress(Exception):  # clients differ in how they report the end of their server
                async with Client(sse_client(url) if transport == "sse" else url, mode=mode) as client:
                    await client.call_tool(LIST, {})

        async def end() -> int:
            with anyio.fail_after(3 * ENDS_WITHIN_SECONDS):
                async with anyio.create_task_group() as group:
                    group.start_soon(use)
                    assert await anyio.to_thread.run_sync(portal.requested.wait, ENDS_WITHIN_SECONDS)
                    process.popen.send_signal(number)
                    code = await anyio.to_thread.run_sync(process.popen.wait, ENDS_WITHIN_SECONDS)
                    group.cancel_scope.cancel()
            return code

        assert anyio.run(end) == 0
        assert portal.abandoned.wait(ENDS_WITHIN_SECONDS)
        assert process.stderr == f"Serving {url}\n"
        assert process.stdout == ""


def test_a_signal_ends_the_sample_portal():
    with running("sandbox", "--port", "0", env=sample()) as process:
        process.wait_for("^TALENTLMS_API_KEY=")
        process.popen.send_signal(signal.SIGINT)
        assert process.popen.wait(ENDS_WITHIN_SECONDS) == 0
        assert process.stderr == ""


def test_ctrl_c_ends_a_command_that_waits_for_the_portal(organisation):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored signals are inherited
    try:
        with slow_portal(organisation) as portal, running("list", env=portal.env) as process:
            assert portal.requested.wait(ENDS_WITHIN_SECONDS)
            process.popen.send_signal(signal.SIGINT)
            assert process.popen.wait(ENDS_WITHIN_SECONDS) == 130
            assert (process.stdout, process.stderr) == ("", "")
    finally:
        signal.signal(signal.SIGINT, before)
