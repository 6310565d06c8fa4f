"""The proxy API: passes on the provider's responses unchanged, a list as `result`, secrets included.

A client of a real proxy can reach endpoints that change data. This one allows only the calls that the TalentLMS client
of this project makes, by endpoint and by the names of arguments.
"""

from __future__ import annotations

from starlette.responses import Response

from mcp_truto_lms.providers.http_client import HttpClient
from mcp_truto_lms.providers.payload_values import as_object, text
from mcp_truto_lms.providers.talentlms.api import READABLE, path_of
from mcp_truto_lms.sandbox.requests import ApiRequest
from mcp_truto_lms.sandbox.truto_failures import remote_error
from mcp_truto_lms.unified_api.errors import ApiError
from mcp_truto_lms.unified_api.responses import json_response


class TrutoProxy:
    """Passes requests on to the portal."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http

    async def respond(self, request: ApiRequest) -> Response:
        """Return the provider's response.

        Raises:
            ApiError: the provider has no such resource to read.
        """
        endpoint = request.endpoint.removeprefix("proxy/").removesuffix("/id")
        names = {name for argument_names in READABLE.get(endpoint, ()) for name in argument_names}
        arguments = {name: value for name, value in request.arguments.items() if name in names}
        try:
            path = path_of(endpoint, arguments)
        except ValueError:
            raise ApiError(404, "The provider has no such resource to read") from None
        response = await self._http.get(path, endpoint=endpoint)
        if response.status == 200 and not request.endpoint.endswith("/id"):
            return json_response({"result": response.json(), "next_cursor": None})
        if response.status == 200:
            return Response(response.content, media_type="application/json")
        try:
            message = text(as_object(as_object(response.json()).get("error")).get("message"))
        except ValueError:
            message = None
        return remote_error(response.status, message or "The provider failed")
