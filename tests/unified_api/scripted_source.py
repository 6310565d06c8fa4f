"""A source with a few enrollments that records its calls and fails on demand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from mcp_truto_lms.domain.errors import NotFound, RouteClosed
from mcp_truto_lms.domain.model import Course, CourseEnrollment, User
from mcp_truto_lms.domain.source import Capabilities, EnrollmentRecord, FetchRoute, Portal, Reading, Scope


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


class ScriptedSource:
    """Reads rosters by course. `fail` is called before every reading and may raise."""

    def __init__(
        self,
        rosters: Mapping[str, list[EnrollmentRecord]],
        *,
        unavailable_routes: frozenset[FetchRoute] = frozenset({FetchRoute.LIST}),
        costs: Mapping[FetchRoute, int] | None = None,
        complete: bool = True,
        fail: Callable[[str], None] = lambda call: None,
    ) -> None:
        self.rosters = dict(rosters)
        self.unavailable_routes = unavailable_routes
        self.costs = costs
        self.complete = complete
        self.fail = fail
        self.calls_made: list[str] = []

    @property
    def calls(self) -> int:
        return len(self.calls_made)

    def record_call(self, call: str) -> None:
        self.calls_made.append(call)
        self.fail(call)

    async def portal(self) -> Portal:
        return Portal()

    async def courses(self) -> tuple[Course, ...]:
        self.record_call("courses")
        return tuple(Course(id=course_id, title=f"Course {course_id}") for course_id in self.rosters)

    async def learners(self) -> tuple[User, ...]:
        self.record_call("learners")
        user_ids = {record.enrollment.user.id for roster in self.rosters.values() for record in roster}
        return tuple(User(id=user_id, name=f"Learner {user_id}") for user_id in sorted(user_ids))

    async def find_learner(self, *, user_id: str | None = None, email: str | None = None) -> User | None:
        self.record_call(f"learner:{user_id}")
        return next((user for user in await self.learners() if user.id == user_id), None)

    async def enrollments(
        self, scope: Scope, *, courses: Mapping[str, Course], learners: Mapping[str, User]
    ) -> Reading:
        self.record_call(scope.key)
        if scope.route in self.unavailable_routes:
            raise RouteClosed("this route is unavailable")
        if scope.course_id is not None and scope.course_id not in self.rosters:
            raise NotFound("no such course")
        records = [record for roster in self.rosters.values() for record in roster]
        matches = [
            record
            for record in records
            if scope.user_id in (None, record.enrollment.user.id)
            and scope.course_id in (None, record.enrollment.course.id)
        ]
        return Reading(tuple(matches), complete=self.complete)

    @property
    def capabilities(self) -> Capabilities:
        routes = (route for route in FetchRoute if route not in self.unavailable_routes)
        calls = dict.fromkeys(routes, 1) if self.costs is None else self.costs
        return Capabilities(calls, outcome_unknown_routes=frozenset({FetchRoute.COURSE}))

    async def aclose(self) -> None:
        """There is nothing to close."""


ENDS = datetime(2026, 11, 20, tzinfo=UTC)
