"""Faults of Truto and of the provider behind it, in addition to those of any portal.

    >>> faults = Faults()
    >>> faults.add(REMOTE_UNAUTHORIZED, times=None)
    >>> faults.add(RATE_LIMITED, times=2, endpoint="course-enrollments")
    >>> faults.add(TrutoFault(twists=frozenset({Twist.REPEATED_CURSOR})), times=None, endpoint="users")

A fault replaces the response (`status`, `cut`), changes it (`changes`), or delays it. The endpoints are
`course-enrollments`, `users`, `users/id`, `courses`, `courses/id`, `capabilities`, `meta`, and those of the proxy with
`proxy/` in front. Arguments are those of the query, such as `{"user[id]": "101"}`, and the `id` in the path.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from mcp_truto_lms.sandbox.faults import CUT_CONNECTION, Fault, Faults

__all__ = [
    "BLOCKED_ACCOUNT",
    "CUT_CONNECTION",
    "EMPTY_MESSAGE",
    "FORBIDDEN",
    "LIMIT_REFUSED",
    "NOT_ENROLLED",
    "NOT_JSON",
    "RATE_LIMITED",
    "RATE_LIMITED_WITHOUT_RETRY_AFTER",
    "REMOTE_UNAUTHORIZED",
    "REMOTE_UNAVAILABLE",
    "Fault",
    "Faults",
    "ResponseChange",
    "TrutoFault",
    "fault_by_name",
]


class ResponseChange(StrEnum):
    """A change of a successful response that clients must handle."""

    REPEATED_CURSOR = "repeated_cursor"
    EMPTY_PAGE_WITH_CURSOR = "empty_page_with_cursor"
    ABSENT_CURSOR = "absent_cursor"
    NULL_CURSOR = "null_cursor"
    PARTIAL = "partial"
    UNKNOWN_VALUES = "unknown_values"
    MISSING_FIELDS = "missing_fields"
    NUMBERS_AS_STRINGS = "numbers_as_strings"
    MISSING_IDS = "missing_ids"
    REPEATED_RECORDS = "repeated_records"


@dataclass(frozen=True, slots=True)
class TrutoFault(Fault):
    """One failure in Truto's form.

    Args:
        remote: the provider failed, not Truto
        message: the message of the error; None for the phrase of the status
        insight: the error's `truto_error_insight`
        changes: the changes of the response, if the fault does not replace it
    """

    remote: bool = False
    message: str | None = None
    insight: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType[str, Any]({}))
    changes: frozenset[ResponseChange] = frozenset()


REMOTE_UNAUTHORIZED = TrutoFault(status=401, remote=True)
FORBIDDEN = TrutoFault(
    status=403,
    remote=True,
    insight=MappingProxyType(
        {
            "forbidden_error": {
                "description": "The connected account lacks scopes that this request needs.",
                "value": {"missing_scopes": ["courses.read", "users.read"]},
            }
        }
    ),
)
RATE_LIMITED = TrutoFault(status=429, remote=True, retry_after="10")
RATE_LIMITED_WITHOUT_RETRY_AFTER = TrutoFault(status=429, remote=True)
BLOCKED_ACCOUNT = TrutoFault(status=503, message="The integrated account is blocked")
REMOTE_UNAVAILABLE = TrutoFault(status=503, remote=True)
NOT_ENROLLED = TrutoFault(status=404, remote=True, message="The requested user is not enrolled in this course")
LIMIT_REFUSED = TrutoFault(status=422, remote=True, message="per_page must not be greater than 100")
EMPTY_MESSAGE = TrutoFault(status=500, message="")
NOT_JSON = TrutoFault(status=200, body="html")

_FAULTS_BY_NAME: Mapping[str, Fault] = MappingProxyType(
    {
        "remote-401": REMOTE_UNAUTHORIZED,
        "forbidden": FORBIDDEN,
        "rate-limited": RATE_LIMITED,
        "rate-limited-untold": RATE_LIMITED_WITHOUT_RETRY_AFTER,
        **{str(status): TrutoFault(status=status) for status in (408, 425, 500, 502, 504, 520, 521, 524, 530)},
        "remote-503": REMOTE_UNAVAILABLE,
        "remote-400": TrutoFault(status=400, remote=True, message="Invalid arguments provided"),
        "remote-404": TrutoFault(status=404, remote=True, message=""),
        "remote-422": TrutoFault(status=422, remote=True, message="Malformed response"),
        "blocked": BLOCKED_ACCOUNT,
        "empty-message": EMPTY_MESSAGE,
        "not-json": NOT_JSON,
        "cut": CUT_CONNECTION,
        "slow": TrutoFault(delay_seconds=3.0),
        **{change.value.replace("_", "-"): TrutoFault(changes=frozenset({change})) for change in ResponseChange},
    }
)


def fault_by_name(name: str) -> Fault:
    """Return a fault by its name on the command line.

    Raises:
        ValueError: the name is unknown; the message lists all names.
    """
    if name not in _FAULTS_BY_NAME:
        raise ValueError(f"there is no fault {name!r}; there are {', '.join(_FAULTS_BY_NAME)}")
    return _FAULTS_BY_NAME[name]
