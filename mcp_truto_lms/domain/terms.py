"""What the words in answers mean, as values: the definitions of `lms://definitions` and the legend of an answer.

The SQL of each definition is in `definitions`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mcp_truto_lms.domain.columns import Columns
from mcp_truto_lms.domain.definitions import DUE_SOON_DAYS, State, Thresholds


@dataclass(frozen=True, slots=True)
class Term:
    """A word of answers, and its definition.

    Args:
        name: as answers print it
        text: the definition, which follows the name and a colon
        state: the value of `state` that it defines
        column: the column that it depends on; where that column is excluded, the term is not published
    """

    name: str
    text: str
    state: State | None = None
    column: str | None = None


TERMS = (
    Term("finished", "completed or passed.", State.FINISHED),
    Term("not finished", "neither finished nor withdrawn.", State.NOT_FINISHED),
    Term("failed", "the LMS reports it as failed. A failure ends no other state.", State.FAILED),
    Term("expired", "access ended before finishing, failed or not, or the LMS says so.", State.EXPIRED),
    Term(
        "overdue",
        "not finished, not withdrawn, and the status says so, or the due date is past, or access has ended; failed or "
        "not. A due date without a time ends with that day. Nothing is overdue before its course opens.",
        State.OVERDUE,
    ),
    Term(
        "not started",
        "not finished, and not started by the LMS's own word; without a word, no progress, time spent or activity. "
        "Never before the course opens.",
        State.NOT_STARTED,
    ),
    Term(
        "due soon",
        f"not finished, not withdrawn, due within {DUE_SOON_DAYS} days from now, and access has not ended.",
        State.DUE_SOON,
    ),
    Term(
        "outcome not read",
        "only a course's roster was read, which reports neither failures nor whether somebody has started. The numbers "
        "that this can change are printed as `at least`, as `at most`, or with their least and their most.",
    ),
    Term("no due date", "the LMS has no due date.", State.NO_DUE_DATE, column="due_at"),
    Term(
        "inactive since a day",
        "not finished, not withdrawn, and no activity on that day or later; without any activity, enrolled before it.",
        column="last_activity_at",
    ),
    Term(
        "at risk",
        "not finished, not withdrawn, the course has opened, and at least one signal: overdue; failed; due soon with "
        "little progress; inactive for long, where the LMS reports activity and there is no completion date; enrolled "
        "long ago and not started. The thresholds say how soon, little and long. More signals come first, then more "
        "days late.",
        State.AT_RISK,
    ),
    Term(
        "completion rate",
        "finished / enrollments without withdrawn. Learner rate: learners who finished all of theirs / learners with "
        "any. Both exclude withdrawn enrollments.",
    ),
    Term(
        "finished in a period (`completed_from`, `completed_to`)",
        "finished, with a completion date in it. The rate of a period is of what was open or enrolled in it: enrolled "
        "before its end, and not finished before it began. What was finished without a date is in neither.",
        column="completed_at",
    ),
    Term(
        "not enrolled",
        "active people, except instructors and administrators, who have no enrollment in a course at all.",
        State.NOT_ENROLLED,
    ),
)
STATE_TERMS: Mapping[State, Term] = {term.state: term for term in TERMS if term.state is not None}
LEGEND: Mapping[str, str] = {
    "finished": "finished = completed or passed",
    "%": "% = finished of all except withdrawn",
    "overdue": "overdue = due date or access past, not finished",
    "expired": "expired = access ended before finishing, failed or not",
    "outcome_unknown": "outcome not read = may still be failed, not started or finished",
    "due_soon": f"due {DUE_SOON_DAYS}d = not finished, due within {DUE_SOON_DAYS} days",
    "not_started": "not started = as the LMS says, else no progress, time or activity",
    "avg": "avg % = mean reported progress",
    "learner_rate": "learners % = learners who finished all of theirs",
    "period": "enrollments = open or enrolled in that period; finished, % = finished in it",
    "month": "each line = enrolled in that month; finished in month = completed in it, whenever enrolled",
    "not_enrolled": "not enrolled = active people without an enrollment, except instructors and administrators",
    "inactive": "inactive = not finished, no activity since; without any, enrolled before",
}
"""The legend of an answer, by the number or filter that it explains."""


def at_risk_words(thresholds: Thresholds) -> str:
    """Say what at risk means, with the thresholds in use."""
    return (
        f"at risk = not finished and overdue, failed, due within {thresholds.due_days} days below "
        f"{thresholds.progress} %, inactive {thresholds.inactive_days} days where reported, or not started "
        f"{thresholds.not_started_days} days after enrolling"
    )


def definitions_text(columns: Columns, thresholds: Thresholds) -> str:
    """Print the definitions that are offered, and the thresholds in use, a line each."""
    lines = [f"{term.name}: {term.text}" for term in TERMS if term.column is None or term.column in columns]
    return "".join(f"- {line}\n" for line in [*lines, f"In use: {at_risk_words(thresholds)}."])
