"""The status of an enrollment, from the portal's codes and words.

Machine codes exist only in a learner's transcript. A pair has the word that the portal displays, in the portal's
language and as its administrators renamed it; a roster has neither. A transcript has the code and the word, so a
portal's words are learned from it. A word that two codes share is unknown.

The status does not depend on the time: records carry the end of access, and answers apply it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from mcp_truto_lms.domain.model import EnrollmentStatus
from mcp_truto_lms.providers.payload_values import as_list, as_object, text

_CODES: Mapping[str, EnrollmentStatus] = MappingProxyType(
    {
        "completed": EnrollmentStatus.COMPLETED,
        "complete": EnrollmentStatus.COMPLETED,
        "passed": EnrollmentStatus.PASSED,
        "failed": EnrollmentStatus.FAILED,
        "not_passed": EnrollmentStatus.FAILED,
        "incomplete": EnrollmentStatus.IN_PROGRESS,
        "in_progress": EnrollmentStatus.IN_PROGRESS,
        "pending": EnrollmentStatus.IN_PROGRESS,
        "not_attempted": EnrollmentStatus.ENROLLED,
        "not_started": EnrollmentStatus.ENROLLED,
    }
)
# English words with a single machine code; "Passed" and "Pending" have two.
_ENGLISH: Mapping[str, str] = MappingProxyType(
    {
        "completed": "completed",
        "complete": "completed",
        "failed": "failed",
        "not_passed": "failed",
        "incomplete": "incomplete",
        "in_progress": "incomplete",
        "not_attempted": "not_attempted",
        "not_started": "not_attempted",
    }
)
_BLANKS = re.compile(r"[\s\-]+")
_MAX_WORD_LENGTH = 120

FINISHED_OR_FAILED = frozenset({EnrollmentStatus.COMPLETED, EnrollmentStatus.PASSED, EnrollmentStatus.FAILED})


def normalized(word: str) -> str:
    """Normalize a status word: lower case, blanks and hyphens as `_`."""
    return _BLANKS.sub("_", word.strip()).casefold()


def status_of(code: str | None, *, completed: bool, percent: float | None) -> EnrollmentStatus:
    """Return the status for a code; an unknown code is ignored.

    Args:
        code: the code or English word, None if the item has none
        completed: whether the item has a completion date
        percent: the progress, None where unknown
    """
    known = _CODES.get(normalized(code)) if code else None
    if known is not None:
        return known
    if completed:
        return EnrollmentStatus.COMPLETED
    if percent is None:
        return EnrollmentStatus.UNKNOWN
    return EnrollmentStatus.IN_PROGRESS if percent > 0 else EnrollmentStatus.ENROLLED


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """A portal's display words, each with its machine code, None if two codes share the word."""

    words: Mapping[str, str | None] = field(default_factory=lambda: MappingProxyType[str, str | None]({}))

    def code(self, word: str | None) -> str | None:
        """Return the machine code of a display word, None if it is unknown or ambiguous."""
        if not word:
            return None
        key = normalized(word)
        return self.words[key] if key in self.words else _ENGLISH.get(key)

    def extended_by(self, raw_user: object) -> Vocabulary:
        """Add the words of a learner's transcript, a response of `users/id`."""
        words = dict(self.words)
        for item in as_list(as_object(raw_user).get("courses")):
            code, word = (
                text(as_object(item).get("completion_status")),
                text(as_object(item).get("completion_status_formatted")),
            )
            if code is None or word is None or len(word) > _MAX_WORD_LENGTH:
                continue
            key, code = normalized(word), normalized(code)
            words[key] = code if words.get(key, code) == code else None
        return self if words == self.words else Vocabulary(MappingProxyType(words))
