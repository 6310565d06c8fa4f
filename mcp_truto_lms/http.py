"""Serving over HTTP, by the SDK's own applications: on loopback, and ended when the process is told to end.

Clients hold their streams open for hours, so an end does not wait for them: their connections are closed, which is also
what cancels the calls behind them. The HTTP server's own signal handlers are left out: signals belong to the process.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Generator
from typing import Literal

import anyio
import uvicorn
from mcp.server import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette

HttpTransport = Literal["sse", "streamable-http"]
PATHS: dict[HttpTransport, str] = {"sse": "/sse", "streamable-http": "/mcp"}


def in_address(host: str) -> str:
    """Write a host as it stands in an address."""
    return f"[{host}]" if ":" in host else host


def application(server: MCPServer[object], transport: HttpTransport, host: str) -> Starlette:
    """Build the application of a transport; it answers requests for this machine alone.

    A web page that resolves its own name to a loopback address is refused by the Host or the Origin that it sends. The
    SDK checks them by itself for three spellings of loopback, and is silent about others.
    """
    hosts = list(dict.fromkeys(["127.0.0.1", "localhost", "[::1]", in_address(host)]))
    security = TransportSecuritySettings(
        enable_dns_rebinding_protection=True,
        allowed_hosts=[f"{one}:*" for one in hosts],
        allowed_origins=[f"http://{one}:*" for one in hosts],
    )
    if transport == "sse":
        return server.sse_app(host=host, transport_security=security)
    return server.streamable_http_app(host=host, stateless_http=True, transport_security=security)


async def serve(app: Starlette, listener: socket.socket, ended: anyio.Event) -> None:
    """Serve on a bound socket until the event is set."""
    server = _Server(uvicorn.Config(app, log_config=None, access_log=False, ws="none"))

    async def end() -> None:
        await ended.wait()
        server.should_exit = True
        for connection in list(server.server_state.connections):
            connection.transport.close()

    async with anyio.create_task_group() as group:
        group.start_soon(end)
        await server.serve(sockets=[listener])
        group.cancel_scope.cancel()


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield
