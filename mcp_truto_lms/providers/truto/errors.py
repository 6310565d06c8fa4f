"""Truto's errors: the subtree of `domain.errors` that says what failed at Truto.

    TrutoError (SourceError)
    ├── TokenRefused (AccessDenied)         401: the token is invalid
    ├── ReconnectAccount (AccessDenied)     401 from the LMS: the account's authorization has lapsed
    ├── Forbidden (AccessDenied)            403: not allowed; `missing_scopes` lists what to grant, if Truto reports it
    ├── AccountUnknown (AccessDenied)       the integrated account does not exist
    ├── AccountBlocked (AccessDenied)       503: Truto has blocked the integrated account
    ├── RecordNotFound (NotFound)           404, or the LMS reports that the record does not exist
    ├── MissingParameters (RouteClosed)     400: this account requires the `parameters` that are named
    ├── NotOffered (RouteClosed)            405, 501, or a path that Truto does not have
    ├── TooManyRequests (RateLimited)       429, or the LMS reports a limit
    ├── RequestFailed (Unavailable)         408, 425, 500, 502, 504 and similar
    └── RequestRefused (UnexpectedAnswer)   any other refusal

The attributes of an error hold what Truto reported, under Truto's own names. They are clipped, and the token, keys,
one-click logins and signed addresses are removed. They are never part of the message: messages are logged and shown,
so they consist of this package's own sentences alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from mcp_truto_lms.domain.errors import (
    AccessDenied,
    NotFound,
    RateLimited,
    RouteClosed,
    SourceError,
    Unavailable,
    UnexpectedAnswer,
)


@dataclass(frozen=True, slots=True)
class ErrorDetails:
    """The content of an error response.

    Args:
        status_code: `statusCode`, or the HTTP status if the body has none
        message: as Truto or the LMS wrote it
        is_remote: the LMS failed or refused, not Truto
        raw_response: the response of the LMS: `raw_response` and `details` of the error
        insight: `truto_error_insight`: each key holds `description` and `value`
    """

    status_code: int
    message: str = ""
    is_remote: bool = False
    raw_response: str | None = field(default=None, repr=False)
    insight: MappingProxyType[str, Any] = field(default_factory=lambda: MappingProxyType[str, Any]({}), repr=False)


class TrutoError(SourceError):
    """Truto responded with an error.

    Args:
        sentence: what failed, and what the reader can change
        details: the content of the error response
    """

    def __init__(self, sentence: str, details: ErrorDetails, **options: Any) -> None:
        super().__init__(sentence, **options)
        self.details = details

    @property
    def status_code(self) -> int:
        """`statusCode` of the error."""
        return self.details.status_code

    @property
    def message(self) -> str:
        """The message that Truto or the LMS wrote."""
        return self.details.message

    @property
    def truto_is_remote_error(self) -> bool:
        """Whether the LMS failed or refused, not Truto."""
        return self.details.is_remote

    @property
    def raw_response(self) -> str | None:
        """The response of the LMS, clipped and without secrets."""
        return self.details.raw_response

    @property
    def truto_error_insight(self) -> MappingProxyType[str, Any]:
        """Truto's explanation of the error, by kind."""
        return self.details.insight


class TokenRefused(TrutoError, AccessDenied):
    """The token is invalid."""


class ReconnectAccount(TrutoError, AccessDenied):
    """The LMS no longer accepts Truto's authorization for this account."""


class Forbidden(TrutoError, AccessDenied):
    """The token or the account lacks a permission."""

    def __init__(self, sentence: str, details: ErrorDetails, *, missing_scopes: tuple[str, ...] = ()) -> None:
        super().__init__(sentence, details)
        self.missing_scopes = missing_scopes


class AccountUnknown(TrutoError, AccessDenied):
    """The integrated account does not exist for this token."""


class AccountBlocked(TrutoError, AccessDenied):
    """Truto has blocked the integrated account."""


class RecordNotFound(TrutoError, NotFound):
    """The record does not exist."""


class MissingParameters(TrutoError, RouteClosed):
    """The account requires more parameters."""

    def __init__(self, sentence: str, details: ErrorDetails, *, parameters: frozenset[str]) -> None:
        super().__init__(sentence, details)
        self.parameters = parameters


class NotOffered(TrutoError, RouteClosed):
    """Truto does not offer this resource for the account's LMS."""


class TooManyRequests(TrutoError, RateLimited):
    """A rate limit of Truto or of the LMS is used up."""


class RequestFailed(TrutoError, Unavailable):
    """The request failed on the side of Truto or of the LMS."""


class RequestRefused(TrutoError, UnexpectedAnswer):
    """Truto or the LMS refused the request as it stands."""
