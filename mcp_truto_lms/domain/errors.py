"""Everything that this package raises on purpose.

    LmsError
    ├── ConfigurationError          a setting is missing or wrong; the message names it
    ├── QueryError                  an argument cannot be understood; the message says how to ask instead
    │   └── UnknownCursor           a cursor that is not this account's or this caller's, or too old
    ├── StoreError                  what was read cannot be kept or looked up; the message says what stands in the way
    └── SourceError                 the LMS, or the way to it, failed
        ├── AccessDenied            the key or token was refused
        ├── NotFound                the LMS does not have what was asked for
        ├── RouteClosed             the provider does not allow this way of reading; another one may be open
        ├── RateLimited             a limit is used up for longer than a call may wait
        ├── Unavailable             no answer: network, time-out, or an error on the server's side
        └── UnexpectedAnswer        an answer that cannot be read

A message is one or two sentences for the person or the model that reads it: what failed, and what they can change.
It never holds a secret, a body or a stack.
"""

from __future__ import annotations


class LmsError(Exception):
    """The root of all errors that are raised on purpose."""


class ConfigurationError(LmsError):
    """A setting is missing or wrong."""


class QueryError(LmsError):
    """An argument cannot be understood as it stands."""


class UnknownCursor(QueryError):
    """A cursor is not of this account or caller, or too old."""


class StoreError(LmsError):
    """What was read cannot be kept or looked up."""


class SourceError(LmsError):
    """The LMS, or the way to it, failed."""


class AccessDenied(SourceError):
    """The key or token was refused."""


class NotFound(SourceError):
    """The LMS does not have what was asked for."""


class RouteClosed(SourceError):
    """The provider does not allow this way of reading."""


class RateLimited(SourceError):
    """A limit is used up for longer than a call may wait.

    Args:
        message: what to do about it
        retry_after_seconds: when the limit opens again, where the LMS tells
    """

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class Unavailable(SourceError):
    """No answer came: network, time-out, or an error on the server's side."""


class UnexpectedAnswer(SourceError):
    """An answer that cannot be read."""
