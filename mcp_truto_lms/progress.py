"""What HR words mean: finished, overdue, not started, due soon. Each once, as SQL and as words.

Facts are stored, judgements are made at the answer's `now`. A definition is a function of a table's columns and a
moment in epoch seconds (UTC), so that filters, counts and rates can never disagree.

- finished: completed or passed.
- expired with a completion date: a lapsed certificate; neither finished nor overdue.
- overdue: not finished, not withdrawn, no lapsed certificate, and the status says so, or the due date is past, or
  access has expired. A due date without a time is over at the end of that day.
- not started: not finished, not withdrawn, and no progress, time spent or activity, whatever the status says; a
  completion date is activity.
- due soon: not finished, not withdrawn, due within 14 days from now.
- completion rate: finished / enrollments without withdrawn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from mcp_truto_lms.model import EnrollmentStatus as Status

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, FromClause

DUE_SOON_DAYS = 14
_DAY_SECONDS = 86_400
OPEN = (Status.ASSIGNED, Status.ENROLLED, Status.IN_PROGRESS, Status.OVERDUE, Status.UNKNOWN)
"""What the end of access turns into expired."""


class State(StrEnum):
    """What people mean when they ask about an enrollment; derived, never stored."""

    FINISHED = "finished"
    NOT_FINISHED = "not_finished"
    NOT_STARTED = "not_started"
    OVERDUE = "overdue"
    DUE_SOON = "due_soon"
    FAILED = "failed"
    EXPIRED = "expired"
    NO_DUE_DATE = "no_due_date"


WORDS: Mapping[str, str] = {
    "finished": "finished = completed or passed",
    "%": "% = finished of all but withdrawn",
    "overdue": "overdue = due date or access past, not finished",
    "due_soon": f"due {DUE_SOON_DAYS}d = not finished, due within {DUE_SOON_DAYS} days",
    "not_started": "not started = no progress, time or activity",
    "avg": "avg % = mean reported progress",
}
"""The legend of an answer, by the column that it explains."""


def status_at(row: FromClause, now: int) -> ColumnElement[str]:
    """Derive the status at `now`: access that has ended makes an open enrollment `expired`."""
    from sqlalchemy import case

    ended = row.c.status.in_(OPEN) & row.c.access_ends_at.is_not(None) & (row.c.access_ends_at < now)
    return case((ended, Status.EXPIRED.value), else_=row.c.status)


def status_of(status: Status | None, access_ends_at: datetime | None, now: datetime) -> Status | None:
    """Derive the status of one record at `now`, as `status_at` does for a table's rows."""
    ended = status in OPEN and access_ends_at is not None and access_ends_at < now
    return Status.EXPIRED if ended else status


def finished(row: FromClause, now: int) -> ColumnElement[bool]:  # noqa: ARG001  every definition has one form
    """Completed or passed."""
    return row.c.status.in_([Status.COMPLETED, Status.PASSED])


def withdrawn(row: FromClause, now: int) -> ColumnElement[bool]:  # noqa: ARG001
    """Taken out of the course; counted among enrollments, in no rate."""
    return row.c.status == Status.WITHDRAWN


def not_finished(row: FromClause, now: int) -> ColumnElement[bool]:  # noqa: ARG001
    """Neither finished nor withdrawn."""
    return row.c.status.not_in([Status.COMPLETED, Status.PASSED, Status.WITHDRAWN])


def expired(row: FromClause, now: int) -> ColumnElement[bool]:
    """Access or certificate has run out."""
    return status_at(row, now) == Status.EXPIRED


def failed(row: FromClause, now: int) -> ColumnElement[bool]:  # noqa: ARG001
    """Failed, as the LMS says."""
    return row.c.status == Status.FAILED


def overdue(row: FromClause, now: int) -> ColumnElement[bool]:
    """Not finished, and late by status, by due date, or because access has expired."""
    lapsed = expired(row, now) & row.c.completed_at.is_not(None)
    late = (row.c.status == Status.OVERDUE) | (row.c.due_at.is_not(None) & (row.c.due_at < now)) | expired(row, now)
    return not_finished(row, now) & ~lapsed & late


def not_started(row: FromClause, now: int) -> ColumnElement[bool]:
    """Not finished, and no sign of work."""
    from sqlalchemy import func

    return (
        not_finished(row, now)
        & (func.coalesce(row.c.progress_percent, 0) == 0)
        & (func.coalesce(row.c.time_spent_seconds, 0) == 0)
        & row.c.started_at.is_(None)
        & row.c.last_activity_at.is_(None)
        & row.c.completed_at.is_(None)
    )


def due_soon(row: FromClause, now: int) -> ColumnElement[bool]:
    """Not finished, and due from now to 14 days on."""
    return not_finished(row, now) & row.c.due_at.between(now, now + DUE_SOON_DAYS * _DAY_SECONDS)


def no_due_date(row: FromClause, now: int) -> ColumnElement[bool]:  # noqa: ARG001
    """Without a due date in the LMS."""
    return row.c.due_at.is_(None)


def maybe_failed(row: FromClause, now: int) -> ColumnElement[bool]:  # noqa: ARG001
    """Read from a roster, which cannot tell failed from in progress or completed, and worked on."""
    from sqlalchemy import func

    worked_on = (
        (func.coalesce(row.c.progress_percent, 0) > 0)
        | (func.coalesce(row.c.time_spent_seconds, 0) > 0)
        | row.c.completed_at.is_not(None)
    )
    return (row.c.route == "course") & worked_on


STATES: Mapping[State, Callable[[Any, int], ColumnElement[bool]]] = {
    State.FINISHED: finished,
    State.NOT_FINISHED: not_finished,
    State.NOT_STARTED: not_started,
    State.OVERDUE: overdue,
    State.DUE_SOON: due_soon,
    State.FAILED: failed,
    State.EXPIRED: expired,
    State.NO_DUE_DATE: no_due_date,
}
"""The definition behind each value of `state`."""
