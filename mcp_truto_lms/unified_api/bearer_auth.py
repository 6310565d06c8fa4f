"""Who may come in: a bearer token, compared in constant time.

Without a token an application is for this machine alone, which is for whoever binds it to see to.
"""

from __future__ import annotations

import hmac

from starlette.types import ASGIApp, Receive, Scope, Send

from mcp_truto_lms.unified_api.errors import ApiError
from mcp_truto_lms.unified_api.responses import refusal


class BearerTokenGuard:
    """Lets requests through that carry the token; any request where there is none.

    Args:
        app: what is behind
        token: the token, None for no check
        open_paths: paths that need none
    """

    def __init__(self, app: ASGIApp, *, token: str | None, open_paths: frozenset[str] = frozenset()) -> None:
        self._app = app
        self._token = None if token is None else token.encode()
        self._open_paths = open_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request without the token, and pass on anything else."""
        if scope["type"] == "http" and scope["path"] not in self._open_paths and not self._knows(scope):
            error = ApiError(
                401,
                "The bearer token is missing or wrong: send `Authorization: Bearer <token>`",
                headers={"www-authenticate": "Bearer"},
            )
            await refusal(error)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _knows(self, scope: Scope) -> bool:
        if self._token is None:
            return True
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        if len(given) != 1:
            return False
        scheme, _, token = given[0].partition(b" ")
        return scheme.lower() == b"bearer" and hmac.compare_digest(token.strip(), self._token)
