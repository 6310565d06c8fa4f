"""The two rate limits of TalentLMS: calls an hour, and calls in a few seconds.

The hour starts with its first call and ends at once; the burst window slides. A call that the burst limit refuses
counts towards neither. Time comes from a monotonic clock, so the limits also reset in a portal with a fixed day.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from mcp_truto_lms.sandbox.variations import Variations

HOUR_SECONDS = 3600.0


class LimitDecision(Enum):
    """Whether a call is allowed."""

    ALLOWED = "allowed"
    TOO_FAST = "too fast"
    EXHAUSTED = "exhausted"


@dataclass(frozen=True, slots=True)
class RemainingCalls:
    """The remaining calls of the hour."""

    limit: int
    remaining: int
    resets_in_seconds: float


class CallLimits:
    """Counts calls against both limits."""

    def __init__(self, variations: Variations, monotonic: Callable[[], float]) -> None:
        self._variations = variations
        self._monotonic = monotonic
        self._hour_started_at = monotonic()
        self._calls_this_hour = 0
        self._recent_calls: deque[float] = deque()

    def charge(self) -> LimitDecision:
        """Count one call and return whether it is allowed."""
        now = self._start_new_hour_if_over()
        while self._recent_calls and self._recent_calls[0] <= now - self._variations.burst_seconds:
            self._recent_calls.popleft()
        if len(self._recent_calls) >= self._variations.burst_limit:
            return LimitDecision.TOO_FAST
        self._recent_calls.append(now)
        if self._calls_this_hour >= self._variations.hourly_limit:
            return LimitDecision.EXHAUSTED
        if not self._calls_this_hour:
            self._hour_started_at = now
        self._calls_this_hour += 1
        return LimitDecision.ALLOWED

    def remaining_calls(self) -> RemainingCalls:
        """Return the remaining calls, without counting one."""
        now = self._start_new_hour_if_over()
        seconds_left = HOUR_SECONDS - (now - self._hour_started_at) if self._calls_this_hour else HOUR_SECONDS
        hourly_limit = self._variations.hourly_limit
        return RemainingCalls(hourly_limit, hourly_limit - self._calls_this_hour, seconds_left)

    def use_up(self, *, remaining: int = 0) -> None:
        """Leave that many calls of this hour, as if other clients had used the rest."""
        if not self._calls_this_hour:
            self._hour_started_at = self._monotonic()
        self._calls_this_hour = self._variations.hourly_limit - remaining

    def _start_new_hour_if_over(self) -> float:
        now = self._monotonic()
        if self._calls_this_hour and now - self._hour_started_at >= HOUR_SECONDS:
            self._calls_this_hour = 0
        return now
