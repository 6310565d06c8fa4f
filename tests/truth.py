"""What is true of an organisation, counted from its own data, without the mapping, the store or the definitions.

Everything is judged at `now` (epoch seconds). Where `failed_shown` is False, a failed enrollment looks as a roster
shows it: in progress.
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
    """One enrollment of the population, as a person with a calendar would see it."""

    user_id: str
    course_id: str
    learner: str
    course: str
    status: str
    percent: int
    due: int | None
    finished: bool
    overdue: bool
    due_soon: bool
    not_started: bool
    enrolled: int
    completed: int | None
    seconds: int
    site: str
    job: str
    signals: tuple[str, ...]
    late_days: int

    @property
    def at_risk(self) -> bool:
        return bool(self.signals)

    @property
    def enrolled_month(self) -> str:
        return month(self.enrolled)

    @property
    def completed_month(self) -> str | None:
        return None if self.completed is None or not self.finished else month(self.completed)


def facts(organisation: Organisation, *, now: int = NOON, failed_shown: bool = False) -> list[Fact]:
    """List the population: learners that are active, in courses that are not archived."""
    people = {one.id: one for one in organisation.people}
    courses = {one.id: one for one in organisation.courses}
    found: list[Fact] = []
    for one in organisation.enrollments:
        person, course = people[one.user_id], courses[one.course_id]
        if one.role != "learner" or not person.active or course.status == "archived":
            continue
        limit = one.enrolled_on + course.time_limit_days * DAY if course.time_limit_days else None
        due = one.expired_on or course.expires_on or limit
        ends = [moment for moment in (one.expired_on, course.expires_on) if moment]
        status = _status(one, failed_shown=failed_shown, ended=bool(ends) and min(ends) < now)
        finished = status == "completed"
        overdue = not finished and ((due is not None and due < now) or status == "expired")
        not_started = not finished and one.percent == 0 and one.seconds_spent == 0
        soon = not finished and due is not None and now <= due <= now + 14 * DAY
        signs = {
            "overdue": overdue,
            "failed": status == "failed",
            "due soon": soon and one.percent < 50,
            "not started": not_started and one.enrolled_on <= now - 30 * DAY,
        }
        since = min([moment for moment in (due, *ends) if moment is not None and moment < now], default=now)
        job, site, _ = person.custom_fields
        found.append(
            Fact(
                user_id=one.user_id,
                course_id=one.course_id,
                learner=f"{person.first_name} {person.last_name}".strip(),
                course=course.name,
                status=status,
                percent=one.percent,
                due=due,
                finished=finished,
                overdue=overdue,
                due_soon=soon,
                not_started=not_started,
                enrolled=one.enrolled_on,
                completed=one.completed_on,
                seconds=one.seconds_spent,
                site=site,
                job=job,
                signals=tuple(word for word, is_so in signs.items() if is_so),
                late_days=-((since - now) // DAY) if overdue else 0,
            )
        )
    return found


def month(moment: int) -> str:
    """Name the month of an instant, where the portal stands."""
    return f"{datetime.fromtimestamp(moment, ZoneInfo('Europe/Athens')):%Y-%m}"


def missing(organisation: Organisation, course_id: str) -> list[SamplePerson]:
    """List the active learners who were never enrolled in a course, whatever became of it."""
    there = {one.user_id for one in organisation.enrollments if one.course_id == course_id}
    return [
        one for one in organisation.people if one.active and one.user_type == "Learner-Type" and one.id not in there
    ]


def _status(one: SampleEnrollment, *, failed_shown: bool, ended: bool) -> str:
    if one.outcome == "completed":
        return "completed"
    if one.outcome == "failed" and failed_shown:
        return "failed"
    if ended:
        return "expired"
    return "enrolled" if one.outcome == "not_attempted" else "in_progress"


def number(found: Iterable[Fact], test: Callable[[Fact], bool]) -> int:
    """Count those of which something is true."""
    return sum(1 for one in found if test(one))
