"""What Truto's errors mean, in the one tree of errors.

    TrutoError (SourceError)
    ├── TokenRefused (AccessDenied)         401: the token is not good
    ├── ReconnectAccount (AccessDenied)     401 from the LMS: the account's authorisation has lapsed
    ├── Forbidden (AccessDenied)            403: not allowed; `missing_scopes` says what to grant, where Truto tells
    ├── AccountUnknown (AccessDenied)       there is no such integrated account
    ├── AccountBlocked (AccessDenied)       503: Truto has blocked the integrated account
    ├── RecordNotFound (NotFound)           404, or the LMS says that there is no such record
    ├── MissingParameters (RouteClosed)     400: this account must be asked with the `parameters` that are named
    ├── NotOffered (RouteClosed)            405, 501, or a path that Truto does not have
    ├── TooManyRequests (RateLimited)       429, or the LMS speaks of a limit
    ├── RequestFailed (Unavailable)         500, 502, 504 and the like
    └── RequestRefused (UnexpectedAnswer)   any other refusal

Whoever caught an error from Truto finds what it said as attributes, under Truto's own names. They are clipped and
stripped of secrets (the token itself, keys, one-click logins, signed addresses), and never part of the message: that is
a sentence of this package, because it is logged and shown, and what Truto or an LMS writes is not ours to vouch for.
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
    """What an error answer said.

    Args:
        status_code: `statusCode`, or the HTTP status where the body has none
        message: as Truto or the LMS wrote it
        is_remote: the LMS failed or refused, not Truto
        raw_response: what the LMS answered
        insight: `truto_error_insight`: each key holds `description` and `value`
    """

    status_code: int
    message: str = ""
    is_remote: bool = False
    raw_response: str | None = field(default=None, repr=False)
    insight: MappingProxyType[str, Any] = field(default_factory=lambda: MappingProxyType[str, Any]({}), repr=False)


class TrutoError(SourceError):
    """Truto answered with an error.

    Args:
        sentence: what failed, and what the reader can change
        refusal: what the answer said
    """

    def __init__(self, sentence: str, refusal: ErrorDetails, **options: Any) -> None:
        super().__init__(sentence, **options)
        self.refusal = refusal

    @property
    def status_code(self) -> int:
        """`statusCode` of the error."""
        return self.refusal.status_code

    @property
    def message(self) -> str:
        """What Truto or the LMS wrote."""
        return self.refusal.message

    @property
    def truto_is_remote_error(self) -> bool:
        """Whether the LMS failed or refused, not Truto."""
        return self.refusal.is_remote

    @property
    def raw_response(self) -> str | None:
        """What the LMS answered, clipped and without secrets."""
        return self.refusal.raw_response

    @property
    def truto_error_insight(self) -> MappingProxyType[str, Any]:
        """What Truto knows about the error, by kind."""
        return self.refusal.insight


class TokenRefused(TrutoError, AccessDenied):
    """The token is not good."""


class ReconnectAccount(TrutoError, AccessDenied):
    """The LMS no longer accepts what Truto has for this account."""


class Forbidden(TrutoError, AccessDenied):
    """The token or the account may not do this."""

    def __init__(self, sentence: str, refusal: ErrorDetails, *, missing_scopes: tuple[str, ...] = ()) -> None:
        super().__init__(sentence, refusal)
        self.missing_scopes = missing_scopes


class AccountUnknown(TrutoError, AccessDenied):
    """There is no such integrated account for this token."""


class AccountBlocked(TrutoError, AccessDenied):
    """Truto has blocked the integrated account."""


class RecordNotFound(TrutoError, NotFound):
    """There is no such record."""


class MissingParameters(TrutoError, RouteClosed):
    """The account must be asked with more parameters."""

    def __init__(self, sentence: str, refusal: ErrorDetails, *, parameters: frozenset[str]) -> None:
        super().__init__(sentence, refusal)
        self.parameters = parameters


class NotOffered(TrutoError, RouteClosed):
    """Nothing of the kind is offered for the account's LMS."""


class TooManyRequests(TrutoError, RateLimited):
    """A limit of Truto's, or of the LMS, is used up."""


class RequestFailed(TrutoError, Unavailable):
    """It failed on the way."""


class RequestRefused(TrutoError, UnexpectedAnswer):
    """The request was refused as it stands."""
