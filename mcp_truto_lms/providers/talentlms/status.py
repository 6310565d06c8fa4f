"""The status of an enrollment, from the portal's codes and words.

Machine codes exist only in a learner's transcript. A pair's answer has the word that the portal displays, in the
portal's language and as its administrators renamed it; a roster has neither. A transcript has code and word side by
side, so a portal's words are learned from it. A word that two codes share counts as unknown.

The clock plays no part here: the records carry the moment at which access ends, and the answer applies it.
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
# English words that stand for one machine code alone; "Passed" and "Pending" may be either of two.
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
    """Return the status for a code; an unknown code counts as none.

    Args:
        code: the code or English word, None where there is none
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
    """A portal's display words, each with its machine code, None where two codes share the word."""

    words: Mapping[str, str | None] = field(default_factory=lambda: MappingProxyType[str, str | None]({}))

    def code(self, word: str | None) -> str | None:
        """Return the machine code of a display word, None where it is unknown or ambiguous."""
        if not word:
            return None
        key = normalized(word)
        return self.words[key] if key in self.words else _ENGLISH.get(key)

    def extended_by(self, user: object) -> Vocabulary:
        """Return the vocabulary with the words of a learner's transcript, as `users/id` has them."""
        words = dict(self.words)
        for item in as_list(as_object(user).get("courses")):
            code, word = (
                text(as_object(item).get("completion_status")),
                text(as_object(item).get("completion_status_formatted")),
            )
            if code is None or word is None or len(word) > _MAX_WORD_LENGTH:
                continue
            key, code = normalized(word), normalized(code)
            words[key] = code if words.get(key, code) == code else None
        return self if words == self.words else Vocabulary(MappingProxyType(words))
