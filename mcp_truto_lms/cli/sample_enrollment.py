"""One real enrollment for the doctor, by the cheapest route that the provider allows, and what it does not report.

A learner's transcript comes first, then a course's roster: one call shows several enrollments. A list of everything has
any number of pages, and a single pair is rarely enrolled, so these come last. A few scopes of each route are tried, as
somebody may have no enrollment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product

from mcp_truto_lms.domain.errors import NotFound, RouteClosed
from mcp_truto_lms.domain.model import Course, CourseStatus, User, UserStatus, enrollment_columns
from mcp_truto_lms.domain.source import ACCESS_ENDS_AT, ROLE, EnrollmentRecord, FetchRoute, Portal, Scope, Source

TRIED_SCOPES = 3
_PLACES = {
    FetchRoute.LEARNER: "the transcript of one learner",
    FetchRoute.COURSE: "the roster of one course",
    FetchRoute.LIST: "the list of everything",
    FetchRoute.PAIR: "one learner and course",
}


@dataclass(frozen=True, slots=True)
class SampleEnrollments:
    """The enrollments of one scope; none where all scopes that were tried are empty."""

    route: FetchRoute
    records: tuple[EnrollmentRecord, ...] = ()
    tried: int = 1

    def sentence(self) -> str:
        """Say where enrollments were found, and how many."""
        number = len(self.records)
        if not number:
            return f"No enrollment was found: {self.tried} learners and courses were tried."
        noun = "enrollment" if number == 1 else "enrollments"
        return f"Enrollments can be read: {_PLACES[self.route]} has {number:,} {noun}."


async def read_sample(source: Source, courses: Sequence[Course], learners: Sequence[User]) -> SampleEnrollments | None:
    """Read the first scope that has an enrollment; None where the provider closed every route.

    Raises:
        SourceError: the provider failed.
    """
    courses_by_id = {course.id: course for course in courses}
    learners_by_id = {learner.id: learner for learner in learners}
    last: SampleEnrollments | None = None
    tried = 0
    for route, scopes in _scopes(courses_by_id, learners_by_id).items():
        for scope in islice(scopes, TRIED_SCOPES):
            if source.capabilities.calls(route) is None:
                break
            try:
                reading = await source.enrollments(scope, courses=courses_by_id, learners=learners_by_id)
            except RouteClosed:
                break
            except NotFound:
                continue
            tried += 1
            last = SampleEnrollments(route, reading.records, tried)
            if reading.records:
                return last
    return last


def missing_facts(sample: SampleEnrollments, source: Source, portal: Portal) -> list[str]:
    """Say in plain words what the enrollments and the LMS do not report."""
    sentences: list[str] = []
    records = sample.records
    missing = [
        word
        for word, path, is_reported in (
            ("due dates", "due_at", any(record.enrollment.due_at or record.access_ends_at for record in records)),
            ("progress", "progress_percent", any(record.enrollment.progress_percent is not None for record in records)),
            ("certificates", "certificate_issued_at", any(record.certificate_issued_at for record in records)),
        )
        if not is_reported and path not in portal.unreported
    ]
    if records and missing:
        sentences.append(f"Not seen in what was read: {', '.join(missing)}.")
    columns = enrollment_columns()
    headers = [columns[path].header for path in sorted(portal.unreported) if path in columns]
    headers += [word for name, word in _OTHER_WORDS.items() if name in portal.unreported]
    if headers:
        sentences.append(f"Not reported by this LMS: {', '.join(headers)}.")
    capabilities = source.capabilities
    if FetchRoute.COURSE in capabilities.outcome_unknown_routes and capabilities.calls(FetchRoute.COURSE) is not None:
        sentences.append("Rosters do not report failures: those are read person by person.")
    return sentences


_OTHER_WORDS = {ROLE: "who is an instructor", ACCESS_ENDS_AT: "when access ends"}


def _scopes(courses: Mapping[str, Course], learners: Mapping[str, User]) -> dict[FetchRoute, Iterator[Scope]]:
    """List the scopes to try by their routes: of people who are active, and courses that are not archived."""
    users = [learner.id for learner in learners.values() if learner.status in (None, UserStatus.ACTIVE)]
    open_courses = [course.id for course in courses.values() if course.status is not CourseStatus.ARCHIVED]
    return {
        FetchRoute.LEARNER: (Scope(user_id=user) for user in users),
        FetchRoute.COURSE: (Scope(course_id=course) for course in open_courses),
        FetchRoute.LIST: iter([Scope()]),
        FetchRoute.PAIR: (Scope(user, course) for user, course in product(users, open_courses)),
    }
