"""The independent truth of an organisation: facts from its own data, without the mapping, the store or the definitions.

Every fact holds at `now` (epoch seconds).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from mcp_truto_lms.sandbox.records import Organisation, SampleEnrollment, SamplePerson

DAY = 86_400
NOON = int(datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp())


@dataclass(frozen=True)
class Fact:
    """An enrollment of the population, as a person with a calendar judges it."""

    user_id: str
    course_id: str
    learner: str
    course: str
    status: str
    percent: int
    due: int | None
    finished: bool
    overdue: bool
    expired: bool
    due_soon: bool
    not_started: bool
    enrolled: int
    completed: int | None
    seconds: int
    site: str
    job: str
    signals: tuple[str, ...]
    days_late: int

    @property
    def at_risk(self) -> bool:
        return bool(self.signals)

    @property
    def enrolled_month(self) -> str:
        return month(self.enrolled)

    @property
    def completed_month(self) -> str | None:
        return None if self.completed is None or not self.finished else month(self.completed)


def facts(organisation: Organisation, *, now: int = NOON) -> list[Fact]:
    """List the population: active learners, in courses that are not archived."""
    people = {person.id: person for person in organisation.people}
    courses = {course.id: course for course in organisation.courses}
    population: list[Fact] = []
    for enrollment in organisation.enrollments:
        person, course = people[enrollment.user_id], courses[enrollment.course_id]
        if enrollment.role != "learner" or not person.active or course.status == "archived":
            continue
        limit = enrollment.enrolled_on + course.time_limit_days * DAY if course.time_limit_days else None
        due = enrollment.expired_on or course.expires_on or limit
        ends = [moment for moment in (enrollment.expired_on or limit, course.expires_on) if moment]
        ended = bool(ends) and min(ends) < now
        status = _status(enrollment, ended=ended)
        finished = status == "completed"
        overdue = not finished and ((due is not None and due < now) or ended)
        not_started = enrollment.outcome == "not_attempted"
        soon = not finished and not ended and due is not None and now <= due <= now + 14 * DAY
        signals = {
            "overdue": overdue,
            "failed": status == "failed",
            "due soon": soon and enrollment.percent < 50,
            "not started": not_started and enrollment.enrolled_on <= now - 30 * DAY,
        }
        since = min([moment for moment in (due, *ends) if moment is not None and moment < now], default=now)
        job, site, _ = person.custom_fields
        population.append(
            Fact(
                user_id=enrollment.user_id,
                course_id=enrollment.course_id,
                learner=f"{person.first_name} {person.last_name}".strip(),
                course=course.name,
                status=status,
                percent=enrollment.percent,
                due=due,
                finished=finished,
                overdue=overdue,
                expired=ended and not finished,
                due_soon=soon,
                not_started=not_started,
                enrolled=enrollment.enrolled_on,
                completed=enrollment.completed_on,
                seconds=enrollment.seconds_spent,
                site=site,
                job=job,
                signals=tuple(kind for kind, is_shown in signals.items() if is_shown),
                days_late=-((since - now) // DAY) if overdue else 0,
            )
        )
    return population


def month(moment: int) -> str:
    """Return the month of an instant in the zone of the portal."""
    return f"{datetime.fromtimestamp(moment, ZoneInfo('Europe/Athens')):%Y-%m}"


def missing(organisation: Organisation, course_id: str) -> list[SamplePerson]:
    """List the active learners who have no enrollment in a course, whatever its outcome."""
    enrolled = {enrollment.user_id for enrollment in organisation.enrollments if enrollment.course_id == course_id}
    return [
        person
        for person in organisation.people
        if person.active and person.user_type == "Learner-Type" and person.id not in enrolled
    ]


def _status(enrollment: SampleEnrollment, *, ended: bool) -> str:
    if enrollment.outcome == "completed":
        return "completed"
    if enrollment.outcome == "failed":
        return "failed"
    if ended:
        return "expired"
    return "enrolled" if enrollment.outcome == "not_attempted" else "in_progress"


def number(population: Iterable[Fact], test: Callable[[Fact], bool]) -> int:
    """Count the facts that pass a test."""
    return sum(1 for fact in population if test(fact))
