"""The hourly budget of a portal: the last tenth of it is left to others.

The key is the whole account's, and other programs live on the same hour. The portal tells what is left of it when
asked, without charging for that: it is asked at the start and again after so many calls, and counted on in between. A
portal that does not tell has no budget here; its own refusals still count.

Reading that nobody waits for takes a quarter of an hour's calls at most.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import anyio

from mcp_truto_lms.domain.call_counter import CALL_COUNTER
from mcp_truto_lms.domain.errors import RateLimited
from mcp_truto_lms.providers.payload_values import as_object, epoch, number

RESERVE = 0.1
BACKGROUND_SHARE = 0.25
CALLS_BETWEEN_LOOKS = 50
LONGEST_WAIT_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of the hour."""

    limit: float
    remaining: float
    resets_at: datetime | None = None

    @property
    def reserve(self) -> float:
        """The part that stays unused."""
        return self.limit * RESERVE


def allowance(raw: object) -> Allowance | None:
    """Read the answer of `ratelimit`, None where it does not tell."""
    item = as_object(raw)
    limit, remaining = number(item.get("limit")), number(item.get("remaining"))
    if limit is None or limit <= 0 or remaining is None:
        return None
    return Allowance(limit, remaining, epoch(item.get("reset")))


class HourlyBudget:
    """Admits calls while more than the reserve is left.

    Args:
        ask: reads the allowance, uncharged
        calls: how many charged calls were made so far
        queued: how many calls were admitted and not made yet
        now: the wall clock, in epoch seconds
    """

    def __init__(
        self,
        ask: Callable[[], Awaitable[Allowance | None]],
        *,
        calls: Callable[[], int],
        queued: Callable[[], int],
        now: Callable[[], float],
    ) -> None:
        self._ask = ask
        self._calls = calls
        self._queued = queued
        self._now = now
        self._looking = anyio.Lock()
        self._allowance: Allowance | None = None
        self._asked_at_calls: int | None = None
        self._background_calls = 0
        self._background_since = float("-inf")

    async def admit(self) -> None:
        """Let a call through.

        Raises:
            RateLimited: only the reserve is left, or nobody waits for the answer and the share of such reading is used
                up; the message tells when the hour is over.
        """
        tally = CALL_COUNTER.get()
        async with self._looking:
            if self._must_look():
                await self._look()
            if self._used_up():
                raise self._refusal()
            if tally is not None and tally.background:
                self._admit_background()

    def _admit_background(self) -> None:
        if self._now() - self._background_since >= LONGEST_WAIT_SECONDS:
            self._background_calls, self._background_since = 0, self._now()
        found = self._allowance
        if found is not None and self._background_calls >= found.limit * BACKGROUND_SHARE:
            wait_seconds = self._background_since + LONGEST_WAIT_SECONDS - self._now()
            raise RateLimited(
                "Reading in the background has used its quarter of the hourly limit. Ask again to go on.",
                retry_after_seconds=wait_seconds,
            )
        self._background_calls += 1

    async def refused(self) -> RateLimited | None:
        """Look again after the portal spoke of a limit; None where the hour is not what it meant."""
        async with self._looking:
            await self._look()
            return self._refusal() if self._used_up() else None

    async def _look(self) -> None:
        self._allowance = await self._ask()
        self._asked_at_calls = self._calls()

    def _since(self) -> int:
        return self._calls() - (self._asked_at_calls or 0)

    def _must_look(self) -> bool:
        if self._asked_at_calls is None or self._since() >= CALLS_BETWEEN_LOOKS:
            return True
        if not self._used_up():
            return False
        counted_on = self._since() + self._queued()
        return counted_on > 0 or self._wait_seconds() in (None, 0.0)

    def _used_up(self) -> bool:
        found = self._allowance
        return found is not None and found.remaining - self._since() - self._queued() <= found.reserve

    def _wait_seconds(self) -> float | None:
        resets_at = self._allowance.resets_at if self._allowance else None
        if resets_at is None:
            return None
        return min(max(0.0, resets_at.timestamp() - self._now()), LONGEST_WAIT_SECONDS)

    def _refusal(self) -> RateLimited:
        found, wait_seconds = self._allowance, self._wait_seconds()
        when = "within the hour"
        if wait_seconds is not None:
            at = datetime.fromtimestamp(self._now() + wait_seconds, UTC)
            when = f"at {at:%H:%M} UTC, in {round(wait_seconds / 60)} min"
        limit = f" of {found.limit:,.0f} calls" if found else ""
        message = f"The TalentLMS account's hourly limit{limit} is nearly used up. It opens again {when}: ask then."
        return RateLimited(message, retry_after_seconds=wait_seconds)
