"""Truto's two rate limits: requests of a token, and requests for an integrated account.

Both windows slide. A refused request counts in neither. The headers report the limit of the account, the smaller one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

from mcp_truto_lms.sandbox.truto_options import TrutoOptions


@dataclass(frozen=True, slots=True)
class RemainingRequests:
    """The remaining requests of a limit."""

    limit: int
    remaining: int
    resets_in_seconds: float

    def headers(self, width_seconds: float) -> dict[str, str]:
        """Return the headers of a response."""
        return {
            "ratelimit-limit": f"{self.limit};w={width_seconds:g}",
            "ratelimit-remaining": str(self.remaining),
            "ratelimit-reset": str(ceil(self.resets_in_seconds)),
        }


class TrutoLimits:
    """Counts requests against both limits."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._token_requests: deque[float] = deque()
        self._account_requests: deque[float] = deque()

    def charge(self, options: TrutoOptions) -> bool:
        """Count one request and return whether it is allowed."""
        now = self._monotonic()
        limits = ((self._token_requests, options.token_limit), (self._account_requests, options.account_limit))
        for recent, _ in limits:
            while recent and recent[0] <= now - options.limit_seconds:
                recent.popleft()
        if any(len(recent) >= limit for recent, limit in limits):
            return False
        for recent, _ in limits:
            recent.append(now)
        return True

    def remaining(self, options: TrutoOptions) -> RemainingRequests:
        """Return the remaining requests for the account."""
        recent, now = self._account_requests, self._monotonic()
        resets_in_seconds = recent[0] + options.limit_seconds - now if recent else 0.0
        return RemainingRequests(
            options.account_limit, max(0, options.account_limit - len(recent)), max(0.0, resets_in_seconds)
        )
