"""Pacing: calls wait here until every limit of the provider has room for them.

A limit is a sliding window, so many calls in so many seconds, and several hold at once. Calls go in the order in which
they came. A call is entered only at the moment it may go, so a call that is cancelled while it waits uses nothing up.
When the provider says "too many" in spite of it, everybody is held, not only the call that was told.

Processes that use one key share its limits. Where they share a store as well, the store counts for all of them: a call
that this process's windows let through then takes room there too.

A key may open several accounts, each with narrower limits of its own: a call then passes its account's pacer, which
looks at the key's limits as well, and is entered in both at once. Accounts do not wait for each other's limits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import anyio

Clock = Callable[[], float]
Sleep = Callable[[float], Awaitable[None]]
Acquire = Callable[[str, Sequence["Window"]], Awaitable[float]]
"""Takes room in the windows of a name that processes share; answers the seconds to wait before asking again, or 0."""


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

    def __init__(self, windows: tuple[Window, ...], *, clock: Clock, sleep: Sleep, within: Pacer | None = None) -> None:
        self._windows = tuple((window, deque[float](maxlen=window.calls)) for window in windows)
        self._clock = clock
        self._sleep = sleep
        self._turn = anyio.Lock()
        self._held_until = float("-inf")
        self._within = within

    def narrower(self, windows: tuple[Window, ...]) -> Pacer:
        """Make the pacer of one account: its own windows within these."""
        return Pacer(windows, clock=self._clock, sleep=self._sleep, within=self)

    async def wait(self) -> None:
        """Wait for room in every window, and take it."""
        async with self._turn:
            while (delay_seconds := self.delay_seconds()) > 0:
                await self._sleep(delay_seconds)
            self.enter(self._clock())

    def hold(self, seconds: float) -> None:
        """Let nothing through for so many seconds from now."""
        self._held_until = max(self._held_until, self._clock() + seconds)

    def enter(self, moment: float) -> None:
        """Take room in every window at a moment, without waiting."""
        for _, passed in self._windows:
            passed.append(moment)
        if self._within is not None:
            self._within.enter(moment)

    def delay_seconds(self) -> float:
        """Tell how long a call has to wait now; zero or less means not at all."""
        outer = float("-inf") if self._within is None else self._within.delay_seconds()
        full = [passed[0] + window.seconds for window, passed in self._windows if len(passed) == window.calls]
        return max(outer, max([self._held_until, *full]) - self._clock())
