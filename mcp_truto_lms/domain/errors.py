"""The errors that this package raises on purpose.

    LmsError
    ├── ConfigurationError          a setting is missing or wrong; the message names it
    ├── QueryError                  an argument is not understood; the message says how to ask instead
    │   └── UnknownCursor           the cursor belongs to another account or caller, or has expired
    ├── StoreError                  the store cannot be read or written; the message names the reason
    └── SourceError                 the LMS, or the connection to it, failed
        ├── AccessDenied            the key or token was refused
        ├── NotFound                the LMS does not have the requested record
        ├── RouteClosed             the provider does not allow this route; another one may be open
        ├── RateLimited             a rate limit is exhausted for longer than a call may wait
        ├── Unavailable             no answer: network, time-out, or a server error
        └── UnexpectedAnswer        the answer cannot be parsed

A message is one or two sentences for the person or the model that reads it: what failed, and what they can change. It
never contains a secret, a body or a stack.
"""

from __future__ import annotations


class LmsError(Exception):
    """The root of all errors that are raised on purpose."""


class ConfigurationError(LmsError):
    """A setting is missing or wrong."""


class QueryError(LmsError):
    """An argument is not understood."""


class UnknownCursor(QueryError):
    """The cursor belongs to another account or caller, or has expired."""


class StoreError(LmsError):
    """The store cannot be read or written."""


class SourceError(LmsError):
    """The LMS, or the connection to it, failed."""

    @property
    def status_code(self) -> int | None:
        """The HTTP status that reported the failure, where the provider tells it."""
        return None


class AccessDenied(SourceError):
    """The key or token was refused."""

    missing_scopes: tuple[str, ...] = ()
    """What to grant, where the provider tells it."""


class NotFound(SourceError):
    """The LMS does not have the requested record."""


class RouteClosed(SourceError):
    """The provider does not allow this route.

    Args:
        message: what is not allowed
        reason: the refusal that closed the route
    """

    parameters: frozenset[str] = frozenset()
    """The parameters without which the provider refuses the route."""

    def __init__(self, message: str, *, reason: SourceError | None = None) -> None:
        super().__init__(message)
        self.reason = reason


class RateLimited(SourceError):
    """A rate limit is exhausted for longer than a call may wait.

    Args:
        message: what to do about it
        retry_after_seconds: when the limit resets, where the LMS says so
    """

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class Unavailable(SourceError):
    """No answer: network, time-out, or a server error."""


class UnexpectedAnswer(SourceError):
    """The answer cannot be parsed."""
