"""What can be asked for by name, besides the columns of the model: groups, formats, numbers; and how much of it."""

from __future__ import annotations

from enum import StrEnum

from mcp_truto_lms.domain.columns import Columns
from mcp_truto_lms.domain.definitions import State

MAX_LIMIT = 200
MAX_TERMS = 50
MAX_TERM_CHARACTERS = 200
DEFAULT_LIMIT = 25


class GroupBy(StrEnum):
    """What a summary counts by, besides the keys of `where`, which depend on the organisation."""

    COURSE = "course"
    LEARNER = "learner"
    STATUS = "status"
    MONTH = "month"
    TEAM = "team"
    MANAGER = "manager"


def is_usual_group(by: str) -> bool:
    """Tell whether a grouping is by what every enrollment has, rather than by a dimension of the learners."""
    return by in (GroupBy.COURSE, GroupBy.LEARNER, GroupBy.STATUS, GroupBy.MONTH)


class Format(StrEnum):
    """How a list is printed, or written to a file whole."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


SUMMARY_COLUMNS = {
    "name": "name",
    "enrollments": "enrollments",
    "not_enrolled": "enrollments",
    "learners": "learners",
    "finished": "finished",
    "%": "rate",
    "rate": "rate",
    "learners_%": "learner_rate",
    "learner_rate": "learner_rate",
    "overdue": "overdue",
    "at_risk": "at_risk",
    "due_soon": "due_soon",
    "due": "due_soon",
    "not_started": "not_started",
    "avg": "average",
    "avg_%": "average",
    "hours": "hours",
    "finished_in_month": "finished_in_month",
}
"""What a summary can be sorted by, as it may be written."""
PEOPLE_COLUMNS = ("user.name", "user.id", "user.emails", "course.title", "course.id")
"""What a list of people without an enrollment has."""
MAX_GROUPS = 2
SIGNALS = "signals"
"""The one column of a list that the model does not have: the signs of trouble that an enrollment shows."""
FILTERED_BY = {
    "due_from": "due_at",
    "due_to": "due_at",
    "completed_from": "completed_at",
    "completed_to": "completed_at",
    "enrolled_from": "enrolled_at",
    "enrolled_to": "enrolled_at",
    "inactive_since": "last_activity_at",
    "progress_below": "progress_percent",
    "is_mandatory": "is_mandatory",
}
"""Arguments that are a column: without it, they are not there."""
_COUNTED_BY = {"average": "progress_percent", "hours": "time_spent_seconds", "finished_in_month": "completed_at"}
"""Numbers of a summary that are a column; so with them."""


def is_offered(value: object, columns: Columns) -> bool:
    """Tell whether a state, a grouping, or a number of a summary is of a column that is there."""
    needed = {State.NO_DUE_DATE: "due_at", GroupBy.MONTH: "enrolled_at", **_COUNTED_BY}
    return not isinstance(value, str) or value not in needed or needed[value] in columns
