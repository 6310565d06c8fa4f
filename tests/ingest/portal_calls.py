"""What was asked of the portal while a question was answered, without its limits, which are asked for at times."""

from __future__ import annotations

from functools import cache

from mcp_truto_lms.sandbox.organisation import generate
from mcp_truto_lms.sandbox.records import Organisation
from tests.conftest import TODAY, Desk

HELLO = {"siteinfo": 1}
LABELS = {"getcustomregistrationfields": 1}
PEOPLE = {"users": 2, **LABELS}
"""A first page, and the one that shows that there are no more."""


@cache
def few_people() -> Organisation:
    """Make an organisation of few people, whose transcripts are read quickly, and of fewer courses than people."""
    return generate(today=TODAY, learners=30)


def transcripts(*course_ids: str) -> dict[str, int]:
    """Count the transcripts that tell the outcomes in some courses, or in all of the population, as calls."""
    people = {person.id for person in few_people().people if person.active}
    courses = {*course_ids} or {*current(few_people())}
    return {
        "users/id": len(
            {
                enrollment.user_id
                for enrollment in few_people().enrollments
                if enrollment.role == "learner" and enrollment.user_id in people and enrollment.course_id in courses
            }
        )
    }


def calls(desk: Desk) -> dict[str, int]:
    """Return the calls since the last look, by endpoint, and forget them."""
    counts = {name: number for name, number in desk.portal.log.counts().items() if name != "ratelimit"}
    desk.portal.log.clear()
    return counts


def asked(desk: Desk, endpoint: str) -> list[str]:
    """Return the ids that were asked for at an endpoint, sorted."""
    return sorted(request.arguments["id"] for request in desk.portal.log if request.endpoint == endpoint)


def current(organisation: Organisation) -> list[str]:
    """Return the ids of the courses that are not archived, sorted."""
    return sorted(sample_course.id for sample_course in organisation.courses if sample_course.status != "archived")
