"""The endpoint's error responses, in Truto's form, and the errors of a source as such responses.

Every response has `statusCode`, `error` and `message`. If the provider failed, `truto_is_remote_error` is true and
`truto_error_insight` explains the failure. The flag distinguishes an invalid token of this endpoint from an invalid key
of the provider. The provider's own body is never passed on, because it may hold secrets.

`ApiError` is raised within this package alone. The errors of a source are those of `domain.errors`.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from math import ceil
from types import MappingProxyType
from typing import Any

from mcp_truto_lms.domain.errors import AccessDenied, NotFound, RateLimited, RouteClosed, SourceError, Unavailable

DEFAULT_RETRY_AFTER_SECONDS = 10
_PASSED_ON = (503, 504)
"""Statuses of a failure that are passed on as they are; any other one is a bad gateway."""
_EMPTY: Mapping[str, Any] = MappingProxyType({})


class ApiError(Exception):
    """An error response of the endpoint.

    Args:
        status: the HTTP status
        message: what failed, and what the reader can change
        is_remote: the provider failed, not this endpoint
        insight: the entries of `truto_error_insight`
        headers: headers of the response, such as Retry-After
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        is_remote: bool = False,
        insight: Mapping[str, Any] = _EMPTY,
        headers: Mapping[str, str] = _EMPTY,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.is_remote = is_remote
        self.insight = insight
        self.headers = dict(headers)

    @property
    def body(self) -> dict[str, Any]:
        """The body of the response."""
        body: dict[str, Any] = {
            "statusCode": self.status,
            "error": phrase_of(self.status),
            "message": str(self),
        }
        if self.is_remote:
            body["truto_is_remote_error"] = True
        if self.insight:
            body["truto_error_insight"] = dict(self.insight)
        return body


def phrase_of(status: int) -> str:
    """Return the phrase of a status; one that HTTP does not define is an unknown error."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown Error"


def insight_entry(key: str, description: str, value: object) -> dict[str, Any]:
    """Return one entry of `truto_error_insight`."""
    return {key: {"description": description, "value": value}}


def missing_parameters(names: list[str]) -> ApiError:
    """Return the error of a listing that the provider offers only with the named parameters."""
    return ApiError(
        400,
        f"Missing required query parameters: {', '.join(names)}",
        insight=insight_entry(
            "missing_required_query_parameters",
            "The provider behind this account needs these query parameters.",
            names,
        ),
    )


def to_api_error(error: SourceError) -> ApiError:
    """Return the error response for an error of a source."""
    message = str(error)
    if isinstance(error, RouteClosed):
        return _closed_route(error)
    if isinstance(error, RateLimited):
        retry_after = error.retry_after_seconds
        seconds = DEFAULT_RETRY_AFTER_SECONDS if retry_after is None else max(1, ceil(retry_after))
        description = "The provider's rate limit is used up."
        return ApiError(
            429,
            message,
            is_remote=True,
            insight=insight_entry("rate_limit_error", description, {"retry_after": seconds}),
            headers={"retry-after": str(seconds)},
        )
    if isinstance(error, AccessDenied) and error.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
        return ApiError(503, message)  # without the remote flag this status means that the account is blocked
    if isinstance(error, AccessDenied) and error.status_code == HTTPStatus.FORBIDDEN:
        description, scopes = "The connected account lacks permissions.", {"missing_scopes": [*error.missing_scopes]}
        return ApiError(403, message, is_remote=True, insight=insight_entry("forbidden_error", description, scopes))
    status = 401 if isinstance(error, AccessDenied) else 404 if isinstance(error, NotFound) else 502
    if isinstance(error, Unavailable) and error.status_code in _PASSED_ON:
        status = error.status_code
    insight = insight_entry("remote_error", "The provider refused.", message)
    return ApiError(status, message, is_remote=True, insight=insight)


def _closed_route(error: RouteClosed) -> ApiError:
    """Return what closed a route: missing parameters, or that the provider does not offer it."""
    if error.reason is not None:
        return to_api_error(error.reason)
    if error.parameters or error.status_code is None:
        names = [f"{name}[id]" for name in ("user", "course") if not error.parameters or name in error.parameters]
        return missing_parameters(names)
    return ApiError(501 if error.status_code == HTTPStatus.NOT_IMPLEMENTED else 405, str(error))


def provider_timed_out(deadline_seconds: float) -> ApiError:
    """Return the error for a provider that did not respond within the deadline."""
    message = f"The provider did not answer within {deadline_seconds:.0f} s. Ask for less, or try again later."
    insight = insight_entry("remote_error", "The provider was too slow.", message)
    return ApiError(504, message, is_remote=True, insight=insight)
