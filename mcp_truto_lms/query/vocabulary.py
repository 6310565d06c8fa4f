"""The vocabulary of questions: groupings, numbers of a summary, formats, and limits.

A grouping or a number is one entry here. Parsing, schemas, messages, tables and the documentation read the entry.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from mcp_truto_lms.domain.columns import Columns
from mcp_truto_lms.domain.terms import STATE_TERMS

MAX_LIMIT = 200
MAX_TERMS = 50
MAX_TERM_CHARACTERS = 200
DEFAULT_LIMIT = 25
MAX_GROUPS = 2


class GroupBy(StrEnum):
    """What a summary counts by, beyond the keys of `where`, which depend on the organisation."""

    COURSE = "course"
    LEARNER = "learner"
    STATUS = "status"
    MONTH = "month"
    TEAM = "team"
    MANAGER = "manager"


@dataclass(frozen=True, slots=True)
class Grouping:
    """A key of `group_by`.

    Args:
        meaning: for the documentation
        aliases: other words for it; a plural in -s is understood without
        of_enrollments: whether every enrollment has it; otherwise it is a dimension of the learners, a key of `where`
        column: the column that it depends on; it is not offered where that column is excluded
        of_missing: whether people without an enrollment can be counted by it
    """

    meaning: str
    aliases: tuple[str, ...] = ()
    of_enrollments: bool = True
    column: str | None = None
    of_missing: bool = True


GROUPINGS: Mapping[GroupBy, Grouping] = {
    GroupBy.COURSE: Grouping("The course", ("title",)),
    GroupBy.LEARNER: Grouping("The learner", ("user", "person", "people")),
    GroupBy.STATUS: Grouping("The status", ("statuses",), of_missing=False),
    GroupBy.MONTH: Grouping(
        "The month of enrollment, in the zone of the answer", column="enrolled_at", of_missing=False
    ),
    GroupBy.TEAM: Grouping("The learner's team", of_enrollments=False),
    GroupBy.MANAGER: Grouping("The learner's manager", of_enrollments=False),
}


def is_usual_group(by: str) -> bool:
    """Tell whether a grouping is by what every enrollment has, rather than by a dimension of the learners."""
    return by in _OF_ENROLLMENTS


_OF_ENROLLMENTS = frozenset(by.value for by, grouping in GROUPINGS.items() if grouping.of_enrollments)
DIMENSIONS = tuple(by for by, grouping in GROUPINGS.items() if not grouping.of_enrollments)
"""The dimensions of learners that every organisation may have."""


class Format(StrEnum):
    """How a list is printed, or written to a file whole."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


@dataclass(frozen=True, slots=True)
class SummaryColumn:
    """A column of a summary that it can be sorted by.

    Args:
        words: as it may be written, the usual word first
        meaning: for the documentation
        column: the column of enrollments that it depends on; it is not offered where that column is excluded
    """

    words: tuple[str, ...]
    meaning: str
    column: str | None = None


SUMMARY_COLUMNS: Mapping[str, SummaryColumn] = {
    "name": SummaryColumn(("name",), "What the group is called"),
    "enrollments": SummaryColumn(("enrollments", "not_enrolled"), "Enrollments, or those that are missing"),
    "learners": SummaryColumn(("learners",), "Learners with an enrollment that is not withdrawn"),
    "finished": SummaryColumn(("finished",), "Finished enrollments"),
    "rate": SummaryColumn(("%", "rate", "completion_rate"), "The completion rate, in percent"),
    "learner_rate": SummaryColumn(("learners_%", "learner_rate"), "Learners who finished all of theirs, in percent"),
    "overdue": SummaryColumn(("overdue",), "Overdue enrollments"),
    "at_risk": SummaryColumn(("at_risk",), "Enrollments at risk"),
    "due_soon": SummaryColumn(("due_soon", "due"), "Enrollments due soon"),
    "not_started": SummaryColumn(("not_started",), "Enrollments that are not started"),
    "average": SummaryColumn(("avg", "avg_%"), "Mean reported progress, in percent", "progress_percent"),
    "hours": SummaryColumn(("hours",), "Time spent, in hours", "time_spent_seconds"),
    "finished_in_month": SummaryColumn(
        ("finished_in_month",), "Completions in the month, whenever enrolled", "completed_at"
    ),
}
_NEEDED_COLUMNS: Mapping[str, str | None] = {
    **{name: summary_column.column for name, summary_column in SUMMARY_COLUMNS.items()},
    **{by: grouping.column for by, grouping in GROUPINGS.items()},
    **{state: term.column for state, term in STATE_TERMS.items()},
}


def is_offered(value: object, columns: Columns) -> bool:
    """Tell whether a state, a grouping or a number of a summary depends on no excluded column."""
    needed = _NEEDED_COLUMNS.get(value) if isinstance(value, str) else None
    return needed is None or needed in columns
