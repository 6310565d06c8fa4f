"""Pacing: calls wait here until every limit of the provider has room for them.

A limit is a sliding window, so many calls in so many seconds, and several hold at once. Calls go in the order in which
they came. A call is entered only at the moment it may go, so a call that is cancelled while it waits uses nothing up.
When the provider says "too many" in spite of it, everybody is held, not only the call that was told.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import anyio

Clock = Callable[[], float]
Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Window:
    """A limit: at most `calls` in any stretch of `seconds`."""

    calls: int
    seconds: float

    def __post_init__(self) -> None:
        if self.calls < 1 or self.seconds <= 0:
            raise ValueError(f"a window needs calls and seconds above zero, not {self.calls} in {self.seconds}")


class Pacer:
    """Lets calls through as the windows allow."""

    def __init__(self, windows: tuple[Window, ...], *, clock: Clock, sleep: Sleep) -> None:
        self._windows = tuple((window, deque[float](maxlen=window.calls)) for window in windows)
        self._clock = clock
        self._sleep = sleep
        self._turn = anyio.Lock()
        self._held_until = float("-inf")

    async def wait(self) -> None:
        """Wait for room in every window, and take it."""
        async with self._turn:
            while (delay_seconds := self._delay_seconds()) > 0:
                await self._sleep(delay_seconds)
            moment = self._clock()
            for _, passed in self._windows:
                passed.append(moment)

    def hold(self, seconds: float) -> None:
        """Let nothing through for so many seconds from now."""
        self._held_until = max(self._held_until, self._clock() + seconds)

    def _delay_seconds(self) -> float:
        moment = self._clock()
        full = [passed[0] + window.seconds for window, passed in self._windows if len(passed) == window.calls]
        return max([self._held_until, *full]) - moment
