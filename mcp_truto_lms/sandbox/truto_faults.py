"""What can go wrong at Truto, or behind it, on top of what can go wrong at any portal.

    >>> faults = Faults()
    >>> faults.add(REMOTE_UNAUTHORIZED, times=None)
    >>> faults.add(RATE_LIMITED, times=2, endpoint="course-enrollments")
    >>> faults.add(TrutoFault(twists=frozenset({Twist.REPEATED_CURSOR})), times=None, endpoint="users")

A fault either answers in the service's place (`status`, `cut`), or twists the answer that it gives, or delays it. The
endpoints are `course-enrollments`, `users`, `users/id`, `courses`, `courses/id`, `capabilities`, `meta`, and under
`/proxy` the same with `proxy/` in front; arguments are those of the query, such as `{"user[id]": "101"}`, and `id`
where the path has one.
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
    "NOT_JSON",
    "RATE_LIMITED",
    "RATE_LIMITED_UNTOLD",
    "REMOTE_UNAUTHORIZED",
    "Fault",
    "Faults",
    "TrutoFault",
    "Twist",
    "fault_named",
]


class Twist(StrEnum):
    """A way in which a good answer is not as expected."""

    REPEATED_CURSOR = "repeated_cursor"
    EMPTY_PAGE_WITH_CURSOR = "empty_page_with_cursor"
    ABSENT_CURSOR = "absent_cursor"
    NULL_CURSOR = "null_cursor"
    PARTIAL = "partial"
    UNKNOWN_VALUES = "unknown_values"
    MISSING_FIELDS = "missing_fields"
    NUMBERS_AS_STRINGS = "numbers_as_strings"


@dataclass(frozen=True, slots=True)
class TrutoFault(Fault):
    """One way to fail, in Truto's shape.

    Args:
        remote: the provider failed, not Truto
        message: of the error; None is the one that goes with the status
        insight: the error's `truto_error_insight`
        twists: what is done to the answer, where the fault does not answer itself
    """

    remote: bool = False
    message: str | None = None
    insight: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType[str, Any]({}))
    twists: frozenset[Twist] = frozenset()


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
RATE_LIMITED_UNTOLD = TrutoFault(status=429, remote=True)
BLOCKED_ACCOUNT = TrutoFault(status=503, message="The integrated account is blocked")
EMPTY_MESSAGE = TrutoFault(status=500, message="")
NOT_JSON = TrutoFault(status=200, body="html")

_NAMED: Mapping[str, Fault] = MappingProxyType(
    {
        "remote-401": REMOTE_UNAUTHORIZED,
        "forbidden": FORBIDDEN,
        "rate-limited": RATE_LIMITED,
        "rate-limited-untold": RATE_LIMITED_UNTOLD,
        "500": TrutoFault(status=500),
        "502": TrutoFault(status=502),
        "504": TrutoFault(status=504),
        "blocked": BLOCKED_ACCOUNT,
        "empty-message": EMPTY_MESSAGE,
        "not-json": NOT_JSON,
        "cut": CUT_CONNECTION,
        "slow": TrutoFault(delay_seconds=3.0),
        **{twist.value.replace("_", "-"): TrutoFault(twists=frozenset({twist})) for twist in Twist},
    }
)


def fault_named(name: str) -> Fault:
    """Find a fault by its name on the command line.

    Raises:
        ValueError: there is none of this name; the message lists all.
    """
    if name not in _NAMED:
        raise ValueError(f"there is no fault {name!r}; there are {', '.join(_NAMED)}")
    return _NAMED[name]
