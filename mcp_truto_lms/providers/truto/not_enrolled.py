"""Whether Truto's error about a pair means that the learner is not enrolled in the course.

An LMS reports a missing enrollment as a 4xx error, by different statuses and messages. An error about permissions or
limits, or one of Truto's own, never means "not enrolled".
"""

from __future__ import annotations

from mcp_truto_lms.domain.errors import NotFound
from mcp_truto_lms.providers.truto.errors import RequestRefused, TrutoError


def means_not_enrolled(error: TrutoError) -> bool:
    """Return whether the error of a pair call means that the pair is not enrolled."""
    return isinstance(error, NotFound) or (error.truto_is_remote_error and isinstance(error, RequestRefused))
