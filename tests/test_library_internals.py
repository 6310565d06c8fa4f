"""One test for each internal of a library that the package uses: it fails when the internal changes."""

from __future__ import annotations

import signal
import socket

import anyio
import pytest
from starlette.responses import PlainTextResponse

from mcp_truto_lms.http_serving import listen, serve, serve_until_cancelled
from tests.conftest import WAIT_SECONDS

pytestmark = pytest.mark.anyio


class WaitingApp:
    """Answers no request, and notes when the client is gone or the request is cancelled."""

    def __init__(self) -> None:
        self.waiting = anyio.Event()
        self.ended = anyio.Event()

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] != "http":
            return
        self.waiting.set()
        try:
            while (await receive())["type"] != "http.disconnect":
                pass
        finally:
            self.ended.set()


async def test_uvicorn_leaves_signals_to_the_process_where_capture_signals_is_overridden():
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    ended = anyio.Event()
    during = {}

    async def app(scope, receive, send) -> None:
        during.update({number: signal.getsignal(number) for number in before})
        await PlainTextResponse("ok")(scope, receive, send)

    with anyio.fail_after(WAIT_SECONDS), listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        async with anyio.create_task_group() as group:
            group.start_soon(serve, app, listener, ended)
            async with await anyio.connect_tcp("127.0.0.1", port) as client:
                await client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                assert (await client.receive()).startswith(b"HTTP/1.1 200")
            ended.set()
    assert during == before


async def test_uvicorn_lists_its_open_connections_with_their_transports():
    app, ended = WaitingApp(), anyio.Event()
    with anyio.fail_after(WAIT_SECONDS), listen("127.0.0.1", 0) as listener:
        async with anyio.create_task_group() as group:
            group.start_soon(serve, app, listener, ended)
            async with await anyio.connect_tcp("127.0.0.1", listener.getsockname()[1]) as client:
                await client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                await app.waiting.wait()
                ended.set()
                with pytest.raises(anyio.EndOfStream):
                    await client.receive()
    assert app.ended.is_set()


async def test_uvicorn_lists_its_servers_and_the_tasks_of_its_requests():
    app = WaitingApp()
    with anyio.fail_after(WAIT_SECONDS), listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        async with anyio.create_task_group() as group:
            group.start_soon(serve_until_cancelled, app, listener)
            async with await anyio.connect_tcp("127.0.0.1", port) as client:
                await client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                await app.waiting.wait()
                group.cancel_scope.cancel()
        assert app.ended.is_set()
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=WAIT_SECONDS).close()
