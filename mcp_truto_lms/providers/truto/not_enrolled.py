"""Whether an error about a pair means that the learner is not enrolled in the course.

An LMS reports a missing enrollment as a 4xx error, by different statuses. The same statuses also report a request that
the LMS cannot answer, so only the words count: of the message, of `raw_response` or of `details`. Without them the pair
stays unread. An error about permissions or limits, or one of Truto's own, never means "not enrolled".
"""

from __future__ import annotations

import re

from mcp_truto_lms.providers.truto.errors import RecordNotFound, RequestRefused, TrutoError

_SAYS_NOT_ENROLLED = re.compile(
    r"\b(?:not|isn.t|never)[ _](?:(?:currently|yet|been)[ _])?enrolled\b"
    r"|\bnot (?:a|an) (?:learner|student|member|participant) (?:of|in|on)\b"
    r"|\bnot (?:registered|assigned)\b.{0,20}\bcourse\b"
    r"|\bno (?:such )?enroll?ment\b|\benroll?ment\b.{0,20}\b(?:does not exist|doesn.t exist|not found)\b",
    re.IGNORECASE,
)


def means_not_enrolled(error: TrutoError) -> bool:
    """Return whether the error of a pair call says that the pair is not enrolled."""
    if not error.truto_is_remote_error or not isinstance(error, RecordNotFound | RequestRefused):
        return False
    return any(_SAYS_NOT_ENROLLED.search(said or "") for said in (error.message, error.raw_response))
