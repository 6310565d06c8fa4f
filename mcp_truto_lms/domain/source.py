"""The protocol of a source: it reads scopes of unified records from a provider, and states its capabilities.

A source does not judge by the clock. Where an LMS ends access at a known moment, a record carries that moment, and the
answer applies it at the answer's own time.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo
from enum import StrEnum
from typing import Protocol, TypeVar, runtime_checkable

import anyio.lowlevel

from mcp_truto_lms.domain.model import Course, CourseEnrollment, User

ROLE, ACCESS_ENDS_AT = "role", "access_ends_at"
"""What `Portal.unreported` calls the roles in courses and the ends of access; both are parts of a record."""
PART_SIZE = 500
"""How many records are mapped before other tasks may run."""
_Item = TypeVar("_Item")


class FetchRoute(StrEnum):
    """The route that fetched a record, which tells how far its status can be trusted: a roster's the least.

    `list` is a provider's own list of enrollments, which has the status as the provider knows it.
    """

    LIST = "list"
    COURSE = "course"
    LEARNER = "learner"
    PAIR = "pair"


@dataclass(frozen=True, slots=True)
class Scope:
    """A set of enrollments that is read and replaced as a whole: a course's, a learner's, one pair, or everything."""

    user_id: str | None = None
    course_id: str | None = None

    @property
    def route(self) -> FetchRoute:
        """The route that fetches this scope."""
        if self.user_id is None:
            return FetchRoute.LIST if self.course_id is None else FetchRoute.COURSE
        return FetchRoute.LEARNER if self.course_id is None else FetchRoute.PAIR

    @property
    def key(self) -> str:
        """The scope as a text, such as `course:12`, `learner:7`, `pair:7:12` or `list`."""
        if self.user_id is None:
            return "list" if self.course_id is None else f"course:{self.course_id}"
        return f"learner:{self.user_id}" if self.course_id is None else f"pair:{self.user_id}:{self.course_id}"


@dataclass(frozen=True, slots=True)
class EnrollmentRecord:
    """An enrollment as it was fetched.

    Args:
        enrollment: the unified record; its status is the one before the clock is asked
        route: the route that fetched it
        access_ends_at: when the learner's access ends; past it, an unfinished enrollment is `expired`
        is_learner: False for an instructor of the course
        opens_at: when the course opens; before it, nobody is late or expected to have started
        certificate_issued_at: when the latest certificate was issued, where the route reports certificates
        certificate_expires_at: when it expires; None if it does not, or is unknown
        evidence: a digest of what every route of the provider reports alike: dates, progress and time spent. While it
            is unchanged, an outcome that one route reported holds for a route that cannot report it
    """

    enrollment: CourseEnrollment
    route: FetchRoute
    access_ends_at: datetime | None = None
    is_learner: bool = True
    opens_at: datetime | None = None
    certificate_issued_at: datetime | None = None
    certificate_expires_at: datetime | None = None
    evidence: int = 0


@dataclass(frozen=True, slots=True)
class Reading:
    """What a fetch of one scope returned.

    Args:
        records: the enrollments
        learners: the people that the same calls returned in full
        complete: whether the scope was returned whole
        skipped: how many items have no usable id
    """

    records: tuple[EnrollmentRecord, ...]
    learners: tuple[User, ...] = ()
    complete: bool = True
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class Portal:
    """What the LMS reports of itself: its time zone, and what its records never have.

    That is enrollment columns by their paths, `ROLE` and `ACCESS_ENDS_AT`.
    """

    zone: tzinfo | None = None
    unreported: frozenset[str] = field(default_factory=lambda: frozenset[str]())


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a provider can do and what it costs, as far as is known now.

    Optional abilities are protocols below, so that a source that has one declares it by its methods: pages of the
    people directory, parts of a roster, teams, one course. Columns that stay empty are part of `Portal`, which is
    stored, so that other processes know them too.

    Args:
        calls_by_route: how many calls one scope of a route takes; the provider has no route that is missing here
        filled_by_pair: columns that only fetching a pair fills
        outcome_unknown_routes: routes whose records do not report the outcome as the LMS knows it
    """

    calls_by_route: Mapping[FetchRoute, int]
    filled_by_pair: frozenset[str] = frozenset()
    outcome_unknown_routes: frozenset[FetchRoute] = frozenset()

    def calls(self, route: FetchRoute) -> int | None:
        """How many calls one scope of a route takes; None where the provider has no such route."""
        return self.calls_by_route.get(route)


class Source(Protocol):
    """A provider of courses, people and their enrollments. Errors are those of `SourceError`."""

    @property
    def capabilities(self) -> Capabilities:
        """What the provider can do now; a route that turns out to be closed is missing from then on."""
        ...

    @property
    def calls(self) -> int:
        """How many calls were made so far, retries included."""
        ...

    async def portal(self) -> Portal:
        """Read what the LMS reports of itself; cached after the first call."""
        ...

    async def courses(self) -> tuple[Course, ...]:
        """Read the whole course list, archived courses included."""
        ...

    async def learners(self) -> tuple[User, ...]:
        """Read the whole people directory, inactive people included."""
        ...

    async def find_learner(self, *, user_id: str | None = None, email: str | None = None) -> User | None:
        """Read one person by id or e-mail, None where there is nobody."""
        ...

    async def enrollments(
        self, scope: Scope, *, courses: Mapping[str, Course], learners: Mapping[str, User]
    ) -> Reading:
        """Read one scope; the names of courses and people come from the given maps, by id.

        Raises:
            NotFound: the learner or course of the scope does not exist.
            RouteClosed: the provider does not allow this route; `capabilities` says so from now on.
        """
        ...

    def with_remote_data(self) -> Source:
        """Return the same source with records that carry the provider's payload; both share connections and limits."""
        ...

    async def aclose(self) -> None:
        """Close all connections."""
        ...


@runtime_checkable
class CourseFinder(Protocol):
    """A source that can read one course in full, without the list of all."""

    async def find_course(self, course_id: str) -> Course | None:
        """Read one course by id, None where there is none."""
        ...


@runtime_checkable
class PagedDirectory(Protocol):
    """A source that can return its people directory page by page, so that it is never in memory whole."""

    def learner_pages(self) -> AsyncGenerator[tuple[User, ...]]:
        """Read the people directory page by page, each person once."""
        ...


class TeamKind(StrEnum):
    """What an LMS divides people into; the values are the names of dimensions."""

    BRANCH = "branch"
    GROUP = "group"


@runtime_checkable
class TeamDirectory(Protocol):
    """A source that knows people's branches and groups apart from their own records."""

    async def teams(self, kind: TeamKind) -> Mapping[str, tuple[str, ...]]:
        """Read the names of people's branches or groups, by learner id; people without any are missing."""
        ...


@runtime_checkable
class ListAuditor(Protocol):
    """A source that compares the lists of its LMS with the numbers that the LMS reports."""

    def unlisted(self, name: str) -> int:
        """How many items the last list of `users`, `courses`, `branches` or `groups` lacked."""
        ...


@runtime_checkable
class ZoneInference(Protocol):
    """A source that infers the zone of its LMS from what it reads, so that `Source.portal` may change."""

    def assume_zone(self, zone: tzinfo) -> None:
        """Begin with the zone that was inferred before; only what contradicts it changes it."""
        ...


@runtime_checkable
class RosterInParts(Protocol):
    """A source that can return a roster in parts, so that its records are never in memory at once."""

    def roster_parts(
        self, course_id: str, *, courses: Mapping[str, Course], learners: Mapping[str, User]
    ) -> AsyncGenerator[Reading]:
        """Read a course's enrollments, as parts that together are one reading of the course.

        Each enrollment comes once.

        Raises:
            NotFound: the course does not exist.
        """
        ...


async def scope_parts(
    source: Source, scope: Scope, *, courses: Mapping[str, Course], learners: Mapping[str, User]
) -> AsyncGenerator[Reading]:
    """Read one scope as `Source.enrollments` does, a few hundred records at a time; other tasks run in between."""
    if scope.route is FetchRoute.COURSE and isinstance(source, RosterInParts):
        async with aclosing(source.roster_parts(scope.course_id or "", courses=courses, learners=learners)) as parts:
            async for part in parts:
                yield _with_trusted_route(part, source.capabilities)
                await anyio.lowlevel.checkpoint()
        return
    reading = await source.enrollments(scope, courses=courses, learners=learners)
    whole = _with_trusted_route(reading, source.capabilities)
    first, *others = in_parts(whole.records)
    yield replace(whole, records=tuple(first))
    for part in others:
        await anyio.lowlevel.checkpoint()
        yield Reading(tuple(part), complete=whole.complete)


def _with_trusted_route(reading: Reading, capabilities: Capabilities) -> Reading:
    """Give a roster's records the route of a list where the provider's rosters report outcomes.

    The store trusts a record's status by its route, and a roster's the least.
    """
    if FetchRoute.COURSE in capabilities.outcome_unknown_routes:
        return reading
    records = tuple(
        replace(record, route=FetchRoute.LIST) if record.route is FetchRoute.COURSE else record
        for record in reading.records
    )
    return replace(reading, records=records)


def in_parts(items: Sequence[_Item]) -> list[Sequence[_Item]]:
    """Cut a sequence into parts of `PART_SIZE`, one at least."""
    return [items[start : start + PART_SIZE] for start in range(0, max(1, len(items)), PART_SIZE)]


async def directory_pages(source: Source) -> AsyncGenerator[tuple[User, ...]]:
    """Read the people directory, in as many parts as the source can give it."""
    if not isinstance(source, PagedDirectory):
        yield await source.learners()
        return
    async with aclosing(source.learner_pages()) as pages:
        async for page in pages:
            yield page
