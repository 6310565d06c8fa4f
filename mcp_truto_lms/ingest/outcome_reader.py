"""The outcome reader: brings, in the background, the outcomes that rosters do not report, and keeps them from ageing.

It starts with a question that leaves something to read, works within the background's share of the limits, waits for a
limit to reset, and ends once nothing is left. People who were active last are read first. What it has read is in the
store, so that it continues after a restart.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import anyio

from mcp_truto_lms.domain.errors import LmsError, RateLimited, RouteClosed, Unavailable
from mcp_truto_lms.domain.rate_limits import Sleep
from mcp_truto_lms.domain.source import FetchRoute, Scope, Source
from mcp_truto_lms.ingest.background import Background
from mcp_truto_lms.ingest.fetcher import Fetcher
from mcp_truto_lms.store import unknown_outcomes
from mcp_truto_lms.store.database import Database

BATCH_PEOPLE = 100
"""How many people are read before the store is asked again whose turn it is."""
CHECK_EVERY_SECONDS = 600
"""How often questions look for outcomes that are old, where no new roster was fetched."""
RETRY_SECONDS = 60
"""The wait after a failure, or a limit that does not say when it resets."""
MAX_FAILURES = 5
"""After so many failures of the LMS in a row the next question starts the reader again."""

logger = logging.getLogger(__name__)


class OutcomeReader:
    """Reads the outcomes of one account.

    Args:
        account: the key of its rows
        source: the provider
        database: the store
        fetcher: fetches and writes the transcripts
        background: where it runs
        now: tells the time in epoch seconds
        sleep: waits for seconds

    Attributes:
        is_running: whether anything is left to read, as far as is known
    """

    def __init__(
        self,
        account: str,
        source: Source,
        database: Database,
        fetcher: Fetcher,
        *,
        background: Background,
        now: Callable[[], int],
        sleep: Sleep = anyio.sleep,
    ) -> None:
        self._account = account
        self._source = source
        self._database = database
        self._fetcher = fetcher
        self._background = background
        self._now = now
        self._sleep = sleep
        self.is_running = False
        self._checked_at: int | None = None
        self._rosters_seen = 0

    def start_if_due(self) -> None:
        """Start if rosters were fetched, or if outcomes may be old; not while it runs."""
        rosters = self._fetcher.ingester.rosters_written
        is_due = self._checked_at is None or not 0 <= self._now() - self._checked_at < CHECK_EVERY_SECONDS
        has_reason = rosters != self._rosters_seen or is_due
        if self.is_running or not has_reason or not self._source.capabilities.outcome_unknown_routes:
            return
        self.is_running, self._rosters_seen, self._checked_at = True, rosters, self._now()
        self._background.start(self._run)

    async def _run(self) -> None:
        try:
            await self._read_all()
        except Exception as error:  # noqa: BLE001  an edge: the next question starts the reader again
            what = error if isinstance(error, LmsError) else type(error).__name__
            logger.warning("Reading outcomes in the background ended for now: %s", what)
        finally:
            self.is_running = False

    async def _read_all(self) -> None:
        """Read everybody once, as long as somebody is left."""
        seen: set[str] = set()
        failures = 0
        while scopes := await self._next_scopes(seen):
            try:
                await self._fetcher.fetch_in_background(scopes)
            except RateLimited as error:
                await self._sleep(max(1.0, error.retry_after_seconds or RETRY_SECONDS))
            except Unavailable:
                failures += 1
                if failures == MAX_FAILURES:
                    raise
                await self._sleep(RETRY_SECONDS)
            except RouteClosed:
                if scopes[0].route is FetchRoute.PAIR:
                    raise
            else:
                failures = 0
                seen |= {scope.user_id or "" for scope in scopes}

    async def _next_scopes(self, seen: set[str]) -> Sequence[Scope]:
        """List the transcripts to read next; the pairs, where the provider has no transcripts."""
        now, has_transcripts = self._now(), self._source.capabilities.calls(FetchRoute.LEARNER) is not None
        pairs = await self._database.run(
            lambda c: unknown_outcomes.pairs_to_read(
                c, self._account, now=now, limit=BATCH_PEOPLE, without=seen, has_transcripts=has_transcripts
            )
        )
        return unknown_outcomes.scopes_of(pairs, has_transcripts=has_transcripts)
