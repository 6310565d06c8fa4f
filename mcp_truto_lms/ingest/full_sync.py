"""Full sync: brings everything of an account into the store, unattended: for cron, and for first loads of hours.

A sync continues where the last one ended, however that ended. It waits for a rate limit to reset, and tries again after
a failure of the LMS as long as that gets it further.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TextIO

import anyio

from mcp_truto_lms.domain.errors import RateLimited, SourceError, Unavailable
from mcp_truto_lms.domain.rate_limits import Sleep
from mcp_truto_lms.domain.source import Source
from mcp_truto_lms.ingest.question_budget import Coverage, Progress, ProgressUpdate
from mcp_truto_lms.ingest.refresher import Refresher
from mcp_truto_lms.store.catalogue import Sizes

RATE_LIMITED_SECONDS = 60.0
FIRST_WAIT_SECONDS = 15.0
ROUNDS_WITHOUT_PROGRESS = 5
BAR_CHARACTERS = 24
LINE_EVERY_SECONDS = 60.0

OnWait = Callable[[float, SourceError], Awaitable[None]]
"""Is called with the seconds that a sync waits, and the failure that it waits out."""


@dataclass(frozen=True, slots=True)
class SyncResult:
    """How a sync ended.

    Args:
        coverage: what is in the store now; None where nothing could be fetched
        sizes: how much is in the store now
        calls: the calls to the provider
        seconds: how long the sync took
        failure: why the rest could not be fetched
    """

    coverage: Coverage | None
    sizes: Sizes
    calls: int
    seconds: float
    failure: SourceError | None

    @property
    def complete(self) -> bool:
        """Whether everything is in the store and fresh."""
        return self.coverage is not None and self.coverage.complete and self.failure is None

    def __str__(self) -> str:
        sizes, coverage = self.sizes, self.coverage
        stored = f"{sizes.courses:,} courses, {sizes.learners:,} people, {sizes.enrollments:,} enrollments"
        spent = f"{self.calls:,} calls in {clock_time(self.seconds)}"
        if self.complete:
            return f"complete: {stored}; {spent}."
        read = f"{coverage.read:,} of {coverage.wanted:,} {coverage.unit} read; " if coverage else ""
        reason = f" {self.failure}" if self.failure else ""
        return f"INCOMPLETE: {read}{stored}; {spent}.{reason}"


async def sync(
    refresher: Refresher,
    *,
    fresh: bool = False,
    on_progress: Progress | None = None,
    on_wait: OnWait | None = None,
    sleep: Sleep = anyio.sleep,
) -> SyncResult:
    """Fetch everything of an account that is stale.

    Args:
        refresher: of the account
        fresh: whether everything is fetched again
        on_progress: is called after each scope
        on_wait: is called before each wait
        sleep: waits for seconds
    """
    source = refresher.source
    began_at, calls_before = anyio.current_time(), source.calls
    budget = refresher.begin(fresh=fresh, on_progress=on_progress, unattended=True)
    coverage: Coverage | None = None
    rounds_without_progress = most_done = 0
    while True:
        budget.try_again()
        try:
            coverage = await refresher.everything(budget)
            failure = budget.failure
        except SourceError as error:
            failure = error
        # only scopes fetched now count as progress: where the store is of yesterday, all scopes have a state
        rounds_without_progress = 0 if budget.done > most_done else rounds_without_progress + 1
        most_done = max(most_done, budget.done)
        may_pass = isinstance(failure, RateLimited) or (
            isinstance(failure, Unavailable) and rounds_without_progress < ROUNDS_WITHOUT_PROGRESS
        )
        if failure is None or not may_pass:
            break
        wait_seconds = FIRST_WAIT_SECONDS * 2**rounds_without_progress
        if isinstance(failure, RateLimited):
            wait_seconds = max(1.0, failure.retry_after_seconds or RATE_LIMITED_SECONDS)
        if on_wait is not None:
            await on_wait(wait_seconds, failure)
        await sleep(wait_seconds)
    await refresher.tidy()
    return SyncResult(
        coverage=coverage,
        sizes=await refresher.sizes(),
        calls=source.calls - calls_before,
        seconds=anyio.current_time() - began_at,
        failure=failure,
    )


class SyncProgress:
    """Shows how far a sync is: a bar that moves in a terminal, else a line a minute.

    Args:
        name: of the account
        source: the provider, whose calls are counted
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
        self._began_at, self._calls_before = clock(), source.calls
        self._shown_at = clock()
        self._done_at_start: int | None = None

    async def progress(self, update: ProgressUpdate) -> None:
        """Show how many scopes are fetched."""
        done, whole = update.done_overall, update.whole_overall
        if self._done_at_start is None:
            self._done_at_start = done - 1
        now = self._clock()
        if not self._live and now - self._shown_at < LINE_EVERY_SECONDS:
            return
        self._shown_at = now
        calls, seconds = self._source.calls - self._calls_before, now - self._began_at
        self._show(
            progress_bar(done, whole, update.unit, calls=calls, seconds=seconds, done_at_start=self._done_at_start)
        )

    async def waits(self, seconds: float, failure: SourceError) -> None:
        """Show how long the sync waits, and why."""
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


def progress_bar(done: int, whole: int, unit: str, *, calls: int, seconds: float, done_at_start: int = 0) -> str:
    """Draw how far a sync is: scopes, calls, calls a second, and the time left at the pace so far."""
    filled = BAR_CHARACTERS * done // max(1, whole)
    bar = f"[{'#' * filled}{'.' * (BAR_CHARACTERS - filled)}] {done:,}/{whole:,} {unit}"
    pace = f"{calls:,} calls, {calls / seconds:.1f}/s" if seconds > 0 else f"{calls:,} calls"
    left_seconds = seconds / max(1, done - done_at_start) * (whole - done)
    return f"{bar}, {pace}, {clock_time(left_seconds)} left"


def clock_time(seconds: float) -> str:
    """Print a duration as `m:ss` or `h:mm:ss`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
