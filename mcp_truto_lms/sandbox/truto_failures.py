"""Truto's error responses: its own, and those of the provider with the provider's message."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

import httpx
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mcp_truto_lms.sandbox.faults import Fault
from mcp_truto_lms.sandbox.payloads import LOGIN_KEY_MARK
from mcp_truto_lms.sandbox.talentlms import HTML_PAGE, PLAIN_TEXT
from mcp_truto_lms.sandbox.truto_faults import TrutoFault
from mcp_truto_lms.sandbox.truto_options import TrutoOptions
from mcp_truto_lms.unified_api.errors import ApiError, insight_entry, phrase_of
from mcp_truto_lms.unified_api.responses import json_response

_BODIES = {
    "html": (HTML_PAGE, "text/html"),
    "plain": (PLAIN_TEXT, "text/plain"),
    "malformed": ('{"result":[{"id":"1_2","user":{"na', "application/json"),
}
_EMPTY: Mapping[str, Any] = MappingProxyType({})
_CONDITIONALLY_REQUIRED = insight_entry(
    "conditionally_required_query_parameters",
    "These query parameters are needed where a record of a learner is asked for.",
    ["user[id]", "course[id]"],
)


def rate_limit_error(options: TrutoOptions) -> ApiError:
    """Return the error of a request over one of Truto's own limits."""
    return ApiError(
        429,
        "Too many requests",
        insight=insight_entry(
            "rate_limit_error", "Truto's rate limit is used up.", {"retry_after": options.limit_seconds}
        ),
        headers={"retry-after": f"{options.limit_seconds:g}"},
    )


def remote_error(status: int, message: str, *, insight: Mapping[str, Any] = _EMPTY, url: str = "") -> Response:
    """Return the response for an error of the provider, with the provider's body."""
    error = ApiError(status, message, is_remote=True, insight=insight or _insight(status, message))
    raw: dict[str, Any] = {"error": {"type": "api_error", "message": message}}
    if url:
        raw["request"] = {"url": url, "api_key": "k3y" * 10}
    return json_response({**error.body, "raw_response": raw}, status=status)


async def send_fault(fault: Fault, scope: Scope, receive: Receive, send: Send, options: TrutoOptions) -> None:
    """Send the response of a fault.

    Args:
        fault: the failure
        scope: of the request
        receive: of the request
        send: of the request
        options: of the service
    """
    if fault.cut:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"result":[{"id":"1', "more_body": True})
        # a server drops the connection; in process, the client gets the error that it would get over a network
        raise httpx.ReadError("the connection was cut")
    await fault_response(fault, options)(scope, receive, send)


def fault_response(fault: Fault, options: TrutoOptions) -> Response:
    """Return the response of a fault; the provider's body holds a one-click login if the options say so."""
    status = fault.status or 200
    if fault.body != "error":
        text, content_type = _BODIES[fault.body]
        response = Response(text, status, media_type=content_type)
    else:
        truto_fault = fault if isinstance(fault, TrutoFault) else TrutoFault(status=status)
        message = phrase_of(status) if truto_fault.message is None else truto_fault.message
        if truto_fault.remote:
            key = f"{LOGIN_KEY_MARK}0123456789abcdef"
            url = f"https://sample.example/index/autologin/key:{key}" if options.remote_secrets else ""
            response = remote_error(status, message, insight=truto_fault.insight, url=url)
        else:
            response = json_response(ApiError(status, message, insight=truto_fault.insight).body, status=status)
        response = with_options(response, options)
    if fault.retry_after is not None:
        response.headers["retry-after"] = fault.retry_after
    return response


def with_options(response: Response, options: TrutoOptions) -> Response:
    """Change an error as the options require; any other response stays."""
    if response.status_code < HTTPStatus.BAD_REQUEST:
        return response
    body = json.loads(bytes(response.body))
    if "raw_response" in body and options.original_in != "raw_response":
        body["details"] = body["raw_response"]
        if options.original_in == "details":
            del body["raw_response"]
    if options.conditionally_required:
        body["truto_error_insight"] = {**_CONDITIONALLY_REQUIRED, **body.get("truto_error_insight", {})}
    return json_response(body, status=response.status_code, headers=_kept_headers(response))


def _kept_headers(response: Response) -> dict[str, str]:
    return {name: value for name, value in response.headers.items() if name not in ("content-length", "content-type")}


def _insight(status: int, message: str) -> dict[str, Any]:
    key = {429: "rate_limit_error", 403: "forbidden_error"}.get(status, "remote_error")
    return insight_entry(key, "The provider answered with an error.", {"message": message})
