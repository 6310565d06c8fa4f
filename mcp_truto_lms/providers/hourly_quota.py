"""The hourly quota of a portal, of which the last tenth is left to other programs.

The key belongs to the whole account, and other programs share its hour. The portal reports what remains of the quota
without charging for the call: it is asked at the start and again after a number of calls, and counted on in between. A
portal that does not report has no quota here; its own refusals still count.

Background work uses a quarter of an hour's calls at most.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import anyio

from mcp_truto_lms.domain.call_counter import CALL_COUNTER
from mcp_truto_lms.domain.errors import RateLimited
from mcp_truto_lms.providers.payload_values import as_object, epoch, number

RESERVED_SHARE = 0.1
BACKGROUND_SHARE = 0.25
CALLS_BETWEEN_REPORTS = 50
HOUR_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class QuotaReport:
    """What the portal reports of its hour."""

    limit: float
    remaining: float
    resets_at: datetime | None = None

    @property
    def reserved(self) -> float:
        """The calls that stay unused."""
        return self.limit * RESERVED_SHARE


def parse_quota_report(raw: object) -> QuotaReport | None:
    """Parse the answer of `ratelimit`, None where it has no numbers."""
    item = as_object(raw)
    limit, remaining = number(item.get("limit")), number(item.get("remaining"))
    if limit is None or limit <= 0 or remaining is None:
        return None
    return QuotaReport(limit, remaining, epoch(item.get("reset")))


class HourlyQuota:
    """Lets calls pass while more than the reserve remains.

    Args:
        fetch_report: fetches the portal's report, uncharged
        calls: returns how many charged calls were made so far
        queued: returns how many calls were acquired and not made yet
        now: the wall clock, in epoch seconds
    """

    def __init__(
        self,
        fetch_report: Callable[[], Awaitable[QuotaReport | None]],
        *,
        calls: Callable[[], int],
        queued: Callable[[], int],
        now: Callable[[], float],
    ) -> None:
        self._fetch_report = fetch_report
        self._calls = calls
        self._queued = queued
        self._now = now
        self._fetching = anyio.Lock()
        self._report: QuotaReport | None = None
        self._calls_at_report: int | None = None
        self._background_calls = 0
        self._background_since = float("-inf")

    async def acquire(self) -> None:
        """Let a call pass.

        Raises:
            RateLimited: only the reserve remains, or the call is background work and its share is used up; the message
                says when the hour ends.
        """
        counter = CALL_COUNTER.get()
        async with self._fetching:
            if self._needs_report():
                await self._refresh()
            if self._is_used_up():
                raise self._used_up_error()
            if counter is not None and counter.background:
                self._acquire_background()

    async def confirm_refusal(self) -> RateLimited | None:
        """Fetch a report after the portal refused a call; None where the quota is not the reason."""
        async with self._fetching:
            await self._refresh()
            return self._used_up_error() if self._is_used_up() else None

    def _acquire_background(self) -> None:
        if self._now() - self._background_since >= HOUR_SECONDS:
            self._background_calls, self._background_since = 0, self._now()
        report = self._report
        if report is not None and self._background_calls >= report.limit * BACKGROUND_SHARE:
            wait_seconds = self._background_since + HOUR_SECONDS - self._now()
            raise RateLimited(
                "Background fetching has used its quarter of the hourly limit. Ask again to continue.",
                retry_after_seconds=wait_seconds,
            )
        self._background_calls += 1

    async def _refresh(self) -> None:
        self._report = await self._fetch_report()
        self._calls_at_report = self._calls()

    def _calls_since_report(self) -> int:
        return self._calls() - (self._calls_at_report or 0)

    def _needs_report(self) -> bool:
        if self._calls_at_report is None or self._calls_since_report() >= CALLS_BETWEEN_REPORTS:
            return True
        if not self._is_used_up():
            return False
        uncounted = self._calls_since_report() + self._queued()
        return uncounted > 0 or self._wait_seconds() in (None, 0.0)

    def _is_used_up(self) -> bool:
        report = self._report
        return report is not None and report.remaining - self._calls_since_report() - self._queued() <= report.reserved

    def _wait_seconds(self) -> float | None:
        resets_at = self._report.resets_at if self._report else None
        if resets_at is None:
            return None
        return min(max(0.0, resets_at.timestamp() - self._now()), HOUR_SECONDS)

    def _used_up_error(self) -> RateLimited:
        report, wait_seconds = self._report, self._wait_seconds()
        when = "within the hour"
        if wait_seconds is not None:
            resets_at = datetime.fromtimestamp(self._now() + wait_seconds, UTC)
            when = f"at {resets_at:%H:%M} UTC, in {round(wait_seconds / 60)} min"
        limit = f" of {report.limit:,.0f} calls" if report else ""
        message = f"The TalentLMS account's hourly limit{limit} is nearly used up. It opens again {when}: ask then."
        return RateLimited(message, retry_after_seconds=wait_seconds)
