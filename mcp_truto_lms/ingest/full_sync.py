"""Sync: everything of an account into the store, unattended: for cron, and for first loads that take hours.

It goes on where the last one ended, however that ended. A limit that is used up is waited for; a failure of the LMS is
tried again as long as that gets it further.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TextIO

import anyio

from mcp_truto_lms.domain.errors import RateLimited, SourceError, Unavailable
from mcp_truto_lms.domain.source import Source
from mcp_truto_lms.ingest.question_budget import Coverage, Progress
from mcp_truto_lms.providers.rate_limiter import Sleep
from mcp_truto_lms.server.account import Account
from mcp_truto_lms.store.row_queries import Sizes

RATE_LIMITED_SECONDS = 60.0
FIRST_WAIT_SECONDS = 15.0
ROUNDS_WITHOUT_PROGRESS = 5
BAR_CHARACTERS = 24
LINE_EVERY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class SyncResult:
    """How a sync ended.

    Args:
        coverage: what is in the store now, None where nothing could be read
        failure: what kept the rest from being read
    """

    coverage: Coverage | None
    sizes: Sizes
    calls: int
    seconds: float
    failure: SourceError | None

    @property
    def complete(self) -> bool:
        """Whether everything is in the store and was read in time."""
        return self.coverage is not None and self.coverage.complete and self.failure is None

    def __str__(self) -> str:
        sizes = self.sizes
        held = f"{sizes.courses:,} courses, {sizes.learners:,} people, {sizes.enrollments:,} enrollments"
        spent = f"{self.calls:,} calls in {clock_time(self.seconds)}"
        if self.complete:
            return f"complete: {held}; {spent}."
        read = (
            f"{self.coverage.read:,} of {self.coverage.wanted:,} {self.coverage.unit} read; " if self.coverage else ""
        )
        why = f" {self.failure}" if self.failure else ""
        return f"INCOMPLETE: {read}{held}; {spent}.{why}"


async def sync_account(
    account: Account,
    *,
    fresh: bool = False,
    on_progress: Progress | None = None,
    on_wait: Callable[[float, SourceError], Awaitable[None]] | None = None,
    sleep: Sleep = anyio.sleep,
) -> SyncResult:
    """Read everything that is not fresh enough.

    Args:
        account: what is read
        fresh: whether everything is read again
        on_progress: told how many scopes are read
        on_wait: told how many seconds are waited, and for what
        sleep: waits for seconds
    """
    began_at, calls = anyio.current_time(), account.source.calls
    call = account.begin_sync(fresh=fresh, on_progress=on_progress)
    coverage: Coverage | None = None
    rounds = most = 0
    while True:
        call.failure, call.done = None, 0
        try:
            coverage = await account.read_everything(call)
            failure = call.failure
        except SourceError as error:
            failure = error
        rounds = 0 if call.done > most else rounds + 1  # what is fresh: in a store of yesterday, all was read before
        most = max(most, call.done)
        again = isinstance(failure, RateLimited) or (
            isinstance(failure, Unavailable) and rounds < ROUNDS_WITHOUT_PROGRESS
        )
        if failure is None or not again:
            break
        wait_seconds = FIRST_WAIT_SECONDS * 2**rounds
        if isinstance(failure, RateLimited):
            wait_seconds = max(1.0, failure.retry_after_seconds or RATE_LIMITED_SECONDS)
        if on_wait is not None:
            await on_wait(wait_seconds, failure)
        await sleep(wait_seconds)
    await account.tidy()
    return SyncResult(
        coverage=coverage,
        sizes=await account.sizes(),
        calls=account.source.calls - calls,
        seconds=anyio.current_time() - began_at,
        failure=failure,
    )


class SyncProgress:
    """Shows how far a sync is: a bar that moves where somebody looks, else a line a minute.

    Args:
        name: of the account
        source: whose calls are counted
        out: where it is shown
        live: whether the bar moves in its place
        clock: a monotonic clock, in seconds
    """

    def __init__(
        self, name: str, source: Source, out: TextIO, *, live: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._name = name
        self._source = source
        self._out = out
        self._live = live
        self._clock = clock
        self._began_at, self._calls = clock(), source.calls
        self._told_at = clock()
        self._done_at_first: int | None = None

    async def progress(self, done: int, total: int, message: str) -> None:
        """Show that so many scopes are read."""
        if self._done_at_first is None:
            self._done_at_first = done - 1
        now = self._clock()
        if not self._live and now - self._told_at < LINE_EVERY_SECONDS:
            return
        self._told_at = now
        unit = message.split()[-2]  # as in "3 of 40 courses read"
        calls, seconds = self._source.calls - self._calls, now - self._began_at
        self._show(progress_bar(done, total, unit, calls=calls, seconds=seconds, done_at_first=self._done_at_first))

    async def waits(self, seconds: float, failure: SourceError) -> None:
        """Say what is waited for."""
        self._show(f"waiting {clock_time(seconds)}: {failure}")
        self.end()

    def end(self) -> None:
        """Leave the line of the bar."""
        if self._live:
            self._out.write("\n")
            self._out.flush()

    def _show(self, text: str) -> None:
        line = f"{self._name}: {text}"
        self._out.write(f"\r\x1b[K{line}" if self._live else f"{line}\n")
        self._out.flush()


def progress_bar(done: int, total: int, unit: str, *, calls: int, seconds: float, done_at_first: int = 0) -> str:
    """Draw how far a sync is: courses, calls, their rate, and the time left at the pace so far."""
    filled = BAR_CHARACTERS * done // max(1, total)
    bar = f"[{'#' * filled}{'.' * (BAR_CHARACTERS - filled)}] {done:,}/{total:,} {unit}"
    pace = f"{calls:,} calls, {calls / seconds:.1f}/s" if seconds > 0 else f"{calls:,} calls"
    left = seconds / max(1, done - done_at_first) * (total - done)
    return f"{bar}, {pace}, {clock_time(left)} left"


def clock_time(seconds: float) -> str:
    """Print a duration as `m:ss` or `h:mm:ss`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
