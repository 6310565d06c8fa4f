"""Reads one account's listings and records from its source.

TalentLMS lists no enrollments of all courses, so a listing of everything reads the courses and then one roster after
another, and pages cut across rosters. One roster is held at a time, and the names of courses and people. The batch in
which a page ended is cached for a minute, because the next page starts in it. A page without a cursor reads again.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime

from mcp_truto_lms.domain.errors import NotFound, RouteClosed
from mcp_truto_lms.domain.model import Course, User
from mcp_truto_lms.domain.source import CourseFinder, FetchRoute, Scope, Source, directory_pages, scope_parts
from mcp_truto_lms.unified_api.cursor import START, Position, natural_sort_key
from mcp_truto_lms.unified_api.listing import Batch, Listing, batch_of, batch_of_enrollments
from mcp_truto_lms.unified_api.name_cache import CACHE_SECONDS, NameCache

EVERYTHING = Scope()


@dataclass(frozen=True, slots=True)
class _CachedBatch:
    """The batch in which a page ended."""

    name: str
    read_at: float
    batch: Batch


class ListingReader:
    """Reads the records and listings of one account.

    Args:
        source: the account's provider
        now: the clock by which access ends
        monotonic: a clock that never goes back, in seconds
    """

    def __init__(self, source: Source, *, now: Callable[[], datetime], monotonic: Callable[[], float]) -> None:
        self._source = source
        self._now = now
        self._monotonic = monotonic
        self._names = NameCache(source, monotonic=monotonic)
        self._cached_batch: _CachedBatch | None = None

    def enrollments(self, scope: Scope, after: Position, *, paged: bool) -> Listing:
        """List the enrollments of a scope; `paged` caches the batch in which the next page starts."""
        batches = self._everything(after, paged) if scope == EVERYTHING else self._scope(scope, after, paged)
        return Listing(batches, after, self._now())

    def users(self, after: Position, *, paged: bool) -> Listing:
        """List the people; unless paged, in the order of the provider."""

        async def read_all() -> Batch:
            return batch_of(await self._source.learners())

        async def batches() -> AsyncGenerator[Batch]:
            if paged:
                yield await self._read_cached("users", after, read_all)
                return
            async with aclosing(directory_pages(self._source)) as pages:
                async for page in pages:
                    yield batch_of(page)

        return Listing(batches(), after, self._now())

    def courses(self, after: Position, *, paged: bool) -> Listing:
        """List the courses."""

        async def read_all() -> Batch:
            return batch_of(await self._source.courses())

        async def batches() -> AsyncGenerator[Batch]:
            yield await self._read_cached("courses", after, read_all) if paged else await read_all()

        return Listing(batches(), after, self._now())

    async def user(self, user_id: str) -> User:
        """Read one person.

        Raises:
            NotFound: the person does not exist.
        """
        user = await self._source.find_learner(user_id=user_id)
        if user is None:
            raise NotFound(f"The LMS has no person with the id {user_id[:60]}.")
        return user

    async def course(self, course_id: str) -> Course:
        """Read one course, in full if the source can.

        Raises:
            NotFound: the course does not exist.
        """
        if isinstance(self._source, CourseFinder):
            course = await self._source.find_course(course_id)
        else:
            courses = await self._source.courses()
            course = next((course for course in courses if course.id == course_id), None)
        if course is None:
            raise NotFound(f"The LMS has no course with the id {course_id[:60]}.")
        return course

    async def _everything(self, after: Position, paged: bool) -> AsyncGenerator[Batch]:
        """Yield all enrollments: the provider's own list if it has one, else the roster of each course."""
        if self._source.capabilities.calls(FetchRoute.LIST) is not None:
            try:
                batch = await self._read_scope(EVERYTHING, after, paged)
            except RouteClosed:
                pass  # this call may be the first that shows what the provider allows
            else:
                yield batch
                return
        courses = await self._names.courses(fresh=after == START)
        for course_id in sorted(courses, key=natural_sort_key):
            if natural_sort_key(course_id) < natural_sort_key(after.course_id):
                continue
            try:
                async with aclosing(self._scope(Scope(course_id=course_id), after, paged)) as batches:
                    async for batch in batches:
                        yield batch
                        del batch
            except NotFound:
                if course_id in await self._names.courses(fresh=True):
                    yield Batch([], complete=False)  # else the course was deleted after the list was read

    async def _scope(self, scope: Scope, after: Position, paged: bool) -> AsyncGenerator[Batch]:
        if paged or scope.route is not FetchRoute.COURSE:
            yield await self._read_scope(scope, after, paged)
            return
        learners = await self._names.people()
        async with aclosing(scope_parts(self._source, scope, courses={}, learners=learners)) as readings:
            async for reading in readings:
                yield batch_of_enrollments(reading)

    async def _read_scope(self, scope: Scope, after: Position, paged: bool) -> Batch:
        async def read() -> Batch:
            courses: Mapping[str, Course] = {}
            learners: Mapping[str, User] = {}
            if scope.route is not FetchRoute.COURSE:
                courses = await self._names.courses()
            if scope.route is FetchRoute.PAIR:
                learners = await self._names.person(scope.user_id or "")
            elif scope.route is not FetchRoute.LEARNER:
                learners = await self._names.people()
            return batch_of_enrollments(await self._source.enrollments(scope, courses=courses, learners=learners))

        has_pages = paged and scope.route is not FetchRoute.PAIR
        return await self._read_cached(scope.key, after, read) if has_pages else await read()

    async def _read_cached(self, name: str, after: Position, read: Callable[[], Awaitable[Batch]]) -> Batch:
        """Return the batch in which the page before ended, or read it."""
        cached, self._cached_batch = self._cached_batch, None
        if cached is not None and after != START:
            is_fresh = self._monotonic() - cached.read_at < CACHE_SECONDS
            if cached.name == name and is_fresh:
                self._cached_batch = cached
                return cached.batch
        del cached  # releases its records before others are read
        batch = await read()
        self._cached_batch = _CachedBatch(name, self._monotonic(), batch)
        return batch
