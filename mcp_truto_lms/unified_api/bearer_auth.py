"""Bearer token authentication for an ASGI application; tokens are compared in constant time.

An application without a token must be reachable from this machine alone. The caller who binds the address ensures it.
"""

from __future__ import annotations

import hmac

from starlette.types import ASGIApp, Receive, Scope, Send

from mcp_truto_lms.unified_api.errors import ApiError
from mcp_truto_lms.unified_api.responses import error_response


class BearerTokenGuard:
    """Passes on requests that carry the token, or every request if no token is set.

    Args:
        app: the protected application
        token: the token; None disables the check
        open_paths: paths that need no token
    """

    def __init__(self, app: ASGIApp, *, token: str | None, open_paths: frozenset[str] = frozenset()) -> None:
        self._app = app
        self._token = None if token is None else token.encode()
        self._open_paths = open_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request without the token, and pass on any other."""
        if scope["type"] == "http" and scope["path"] not in self._open_paths and not self._is_authorized(scope):
            error = ApiError(
                401,
                "The bearer token is missing or wrong: send `Authorization: Bearer <token>`",
                headers={"www-authenticate": "Bearer"},
            )
            await error_response(error)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _is_authorized(self, scope: Scope) -> bool:
        if self._token is None:
            return True
        headers = [value for name, value in scope["headers"] if name == b"authorization"]
        if len(headers) != 1:
            return False
        scheme, _, token = headers[0].partition(b" ")
        return scheme.lower() == b"bearer" and hmac.compare_digest(token.strip(), self._token)
