"""Truto's two tiers of rate limit: requests of a token, and requests for an integrated account.

Both windows slide. A refused request counts in neither. What is left is told of the account's tier, the tighter one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

from mcp_truto_lms.sandbox.truto_options import TrutoOptions


@dataclass(frozen=True, slots=True)
class Left:
    """What is left of a tier."""

    limit: int
    remaining: int
    resets_in_seconds: float

    def headers(self, width_seconds: float) -> dict[str, str]:
        """Write it as answers carry it."""
        return {
            "ratelimit-limit": f"{self.limit};w={width_seconds:g}",
            "ratelimit-remaining": str(self.remaining),
            "ratelimit-reset": str(ceil(self.resets_in_seconds)),
        }


class TrutoLimits:
    """Counts requests against both tiers."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._of_token: deque[float] = deque()
        self._of_account: deque[float] = deque()

    def charge(self, options: TrutoOptions) -> bool:
        """Count one request, and tell whether it may be answered."""
        now = self._monotonic()
        tiers = ((self._of_token, options.token_limit), (self._of_account, options.account_limit))
        for recent, _ in tiers:
            while recent and recent[0] <= now - options.limit_seconds:
                recent.popleft()
        if any(len(recent) >= limit for recent, limit in tiers):
            return False
        for recent, _ in tiers:
            recent.append(now)
        return True

    def left(self, options: TrutoOptions) -> Left:
        """Tell what is left of the account's tier."""
        recent, now = self._of_account, self._monotonic()
        resets = recent[0] + options.limit_seconds - now if recent else 0.0
        return Left(options.account_limit, max(0, options.account_limit - len(recent)), max(0.0, resets))
