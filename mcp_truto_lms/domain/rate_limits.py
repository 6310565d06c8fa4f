"""Rate limits as values: a provider declares them, its client and the store enforce them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RateLimit:
    """A sliding window: at most `calls` in any stretch of `seconds`."""

    calls: int
    seconds: float

    def __post_init__(self) -> None:
        if self.calls < 1 or self.seconds <= 0:
            raise ValueError(f"a rate limit needs calls and seconds above zero, not {self.calls} in {self.seconds}")


Acquire = Callable[[str, Sequence[RateLimit]], Awaitable[float]]
"""Acquires a call from the limits of a shared key; returns the seconds to wait before asking again, or 0."""

Sleep = Callable[[float], Awaitable[None]]
"""Waits for seconds."""
