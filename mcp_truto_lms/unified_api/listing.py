"""Listings, read from a source: everything in one order, from any position on, without holding more than a part.

No provider lists all enrollments, so a listing of everything walks the courses and their rosters, and pages cut across
rosters. What is held is one roster at a time, and the names of courses and people. The part at which a page ended is
kept for a minute, because the next page begins in it; a page without a cursor always reads anew.

The order is by course, then by learner, whatever the provider's own is: a position says where to go on although people
were enrolled or taken out in between.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime

from mcp_truto_lms.domain.definitions import status_of
from mcp_truto_lms.domain.errors import NotFound, RouteClosed
from mcp_truto_lms.domain.model import Course, UnifiedModel, User
from mcp_truto_lms.domain.source import (
    CourseFinder,
    EnrollmentRecord,
    FetchRoute,
    Reading,
    Scope,
    Source,
    directory_pages,
    scope_parts,
)
from mcp_truto_lms.unified_api.cursor import START, Position, natural
from mcp_truto_lms.unified_api.name_cache import KEEP_SECONDS, NameCache

EVERYTHING = Scope()
Item = EnrollmentRecord | User | Course


@dataclass(frozen=True, slots=True)
class Batch:
    """Records that were read together, each with its position, and whether that is all that the provider has."""

    items: list[tuple[Position, Item]]
    complete: bool = True


class Listing:
    """One request's way through a listing, from a position on.

    Args:
        parts: what is read, as it is read
        after: the position of the last record that was given before
        now: the moment at which statuses are judged
    """

    def __init__(self, parts: AsyncGenerator[Batch], after: Position, now: datetime) -> None:
        self._parts = parts
        self._after = after.key
        self._now = now
        self.complete = True
        """Whether all that was read so far is all that the provider has there."""

    async def records(self) -> AsyncGenerator[tuple[Position, UnifiedModel]]:
        """Give the records with their positions; each part is let go before the next is read."""
        async with aclosing(self._parts) as parts:
            async for part in parts:
                self.complete = self.complete and part.complete
                for found in self._after_position(part):
                    yield found
                del part

    def _after_position(self, part: Batch) -> Iterator[tuple[Position, UnifiedModel]]:
        for position, item in part.items:
            if position.key > self._after:
                yield position, self._unified(item)

    def _unified(self, item: Item) -> UnifiedModel:
        if not isinstance(item, EnrollmentRecord):
            return item
        status = status_of(item.enrollment.status, item.access_ends_at, self._now)
        if status is item.enrollment.status:
            return item.enrollment
        return item.enrollment.model_copy(update={"status": status})


class ListingReader:
    """One account's records and listings.

    Args:
        source: the account's provider
        now: the clock by which access ends
        monotonic: a clock that never goes back, in seconds
    """

    def __init__(self, source: Source, *, now: Callable[[], datetime], monotonic: Callable[[], float]) -> None:
        self._source = source
        self._now = now
        self._monotonic = monotonic
        self._catalogue = NameCache(source, monotonic=monotonic)
        self._kept: tuple[str, float, Batch] | None = None

    def enrollments(self, scope: Scope, after: Position, *, in_pages: bool) -> Listing:
        """List the enrollments of a scope; `in_pages` keeps what the next page begins with."""
        parts = self._everything(after, in_pages) if scope == EVERYTHING else self._scope(scope, after, in_pages)
        return Listing(parts, after, self._now())

    def users(self, after: Position, *, in_pages: bool) -> Listing:
        """List the people; not in pages, they come as the provider sends them."""

        async def everyone() -> Batch:
            return _part(await self._source.learners())

        async def parts() -> AsyncGenerator[Batch]:
            if in_pages:
                yield await self._read("users", after, everyone)
                return
            async with aclosing(directory_pages(self._source)) as pages:
                async for page in pages:
                    yield _part(page)

        return Listing(parts(), after, self._now())

    def courses(self, after: Position, *, in_pages: bool) -> Listing:
        """List the courses."""

        async def all_courses() -> Batch:
            return _part(await self._source.courses())

        async def parts() -> AsyncGenerator[Batch]:
            yield await self._read("courses", after, all_courses) if in_pages else await all_courses()

        return Listing(parts(), after, self._now())

    async def user(self, user_id: str) -> User:
        """Read one person.

        Raises:
            NotFound: there is none.
        """
        found = await self._source.find_learner(user_id=user_id)
        if found is None:
            raise NotFound(f"The LMS has no person with the id {user_id[:60]}.")
        return found

    async def course(self, course_id: str) -> Course:
        """Read one course, in full where the source can.

        Raises:
            NotFound: there is none.
        """
        if isinstance(self._source, CourseFinder):
            found = await self._source.find_course(course_id)
        else:
            found = next((one for one in await self._source.courses() if one.id == course_id), None)
        if found is None:
            raise NotFound(f"The LMS has no course with the id {course_id[:60]}.")
        return found

    async def _everything(self, after: Position, in_pages: bool) -> AsyncGenerator[Batch]:
        if self._source.cost(FetchRoute.LIST) is not None:
            try:
                part = await self._read_scope(EVERYTHING, after, in_pages)
            except RouteClosed:
                pass  # what a provider allows may be known only now
            else:
                yield part
                return
        courses = await self._catalogue.courses(fresh=after == START)
        for course_id in sorted(courses, key=natural):
            if natural(course_id) < natural(after.course_id):
                continue
            try:
                async with aclosing(self._scope(Scope(course_id=course_id), after, in_pages)) as parts:
                    async for part in parts:
                        yield part
                        del part
            except NotFound:
                if course_id in await self._catalogue.courses(fresh=True):
                    yield Batch([], complete=False)  # else the course is gone since the list was read

    async def _scope(self, scope: Scope, after: Position, in_pages: bool) -> AsyncGenerator[Batch]:
        if in_pages or scope.route is not FetchRoute.COURSE:
            yield await self._read_scope(scope, after, in_pages)
            return
        learners = await self._catalogue.people()
        async with aclosing(scope_parts(self._source, scope, courses={}, learners=learners)) as parts:
            async for reading in parts:
                yield _roster(reading)

    async def _read_scope(self, scope: Scope, after: Position, in_pages: bool) -> Batch:
        async def read() -> Batch:
            courses: Mapping[str, Course] = {}
            learners: Mapping[str, User] = {}
            if scope.route is not FetchRoute.COURSE:
                courses = await self._catalogue.courses()
            if scope.route is FetchRoute.PAIR:
                learners = await self._catalogue.person(scope.user_id or "")
            elif scope.route is not FetchRoute.LEARNER:
                learners = await self._catalogue.people()
            reading = await self._source.enrollments(scope, courses=courses, learners=learners)
            return _roster(reading)

        has_pages = in_pages and scope.route is not FetchRoute.PAIR
        return await self._read(scope.key, after, read) if has_pages else await read()

    async def _read(self, name: str, after: Position, read: Callable[[], Awaitable[Batch]]) -> Batch:
        """Read a part, or take the one that the page before ended in."""
        kept, self._kept = self._kept, None
        if kept is not None and after != START:
            kept_name, read_at, part = kept
            if kept_name == name and self._monotonic() - read_at < KEEP_SECONDS:
                self._kept = kept
                return part
        kept = None
        part = await read()
        self._kept = (name, self._monotonic(), part)
        return part


def _roster(reading: Reading) -> Batch:
    return _part([one for one in reading.records if one.is_learner], complete=reading.complete)


def _part(found: Iterable[Item], *, complete: bool = True) -> Batch:
    items = [(_position(one), one) for one in found]
    items.sort(key=lambda one: one[0].key)
    return Batch(items, complete)


def _position(item: Item) -> Position:
    if not isinstance(item, EnrollmentRecord):
        return Position(record_id=item.id)
    one = item.enrollment
    return Position(
        course_id=(one.course.id if one.course else None) or "",
        user_id=(one.user.id if one.user else None) or "",
        record_id=one.id,
    )
