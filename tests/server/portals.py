"""Small portals for tests: the people and courses of the sample portal, with enrollments of the test's own."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from mcp_truto_lms.sandbox.organisation import generate
from mcp_truto_lms.sandbox.records import (
    CourseRole,
    Organisation,
    Outcome,
    SampleCourse,
    SampleEnrollment,
    SamplePerson,
    SamplePortal,
)
from mcp_truto_lms.sandbox.variations import Variations
from tests.conftest import TODAY

DAY = 86_400
NOON = int(datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp())
JANE, OMAR = "6", "7"
CONDUCT = "102"
"""A course without any deadline."""
PACIFIC = SamplePortal(zone="America/Los_Angeles", zone_label="(GMT -08:00) Pacific Time", date_format="MMDDYYYY")


def enrollment(user_id: str = JANE, course_id: str = CONDUCT, **changes: Any) -> SampleEnrollment:
    """Make an enrollment of 40 days ago that was not begun."""
    begun = SampleEnrollment(
        user_id=user_id,
        course_id=course_id,
        role=CourseRole.LEARNER,
        outcome=Outcome.NOT_ATTEMPTED,
        percent=0,
        enrolled_on=NOON - 40 * DAY,
        completed_on=None,
        failed_on=None,
        expired_on=None,
        seconds_spent=0,
        score=None,
    )
    return replace(begun, **changes)


def portal_with(*enrollments: SampleEnrollment, portal: SamplePortal | None = None, learners: int = 8) -> Organisation:
    """Make an organisation of few people and three courses, with these enrollments alone."""
    organisation = generate(today=TODAY, learners=learners, courses=3, portal=portal)
    return replace(organisation, enrollments=enrollments)


def with_person(organisation: Organisation, user_id: str, **changes: Any) -> Organisation:
    """Change one person."""
    return replace(organisation, people=tuple(_changed(person, user_id, changes) for person in organisation.people))


def with_course(organisation: Organisation, course_id: str, **changes: Any) -> Organisation:
    """Change one course."""
    return replace(organisation, courses=tuple(_changed(course, course_id, changes) for course in organisation.courses))


def variations(**changes: Any) -> Variations:
    """Make a portal without limits that differs so."""
    return replace(Variations(burst_limit=100_000, hourly_limit=100_000), **changes)


def _changed(record: Any, key: str, changes: dict[str, Any]) -> SamplePerson | SampleCourse | Any:
    return replace(record, **changes) if record.id == key else record
