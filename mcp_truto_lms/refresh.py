"""Refresh: what to read before an answer, and no more.

A question touches scopes: learners, courses, or everything, which is every course or every learner, whichever takes
fewer calls. A scope that is fresh enough is not read again: 60 seconds for a learner, for courses 15 minutes or ten
times what the last read took, an hour for the course list, a day for the people directory.

Scopes are read side by side and written one by one, so that what was read is kept when the time of a call is over: the
answer then covers what is there and says so, and asking again goes on from there. A scope that several calls want at
once is read by one of them; the others wait for it.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio

from mcp_truto_lms.errors import AccessDenied, NotFound, RateLimited, RouteClosed, SourceError, Unavailable
from mcp_truto_lms.model import Course, User
from mcp_truto_lms.query import GroupBy
from mcp_truto_lms.settings import Clock
from mcp_truto_lms.sources.protocol import Reading, Route, Scope, Source
from mcp_truto_lms.store import read, write
from mcp_truto_lms.store.database import Database
from mcp_truto_lms.store.write import COURSES, LEARNERS, Stamp

COURSES_MAX_AGE_SECONDS = 3600
LEARNERS_MAX_AGE_SECONDS = 24 * 3600
LEARNER_MAX_AGE_SECONDS = 60
COURSE_MAX_AGE_SECONDS = 15 * 60
TAKES_TIMES = 10
READERS = 8

Progress = Callable[[int, int, str], Awaitable[None]]
"""Called with scopes read, scopes to read, and what is being done."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """What an answer rests on.

    Args:
        as_of: epoch seconds at which the oldest part of it was read
        read: how many scopes of the question are in the store
        wanted: how many it takes
        unit: what a scope is here, `courses` or `people`
        trouble: why something is missing or old, as one sentence
    """

    as_of: int
    read: int
    wanted: int
    unit: str
    trouble: str | None = None

    @property
    def complete(self) -> bool:
        """Whether everything that the question touches was read."""
        return self.read == self.wanted


class Refresher:
    """Brings the scopes of one account into the store."""

    def __init__(
        self, account: str, source: Source, database: Database, *, clock: Clock, deadline_seconds: float
    ) -> None:
        self._account = account
        self._source = source
        self._database = database
        self._clock = clock
        self._deadline_seconds = deadline_seconds
        self._flights: dict[str, _Flight] = {}

    def now(self) -> int:
        """Tell the time of the answer in epoch seconds."""
        return int(self._clock().timestamp())

    async def catalogue(self, *, fresh: bool) -> None:
        """Bring the course list into the store, unless it is younger than an hour."""

        async def fetch() -> None:
            started = time.monotonic()
            found = await self._source.courses()
            await self._database.run(lambda c: write.replace_courses(c, self._account, found, self._stamp(started)))

        await self._ensure(COURSES, COURSES_MAX_AGE_SECONDS, fetch, fresh=fresh)

    async def directory(self, *, fresh: bool) -> None:
        """Bring the people directory into the store, unless it is younger than a day."""

        async def fetch() -> None:
            started = time.monotonic()
            found = await self._source.learners()
            await self._database.run(lambda c: write.replace_learners(c, self._account, found, self._stamp(started)))

        await self._ensure(LEARNERS, LEARNERS_MAX_AGE_SECONDS, fetch, fresh=fresh)

    async def knows_directory(self) -> bool:
        """Tell whether the people directory is there and young enough."""
        state = (await self._states()).get(LEARNERS)
        return state is not None and self.now() - state.fetched_at < LEARNERS_MAX_AGE_SECONDS

    async def find_learner(self, term: str) -> None:
        """Bring one person into the store, by e-mail or id; nothing happens where there is nobody."""
        found = await (
            self._source.find_learner(email=term) if "@" in term else self._source.find_learner(user_id=term)
        )
        if found is not None:
            await self._database.run(lambda c: write.put_learners(c, self._account, [found]))

    async def enrollments(
        self,
        user_ids: Sequence[str] | None,
        course_ids: Sequence[str] | None,
        *,
        fresh: bool = False,
        on_progress: Progress | None = None,
    ) -> Coverage:
        """Bring what a question touches into the store by the fewest calls, as far as the time of a call reaches.

        Raises:
            SourceError: nothing of it could be read, now or before; or access was denied.
        """
        tried: list[Route] = []
        while True:
            way, max_age = await self._cheapest(user_ids, course_ids, fresh=fresh)
            try:
                return await self.read(way, max_age=max_age, fresh=fresh, on_progress=on_progress)
            except RouteClosed:
                if way[0].route in tried:
                    raise
                tried.append(way[0].route)

    async def _cheapest(
        self, user_ids: Sequence[str] | None, course_ids: Sequence[str] | None, *, fresh: bool
    ) -> tuple[list[Scope], float]:
        """Choose the way that takes the fewest calls now, and how old what it reads may be.

        A way by pairs is thousands of calls, so it is only looked at where the provider has no other.
        """
        states = await self._states()
        courses = course_ids or await self._ids(GroupBy.COURSE)
        ways = [[Scope(course_id=one) for one in courses], [Scope()]]
        if user_ids is not None:
            ways.insert(0, [Scope(user_id=one) for one in user_ids])
            max_age = float(LEARNER_MAX_AGE_SECONDS)
        else:
            longest = max((state.took_seconds for key, state in states.items() if key != LEARNERS), default=0.0)
            max_age = max(COURSE_MAX_AGE_SECONDS, TAKES_TIMES * longest)
            if course_ids is None:
                await self.directory(fresh=False)
                ways.append([Scope(user_id=one) for one in await self._ids(GroupBy.LEARNER)])
        costs = [self._cost(way, self._stale(way, states, max_age, fresh=fresh)) for way in ways]
        best = min((cost for cost in costs if cost is not None), default=None)
        if best is not None:
            return ways[costs.index(best)], max_age
        await self.directory(fresh=False)
        people = user_ids if user_ids is not None else await self._ids(GroupBy.LEARNER)
        return [Scope(user_id=user, course_id=course) for user in people for course in courses], max_age

    def _cost(self, way: Sequence[Scope], stale: Sequence[Scope]) -> int | None:
        """Count the calls that reading the stale scopes of a way takes; None where the provider has no such way."""
        if not way:
            return 0
        each = self._source.cost(way[0].route)
        return None if each is None else each * len(stale)

    async def read(
        self, scopes: Sequence[Scope], *, max_age: float, fresh: bool = False, on_progress: Progress | None = None
    ) -> Coverage:
        """Read those of the scopes that are not fresh enough, side by side, within the time of a call."""
        stale = self._stale(scopes, await self._states(), max_age, fresh=fresh)
        people: Mapping[str, User] = {}
        courses: Mapping[str, Course] = {}
        if stale:
            if stale[0].route in (Route.COURSE, Route.LIST):
                await self.directory(fresh=fresh)
            people = await self._database.run(self._load_learners)
            courses = await self._database.run(self._load_courses)
        troubles: list[SourceError] = []
        started = time.monotonic()
        done = len(scopes) - len(stale)
        pending = iter(stale)

        async def work() -> None:
            nonlocal done
            for scope in pending:
                try:
                    await self._ensure(
                        scope.key,
                        max_age,
                        lambda scope=scope: self._fetch(scope, courses, people, started),
                        fresh=fresh,
                    )
                except SourceError as error:
                    troubles.append(error)
                    if isinstance(error, AccessDenied | RouteClosed | RateLimited | Unavailable):
                        group.cancel_scope.cancel()
                    continue
                done += 1
                if on_progress is not None:
                    await on_progress(done, len(scopes), f"{done} of {len(scopes)} {_unit(scopes)} read")

        with anyio.move_on_after(self._deadline_seconds) as deadline:
            async with anyio.create_task_group() as group:
                for _ in range(min(READERS, len(stale))):
                    group.start_soon(work)
        return await self._coverage(scopes, troubles, timed_out=deadline.cancelled_caught)

    async def _coverage(self, scopes: Sequence[Scope], troubles: Sequence[SourceError], *, timed_out: bool) -> Coverage:
        states = await self._states()
        known = [_newest(states, one.key) for one in scopes]
        found = [one for one in known if one is not None]
        denied = next((one for one in troubles if isinstance(one, AccessDenied | RouteClosed)), None)
        if denied is not None or (troubles and not found):
            raise denied or troubles[0]
        trouble = str(troubles[0]) if troubles else None
        if timed_out:
            trouble = f"the LMS needed more than {self._deadline_seconds:g} s; ask again to go on"
        return Coverage(
            as_of=min((one.fetched_at for one in found), default=self.now()),
            read=sum(one.complete for one in found),
            wanted=len(scopes),
            unit=_unit(scopes),
            trouble=trouble,
        )

    async def _fetch(
        self, scope: Scope, courses: Mapping[str, Course], people: Mapping[str, User], started: float
    ) -> None:
        try:
            reading = await self._source.enrollments(scope, courses=courses, learners=people)
        except NotFound:
            reading = Reading(())
        await self._database.run(lambda c: write.replace_scope(c, self._account, scope, reading, self._stamp(started)))

    async def _ensure(self, key: str, max_age: float, fetch: Callable[[], Awaitable[None]], *, fresh: bool) -> None:
        """Fetch a scope unless it is fresh enough, or becomes so while another call fetches it."""
        asked_at = time.monotonic()
        async with self._flight(key) as flight:
            if flight.landed_at is not None and flight.landed_at >= asked_at:
                return
            state = _newest(await self._states(), key)
            if not fresh and state is not None and state.complete and self.now() - state.fetched_at < max_age:
                return
            try:
                with anyio.fail_after(self._deadline_seconds):
                    await fetch()
            except TimeoutError:
                raise Unavailable(f"The LMS needed more than {self._deadline_seconds:g} s. Ask again.") from None
            flight.landed_at = time.monotonic()

    @asynccontextmanager
    async def _flight(self, key: str) -> AsyncGenerator[_Flight]:
        flight = self._flights.setdefault(key, _Flight(anyio.Lock()))
        flight.waiting += 1
        try:
            async with flight.lock:
                yield flight
        finally:
            flight.waiting -= 1
            if not flight.waiting:
                self._flights.pop(key, None)

    def _stale(
        self, scopes: Iterable[Scope], states: Mapping[str, read.ScopeState], max_age: float, *, fresh: bool
    ) -> list[Scope]:
        def good(state: read.ScopeState | None) -> bool:
            return state is not None and state.complete and self.now() - state.fetched_at < max_age

        return [one for one in scopes if fresh or not good(_newest(states, one.key))]

    def _stamp(self, started: float) -> Stamp:
        return Stamp(fetched_at=self.now(), took_seconds=time.monotonic() - started)

    async def _states(self) -> dict[str, read.ScopeState]:
        return await self._database.run(lambda c: read.scope_states(c, self._account))

    async def _ids(self, by: GroupBy) -> list[str]:
        return await self._database.run(lambda c: read.ids(c, self._account, by))

    def _load_courses(self, connection: read.Connection) -> dict[str, Course]:
        found = read.course_records(connection, self._account)
        return {key: Course.model_validate_json(record) for key, record in found.items()}

    def _load_learners(self, connection: read.Connection) -> dict[str, User]:
        found = read.learner_records(connection, self._account)
        return {key: User.model_validate_json(record) for key, record in found.items()}


def _newest(states: Mapping[str, read.ScopeState], key: str) -> read.ScopeState | None:
    """Find when a scope was read last, alone or as part of everything."""
    within = () if key in (COURSES, LEARNERS) else (Scope().key,)
    found = [states[one] for one in (key, *within) if one in states]
    return max(found, key=lambda one: one.fetched_at, default=None)


@dataclass(slots=True)
class _Flight:
    """One scope being fetched, and how many calls want it."""

    lock: anyio.Lock
    waiting: int = 0
    landed_at: float | None = None


def _unit(scopes: Sequence[Scope]) -> str:
    routes = {one.route for one in scopes}
    words = {Route.COURSE: "courses", Route.LEARNER: "people", Route.LIST: "lists"}
    return words.get(next(iter(routes), Route.COURSE), "pairs")
