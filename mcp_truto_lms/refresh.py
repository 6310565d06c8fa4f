"""Refresh: what to read before an answer, and no more.

A question touches scopes: learners, courses, or everything, which is every course or every learner, whichever takes
fewer calls. A scope that is fresh enough is not read again: 60 seconds for a learner, for courses 15 minutes or ten
times what the last read took, an hour for the course list, a day for the people directory. A question that wants
everything fresh takes what was read since it began.

Scopes are read side by side and written one by one, so that what was read is kept when the time of a call is over: the
answer then covers what is there and says so, and asking again goes on from there. The time is one for all that a call
reads. A scope that several calls want at once is read by one of them; the others wait for it.

What was read before outlives a failure of the LMS, and is answered with its age; only a refused key ends it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import anyio

from mcp_truto_lms.errors import (
    AccessDenied,
    NotFound,
    RateLimited,
    RouteClosed,
    SourceError,
    Unavailable,
    UnexpectedAnswer,
)
from mcp_truto_lms.model import Course, User
from mcp_truto_lms.query import GroupBy
from mcp_truto_lms.settings import Clock
from mcp_truto_lms.sources.protocol import Portal, Reading, Route, Scope, Source
from mcp_truto_lms.store import read, write
from mcp_truto_lms.store.database import Database
from mcp_truto_lms.store.write import COURSES, LEARNERS, Stamp

COURSES_MAX_AGE_SECONDS = 3600
LEARNERS_MAX_AGE_SECONDS = 24 * 3600
LEARNER_MAX_AGE_SECONDS = 60
COURSE_MAX_AGE_SECONDS = 15 * 60
TAKES_TIMES = 10
READERS = 8
NAMELESS = (Route.COURSE, Route.LIST)
"""Ways that do not say enough of the people: they are joined with the directory."""
FEW = 500
"""Up to so many people are looked up one by one rather than with everybody."""

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
        partial: how many of those read the LMS itself gave only in part
    """

    as_of: int
    read: int
    wanted: int
    unit: str
    trouble: str | None = None
    partial: int = 0

    @property
    def complete(self) -> bool:
        """Whether everything that the question touches was read, whole."""
        return self.read == self.wanted and not self.partial


@dataclass(slots=True)
class Call:
    """What one question may read, and how that went so far.

    Args:
        fresh: whether everything is read again
        began_at, ends_at: in the event loop's seconds
        done: scopes, over all that is read one after the other
        failure: what the LMS failed with first
        late: whether the time was over before everything was read
    """

    fresh: bool
    began_at: float
    ends_at: float
    on_progress: Progress | None = None
    done: int = 0
    failure: SourceError | None = None
    late: bool = False


@dataclass(slots=True)
class _Flight:
    """The reading of one scope: one call at a time, and when the last one that ended well began."""

    lock: anyio.Lock = field(default_factory=anyio.Lock)
    began_at: float = float("-inf")


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

    def begin(self, *, fresh: bool = False, on_progress: Progress | None = None) -> Call:
        """Begin the time of a call."""
        began_at = anyio.current_time()
        return Call(fresh, began_at, began_at + self._deadline_seconds, on_progress)

    async def portal(self, call: Call) -> Portal:
        """Read what the LMS says of itself; one that says nothing is answered in UTC."""
        with self._in_time(call):
            try:
                return await self._source.portal()
            except (NotFound, UnexpectedAnswer):
                return Portal()

    async def catalogue(self, call: Call) -> None:
        """Bring the course list into the store, unless it is younger than an hour."""
        await self._list(call, COURSES, COURSES_MAX_AGE_SECONDS, self._read_courses)

    async def _read_courses(self) -> None:
        started = anyio.current_time()
        found = await self._source.courses()
        stamp = self._stamp(started)
        await self._database.run(lambda c: write.replace_courses(c, self._account, found, stamp))

    async def directory(self, call: Call, *, max_age: float = LEARNERS_MAX_AGE_SECONDS) -> None:
        """Bring the people directory into the store, unless it is younger than a day, or than is asked for."""

        async def fetch() -> None:
            started = anyio.current_time()
            found = await self._source.learners()
            stamp = self._stamp(started)
            await self._database.run(lambda c: write.replace_learners(c, self._account, found, stamp))

        await self._list(call, LEARNERS, max_age, fetch)

    async def knows_directory(self) -> bool:
        """Tell whether the people directory is there and young enough."""
        state = (await self._states(LEARNERS)).get(LEARNERS)
        return state is not None and self.now() - state.fetched_at < LEARNERS_MAX_AGE_SECONDS

    async def find_learner(self, call: Call, term: str) -> None:
        """Bring one person into the store, where there is one; by an id, the transcript comes in the same call."""
        if "@" not in term:
            with suppress(RouteClosed):  # the directory tells who it is
                await self.read(call, [Scope(user_id=term)], max_age=LEARNER_MAX_AGE_SECONDS)
            return
        with self._in_time(call):
            found = await self._source.find_learner(email=term)
        if found is not None:
            await self._database.run(lambda c: write.put_learners(c, self._account, [found]))

    async def enrollments(
        self, call: Call, user_ids: Sequence[str] | None, course_ids: Sequence[str] | None
    ) -> Coverage:
        """Bring what a question touches into the store by the fewest calls, as far as the time of the call reaches.

        Raises:
            SourceError: nothing of it could be read, now or before; or access was denied.
        """
        tried: list[Route] = []
        while True:
            way, max_age = await self._cheapest(call, user_ids, course_ids)
            try:
                coverage = await self.read(call, way, max_age=max_age)
            except RouteClosed:
                if way[0].route in tried:
                    raise
                tried.append(way[0].route)
                continue
            if call.failure is not None and not coverage.read:
                raise call.failure
            return coverage

    async def _cheapest(
        self, call: Call, user_ids: Sequence[str] | None, course_ids: Sequence[str] | None
    ) -> tuple[list[Scope], float]:
        """Choose the way that takes the fewest calls now, and how old what it reads may be.

        A way by pairs of everybody is thousands of calls, so it is only looked at where the provider has no other.
        """
        rosters = self._source.cost(Route.COURSE) is not None
        by_everybody = user_ids is None and (course_ids is None or (len(course_ids) > 1 and not rosters))
        if by_everybody:
            await self.directory(call)
        courses = course_ids or await self._ids(GroupBy.COURSE)
        if not courses:
            return [], float(COURSE_MAX_AGE_SECONDS)
        ways = [[Scope(course_id=one) for one in courses], [Scope()]]
        if user_ids is not None:
            ways.insert(0, [Scope(user_id=one) for one in user_ids])
        if by_everybody:
            ways.append([Scope(user_id=one) for one in await self._ids(GroupBy.LEARNER)])
        if user_ids is not None and course_ids is not None:
            ways.append([Scope(user, course) for user in user_ids for course in course_ids])
        states = await self._states()
        max_age = float(LEARNER_MAX_AGE_SECONDS) if user_ids is not None else _max_age(ways, states)
        directory_calls = 0 if await self.knows_directory() else 1
        costs = [self._cost(way, self._stale(call, way, states, max_age), directory_calls) for way in ways]
        best = min((cost for cost in costs if cost is not None), default=None)
        if best is not None:
            return ways[costs.index(best)], max_age
        await self.directory(call)
        people = user_ids if user_ids is not None else await self._ids(GroupBy.LEARNER)
        return [Scope(user_id=user, course_id=course) for user in people for course in courses], max_age

    def _cost(self, way: Sequence[Scope], stale: Sequence[Scope], directory_calls: int) -> int | None:
        """Count the calls that reading the stale scopes of a way takes; None where there is no such way."""
        if not way:
            return None
        each = self._source.cost(way[0].route)
        if each is None or not stale:
            return None if each is None else 0
        return each * len(stale) + (directory_calls if way[0].route in NAMELESS else 0)

    async def read(
        self,
        call: Call,
        scopes: Sequence[Scope],
        *,
        max_age: float,
        most: int | None = None,
        alone: bool = False,
    ) -> Coverage:
        """Read those of the scopes that are not fresh enough, side by side, within the time of the call.

        Args:
            call: whose time it is
            scopes: all of one route
            max_age: seconds
            most: how many may be read; the others stay as they are
            alone: whether a scope that was read as part of everything still is to be read by itself

        Raises:
            AccessDenied: the key was refused.
            RouteClosed: the provider does not allow this way.
        """
        stale = self._stale(call, scopes, await self._states(), max_age, alone=alone)
        pending = deque(stale[:most])
        before, done = call.done, len(scopes) - len(stale)
        if pending and pending[0].route in NAMELESS:
            await self.directory(call)
        people, courses = await self._database.run(lambda c: self._names(c, pending))
        started = anyio.current_time()
        in_a_row = 0
        final: SourceError | None = None

        async def work() -> None:
            nonlocal done, in_a_row, final
            while pending:
                scope = pending.popleft()
                try:
                    await self._ensure(
                        call,
                        scope.key,
                        max_age,
                        lambda scope=scope: self._fetch(scope, courses, people, started),
                        alone=alone,
                    )
                except (AccessDenied, RouteClosed) as error:
                    final = error
                    pending.clear()
                except SourceError as error:
                    call.failure = call.failure or error
                    in_a_row += isinstance(error, Unavailable)
                    if isinstance(error, RateLimited) or in_a_row >= READERS:
                        pending.clear()
                else:
                    done, in_a_row = done + 1, 0
                    if call.on_progress is not None:
                        what = f"{done} of {len(scopes)} {_unit(scopes)} read"
                        await call.on_progress(before + done, before + len(scopes), what)

        with anyio.CancelScope(deadline=call.ends_at) as time:
            async with anyio.create_task_group() as group:
                for _ in range(min(READERS, len(pending))):
                    group.start_soon(work)
        if final is not None:
            raise final
        call.done = before + done
        call.late = call.late or time.cancelled_caught
        return await self._coverage(call, scopes, alone=alone)

    async def _coverage(self, call: Call, scopes: Sequence[Scope], *, alone: bool) -> Coverage:
        states = await self._states()
        known = [_newest(states, one.key, alone=alone) for one in scopes]
        found = [one for one in known if one is not None]
        trouble = str(call.failure) if call.failure is not None else None
        if call.late:
            trouble = f"the LMS needed more than {self._deadline_seconds:g} s; ask again to go on"
        return Coverage(
            as_of=min((one.fetched_at for one in found), default=self.now()),
            read=len(found),
            wanted=len(scopes),
            partial=sum(not one.complete for one in found),
            unit=_unit(scopes),
            trouble=trouble,
        )

    async def _fetch(
        self, scope: Scope, courses: Mapping[str, Course], people: Mapping[str, User], started: float
    ) -> None:
        try:
            reading = await self._source.enrollments(scope, courses=courses, learners=people)
        except NotFound:
            if scope.route is Route.COURSE and await self._still_listed(scope.course_id, started):
                raise UnexpectedAnswer(f"The LMS lists course {scope.course_id}, but does not show it.") from None
            reading = Reading(())
        stamp = self._stamp(started)
        await self._database.run(lambda c: write.replace_scope(c, self._account, scope, reading, stamp))

    async def _still_listed(self, course_id: str | None, since: float) -> bool:
        """Tell whether a course that was not found is in the course list, read anew once for all that are not found."""
        flight = self._flights.setdefault(COURSES, _Flight())
        async with flight.lock:
            if flight.began_at < since:
                began_at = anyio.current_time()
                await self._read_courses()
                flight.began_at = began_at
        return course_id in await self._database.run(lambda c: read.course_records(c, self._account))

    async def _list(self, call: Call, key: str, max_age: float, fetch: Callable[[], Awaitable[None]]) -> None:
        """Bring a whole list into the store; where that fails, an older one will do."""
        if not self._is_stale(call, key, await self._states(key), max_age):
            return
        try:
            with self._in_time(call):
                await self._ensure(call, key, max_age, fetch)
        except AccessDenied:
            raise
        except SourceError as error:
            if not await self._states(key):
                raise
            call.failure = call.failure or error

    async def _ensure(
        self,
        call: Call,
        key: str,
        max_age: float,
        fetch: Callable[[], Awaitable[None]],
        *,
        alone: bool = False,
    ) -> None:
        """Fetch a scope unless it is fresh enough, or becomes so while another call fetches it."""
        flight = self._flights.setdefault(key, _Flight())
        async with flight.lock:
            if self._is_stale(call, key, await self._states(*_around(key)), max_age, alone=alone):
                began_at = anyio.current_time()
                await fetch()
                flight.began_at = began_at

    @contextmanager
    def _in_time(self, call: Call) -> Generator[None]:
        try:
            with anyio.fail_after(call.ends_at - anyio.current_time()):
                yield
        except TimeoutError:
            raise Unavailable(f"The LMS needed more than {self._deadline_seconds:g} s. Ask again.") from None

    def _is_stale(
        self, call: Call, key: str, states: Mapping[str, read.ScopeState], max_age: float, *, alone: bool = False
    ) -> bool:
        if call.fresh:
            keys = _around(key, alone=alone)
            return all(self._flights[one].began_at < call.began_at for one in keys if one in self._flights)
        state = _newest(states, key, alone=alone)
        return state is None or not state.complete or self.now() - state.fetched_at >= max_age

    def _stale(
        self,
        call: Call,
        scopes: Sequence[Scope],
        states: Mapping[str, read.ScopeState],
        max_age: float,
        *,
        alone: bool = False,
    ) -> list[Scope]:
        return [one for one in scopes if self._is_stale(call, one.key, states, max_age, alone=alone)]

    def _stamp(self, started: float) -> Stamp:
        return Stamp(fetched_at=self.now(), took_seconds=anyio.current_time() - started)

    async def _states(self, *keys: str) -> dict[str, read.ScopeState]:
        return await self._database.run(lambda c: read.scope_states(c, self._account, keys or None))

    async def _ids(self, by: GroupBy) -> list[str]:
        return await self._database.run(lambda c: read.ids(c, self._account, by))

    def _names(self, connection: read.Connection, scopes: Sequence[Scope]) -> tuple[dict[str, User], dict[str, Course]]:
        """Load what the scopes' courses and people are called; of people, only those that are read one by one."""
        if not scopes:
            return {}, {}
        ids = {one.user_id for one in scopes if one.user_id is not None}
        people = read.learner_records(connection, self._account, ids if 0 < len(ids) <= FEW else None)
        courses = read.course_records(connection, self._account)
        return (
            {key: User.model_validate_json(record) for key, record in people.items()},
            {key: Course.model_validate_json(record) for key, record in courses.items()},
        )


def _max_age(ways: Sequence[Sequence[Scope]], states: Mapping[str, read.ScopeState]) -> float:
    """Tell for how long what was read of courses or everything is fresh: longer where reading it takes long."""
    longest = max((states[one.key].took_seconds for way in ways for one in way if one.key in states), default=0.0)
    return max(COURSE_MAX_AGE_SECONDS, TAKES_TIMES * longest)


def _around(key: str, *, alone: bool = False) -> tuple[str, ...]:
    """Name the scopes that a scope is read with: itself, and everything."""
    return (key,) if alone or key in (COURSES, LEARNERS) else (key, Scope().key)


def _newest(states: Mapping[str, read.ScopeState], key: str, *, alone: bool = False) -> read.ScopeState | None:
    """Find when a scope was read last, by itself or as part of everything."""
    found = [states[one] for one in _around(key, alone=alone) if one in states]
    return max(found, key=lambda one: one.fetched_at, default=None)


def _unit(scopes: Sequence[Scope]) -> str:
    routes = {one.route for one in scopes}
    words = {Route.COURSE: "courses", Route.LEARNER: "people", Route.LIST: "lists"}
    return words.get(next(iter(routes), Route.COURSE), "pairs")
