"""Serving over HTTP: the SDK's own applications, and the unified endpoint beside them; ended when told to end.

Clients hold their streams open for hours, so an end does not wait for them: their connections are closed, which is also
what cancels the calls behind them. The HTTP server's own signal handlers are left out: signals belong to the process.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Generator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal

import anyio
import uvicorn
from mcp.server import MCPServer
from mcp.server.transport_security import TransportSecurityMiddleware, TransportSecuritySettings
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from mcp_truto_lms.domain.columns import ALL_COLUMNS, Columns
from mcp_truto_lms.domain.source import Source
from mcp_truto_lms.server.export_download import PATH as EXPORTS
from mcp_truto_lms.unified_api.app import unified_app
from mcp_truto_lms.unified_api.bearer_auth import BearerTokenGuard

HttpTransport = Literal["sse", "streamable-http"]
HEALTH = "/healthz"
UNIFIED = "/unified/"
PATHS: dict[HttpTransport, str] = {"sse": "/sse", "streamable-http": "/mcp"}


def in_address(host: str) -> str:
    """Write a host as it stands in an address."""
    return f"[{host}]" if ":" in host else host


def application(server: MCPServer[object], transport: HttpTransport, host: str, *, token: str | None = None) -> ASGIApp:
    """Build the application of a transport; it answers requests for this machine alone, and with the token if any.

    A web page that resolves its own name to a loopback address is refused by the Host or the Origin that it sends. The
    SDK checks them by itself for three spellings of loopback, and is silent about others.
    """
    security = _security(host)
    if transport == "sse":
        app = server.sse_app(host=host, transport_security=security)
    else:
        app = server.streamable_http_app(host=host, stateless_http=True, transport_security=security)
    return BearerTokenGuard(_HostGuard(app, security), token=token)


def make_app(
    server: MCPServer[object],
    accounts: Mapping[str, Source],
    *,
    host: str,
    token: str | None = None,
    allowed_hosts: Sequence[str] = (),
    columns: Columns = ALL_COLUMNS,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> ASGIApp:
    """Build one application of `/mcp`, the unified endpoint at `/unified/lms` and `/healthz`.

    Whoever serves it must run its lifespan, which is that of `/mcp`.

    Args:
        server: the MCP server
        accounts: what the endpoint serves, by integrated account id
        host: the address that it is bound to
        token: the bearer token of everything but `/healthz`; needed unless the address is of this machine alone
        allowed_hosts: names by which it is reached besides loopback, as in `learning.acme.com`
        columns: which there are; under aliases there is no endpoint, for it speaks names, addresses and ids
        now: the clock by which access to a course ends
    """
    security = _security(host, *allowed_hosts)
    mcp = _HostGuard(server.streamable_http_app(host=host, stateless_http=True, transport_security=security), security)
    unified = unified_app(accounts, token=token, columns=columns, now=now)
    together = _PathRouter(mcp, unified, TransportSecurityMiddleware(security))
    return BearerTokenGuard(together, token=token, open_paths=frozenset({HEALTH}))


async def serve(app: ASGIApp, listener: socket.socket, ended: anyio.Event) -> None:
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


class _HostGuard:
    """Checks the Host and the Origin where exports are fetched, as the SDK does for its own paths."""

    def __init__(self, app: ASGIApp, security: TransportSecuritySettings) -> None:
        self._app = app
        self._security = TransportSecurityMiddleware(security)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused = None
        if scope["type"] == "http" and scope["path"].startswith(EXPORTS):
            refused = await self._security.validate_request(Request(scope))
        await (refused or self._app)(scope, receive, send)


class _PathRouter:
    """Sends a request to the part that it is for; only `/healthz` may be asked for under any name."""

    def __init__(self, mcp: ASGIApp, unified: ASGIApp, security: TransportSecurityMiddleware) -> None:
        self._mcp = mcp
        self._unified = unified
        self._security = security

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == HEALTH:
            await JSONResponse({"status": "ok"})(scope, receive, send)
        elif scope["type"] == "http" and scope["path"].startswith(UNIFIED):
            refused = await self._security.validate_request(Request(scope))
            await (refused or self._unified)(scope, receive, send)
        else:
            await self._mcp(scope, receive, send)


def _security(*names: str) -> TransportSecuritySettings:
    hosts = list(dict.fromkeys(["127.0.0.1", "localhost", "[::1]", *map(in_address, names)]))
    return TransportSecuritySettings(
        enable_dns_rebinding_protection=True,
        allowed_hosts=[spelling for one in hosts for spelling in (one, f"{one}:*")],
        allowed_origins=[
            f"{scheme}://{spelling}" for scheme in ("http", "https") for one in hosts for spelling in (one, f"{one}:*")
        ],
    )


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield
