"""A provider that is played: a few enrollments, and whatever a test wants to happen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from mcp_truto_lms.domain.errors import NotFound, RouteClosed
from mcp_truto_lms.domain.model import Course, CourseEnrollment, User
from mcp_truto_lms.domain.source import EnrollmentRecord, FetchRoute, Portal, Reading, Scope


def enrolled(user_id: str, course_id: str, **fields: Any) -> EnrollmentRecord:
    ends = fields.pop("ends", None)
    is_learner = fields.pop("is_learner", True)
    enrollment = CourseEnrollment.model_validate(
        {
            "id": f"{user_id}_{course_id}",
            "user": {"id": user_id},
            "course": {"id": course_id},
            "status": "enrolled",
            **fields,
        }
    )
    return EnrollmentRecord(enrollment, FetchRoute.COURSE, access_ends_at=ends, is_learner=is_learner)


class PlayedSource:
    """Has rosters by course; `fail` is asked before every reading, `closed` names the ways that are not open."""

    def __init__(
        self,
        rosters: Mapping[str, list[EnrollmentRecord]],
        *,
        closed: frozenset[FetchRoute] = frozenset({FetchRoute.LIST}),
        costs: Mapping[FetchRoute, int | None] | None = None,
        complete: bool = True,
        fail: Callable[[str], None] = lambda what: None,
    ) -> None:
        self.rosters = dict(rosters)
        self.closed = closed
        self.costs = costs
        self.complete = complete
        self.fail = fail
        self.read: list[str] = []

    @property
    def calls(self) -> int:
        return len(self.read)

    def note(self, what: str) -> None:
        self.read.append(what)
        self.fail(what)

    async def portal(self) -> Portal:
        return Portal()

    async def courses(self) -> tuple[Course, ...]:
        self.note("courses")
        return tuple(Course(id=one, title=f"Course {one}") for one in self.rosters)

    async def learners(self) -> tuple[User, ...]:
        self.note("learners")
        found = {one.enrollment.user.id for roster in self.rosters.values() for one in roster}
        return tuple(User(id=one, name=f"Learner {one}") for one in sorted(found))

    async def find_learner(self, *, user_id: str | None = None, email: str | None = None) -> User | None:
        self.note(f"learner:{user_id}")
        return next((one for one in await self.learners() if one.id == user_id), None)

    async def enrollments(
        self, scope: Scope, *, courses: Mapping[str, Course], learners: Mapping[str, User]
    ) -> Reading:
        self.note(scope.key)
        if scope.route in self.closed:
            raise RouteClosed("not this way")
        if scope.course_id is not None and scope.course_id not in self.rosters:
            raise NotFound("no such course")
        every = [one for roster in self.rosters.values() for one in roster]
        found = [
            one
            for one in every
            if scope.user_id in (None, one.enrollment.user.id) and scope.course_id in (None, one.enrollment.course.id)
        ]
        return Reading(tuple(found), complete=self.complete)

    def cost(self, route: FetchRoute) -> int | None:
        if self.costs is not None:
            return self.costs.get(route)
        return None if route in self.closed else 1

    async def aclose(self) -> None:
        """Has nothing to close."""


ENDS = datetime(2026, 11, 20, tzinfo=UTC)
