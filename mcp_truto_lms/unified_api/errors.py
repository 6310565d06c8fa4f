"""Refusals, in the shape in which Truto answers them.

Every one has `statusCode`, `error` and `message`. Where the provider failed, `truto_is_remote_error` says so and
`truto_error_insight` says what that means; a client tells by the flag whether its own token or the provider's is bad.
The provider's own body is never passed on: it may hold what the message must not.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from math import ceil
from types import MappingProxyType
from typing import Any

from mcp_truto_lms.domain.errors import AccessDenied, NotFound, RateLimited, RouteClosed, SourceError

DEFAULT_RETRY_AFTER_SECONDS = 10
_NOTHING: Mapping[str, Any] = MappingProxyType({})


class ApiError(Exception):
    """A refusal, ready to be answered.

    Args:
        status: the HTTP status
        message: what failed, and what the reader can change
        remote: the provider failed, not this endpoint
        insight: `truto_error_insight`, by its keys
        headers: such as Retry-After
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        remote: bool = False,
        insight: Mapping[str, Any] = _NOTHING,
        headers: Mapping[str, str] = _NOTHING,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.remote = remote
        self.insight = insight
        self.headers = dict(headers)

    @property
    def body(self) -> dict[str, Any]:
        """The refusal as it is answered."""
        body: dict[str, Any] = {
            "statusCode": self.status,
            "error": HTTPStatus(self.status).phrase,
            "message": str(self),
        }
        if self.remote:
            body["truto_is_remote_error"] = True
        if self.insight:
            body["truto_error_insight"] = dict(self.insight)
        return body


def insight(key: str, description: str, value: object) -> dict[str, Any]:
    """Write one entry of `truto_error_insight`."""
    return {key: {"description": description, "value": value}}


def missing_parameters(names: list[str]) -> ApiError:
    """Refuse a listing that the provider has only for the parameters named."""
    return ApiError(
        400,
        f"Missing required query parameters: {', '.join(names)}",
        insight=insight(
            "missing_required_query_parameters",
            "The provider behind this account needs these query parameters.",
            names,
        ),
    )


def api_error(error: SourceError) -> ApiError:
    """Tell what an error of a source is to a client of this endpoint."""
    message = str(error)
    if isinstance(error, RouteClosed):
        return missing_parameters(["user[id]", "course[id]"])
    if isinstance(error, RateLimited):
        told = error.retry_after_seconds
        seconds = DEFAULT_RETRY_AFTER_SECONDS if told is None else max(1, ceil(told))
        return ApiError(
            429,
            message,
            remote=True,
            insight=insight("rate_limit_error", "The provider's rate limit is used up.", {"retry_after": seconds}),
            headers={"retry-after": str(seconds)},
        )
    status = 401 if isinstance(error, AccessDenied) else 404 if isinstance(error, NotFound) else 502
    return ApiError(status, message, remote=True, insight=insight("remote_error", "The provider refused.", message))


def timed_out(seconds: float) -> ApiError:
    """Say that the provider took too long."""
    message = f"The provider did not answer within {seconds:.0f} s. Ask for less, or again later."
    return ApiError(504, message, remote=True, insight=insight("remote_error", "The provider was too slow.", message))
