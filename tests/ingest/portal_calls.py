"""What was asked of the portal while a question was answered."""

from __future__ import annotations

from mcp_truto_lms.sandbox.records import Organisation
from tests.conftest import Desk

HELLO = {"siteinfo": 1, "ratelimit": 1}
LABELS = {"getcustomregistrationfields": 1}
PEOPLE = {"users": 2, **LABELS}
"""A first page, and the one that shows that there are no more."""


def calls(desk: Desk) -> dict[str, int]:
    """Return the calls since the last look, by endpoint, and forget them."""
    counts = dict(desk.portal.log.counts())
    desk.portal.log.clear()
    return counts


def asked(desk: Desk, endpoint: str) -> list[str]:
    """Return the ids that were asked for at an endpoint, sorted."""
    return sorted(request.arguments["id"] for request in desk.portal.log if request.endpoint == endpoint)


def current(organisation: Organisation) -> list[str]:
    """Return the ids of the courses that are not archived, sorted."""
    return sorted(sample_course.id for sample_course in organisation.courses if sample_course.status != "archived")
