"""The ASGI applications: the SDK's transports, the unified endpoint, and a health check, behind a token and a guard.

Every request but `/healthz` needs the bearer token, if there is one, and an allowed Host and Origin: a web page that
resolves its own name to a loopback address is refused. The guard covers all paths, so the SDK's own checks are off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal

from mcp.server import MCPServer
from mcp.server.transport_security import TransportSecurityMiddleware, TransportSecuritySettings
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from mcp_truto_lms.domain.columns import ALL_COLUMNS, Columns
from mcp_truto_lms.domain.source import Source
from mcp_truto_lms.http_serving import url_host
from mcp_truto_lms.unified_api.app import unified_app
from mcp_truto_lms.unified_api.bearer_auth import BearerTokenGuard
from mcp_truto_lms.unified_api.errors import ApiError
from mcp_truto_lms.unified_api.responses import error_response

HttpTransport = Literal["sse", "streamable-http"]
HEALTH = "/healthz"
PATHS: dict[HttpTransport, str] = {"sse": "/sse", "streamable-http": "/mcp"}
_CHECKED_BY_THE_GUARD = TransportSecuritySettings(enable_dns_rebinding_protection=False)


class HostGuard:
    """Refuses requests whose Host or Origin is not allowed.

    The checks are the SDK's. They are no ASGI middleware there, and Starlette's TrustedHostMiddleware does not look at
    the Origin, so this class connects the two. A refusal has the form of every error of the unified endpoint.
    """

    def __init__(self, app: ASGIApp, names: Sequence[str]) -> None:
        self._app = app
        self._security = TransportSecurityMiddleware(_security_settings(names))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request, or pass it on."""
        refusal = await self._security.validate_request(Request(scope)) if scope["type"] == "http" else None
        if refusal is None:
            await self._app(scope, receive, send)
            return
        error = ApiError(refusal.status_code, bytes(refusal.body).decode())
        await error_response(error)(scope, receive, send)


def application(server: MCPServer[object], transport: HttpTransport, host: str, *, token: str | None = None) -> ASGIApp:
    """Build the application of one transport, for clients on this machine."""
    if transport == "sse":
        app = server.sse_app(host=host, transport_security=_CHECKED_BY_THE_GUARD)
    else:
        app = _streamable_http_app(server, host)
    return BearerTokenGuard(HostGuard(app, [host]), token=token)


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

    Its lifespan, which is that of `/mcp`, has to run while it serves.

    Args:
        server: the MCP server
        accounts: the sources of the unified endpoint, by integrated account id
        host: the address that the application is bound to
        token: the bearer token of everything but `/healthz`; needed unless only this machine reaches the address
        allowed_hosts: names other than loopback by which clients reach the server, such as `learning.acme.com`
        columns: the columns that may be shown; under pseudonyms the unified endpoint is off, because it has real names
        now: the clock that decides when access to a course has ended
    """
    names = [host, *allowed_hosts]
    unified = unified_app(accounts, token=token, columns=columns, now=now)
    router = Router(
        [
            Route(HEALTH, endpoint=JSONResponse({"status": "ok"})),
            Route("/unified/{path:path}", endpoint=HostGuard(unified, names)),
        ],
        default=HostGuard(_streamable_http_app(server, host), names),
        redirect_slashes=False,
        lifespan=lambda _: server.session_manager.run(),
    )
    return BearerTokenGuard(router, token=token, open_paths=frozenset({HEALTH}))


def _streamable_http_app(server: MCPServer[object], host: str) -> ASGIApp:
    return server.streamable_http_app(host=host, stateless_http=True, transport_security=_CHECKED_BY_THE_GUARD)


def _security_settings(names: Sequence[str]) -> TransportSecuritySettings:
    """Allow loopback and these names, each with any port and without one."""
    hosts = list(dict.fromkeys(["127.0.0.1", "localhost", "[::1]", *map(url_host, names)]))
    spellings = [spelling for host in hosts for spelling in (host, f"{host}:*")]
    return TransportSecuritySettings(
        enable_dns_rebinding_protection=True,
        allowed_hosts=spellings,
        allowed_origins=[f"{scheme}://{spelling}" for scheme in ("http", "https") for spelling in spellings],
    )
