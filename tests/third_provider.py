"""A provider over a plain list of records: what a new provider has to bring, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from mcp_truto_lms.domain.errors import NotFound, RouteClosed
from mcp_truto_lms.domain.model import Course, CourseEnrollment, EnrolledCourse, EnrolledUser, User
from mcp_truto_lms.domain.source import Capabilities, EnrollmentRecord, FetchRoute, Portal, Reading, Scope
from mcp_truto_lms.provider_registry import Provider, Variable

Record = tuple[str, str, str, str]
"""Person, course, status, due date."""


class ListSource:
    """Reads a list of records by course, in full: statuses include failures, and no column needs a pair."""

    capabilities = Capabilities(calls_by_route=MappingProxyType({FetchRoute.COURSE: 1}))
    calls = 0

    def __init__(self, records: Sequence[Record]) -> None:
        self._records = records

    async def portal(self) -> Portal:
        return Portal(unreported=frozenset({"score", "progress_percent"}))

    async def courses(self) -> tuple[Course, ...]:
        return tuple(Course(id=course, title=course) for course in dict.fromkeys(record[1] for record in self._records))

    async def learners(self) -> tuple[User, ...]:
        return tuple(User(id=name, name=name) for name in dict.fromkeys(record[0] for record in self._records))

    async def find_learner(self, *, user_id: str | None = None, email: str | None = None) -> User | None:
        return next((user for user in await self.learners() if user.id == user_id), None)

    async def enrollments(
        self,
        scope: Scope,
        *,
        courses: Mapping[str, Course],
        learners: Mapping[str, User],
    ) -> Reading:
        if scope.route is not FetchRoute.COURSE:
            raise RouteClosed("The list is read by course.")
        if scope.course_id not in courses:
            raise NotFound("There is no such course.")
        return Reading(tuple(_enrollment(*record) for record in self._records if record[1] == scope.course_id))

    def with_remote_data(self) -> ListSource:
        return self

    async def aclose(self) -> None:
        pass


def _enrollment(name: str, course: str, status: str, due: str) -> EnrollmentRecord:
    enrollment = CourseEnrollment(
        id=f"{name} {course}".replace(" ", "_"),
        user=EnrolledUser(id=name, name=name),
        course=EnrolledCourse(id=course, title=course),
        status=status,
        due_at=due,
    )
    return EnrollmentRecord(enrollment, FetchRoute.COURSE)


def provider_of(records: Sequence[Record]) -> Provider:
    """Make the registry's entry of a provider over some records."""
    return Provider(
        name="list",
        title="the list",
        connect=lambda settings, acquire: lambda account: ListSource(records),
        identity=lambda settings: settings.provider_values["LIST_NAME"],
        summary=lambda settings: f"Reading the list {settings.provider_values['LIST_NAME']}; the key is set.",
        variables=(
            Variable("LIST_NAME", hint="set it to the name of the list."),
            Variable("LIST_KEY", hint="set it to the key of the list."),
            Variable("LIST_URL", example="https://list.example"),
        ),
        key_variable="LIST_KEY",
        notice="A LIST, no LMS",
    )
