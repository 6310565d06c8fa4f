"""Records that no TalentLMS portal returns, written to the store directly, or served by a source of the tests."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from mcp import Client

from mcp_truto_lms.domain.model import Course, CourseEnrollment, Email, EnrolledCourse, EnrolledUser, User
from mcp_truto_lms.domain.source import Capabilities, EnrollmentRecord, FetchRoute, Portal, Reading, Scope
from mcp_truto_lms.ingest.background import Background
from mcp_truto_lms.ingest.question_budget import Coverage, QuestionBudget
from mcp_truto_lms.ingest.refresher import Refresher
from mcp_truto_lms.server.app_context import AppContext
from mcp_truto_lms.server.mcp_server import create_server
from mcp_truto_lms.settings import Clock, Settings
from mcp_truto_lms.store import enrollment_rows, list_writer, scope_writer
from mcp_truto_lms.store.account_state import FetchInfo
from mcp_truto_lms.store.database import Database
from mcp_truto_lms.store.rows import ScopeRows, learner_rows
from mcp_truto_lms.store.selection import Selection
from tests.conftest import TODAY, Desk
from tests.truth import NOON

STAMP = FetchInfo(fetched_at=NOON, took_seconds=0.1)
ACCOUNT = Settings(source="talentlms").accounts()[0].key


class MovableClock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 11, 23, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment

    def pass_by(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


@asynccontextmanager
async def refreshing(
    source: Shelf, database: Database | None = None, clock: Clock | None = None
) -> AsyncGenerator[Refresher]:
    """Open the refresher of an account without the rest of the server."""
    async with Background() as background:
        yield Refresher(
            ACCOUNT,
            source,
            database or Database(),
            background=background,
            clock=clock or MovableClock(),
            settings=Settings(deadline_seconds=9),
        )


async def fetch_enrollments(
    refresher: Refresher,
    budget: QuestionBudget | None = None,
    *,
    user_ids: Sequence[str] | None = None,
    course_ids: Sequence[str] | None = None,
) -> Coverage:
    """Bring the enrollments of a question into the store."""
    budget = budget or refresher.begin()
    return await refresher.run(budget, lambda planner: planner.enrollments(user_ids, course_ids))


def person(key: str, name: str, *, email: str | None = None, status: str = "active") -> User:
    emails = [Email(email=email)] if email else None
    return User.model_validate({"id": key, "name": name, "emails": emails, "status": status})


def course(key: str, title: str, *, code: str | None = None, status: str = "published") -> Course:
    return Course.model_validate({"id": key, "title": title, "code": code, "status": status})


def at(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def record(
    user: str,
    course_id: str,
    status: str,
    *,
    due: int | None = None,
    ends: int | None = None,
    key: str | None = None,
    learner: bool = True,
    user_name: str | None = None,
    title: str | None = None,
    **fields: Any,
) -> EnrollmentRecord:
    """An enrollment; `due` and `ends` are epoch seconds."""
    enrollment = CourseEnrollment.model_validate(
        {
            "id": key or f"{user}_{course_id}",
            "user": EnrolledUser(id=user, name=user_name),
            "course": EnrolledCourse(id=course_id, title=title),
            "status": status,
            "due_at": at(due),
            **fields,
        }
    )
    return EnrollmentRecord(enrollment, FetchRoute.LEARNER, access_ends_at=at(ends), is_learner=learner)


def capable_of(*routes: FetchRoute) -> Capabilities:
    """Say that a source reads these routes, a call each, as an LMS whose rosters tell no failure and no score."""
    return Capabilities(
        calls_by_route=dict.fromkeys(routes, 1),
        filled_by_pair=frozenset({"score"}),
        outcome_unknown_routes=frozenset({FetchRoute.COURSE}),
    )


@dataclass
class Shelf:
    """A source over plain lists of records; the scopes in `halves` are incomplete."""

    people: Sequence[User] = ()
    titles: Sequence[Course] = ()
    records: Sequence[EnrollmentRecord] = ()
    zone: tzinfo | None = None
    unreported: frozenset[str] = frozenset()
    halves: frozenset[str] = frozenset()
    calls: int = 0

    async def portal(self) -> Portal:
        return Portal(self.zone, self.unreported)

    async def courses(self) -> tuple[Course, ...]:
        return tuple(self.titles)

    async def learners(self) -> tuple[User, ...]:
        return tuple(self.people)

    async def find_learner(self, *, user_id: str | None = None, email: str | None = None) -> User | None:
        return next((user for user in self.people if user.id == user_id), None)

    async def enrollments(
        self, scope: Scope, *, courses: Mapping[str, Course], learners: Mapping[str, User]
    ) -> Reading:
        records = [
            replace(record, route=scope.route)
            for record in self.records
            if record.enrollment.user is not None
            and record.enrollment.course is not None
            and scope.user_id in (None, record.enrollment.user.id)
            and scope.course_id in (None, record.enrollment.course.id)
        ]
        return Reading(tuple(records), complete=scope.key not in self.halves)

    @property
    def capabilities(self) -> Capabilities:
        return capable_of(*(route for route in FetchRoute if route is not FetchRoute.LIST))

    async def aclose(self) -> None:
        pass


@asynccontextmanager
async def open_shelf(shelf: Shelf, *, clock: Clock | None = None, **settings: Any) -> AsyncGenerator[Desk]:
    """Open the server over given records."""
    chosen = Settings(**{"source": "talentlms", "today": TODAY, **settings})
    connection = AppContext(chosen, source=lambda _: shelf, clock=clock)
    async with connection, Client(create_server(connection), raise_exceptions=True) as client:
        yield Desk(client, await connection.account(), None)  # type: ignore[arg-type]  # there is no portal


def scope_rows(account: str, *readings: Reading, known: Collection[str] = ()) -> ScopeRows:
    """Make the rows of the readings of a scope."""
    rows = ScopeRows(account, known=known)
    for reading in readings:
        rows.add(reading)
    return rows


class Opened(Database):
    """A store that allows writes by default, so that tests need not ask for them."""

    def _transact(self, work: Any, *, write: bool = True) -> Any:
        return super()._transact(work, write=write)


class Where:
    """The address of new stores: in memory, unless a test runs on other engines."""

    new_address: Callable[[], str] = str


def new_store() -> Database:
    """Open an empty store."""
    return Opened(Where.new_address())


def filled(
    people: Sequence[User] = (), titles: Sequence[Course] = (), records: Sequence[EnrollmentRecord] = ()
) -> Database:
    """Make a store with people, courses and enrollments."""
    database = new_store()

    def fill(connection: Any) -> None:
        list_writer.replace_learners(connection, ACCOUNT, learner_rows(ACCOUNT, people), STAMP)
        list_writer.replace_courses(connection, ACCOUNT, titles, STAMP)
        by_course: dict[str, list[EnrollmentRecord]] = {}
        for each in records:
            assert each.enrollment.course is not None
            by_course.setdefault(str(each.enrollment.course.id), []).append(each)
        for course_id, of_course in by_course.items():
            scope_writer.replace_scope(
                connection, ACCOUNT, Scope(course_id=course_id), scope_rows(ACCOUNT, Reading(tuple(of_course))), STAMP
            )

    database._transact(fill)
    return database


def page_of(connection: AppContext, selection: Selection, **asked: Any) -> list[dict[str, Any]]:
    """Read rows of a match as a list."""
    return [*enrollment_rows.read_rows(connection, selection, **asked)]
