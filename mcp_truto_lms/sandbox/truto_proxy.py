"""The proxy: what the provider answers, passed on as it is, secrets and all.

A client of a real proxy could reach what changes data. Here it cannot: calls are those that the portal's own client may
make, by endpoint and by the names of their arguments.
"""

from __future__ import annotations

from starlette.responses import Response

from mcp_truto_lms.providers.http_client import HttpClient
from mcp_truto_lms.providers.payload_values import as_object, text
from mcp_truto_lms.providers.talentlms.api import READABLE, path_of
from mcp_truto_lms.sandbox.requests import ApiRequest
from mcp_truto_lms.sandbox.truto_failures import remote_error
from mcp_truto_lms.unified_api.errors import ApiError


class Proxy:
    """Passes requests on to the portal behind."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http

    async def respond(self, request: ApiRequest) -> Response:
        """Answer as the provider does.

        Raises:
            ApiError: the provider has nothing of that kind to read.
        """
        endpoint = request.endpoint.removeprefix("proxy/").removesuffix("/id")
        names = {name for one in READABLE.get(endpoint, ()) for name in one}
        arguments = {name: value for name, value in request.arguments.items() if name in names}
        try:
            path = path_of(endpoint, arguments)
        except ValueError:
            raise ApiError(404, "The provider has no such resource to read") from None
        found = await self._http.get(path, endpoint=endpoint)
        if found.status == 200:
            return Response(found.content, media_type="application/json")
        try:
            message = text(as_object(as_object(found.json()).get("error")).get("message"))
        except ValueError:
            message = None
        return remote_error(found.status, message or "The provider failed")
