"""The independent count: what is true of the model portal at a moment, by the written definitions alone.

Nothing here comes from the code under test. A fact of an enrollment depends on the portal and on the moment, never on
what was asked or read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from mcp_truto_lms.sandbox.records import CourseRole, Outcome
from tests.model.portal_model import BRANCHES, DAY, GROUPS, LEARNER, ZONE, Course, Enrollment, Person, PortalModel

NONE = "(none)"


@dataclass(frozen=True, slots=True)
class Fact:
    """An enrollment of a learner, as a person with the portal's data and a calendar judges it."""

    user_id: str
    course_id: str
    active: bool
    archived: bool
    status: str
    percent: int
    seconds: int
    enrolled: int
    completed: int | None
    due: int | None
    finished: bool
    failed: bool
    expired: bool
    overdue: bool
    due_soon: bool
    not_started: bool
    at_risk: bool
    places: tuple[tuple[str, tuple[str, ...]], ...]


STATES: Mapping[str, Callable[[Fact], bool]] = {
    "finished": lambda fact: fact.finished,
    "not_finished": lambda fact: not fact.finished,
    "not_started": lambda fact: fact.not_started,
    "overdue": lambda fact: fact.overdue,
    "due_soon": lambda fact: fact.due_soon,
    "at_risk": lambda fact: fact.at_risk,
    "failed": lambda fact: fact.failed,
    "expired": lambda fact: fact.expired,
    "no_due_date": lambda fact: fact.due is None,
}


def facts(model: PortalModel, now: float) -> list[Fact]:
    """List the facts of all learners' enrollments, whoever is left out of the totals."""
    return [_fact(model, each, int(now)) for each in model.enrollments.values() if each.role is CourseRole.LEARNER]


def deadlines(enrollment: Enrollment, course: Course) -> tuple[int | None, int | None]:
    """Return when an enrollment is due, and when access to it ends."""
    limit = enrollment.enrolled_on + course.limit_days * DAY if course.limit_days else None
    due = enrollment.ends_on or course.expires_on or limit
    own_end = enrollment.ends_on if enrollment.ends_on is not None else limit
    ends = [moment for moment in (own_end, course.expires_on) if moment is not None]
    return due, min(ends) if ends else None


def _fact(model: PortalModel, enrollment: Enrollment, now: int) -> Fact:
    person, course = model.people[enrollment.user_id], model.courses[enrollment.course_id]
    due, end = deadlines(enrollment, course)
    opened = course.opens_on is None or course.opens_on <= now
    ended = end is not None and end < now
    finished = enrollment.outcome is Outcome.COMPLETED
    failed = enrollment.outcome is Outcome.FAILED
    overdue = not finished and opened and ((due is not None and due < now) or ended)
    due_soon = not finished and due is not None and now <= due <= now + 14 * DAY and not ended
    not_started = enrollment.outcome is Outcome.NOT_ATTEMPTED and opened
    signals = (
        overdue,
        failed,
        due_soon and enrollment.percent < 50,
        not_started and enrollment.enrolled_on <= now - 30 * DAY,
    )
    return Fact(
        user_id=person.id,
        course_id=course.id,
        active=person.active,
        archived=course.status == "archived",
        status=_status(enrollment, ended=ended),
        percent=enrollment.percent,
        seconds=enrollment.seconds,
        enrolled=enrollment.enrolled_on,
        completed=enrollment.completed_on,
        due=due,
        finished=finished,
        failed=failed,
        expired=not finished and ended,
        overdue=overdue,
        due_soon=due_soon,
        not_started=not_started,
        at_risk=opened and any(signals),
        places=tuple(places_of(person).items()),
    )


def _status(enrollment: Enrollment, *, ended: bool) -> str:
    """Return the LMS's word, where the end of access makes an open enrollment expired."""
    if enrollment.outcome is Outcome.COMPLETED:
        return "completed"
    if enrollment.outcome is Outcome.FAILED:
        return "failed"
    if ended:
        return "expired"
    return "in_progress" if enrollment.outcome is Outcome.INCOMPLETE else "enrolled"


def matching(model: PortalModel, asked: Mapping[str, Any], now: float) -> list[Fact]:
    """List the facts that a question is about: its filters, and the population.

    A person or a course that was named counts, inactive or archived; naming one does not bring the other along.
    """
    users, courses = asked.get("user"), asked.get("course")
    return [
        fact
        for fact in facts(model, now)
        if (users is None or fact.user_id in users)
        and (courses is None or fact.course_id in courses)
        and (fact.active or users is not None)
        and (not fact.archived or courses is not None)
        and _passes(fact, asked, now)
    ]


def _passes(fact: Fact, asked: Mapping[str, Any], now: float) -> bool:
    where: Mapping[str, str] = asked.get("where") or {}
    below = asked.get("progress_below")
    return (
        (not asked.get("state") or any(STATES[state](fact) for state in asked["state"]))
        and (not asked.get("status") or fact.status in asked["status"])
        and (below is None or (not fact.finished and fact.percent < below))
        and all(value in values_of(fact, key) for key, value in where.items())
        and _within(fact.due, asked.get("due_from"), asked.get("due_to"), now)
        and _within(fact.enrolled, asked.get("enrolled_from"), asked.get("enrolled_to"), now)
        and _is_completed_within(fact, asked, now)
    )


def _is_completed_within(fact: Fact, asked: Mapping[str, Any], now: float) -> bool:
    first, last = asked.get("completed_from"), asked.get("completed_to")
    if first is None and last is None:
        return True
    return fact.finished and _within(fact.completed, first, last, now)


def _within(moment: int | None, first: str | None, last: str | None, now: float) -> bool:
    """Tell whether a moment lies in days of the portal's zone, both inclusive."""
    if first is None and last is None:
        return True
    if moment is None:
        return False
    day = datetime.fromtimestamp(moment, ZONE).date()
    today = datetime.fromtimestamp(now, ZONE).date()
    offsets = {"today": 0, "yesterday": -1}

    def named(word: str) -> Any:
        return today + timedelta(days=offsets.get(word) if word in offsets else int(word.rstrip("d")))

    return (first is None or day >= named(first)) and (last is None or day <= named(last))


def places_of(person: Person) -> dict[str, tuple[str, ...]]:
    """List what a person counts under, by the keys of `where`; a learner's own key is their id."""
    branches = tuple(BRANCHES[key] for key in person.branches) or (NONE,)
    groups = tuple(GROUPS[key] for key in person.groups) or (NONE,)
    return {
        "learner": (person.id,),
        "team": branches,
        "branch": branches,
        "group": groups,
        "site": (person.site or NONE,),
    }


def values_of(fact: Fact, key: str) -> tuple[str, ...]:
    """List what a fact counts under for a key of `group_by` or `where`."""
    match key:
        case "course":
            return (fact.course_id,)
        case "learner":
            return (fact.user_id,)
        case "status":
            return (fact.status,)
        case "month":
            return (f"{datetime.fromtimestamp(fact.enrolled, ZONE):%Y-%m}",)
        case _:
            return dict(fact.places).get(key, ())


def missing(model: PortalModel, asked: Mapping[str, Any]) -> list[tuple[str, str]]:
    """List who could be enrolled in the named courses and is not: active people, neither instructors nor admins."""
    users, where = asked.get("user"), asked.get("where") or {}
    able = [
        person
        for person in model.people.values()
        if person.active and person.kind == LEARNER and (users is None or person.id in users)
    ]
    return [
        (person.id, course_id)
        for person in able
        for course_id in asked["course"]
        if (person.id, course_id) not in model.enrollments
        and all(value in places_of(person)[key] for key, value in where.items())
    ]


MEASURES: Mapping[str, Callable[[Fact], bool]] = {
    "enrollments": lambda fact: True,
    "finished": lambda fact: fact.finished,
    "overdue": lambda fact: fact.overdue,
    "due 14d": lambda fact: fact.due_soon,
    "not started": lambda fact: fact.not_started,
    "at risk": lambda fact: fact.at_risk,
}
"""What a summary counts, by the header of its column."""


def number(match: Iterable[Fact], measure: str) -> int:
    """Count what a measure counts in a match."""
    return sum(map(MEASURES[measure], match))


def moving_facts(model: PortalModel, now: float) -> tuple[object, ...]:
    """Return everything that answers at a moment can depend on, to tell whether two moments have the same answers."""
    today = datetime.fromtimestamp(now, ZONE).date()
    late = [-((fact.due - int(now)) // DAY) for fact in facts(model, now) if fact.due is not None and fact.due < now]
    return today, tuple(facts(model, now)), tuple(late)
