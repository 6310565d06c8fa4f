"""The status of an enrollment, from the portal's codes and words.

Machine codes exist only in a learner's transcript; a pair's answer has the word that the portal displays, in the
portal's language and as its administrators renamed it; a roster has neither. A transcript gives code and word side by
side, so a portal's words are learnt from it. A word that two codes share tells nothing and counts as unknown.

The clock has no say here. Access ends at a known moment, and the records carry it: at a time past it, whoever reads
turns an enrollment that is neither finished nor failed into `expired`.
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
    """Fold a status word: lower case, blanks and hyphens as `_`."""
    return _BLANKS.sub("_", word.strip()).casefold()


def status_of(code: str | None, *, completed: bool, percent: float | None) -> EnrollmentStatus:
    """Judge an enrollment by its code; a code that no rule knows counts as none.

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
    """What a portal's display words mean: each to its machine code, None where two codes share the word."""

    words: Mapping[str, str | None] = field(default_factory=lambda: MappingProxyType[str, str | None]({}))

    def code(self, word: str | None) -> str | None:
        """Tell the machine code of a display word, None where it is not known for sure."""
        if not word:
            return None
        folded = normalized(word)
        return self.words[folded] if folded in self.words else _ENGLISH.get(folded)

    def learnt_from(self, user: object) -> Vocabulary:
        """Add the words of a learner's transcript, as `users/id` has them."""
        words = dict(self.words)
        for item in as_list(as_object(user).get("courses")):
            code, word = (
                text(as_object(item).get("completion_status")),
                text(as_object(item).get("completion_status_formatted")),
            )
            if code is None or word is None or len(word) > _MAX_WORD_LENGTH:
                continue
            folded, code = normalized(word), normalized(code)
            words[folded] = code if words.get(folded, code) == code else None
        return self if words == self.words else Vocabulary(MappingProxyType(words))
