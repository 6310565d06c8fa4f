"""Failures as Truto answers them: its own, and the provider's that it passes on with the provider's words."""

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
_NOTHING: Mapping[str, Any] = MappingProxyType({})


def too_many_requests(options: TrutoOptions) -> ApiError:
    """Refuse a request over a tier of Truto's own limit."""
    return ApiError(
        429,
        "Too many requests",
        insight=insight_entry(
            "rate_limit_error", "Truto's rate limit is used up.", {"retry_after": options.limit_seconds}
        ),
        headers={"retry-after": f"{options.limit_seconds:g}"},
    )


def remote_error(status: int, message: str, *, insight: Mapping[str, Any] = _NOTHING, url: str = "") -> Response:
    """Pass on an error of the provider, with the provider's body."""
    error = ApiError(status, message, is_remote=True, insight=insight or _insight(status, message))
    raw: dict[str, Any] = {"error": {"type": "api_error", "message": message}}
    if url:
        raw["request"] = {"url": url, "api_key": "k3y" * 10}
    return json_response({**error.body, "raw_response": raw}, status=status)


def not_enrolled() -> ApiError:
    """Say of a pair that it is none, as the provider says it."""
    message = "The requested user is not enrolled in this course"
    return ApiError(404, message, is_remote=True, insight=_insight(404, message))


async def fail(fault: Fault, scope: Scope, receive: Receive, send: Send, *, secrets: bool) -> None:
    """Answer with a fault.

    Args:
        fault: what goes wrong
        scope: the request's
        receive: the request's
        send: the answer's
        secrets: whether the provider's words hold a one-click login
    """
    if fault.cut:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"result":[{"id":"1', "more_body": True})
        # A server drops the connection; in process, the client meets what it would meet on a network.
        raise httpx.ReadError("the connection was cut")
    status = fault.status or 200
    if fault.body != "error":
        text, content_type = _BODIES[fault.body]
        response = Response(text, status, media_type=content_type)
    else:
        told = fault if isinstance(fault, TrutoFault) else TrutoFault(status=status)
        message = HTTPStatus(status).phrase if told.message is None else told.message
        if told.remote:
            url = f"https://sample.example/index/autologin/key:{LOGIN_KEY_MARK}0123456789abcdef" if secrets else ""
            response = remote_error(status, message, insight=told.insight, url=url)
        else:
            response = json_response(ApiError(status, message, insight=told.insight).body, status=status)
    if fault.retry_after is not None:
        response.headers["retry-after"] = fault.retry_after
    await response(scope, receive, send)


def _insight(status: int, message: str) -> dict[str, Any]:
    key = {429: "rate_limit_error", 403: "forbidden_error"}.get(status, "remote_error")
    return insight_entry(key, "The provider answered with an error.", {"message": message})
