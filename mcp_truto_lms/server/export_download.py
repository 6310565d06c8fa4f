"""Exports over HTTP: an address that nobody can guess, for the caller that it was made for, for an hour.

It stands beside `/mcp` and `/sse`, behind the same bearer token. What is another's, unknown or expired is not found,
without telling which. A file is sent part by part, each read in a transaction of its own, so that a slow reader holds
nothing up.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncGenerator, Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from mcp.server import MCPServer
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from mcp_truto_lms.domain.errors import LmsError
from mcp_truto_lms.server.app_context import AppContext

if TYPE_CHECKING:
    from mcp_truto_lms.store.database import Database

PATH = "/exports/"
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_GONE = "This export is unknown or has expired: ask for it again.\n"


def principal_of(headers: Mapping[str, str] | None) -> str:
    """Name a caller over HTTP by the token it sent, without telling the token; on stdio there is only one."""
    scheme, _, token = (headers or {}).get("authorization", "").strip().partition(" ")
    return sha256(f"{scheme.lower()} {token.strip()}".encode()).hexdigest()[:16] if scheme else ""


def add_downloads(server: MCPServer[Any], connection: AppContext) -> None:
    """Give a server the addresses of exports."""

    @server.custom_route(f"{PATH}{{token}}", methods=["GET"])
    async def download(request: Request) -> Response:
        from mcp_truto_lms.store import exports

        token, principal = request.path_params["token"], principal_of(request.headers)
        try:
            database, now = await connection.database(), connection.now()
            kept = await database.run(lambda c: exports.find(c, token, principal=principal, now=now), write=True)
        except LmsError as error:
            return PlainTextResponse(f"{error}\n", 503, _HEADERS)
        if kept is None:
            return PlainTextResponse(_GONE, 404, _HEADERS)
        headers = {"Content-Disposition": f'attachment; filename="{kept.name}"', "Content-Length": str(kept.size)}
        body = _body(database, token, kept.parts)
        return StreamingResponse(body, headers=_HEADERS | headers, media_type="text/csv; charset=utf-8")

    del download


async def _body(database: Database, token: str, parts: int) -> AsyncGenerator[bytes]:
    from mcp_truto_lms.store import exports

    for number in range(parts):
        packed = await database.run(lambda c, n=number: exports.compressed_part(c, token, n))
        if packed is None:
            return  # shorter than it was announced, which clients take for the error that it is
        yield zlib.decompress(packed)
