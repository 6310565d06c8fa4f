"""A client-side rate limiter: calls wait until every limit of the provider has room for them.

Calls pass in the order in which they came. A call is counted when it passes, so a call that is cancelled while it waits
uses nothing up. When the provider says "too many" all the same, every call pauses, not only the refused one.

Processes that use one key share its limits. Where they share a store as well, the store counts for all of them: a call
that passes this limiter is then acquired from the store too.

A key may open several accounts that have narrower limits of their own. A call then passes its account's limiter, which
also checks the key's limits, and counts in both at once. Accounts do not wait for each other's limits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import anyio

from mcp_truto_lms.domain.rate_limits import RateLimit, Sleep

Clock = Callable[[], float]


class RateLimiter:
    """Lets calls pass as the limits allow.

    Args:
        limits: all of which hold at once
        clock: a monotonic clock, in seconds
        sleep: waits for seconds
        parent: the limiter of the key, whose limits hold as well
    """

    def __init__(
        self, limits: tuple[RateLimit, ...], *, clock: Clock, sleep: Sleep, parent: RateLimiter | None = None
    ) -> None:
        self._calls_by_limit = tuple((limit, deque[float](maxlen=limit.calls)) for limit in limits)
        self._clock = clock
        self._sleep = sleep
        self._queue = anyio.Lock()
        self._paused_until = float("-inf")
        self._parent = parent

    def child(self, limits: tuple[RateLimit, ...]) -> RateLimiter:
        """Make the limiter of one account, with limits of its own within these."""
        return RateLimiter(limits, clock=self._clock, sleep=self._sleep, parent=self)

    async def acquire(self) -> None:
        """Wait for room in every limit, and count a call."""
        async with self._queue:
            while (delay_seconds := self.delay_seconds()) > 0:
                await self._sleep(delay_seconds)
            self.count(self._clock())

    def pause(self, seconds: float) -> None:
        """Let no call pass for so many seconds from now."""
        self._paused_until = max(self._paused_until, self._clock() + seconds)

    def count(self, moment: float) -> None:
        """Count a call at a moment, without waiting."""
        for _, moments in self._calls_by_limit:
            moments.append(moment)
        if self._parent is not None:
            self._parent.count(moment)

    def delay_seconds(self) -> float:
        """Return how long a call has to wait now; zero or less means not at all."""
        parent_delay = float("-inf") if self._parent is None else self._parent.delay_seconds()
        ends = [moments[0] + limit.seconds for limit, moments in self._calls_by_limit if len(moments) == limit.calls]
        return max(parent_delay, max([self._paused_until, *ends]) - self._clock())
