"""Truto's error responses: its own, and those of the provider with the provider's message."""

from __future__ import annotations

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
from mcp_truto_lms.unified_api.errors import ApiError, insight_entry
from mcp_truto_lms.unified_api.responses import json_response

_BODIES = {
    "html": (HTML_PAGE, "text/html"),
    "plain": (PLAIN_TEXT, "text/plain"),
    "malformed": ('{"result":[{"id":"1_2","user":{"na', "application/json"),
}
_EMPTY: Mapping[str, Any] = MappingProxyType({})


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


def not_enrolled_error() -> ApiError:
    """Return the provider's error for a pair that is not enrolled."""
    message = "The requested user is not enrolled in this course"
    return ApiError(404, message, is_remote=True, insight=_insight(404, message))


async def send_fault(fault: Fault, scope: Scope, receive: Receive, send: Send, *, secrets: bool) -> None:
    """Send the response of a fault.

    Args:
        fault: the failure
        scope: of the request
        receive: of the request
        send: of the request
        secrets: whether the provider's body holds a one-click login
    """
    if fault.cut:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"result":[{"id":"1', "more_body": True})
        # a server drops the connection; in process, the client gets the error that it would get over a network
        raise httpx.ReadError("the connection was cut")
    status = fault.status or 200
    if fault.body != "error":
        text, content_type = _BODIES[fault.body]
        response = Response(text, status, media_type=content_type)
    else:
        truto_fault = fault if isinstance(fault, TrutoFault) else TrutoFault(status=status)
        message = HTTPStatus(status).phrase if truto_fault.message is None else truto_fault.message
        if truto_fault.remote:
            url = f"https://sample.example/index/autologin/key:{LOGIN_KEY_MARK}0123456789abcdef" if secrets else ""
            response = remote_error(status, message, insight=truto_fault.insight, url=url)
        else:
            response = json_response(ApiError(status, message, insight=truto_fault.insight).body, status=status)
    if fault.retry_after is not None:
        response.headers["retry-after"] = fault.retry_after
    await response(scope, receive, send)


def _insight(status: int, message: str) -> dict[str, Any]:
    key = {429: "rate_limit_error", 403: "forbidden_error"}.get(status, "remote_error")
    return insight_entry(key, "The provider answered with an error.", {"message": message})
