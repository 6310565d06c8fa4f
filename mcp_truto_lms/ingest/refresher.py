"""The refresher: plan, fetch, and plan again until nothing is missing.

A pass of a question is one transaction in one worker thread: it looks into the store and returns either a plan of what
to fetch first, or the finished answer. So a question whose data is fresh is one transaction. Each plan is tried once a
question, so the passes come to an end whatever the LMS, the clock and other processes do meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import inf
from typing import TypeVar

import anyio
from sqlalchemy import Connection

from mcp_truto_lms.domain.rate_limits import Sleep
from mcp_truto_lms.domain.source import Source, TeamDirectory
from mcp_truto_lms.ingest.background import Background
from mcp_truto_lms.ingest.fetch_plan import FetchPlan
from mcp_truto_lms.ingest.fetch_planner import FetchPlanner
from mcp_truto_lms.ingest.fetcher import Fetcher
from mcp_truto_lms.ingest.outcome_reader import OutcomeReader
from mcp_truto_lms.ingest.question_budget import Coverage, Progress, QuestionBudget
from mcp_truto_lms.settings import Clock, Settings
from mcp_truto_lms.store import account_state, catalogue
from mcp_truto_lms.store.database import Database
from mcp_truto_lms.store.selection import Selection

_Result = TypeVar("_Result")


class Refresher:
    """Brings what questions need into the store of one account.

    Args:
        account: the key of its rows
        source: the provider
        database: the store
        background: where fetches run
        clock: the wall clock
        settings: deadline, call budget and ages
        sleep: how reading in the background waits for a limit

    Attributes:
        source: the provider
        fetcher: carries out the plans
        outcome_reader: reads what rosters do not report, in the background
    """

    def __init__(
        self,
        account: str,
        source: Source,
        database: Database,
        *,
        background: Background,
        clock: Clock,
        settings: Settings,
        sleep: Sleep = anyio.sleep,
    ) -> None:
        self.source = source
        self._account = account
        self._database = database
        self._clock = clock
        self._settings = settings
        self.fetcher = Fetcher(account, source, database, background=background, settings=settings, now=self.now)
        self.outcome_reader = OutcomeReader(
            account, source, database, self.fetcher, background=background, now=self.now, sleep=sleep
        )

    def now(self) -> int:
        """Return the time in epoch seconds."""
        return int(self._clock().timestamp())

    def begin(
        self, *, fresh: bool = False, on_progress: Progress | None = None, unattended: bool = False
    ) -> QuestionBudget:
        """Begin the budget of a question; an unattended one has unlimited time and calls."""
        began_at = anyio.current_time()
        ends_at = inf if unattended else began_at + self._settings.deadline_seconds
        return QuestionBudget(fresh, self.now(), began_at, ends_at, on_progress)

    async def run(
        self, budget: QuestionBudget, plan_or_answer: Callable[[FetchPlanner], FetchPlan | _Result]
    ) -> _Result:
        """Fetch what a question needs, and return its answer.

        Args:
            budget: of the question
            plan_or_answer: one pass of the question: returns what to fetch first, or the answer

        Raises:
            SourceError: nothing could be fetched, and nothing is stored; or the key was refused.
            StoreError: the store cannot be used now.
        """
        while True:
            outcome = await self._database.run(lambda connection: plan_or_answer(self._planner(connection, budget)))
            if not isinstance(outcome, FetchPlan):
                return outcome
            await self.fetcher.fetch(outcome, budget)

    async def everything(self, budget: QuestionBudget) -> Coverage:
        """Bring everything into the store: courses, people, all enrollments and their outcomes.

        Raises:
            SourceError: something could not be fetched.
        """
        max_age_seconds = self._settings.max_age_seconds

        def plan_or_coverage(planner: FetchPlanner) -> FetchPlan | Coverage:
            portal = planner.portal()
            if isinstance(portal, FetchPlan):
                return portal
            coverage = (
                planner.course_list(max_age_seconds)
                or planner.directory(max_age_seconds)
                or planner.enrollments(None, None)
            )
            return coverage if isinstance(coverage, FetchPlan) else self._all_outcomes(planner, coverage)

        return await self.run(budget, plan_or_coverage)

    def _all_outcomes(self, planner: FetchPlanner, coverage: Coverage) -> FetchPlan | Coverage:
        """Plan the fetch of every outcome that is unknown or old, or say how many people's could not be read."""
        budget, now = planner.budget, self.now()
        if not planner.capabilities.outcome_unknown_routes:
            return coverage
        selection = Selection(planner.account, now, fetched_since=budget.asked_at if budget.fresh else None)
        refined = planner.outcomes(selection)
        if isinstance(refined, FetchPlan):
            return refined
        if refined is None or not coverage.complete:
            return coverage
        return replace(coverage, read=0, wanted=refined.wanted, unit=refined.unit)

    async def tidy(self) -> None:
        """Make answers fast again after many rows were written."""
        await self.fetcher.ingester.tidy()

    async def sizes(self) -> catalogue.Sizes:
        """Count what is in the store."""
        return await self._database.run(lambda connection: catalogue.sizes(connection, self._account))

    def _planner(self, connection: Connection, budget: QuestionBudget) -> FetchPlanner:
        return FetchPlanner(
            connection,
            self._account,
            account_state.load(connection, self._account),
            budget,
            now=self.now(),
            capabilities=self.source.capabilities,
            began_at=self.fetcher.single_flight.began_at,
            max_age_seconds=self._settings.max_age_seconds,
            has_teams=isinstance(self.source, TeamDirectory),
        )
