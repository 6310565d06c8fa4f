"""What is true of an organisation, counted from its own data, without the mapping, the store or the definitions.

Everything is judged at `now` (epoch seconds). Where `failed_shown` is False, a failed enrollment looks as a roster
shows it: in progress.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from mcp_truto_lms.sandbox.organisation import Enrollment, Organisation

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
                overdue=not finished and ((due is not None and due < now) or status == "expired"),
                due_soon=not finished and due is not None and now <= due <= now + 14 * DAY,
                not_started=not finished and one.percent == 0 and one.seconds_spent == 0,
            )
        )
    return found


def _status(one: Enrollment, *, failed_shown: bool, ended: bool) -> str:
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
