"""TalentLMS's two limits: calls an hour, and calls in a few seconds.

The hour begins with its first call and ends all at once; the burst window slides. A call that the burst limit refuses
is charged to neither. Time comes from a monotonic clock, so that a portal whose day is fixed still opens its limits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from mcp_truto_lms.sandbox.variations import Variations

HOUR_SECONDS = 3600.0


class Verdict(Enum):
    """Whether a call may be answered."""

    ALLOWED = "allowed"
    TOO_FAST = "too fast"
    EXHAUSTED = "exhausted"


@dataclass(frozen=True, slots=True)
class Budget:
    """What is left of the hour."""

    limit: int
    remaining: int
    resets_in_seconds: float


class CallLimits:
    """Counts calls against both limits."""

    def __init__(self, variations: Variations, monotonic: Callable[[], float]) -> None:
        self._variations = variations
        self._monotonic = monotonic
        self._hour_began = monotonic()
        self._charged = 0
        self._recent: deque[float] = deque()

    def charge(self) -> Verdict:
        """Count one call, and tell whether it may be answered."""
        now = self._turn_hour()
        while self._recent and self._recent[0] <= now - self._variations.burst_seconds:
            self._recent.popleft()
        if len(self._recent) >= self._variations.burst_limit:
            return Verdict.TOO_FAST
        self._recent.append(now)
        if self._charged >= self._variations.hourly_limit:
            return Verdict.EXHAUSTED
        if not self._charged:
            self._hour_began = now
        self._charged += 1
        return Verdict.ALLOWED

    def budget(self) -> Budget:
        """Tell what is left, without charging for it."""
        now = self._turn_hour()
        left = HOUR_SECONDS - (now - self._hour_began) if self._charged else HOUR_SECONDS
        return Budget(self._variations.hourly_limit, self._variations.hourly_limit - self._charged, left)

    def use_up(self, *, remaining: int = 0) -> None:
        """Leave that many calls of this hour, as if others had used the rest."""
        if not self._charged:
            self._hour_began = self._monotonic()
        self._charged = self._variations.hourly_limit - remaining

    def _turn_hour(self) -> float:
        now = self._monotonic()
        if self._charged and now - self._hour_began >= HOUR_SECONDS:
            self._charged = 0
        return now
