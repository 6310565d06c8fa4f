"""The fetcher: carries out a plan, within the budget of its question.

Scopes are fetched side by side and written one by one. A question waits until its deadline at most, and only for
`PATIENCE_SECONDS` where everything it needs is in the store and merely old. After that the fetch continues in the
background. A call that is cancelled ends the fetches that nobody else waits for.

A scope is fetched once for all questions that need it, in this process and in those that share the store. A failure is
noted in the budget, because stored data may answer the question all the same; only a refused key ends the question.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from math import ceil, inf
from typing import TypeVar

import anyio
from sqlalchemy import Connection

from mcp_truto_lms.domain.call_counter import CALL_COUNTER
from mcp_truto_lms.domain.errors import (
    AccessDenied,
    NotFound,
    RateLimited,
    RouteClosed,
    SourceError,
    StoreError,
    Unavailable,
    UnexpectedAnswer,
)
from mcp_truto_lms.domain.model import Course, User
from mcp_truto_lms.domain.source import FetchRoute, Scope, Source, TeamDirectory
from mcp_truto_lms.ingest import freshness
from mcp_truto_lms.ingest.background import Background, BackgroundJob
from mcp_truto_lms.ingest.fetch_plan import (
    FetchList,
    FetchPerson,
    FetchPlan,
    FetchPortalProfile,
    FetchScopes,
    StoreUpdate,
)
from mcp_truto_lms.ingest.fetch_planner import FEW
from mcp_truto_lms.ingest.freshness import READERS, covering_scopes
from mcp_truto_lms.ingest.ingester import Ingester
from mcp_truto_lms.ingest.joined_records import StoredRecords
from mcp_truto_lms.ingest.question_budget import FetchProgress, QuestionBudget, StillBeingRead
from mcp_truto_lms.ingest.single_flight import SingleFlight
from mcp_truto_lms.settings import Settings
from mcp_truto_lms.store import account_state, catalogue
from mcp_truto_lms.store.account_state import COURSES, LEARNERS
from mcp_truto_lms.store.compressed_rows import CompressedPeople
from mcp_truto_lms.store.database import Database

FIRST_TIDIED_ROWS, TIDIED_ROWS = 1_000, 10_000
"""The store is tidied after so many enrollments were written: early at first, when its planner knows nothing yet."""
PATIENCE_SECONDS = 3.0
"""How long a question waits for new data where it has old data."""

_Result = TypeVar("_Result")


class Fetcher:
    """Fetches from the LMS of one account into the store.

    Args:
        account: the key of its rows
        source: the provider
        database: the store
        background: where fetches run
        settings: deadline and call budget
        now: tells the time in epoch seconds

    Attributes:
        ingester: fetches one list or scope and writes it
        single_flight: the fetches under way
    """

    def __init__(
        self,
        account: str,
        source: Source,
        database: Database,
        *,
        background: Background,
        settings: Settings,
        now: Callable[[], int],
    ) -> None:
        self._account = account
        self._source = source
        self._database = database
        self._background = background
        self._settings = settings
        self._now = now
        self.ingester = Ingester(account, source, database, now=now)
        self.single_flight = SingleFlight(account, database, background)

    async def fetch(self, plan: FetchPlan, budget: QuestionBudget) -> None:
        """Carry out a plan, and note it among the attempts of the question.

        Raises:
            AccessDenied: the key was refused.
            StoreError: the store cannot be used now.
        """
        if plan.key in budget.attempts:
            raise AssertionError(f"{plan.key!r} was planned twice for one question")
        failure: SourceError | None = None
        try:
            failure = await self._carry_out(plan, budget)
        except AccessDenied:
            raise
        except RouteClosed as error:
            failure = error
            if isinstance(plan, FetchScopes):
                budget.closed_routes[plan.scopes[0].route] = error
        except SourceError as error:
            failure = error
            if plan.is_stored:
                budget.failure = budget.failure or error
        budget.attempts[plan.key] = failure

    async def _carry_out(self, plan: FetchPlan, budget: QuestionBudget) -> SourceError | None:
        """Carry out a plan; return the failure that some of its scopes met."""
        match plan:
            case FetchPortalProfile():
                await self._before_deadline(budget, lambda: self.ingester.portal(again=True))
            case FetchPerson(email=email):
                await self._before_deadline(budget, lambda: self.ingester.person(email))
            case FetchList():
                await self._fetch_list(plan, budget)
            case FetchScopes():
                await self._fetch_scopes(plan, budget)
                return budget.failure
            case StoreUpdate(write=write):
                await self._database.run(write, write=True)
            case _:
                raise AssertionError(plan)
        return None

    async def _fetch_list(self, plan: FetchList, budget: QuestionBudget) -> None:
        """Fetch a whole list.

        Raises:
            StillBeingRead: the fetch takes longer than the question may wait, and there is no older list.
        """
        fetch = self._list_fetches(budget)[plan.key]
        is_done = await self._run(
            budget,
            lambda _: self._ensure(budget, plan.key, plan.max_age_seconds, fetch),
            is_stored=plan.is_stored,
        )
        if not is_done:
            budget.seconds_left = budget.seconds_left or ceil(self._settings.deadline_seconds)
            if not plan.is_stored:
                again = f"Ask again in {budget.seconds_left} s."
                raise StillBeingRead(f"The list of {plan.key} is still being read. {again}")

    def _list_fetches(self, budget: QuestionBudget) -> Mapping[str, Callable[[], Awaitable[None]]]:
        source, ingester = self._source, self.ingester

        async def fetch_learners() -> None:
            budget.fetched_people = await ingester.learners()

        fetches: dict[str, Callable[[], Awaitable[None]]] = {COURSES: ingester.courses, LEARNERS: fetch_learners}
        if isinstance(source, TeamDirectory):
            for kind, key in account_state.TEAMS.items():
                fetches[key] = partial(ingester.teams, source, kind)
        return fetches

    async def _fetch_scopes(self, plan: FetchScopes, budget: QuestionBudget) -> None:
        """Fetch scopes side by side.

        Raises:
            AccessDenied: the key was refused.
            RouteClosed: the provider does not allow this route.
        """
        progress = FetchProgress(budget, budget.done, plan.wanted, plan.wanted - len(plan.scopes), deque(plan.scopes))
        people, courses = await self._database.run(
            lambda connection: self._joined_records(connection, plan.scopes, budget)
        )
        began_at = anyio.current_time()

        async def fetch(scope: Scope) -> None:
            await self._ensure(
                budget,
                scope.key,
                plan.max_age_seconds,
                lambda: self._fetch_scope(scope, courses, people, began_at),
                own_state_only=plan.own_state_only,
            )

        if await self._run(budget, lambda job: self._fetch_all(progress, job, fetch), is_stored=plan.is_stored):
            budget.done = progress.before + progress.done
            return
        budget.on_progress = None
        budget.seconds_left = max(budget.seconds_left or 0, progress.seconds_left(anyio.current_time() - began_at))

    async def fetch_in_background(self, scopes: Sequence[Scope]) -> None:
        """Fetch scopes of one route within the background's share of the limits; one that fails stays as it is.

        Raises:
            LmsError: the fetch cannot go on: the key was refused, a limit is used up, the route is closed, the LMS is
                down, or the store cannot be used now.
        """
        now = anyio.current_time()
        budget = QuestionBudget(fresh=False, asked_at=self._now(), began_at=now, ends_at=inf)
        people, courses = await self._database.run(lambda connection: self._joined_records(connection, scopes, budget))
        job = BackgroundJob()
        job.detach()
        CALL_COUNTER.set(job.call_counter)

        async def fetch(scope: Scope) -> None:
            await self._ensure(
                budget, scope.key, 0, lambda: self._fetch_scope(scope, courses, people, now), own_state_only=True
            )

        progress = FetchProgress(budget, 0, len(scopes), 0, deque(scopes))
        await self._fetch_all(progress, job, fetch)
        if progress.stopped_by is not None:
            raise progress.stopped_by

    async def _run(
        self, budget: QuestionBudget, work: Callable[[BackgroundJob], Awaitable[None]], *, is_stored: bool
    ) -> bool:
        """Run work until it is done or the question stops waiting for it; tell whether it is done."""
        ends_at = budget.ends_at
        if is_stored and not budget.fresh and not budget.unattended:
            ends_at = min(ends_at, anyio.current_time() + PATIENCE_SECONDS)
        return await self._background.run(work, ends_at=ends_at)

    async def _fetch_all(
        self, progress: FetchProgress, job: BackgroundJob, fetch: Callable[[Scope], Awaitable[None]]
    ) -> None:
        """Fetch all scopes, a few at once, and release the question once its calls are spent."""
        budget = progress.budget

        async def reader() -> None:
            while progress.pending:
                scope = progress.pending.popleft()
                try:
                    await fetch(scope)
                except (AccessDenied, RouteClosed, StoreError) as error:
                    progress.final = error
                    progress.pending.clear()
                except SourceError as error:
                    budget.failure = budget.failure or error
                    progress.failed_in_a_row += isinstance(error, Unavailable)
                    if isinstance(error, RateLimited) or progress.failed_in_a_row >= READERS:
                        progress.stopped_by = error
                        progress.pending.clear()
                else:
                    progress.done, progress.failed_in_a_row = progress.done + 1, 0
                    over_budget = job.call_counter.calls >= self._settings.call_budget
                    if progress.pending and over_budget and not budget.unattended:
                        job.detach()
                    if budget.on_progress is not None:
                        await progress.report(budget.on_progress)

        async with anyio.create_task_group() as group:
            for _ in range(min(READERS, len(progress.pending))):
                group.start_soon(reader)
        enough_rows = TIDIED_ROWS if self.ingester.is_tidied else FIRST_TIDIED_ROWS
        if self.ingester.written >= enough_rows and not budget.unattended:
            self._background.start(self.ingester.tidy)
        if progress.final is not None:
            raise progress.final

    async def _fetch_scope(
        self, scope: Scope, courses: Mapping[str, Course], people: Mapping[str, User], batch_began_at: float
    ) -> None:
        """Fetch one scope; empty it where the LMS no longer has its learner or course, or does not show the course."""
        try:
            await self.ingester.scope(scope, courses=courses, people=people)
        except NotFound:
            if scope.route is FetchRoute.LEARNER and await self._is_person_listed(scope.user_id, batch_began_at):
                raise UnexpectedAnswer(f"The LMS lists person {scope.user_id}, but does not show them.") from None
            if scope.route is FetchRoute.COURSE and await self._is_course_listed(scope.course_id, batch_began_at):
                await self.ingester.mark_unreadable(scope)
            else:
                await self.ingester.delete_scope(scope)

    async def _is_course_listed(self, course_id: str | None, since: float) -> bool:
        """Tell whether the course list has a course, after one more fetch of it for all courses of a batch."""
        budget = QuestionBudget(fresh=True, asked_at=self._now(), began_at=since, ends_at=inf)
        await self._ensure(budget, COURSES, 0, self.ingester.courses)
        courses = await self._database.run(lambda connection: catalogue.course_records(connection, self._account))
        return course_id in courses

    async def _is_person_listed(self, user_id: str | None, since: float) -> bool:
        """Tell whether the directory has a person, after one more fetch of it for all people of a batch."""

        def is_stored(connection: Connection) -> bool:
            return bool(catalogue.learner_records(connection, self._account, {user_id or ""}))

        if not await self._database.run(is_stored):  # nobody who was listed before
            return False
        budget = QuestionBudget(fresh=True, asked_at=self._now(), began_at=since, ends_at=inf)
        await self._ensure(budget, LEARNERS, 0, self._list_fetches(budget)[LEARNERS])
        return await self._database.run(is_stored)

    async def _ensure(
        self,
        budget: QuestionBudget,
        key: str,
        max_age_seconds: float,
        fetch: Callable[[], Awaitable[None]],
        *,
        own_state_only: bool = False,
    ) -> None:
        """Fetch a scope or a list, unless another question or process brings it meanwhile."""

        async def is_stale() -> bool:
            keys = covering_scopes(key)
            states = await self._database.run(
                lambda connection: account_state.scope_states(connection, self._account, keys)
            )
            began_at = self.single_flight.began_at
            return bool(
                freshness.stale(
                    budget, [key], states, max_age_seconds, began_at=began_at, own_state_only=own_state_only
                )
            )

        since = budget.began_at if budget.fresh else -inf
        await self.single_flight.ensure(key, fetch, is_stale, since=since)

    async def _before_deadline(self, budget: QuestionBudget, ask: Callable[[], Awaitable[_Result]]) -> _Result:
        try:
            with anyio.fail_after(budget.ends_at - anyio.current_time()):
                return await ask()
        except TimeoutError:
            raise Unavailable(f"The LMS needed more than {self._settings.deadline_seconds:g} s. Ask again.") from None

    def _joined_records(
        self, connection: Connection, scopes: Sequence[Scope], budget: QuestionBudget
    ) -> tuple[Mapping[str, User], Mapping[str, Course]]:
        """Return the people and courses that scopes are joined with; of people, only those that the scopes name."""
        courses = StoredRecords(Course, catalogue.course_records(connection, self._account))
        ids = {scope.user_id for scope in scopes if scope.user_id is not None}
        if not ids and budget.fetched_people is not None:
            return budget.fetched_people, courses
        if not 0 < len(ids) <= FEW:
            return CompressedPeople(connection, self._account, whole=bool(ids)), courses
        return StoredRecords(User, catalogue.learner_records(connection, self._account, ids)), courses
