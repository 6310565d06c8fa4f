"""Downloads of exports over HTTP: each at a secret address, for the caller that asked for it, for an hour.

The address is served beside `/mcp` and `/sse`, behind the same bearer token. An export of another caller, an unknown
one and an expired one get the same answer. Each part is read in a transaction of its own, so that a slow download does
not block the store.
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
_NOT_FOUND = "This export is unknown or has expired; ask for it again.\n"


def principal_of(headers: Mapping[str, str] | None) -> str:
    """Identify a caller by a hash of its bearer token; empty without one, as on stdio, where there is one caller."""
    scheme, _, token = (headers or {}).get("authorization", "").strip().partition(" ")
    return sha256(f"{scheme.lower()} {token.strip()}".encode()).hexdigest()[:16] if scheme else ""


def add_downloads(server: MCPServer[Any], app_context: AppContext) -> None:
    """Serve the downloads beside a server's MCP endpoints."""

    @server.custom_route(f"{PATH}{{token}}", methods=["GET"])
    async def download(request: Request) -> Response:
        from mcp_truto_lms.store import exports

        token, principal = request.path_params["token"], principal_of(request.headers)
        try:
            database, now = await app_context.database(), app_context.now()
            stored = await database.run(lambda c: exports.find(c, token, principal=principal, now=now), write=True)
        except LmsError as error:
            return PlainTextResponse(f"{error}\n", 503, _HEADERS)
        if stored is None:
            return PlainTextResponse(_NOT_FOUND, 404, _HEADERS)
        headers = {"Content-Disposition": f'attachment; filename="{stored.name}"', "Content-Length": str(stored.size)}
        content = _content(database, token, stored.parts)
        return StreamingResponse(content, headers=_HEADERS | headers, media_type="text/csv; charset=utf-8")

    del download


async def _content(database: Database, token: str, part_count: int) -> AsyncGenerator[bytes]:
    from mcp_truto_lms.store import exports

    for number in range(part_count):
        compressed = await database.run(lambda c, n=number: exports.compressed_part(c, token, n))
        if compressed is None:
            return  # the content is shorter than its Content-Length, which clients report as an error
        yield zlib.decompress(compressed)
