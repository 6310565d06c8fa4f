"""Refresh: what to read before an answer, and no more.

A question touches scopes: learners, courses, or everything, which is every course or every learner, whichever takes
fewer calls. A scope that is fresh enough, as `freshness` says, is not read again.

Scopes are read side by side and written one by one. A question waits for its deadline at most, and for a moment only
where all it touches is in the store, just old: the reading then goes on in the background, and the answer covers what
is there and says so. The time is one for all that a call reads. A call that is cancelled ends what only it waits for.

A scope is read once for all who want it, in this process and in those that share the store: the others wait for it, and
take what was written. What was read before outlives a failure of the LMS, and is answered with its age; only a refused
key ends it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from math import ceil, inf
from typing import TypeVar

import anyio
from sqlalchemy import Connection

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
from mcp_truto_lms.domain.source import FetchRoute, Portal, Scope, Source, TeamDirectory
from mcp_truto_lms.ingest import freshness
from mcp_truto_lms.ingest.background import Background, BackgroundJob
from mcp_truto_lms.ingest.freshness import (
    COURSES_MAX_AGE_SECONDS,
    LEARNER_MAX_AGE_SECONDS,
    LEARNERS_MAX_AGE_SECONDS,
    READERS,
    covering_scopes,
    good_for_seconds,
    newest,
)
from mcp_truto_lms.ingest.ingester import Ingester
from mcp_truto_lms.ingest.question_budget import (
    Coverage,
    FetchProgress,
    Progress,
    QuestionBudget,
    StillBeingRead,
    unit_of,
)
from mcp_truto_lms.ingest.single_flight import SingleFlight
from mcp_truto_lms.settings import Clock, Settings
from mcp_truto_lms.store import account_state, row_queries
from mcp_truto_lms.store.account_state import COURSES, LEARNERS, TEAMS, ScopeState
from mcp_truto_lms.store.compressed_rows import CompressedPeople
from mcp_truto_lms.store.database import Database
from mcp_truto_lms.store.steps import Steps, View

NAMELESS = (FetchRoute.COURSE, FetchRoute.LIST)
"""Ways that do not say enough of the people: they are joined with the directory."""
FEW = 500
"""Up to so many people are looked up one by one rather than with everybody."""
TIDIED_ROWS = 10_000
"""After so many enrollments were written, the store is tidied."""
PATIENCE_SECONDS = 3.0
"""How long a question waits for what is in the store already, only old."""

_Result = TypeVar("_Result")


class Refresher:
    """Brings the scopes of one account into the store.

    Args:
        account: the key of its rows
        source: where it is read from
        database: where it is kept
        background: where reading goes on when its call is over
        clock: the wall clock
        settings: deadline, call budget and ages

    Attributes:
        intake: what reads and writes
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
    ) -> None:
        self._account = account
        self._source = source
        self._database = database
        self._background = background
        self._clock = clock
        self._settings = settings
        self._flights = SingleFlight(account, database, background)
        self.intake = Ingester(account, source, database, now=self.now)

    def now(self) -> int:
        """Tell the time of the answer in epoch seconds."""
        return int(self._clock().timestamp())

    def begin(
        self, *, fresh: bool = False, on_progress: Progress | None = None, unattended: bool = False
    ) -> QuestionBudget:
        """Begin the time of a call; one that is unattended has all the time, and all calls, that it takes."""
        began_at = anyio.current_time()
        ends_at = inf if unattended else began_at + self._settings.deadline_seconds
        return QuestionBudget(fresh, self.now(), began_at, ends_at, on_progress)

    def portal(self, view: View, call: QuestionBudget) -> Steps[Portal]:
        """Tell what the LMS says of itself; one that says nothing is answered in UTC."""
        known = view.standing(self._account)
        if known.portal is not None and self.now() - known.asked_at < LEARNERS_MAX_AGE_SECONDS:
            return known.portal
        try:
            found: Portal = yield lambda: self._in_time(call, lambda: self.intake.portal(again=True))
        except AccessDenied:
            raise
        except SourceError as error:
            if known.portal is None:
                raise
            call.failure = call.failure or error
            return known.portal
        return found

    def catalogue(self, view: View, call: QuestionBudget, *, max_age: float = COURSES_MAX_AGE_SECONDS) -> Steps[None]:
        """Bring the course list into the store, unless it is younger than an hour, or than is asked for."""
        return self._list(view, call, COURSES, max_age, self.intake.courses)

    def directory(self, view: View, call: QuestionBudget, *, max_age: float = LEARNERS_MAX_AGE_SECONDS) -> Steps[None]:
        """Bring the people directory into the store, unless it is younger than a day, or than is asked for."""
        return self._list(view, call, LEARNERS, max_age, self.intake.learners)

    def teams(self, view: View, call: QuestionBudget) -> Steps[None]:
        """Bring people's teams into the store, unless they are younger than a day, where the LMS has such a thing."""
        source = self._source
        if isinstance(source, TeamDirectory):
            yield from self._list(view, call, TEAMS, LEARNERS_MAX_AGE_SECONDS, lambda: self.intake.teams(source))

    def find_learner(self, view: View, call: QuestionBudget, term: str) -> Steps[None]:
        """Bring one person into the store, where there is one; by an id, the transcript comes in the same call."""
        if "@" in term:
            yield lambda: self._in_time(call, lambda: self.intake.person(term))
            return
        with suppress(RouteClosed):  # the directory tells who it is
            yield from self.read(view, call, [Scope(user_id=term)], max_age=LEARNER_MAX_AGE_SECONDS)

    def enrollments(
        self, view: View, call: QuestionBudget, user_ids: Sequence[str] | None, course_ids: Sequence[str] | None
    ) -> Steps[Coverage]:
        """Bring what a question touches into the store by the fewest calls, as far as the time of the call reaches.

        Raises:
            SourceError: nothing of it could be read, now or before; or access was denied.
        """
        tried: list[FetchRoute] = []
        while True:
            way: list[Scope] = []
            try:
                way, max_age, states = yield from self._cheapest(view, call, user_ids, course_ids)
                coverage = yield from self.read(view, call, way, max_age=max_age, states=states)
            except StillBeingRead:  # who there is; what they do is not begun
                courses = course_ids or account_state.rosters(view.connection, self._account)
                begun = way or [Scope(course_id=one) for one in courses]
                return self._coverage(call, begun, self._states_of(view, begun), alone=False)
            except RouteClosed:
                if not way or way[0].route in tried:
                    raise
                tried.append(way[0].route)
                continue
            if call.failure is not None and not coverage.read:
                raise call.failure
            return coverage

    def _cheapest(
        self, view: View, call: QuestionBudget, user_ids: Sequence[str] | None, course_ids: Sequence[str] | None
    ) -> Steps[tuple[list[Scope], float, Mapping[str, ScopeState] | None]]:
        """Choose the way that takes the fewest calls now, how old what it reads may be, and what is known of it.

        Everybody's transcripts are only looked at where they are fewer than the courses, or where there are no rosters;
        everybody's pairs are thousands of calls, so only where there is nothing else.
        """
        rosters = self._source.cost(FetchRoute.COURSE) is not None
        by_everybody = user_ids is None and (course_ids is None or (len(course_ids) > 1 and not rosters))
        if by_everybody:
            yield from self.directory(view, call)
        max_age = float(LEARNER_MAX_AGE_SECONDS if user_ids is not None else self._settings.max_age_seconds)
        learners = [Scope(user_id=one) for one in user_ids or ()]
        courses = [Scope(course_id=one) for one in course_ids or ()]
        pairs = [Scope(user, course) for user in user_ids or () for course in course_ids or ()]
        states = self._states_of(view, [*learners, *courses, *pairs])
        if self._cost(learners, self._stale(call, learners, states, max_age), 0) == 0:
            return learners, max_age, states
        if course_ids is None:
            known = account_state.rosters(view.connection, self._account)
            courses = [Scope(course_id=one) for one in known]
            states |= {one.key: state for one in courses if (state := known[one.course_id]) is not None}
        if not courses:
            return [], max_age, states
        everybody: list[Scope] = []
        if by_everybody:
            most = len(courses) if rosters else None
            found = row_queries.learner_ids(view.connection, self._account, most=most)
            if len(found) < len(courses) or not rosters:
                everybody = [Scope(user_id=one) for one in found]
                states |= self._states_of(view, everybody)
        ways = [learners, courses, [Scope()], everybody, pairs]
        if user_ids is None:
            max_age = good_for_seconds(ways, states, at_least=max_age)
        directory = states.get(LEARNERS)
        directory_calls = int(directory is None or self.now() - directory.fetched_at >= LEARNERS_MAX_AGE_SECONDS)
        costs = [self._cost(way, self._stale(call, way, states, max_age), directory_calls) for way in ways]
        best = min((cost for cost in costs if cost is not None), default=None)
        if best is not None:
            return ways[costs.index(best)], max_age, states
        yield from self.directory(view, call)
        people = user_ids if user_ids is not None else row_queries.learner_ids(view.connection, self._account)
        return [Scope(user, one.course_id) for user in people for one in courses], max_age, None

    def _cost(self, way: Sequence[Scope], stale: Sequence[Scope], directory_calls: int) -> int | None:
        """Count the calls that reading the stale scopes of a way takes; None where there is no such way."""
        if not way:
            return None
        each = self._source.cost(way[0].route)
        if each is None or not stale:
            return None if each is None else 0
        return each * len(stale) + (directory_calls if way[0].route in NAMELESS else 0)

    def read(
        self,
        view: View,
        call: QuestionBudget,
        scopes: Sequence[Scope],
        *,
        max_age: float,
        most: int | None = None,
        alone: bool = False,
        states: Mapping[str, ScopeState] | None = None,
    ) -> Steps[Coverage]:
        """Read those of the scopes that are not fresh enough, side by side, within the time of the call.

        Args:
            view: where it is looked
            call: whose time it is
            scopes: all of one route
            max_age: seconds
            most: how many may be read; the others stay as they are
            alone: whether a scope that was read as part of everything still is to be read by itself
            states: what is known of the scopes, where that was asked for just now

        Raises:
            AccessDenied: the key was refused.
            RouteClosed: the provider does not allow this way.
        """
        states = self._states_of(view, scopes) if states is None else states
        if stale := self._stale(call, scopes, states, max_age, alone=alone)[:most]:
            if stale[0].route in NAMELESS:
                yield from self.directory(view, call)
                states = self._states_of(view, scopes)  # who is gone from it takes what they were read with
                stale = self._stale(call, scopes, states, max_age, alone=alone)[:most]
            people, courses = self._names(view.connection, stale)
            reading = FetchProgress(call, call.done, len(scopes), len(scopes) - len(stale), deque(stale))
            old = None not in newest(states, [one.key for one in scopes], alone=alone)

            async def read_batch() -> None:
                started = anyio.current_time()

                async def fetch(scope: Scope) -> None:
                    await self._ensure(
                        call, scope.key, max_age, lambda: self._fetch(scope, courses, people, started), alone=alone
                    )

                if await self._in_background(call, lambda work: self._read_all(reading, work, fetch), old=old):
                    call.done = reading.before + reading.done
                    return
                call.on_progress = None
                left = reading.seconds_left(anyio.current_time() - started)
                call.seconds_left = max(call.seconds_left or 0, left)

            yield read_batch
            states = self._states_of(view, scopes)
        return self._coverage(call, scopes, states, alone=alone)

    async def _in_background(
        self, call: QuestionBudget, work: Callable[[BackgroundJob], Awaitable[None]], *, old: bool
    ) -> bool:
        """Run work until it is done or the call's time for it is over; answer which."""
        ends_at = call.ends_at
        if old and not call.fresh and not call.unattended:
            ends_at = min(ends_at, anyio.current_time() + PATIENCE_SECONDS)
        return await self._background.run(work, ends_at=ends_at)

    async def _read_all(
        self, reading: FetchProgress, work: BackgroundJob, fetch: Callable[[Scope], Awaitable[None]]
    ) -> None:
        """Read the scopes of a batch, a few at once."""
        call = reading.call

        async def reader() -> None:
            while reading.pending:
                scope = reading.pending.popleft()
                try:
                    await fetch(scope)
                except (AccessDenied, RouteClosed, StoreError) as error:
                    reading.final = error
                    reading.pending.clear()
                except SourceError as error:
                    call.failure = call.failure or error
                    reading.failed_in_a_row += isinstance(error, Unavailable)
                    if isinstance(error, RateLimited) or reading.failed_in_a_row >= READERS:
                        reading.pending.clear()
                else:
                    reading.done, reading.failed_in_a_row = reading.done + 1, 0
                    over_budget = work.tally.calls >= self._settings.call_budget
                    if reading.pending and over_budget and not call.unattended:
                        work.let_go()
                    if call.on_progress is not None:
                        await reading.report(call.on_progress)

        async with anyio.create_task_group() as group:
            for _ in range(min(READERS, len(reading.pending))):
                group.start_soon(reader)
        if self.intake.written >= TIDIED_ROWS and not call.unattended:
            self._background.start(self.intake.tidy)
        if reading.final is not None:
            raise reading.final

    def _coverage(
        self, call: QuestionBudget, scopes: Sequence[Scope], states: Mapping[str, ScopeState], *, alone: bool
    ) -> Coverage:
        found = [one for one in newest(states, [one.key for one in scopes], alone=alone) if one is not None]
        trouble = str(call.failure) if call.failure is not None else None
        if call.seconds_left is not None and len(found) == len(scopes):
            trouble = f"the LMS is being read again; ask again in {call.seconds_left} s"
        return Coverage(
            as_of=min((one.fetched_at for one in found), default=self.now()),
            read=len(found),
            wanted=len(scopes),
            partial=sum(not one.complete for one in found),
            unit=unit_of(scopes),
            trouble=trouble,
            seconds_left=call.seconds_left,
        )

    async def _fetch(
        self, scope: Scope, courses: Mapping[str, Course], people: Mapping[str, User], call_started: float
    ) -> None:
        try:
            await self.intake.scope(scope, courses=courses, people=people)
        except NotFound:
            if scope.route is FetchRoute.COURSE and await self._still_listed(scope.course_id, call_started):
                raise UnexpectedAnswer(f"The LMS lists course {scope.course_id}, but does not show it.") from None
            await self.intake.gone(scope)

    async def _still_listed(self, course_id: str | None, since: float) -> bool:
        """Tell whether a course that was not found is in the course list, read anew once for all that are not found."""
        call = self.begin(fresh=True)
        call.began_at = since
        await self._ensure(call, COURSES, 0, self.intake.courses)
        return course_id in await self._database.run(lambda c: row_queries.course_records(c, self._account))

    def _list(
        self, view: View, call: QuestionBudget, key: str, max_age: float, fetch: Callable[[], Awaitable[None]]
    ) -> Steps[None]:
        """Bring a whole list into the store; where that fails or takes long, an older one will do."""
        states = view.standing(self._account).lists
        if not self._stale_of(call, [key], states, max_age):
            return
        try:
            ended: bool = yield lambda: self._in_background(
                call, lambda _: self._ensure(call, key, max_age, fetch), old=key in states
            )
        except AccessDenied:
            raise
        except SourceError as error:
            if key not in states:
                raise
            call.failure = call.failure or error
        else:
            if not ended:
                call.seconds_left = call.seconds_left or ceil(self._settings.deadline_seconds)
                if key not in states:
                    raise StillBeingRead(f"The list of {key} is still being read. Ask again in {call.seconds_left} s.")

    async def _ensure(
        self,
        call: QuestionBudget,
        key: str,
        max_age: float,
        fetch: Callable[[], Awaitable[None]],
        *,
        alone: bool = False,
    ) -> None:
        async def is_stale() -> bool:
            states = await self._database.run(
                lambda c: account_state.scope_states(c, self._account, covering_scopes(key))
            )
            return bool(self._stale_of(call, [key], states, max_age, alone=alone))

        await self._flights.ensure(key, fetch, is_stale, since=call.began_at if call.fresh else -inf)

    async def _in_time(self, call: QuestionBudget, ask: Callable[[], Awaitable[_Result]]) -> _Result:
        try:
            with anyio.fail_after(call.ends_at - anyio.current_time()):
                return await ask()
        except TimeoutError:
            raise Unavailable(f"The LMS needed more than {self._settings.deadline_seconds:g} s. Ask again.") from None

    def _stale(
        self,
        call: QuestionBudget,
        scopes: Sequence[Scope],
        states: Mapping[str, ScopeState],
        max_age: float,
        *,
        alone: bool = False,
    ) -> list[Scope]:
        stale = self._stale_of(call, [one.key for one in scopes], states, max_age, alone=alone)
        return [one for one in scopes if one.key in stale] if stale else []

    def _stale_of(
        self,
        call: QuestionBudget,
        keys: Sequence[str],
        states: Mapping[str, ScopeState],
        max_age: float,
        *,
        alone: bool = False,
    ) -> set[str]:
        began_at = self._flights.began_at
        return freshness.stale(call, keys, states, max_age, now=self.now(), began_at=began_at, alone=alone)

    def _states_of(self, view: View, scopes: Sequence[Scope]) -> dict[str, ScopeState]:
        """Read what is known of some scopes, by key where they are few, else of all; and of the lists."""
        keys = {one.key for one in scopes} if len(scopes) < FEW else None
        found = account_state.scope_states(view.connection, self._account, keys) if scopes else {}
        return {**view.standing(self._account).lists, **found}

    def _names(self, connection: Connection, scopes: Sequence[Scope]) -> tuple[Mapping[str, User], dict[str, Course]]:
        """Load what the scopes' courses and people are called; of people, only those that are read one by one."""
        courses = row_queries.course_records(connection, self._account)
        named = {key: Course.model_validate_json(record) for key, record in courses.items()}
        ids = {one.user_id for one in scopes if one.user_id is not None}
        if not 0 < len(ids) <= FEW:
            return CompressedPeople(connection, self._account, whole=bool(ids)), named
        people = row_queries.learner_records(connection, self._account, ids)
        return {key: User.model_validate_json(record) for key, record in people.items()}, named
