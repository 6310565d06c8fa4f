"""What HR words mean: finished, overdue, not started, due soon, at risk. Each once, as SQL and as words.

Facts are stored, judgements are made at the answer's `now`. A definition is a function of a table's columns and a
moment in epoch seconds (UTC), or a parameter for it, so that filters, counts and rates can never disagree. What no
clock changes stands on the row when it is written: how far an enrollment got (`stage`), from when on it is late unless
something happens (`late_from`, `late_until`), and whether a failure could hide in it (`failure_unknown`).

- finished: completed or passed.
- expired with a completion date: a lapsed certificate; neither finished nor overdue.
- overdue: not finished, not withdrawn, no lapsed certificate, and the status says so, or the due date is past, or
  access has expired. A due date without a time is over at the end of that day.
- not started: not finished, not withdrawn, and no progress, time spent or activity, whatever the status says; a
  completion date is activity.
- due soon: not finished, not withdrawn, due within 14 days from now.
- inactive since a day: not finished, not withdrawn, and no activity on that day or later; where there is none at all,
  enrolled before it.
- at risk: not finished, not withdrawn, and at least one signal: overdue; failed; due soon with little progress;
  inactive for long, where the LMS tells and there is no completion date; enrolled long ago and not started. The
  `Thresholds` say how soon, little and long. More signals come first, then more days late.
- completion rate: finished / enrollments without withdrawn. Learner rate: learners who finished all of theirs /
  learners with any. Both leave out withdrawn enrollments.
- finished in a period (`completed_from`, `completed_to`): finished, with a completion date in it. A rate of the period
  is of what was open or enrolled in it: enrolled before its end, and not finished before it began. What was finished
  without a date is in neither.
- not enrolled: active people, instructors and administrators aside, who have no enrollment in a course at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from mcp_truto_lms.domain.model import EnrollmentStatus as Status
from mcp_truto_lms.domain.model import UserRole
from mcp_truto_lms.domain.signals import SignalKind

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, FromClause

    Moment = int | ColumnElement[int]

DUE_SOON_DAYS = 14
_DAY_SECONDS = 86_400
OPEN = (Status.ASSIGNED, Status.ENROLLED, Status.IN_PROGRESS, Status.OVERDUE, Status.UNKNOWN)
"""What the end of access turns into expired."""


class Stage(IntEnum):
    """How far an enrollment got, whatever the time; all from `STARTED` on are not finished."""

    FINISHED = 0
    WITHDRAWN = 1
    STARTED = 2
    NOT_STARTED = 3
    FAILED = 4
    FAILED_UNTRIED = 5


ALWAYS = -(2**62)
"""The moment since which an enrollment is late whose status says so, without a date."""
_FINISHED = frozenset({Status.COMPLETED.value, Status.PASSED.value})
_WITHDRAWN, _FAILED, _EXPIRED, _OVERDUE = (
    one.value for one in (Status.WITHDRAWN, Status.FAILED, Status.EXPIRED, Status.OVERDUE)
)


class State(StrEnum):
    """What people mean when they ask about an enrollment; derived, never stored."""

    FINISHED = "finished"
    NOT_FINISHED = "not_finished"
    NOT_STARTED = "not_started"
    OVERDUE = "overdue"
    DUE_SOON = "due_soon"
    AT_RISK = "at_risk"
    FAILED = "failed"
    EXPIRED = "expired"
    NOT_ENROLLED = "not_enrolled"
    NO_DUE_DATE = "no_due_date"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From when on a sign of trouble counts.

    Args:
        due_days: so many days before the due date, `progress` percent are expected
        progress: below it, what is due soon is at risk
        inactive_days: without activity
        not_started_days: since the enrollment
    """

    due_days: int = DUE_SOON_DAYS
    progress: int = 50
    inactive_days: int = 30
    not_started_days: int = 30


DEFAULT_THRESHOLDS = Thresholds()
WORDS: Mapping[str, str] = {
    "finished": "finished = completed or passed",
    "%": "% = finished of all but withdrawn",
    "overdue": "overdue = due date or access past, not finished",
    "due_soon": f"due {DUE_SOON_DAYS}d = not finished, due within {DUE_SOON_DAYS} days",
    "not_started": "not started = no progress, time or activity",
    "avg": "avg % = mean reported progress",
    "learner_rate": "learners % = learners who finished all of theirs",
    "period": "enrollments = open or enrolled in that time; finished, % = finished in it",
    "month": "each line = enrolled in that month; finished in month = completed in it, whenever enrolled",
    "not_enrolled": "not enrolled = active people without an enrollment, instructors and administrators aside",
    "inactive": "inactive = not finished, no activity since; without any, enrolled before",
}
"""The legend of an answer, by the column that it explains."""


def at_risk_words(thresholds: Thresholds) -> str:
    """Say what at risk means, with the thresholds in use."""
    return (
        f"at risk = not finished and overdue, failed, due within {thresholds.due_days} days below "
        f"{thresholds.progress} %, inactive {thresholds.inactive_days} days where told, or not started "
        f"{thresholds.not_started_days} days after enrolling"
    )


class Classification(NamedTuple):
    """What is known of an enrollment for good, as its row keeps it.

    Args:
        stage: how far it got
        late_from: the moment after which it is overdue if nothing happens; None is never. By its status it always is;
            else from the due date on, or from the end of access, whichever is first
        late_until: the moment up to which it may be overdue: then a certificate lapses; None is without end
        failure_unknown: whether (1) it was read from a roster, which cannot tell failed from the rest, and worked on
    """

    stage: Stage
    late_from: int | None
    late_until: int | None
    failure_unknown: int


def classify(
    status: str,
    due_at: int | None,
    access_ends_at: int | None,
    completed_at: int | None,
    *,
    worked: bool,
    seen: bool,
    by_roster: bool,
) -> Classification:
    """Judge an enrollment as far as no clock is needed; moments in epoch seconds.

    Args:
        status: as the LMS has it
        due_at: when it is to be finished
        access_ends_at: when nobody can go on
        completed_at: when it was completed, or failed, as far as is told
        worked: whether any progress or time spent is reported
        seen: whether it was started, or there was any activity
        by_roster: whether it was read from a course's roster
    """
    unknown = int(by_roster and (worked or completed_at is not None))
    if status in _FINISHED:
        return Classification(Stage.FINISHED, None, None, unknown)
    if status == _WITHDRAWN:
        return Classification(Stage.WITHDRAWN, None, None, unknown)
    begun = worked or seen or completed_at is not None
    if status == _FAILED:
        return Classification(Stage.FAILED if begun else Stage.FAILED_UNTRIED, due_at, None, unknown)
    stage = Stage.STARTED if begun else Stage.NOT_STARTED
    if status == _EXPIRED:
        return Classification(stage, ALWAYS if completed_at is None else None, None, unknown)
    late_from = ALWAYS if status == _OVERDUE else due_at
    if access_ends_at is None:
        return Classification(stage, late_from, None, unknown)
    if completed_at is not None:
        return Classification(stage, late_from, access_ends_at, unknown)
    return Classification(stage, access_ends_at if late_from is None else min(late_from, access_ends_at), None, unknown)


def access_expired(row: FromClause, now: Moment) -> ColumnElement[bool]:
    """Access has ended, which makes an open enrollment `expired`."""
    return row.c.access_ends_at.is_not(None) & (row.c.access_ends_at < now) & row.c.status.in_(OPEN)


def status_at(row: FromClause, now: Moment) -> ColumnElement[str]:
    """Derive the status at `now`: access that has ended makes an open enrollment `expired`."""
    from sqlalchemy import case

    return case((access_expired(row, now), Status.EXPIRED.value), else_=row.c.status)


def status_of(status: Status | None, access_ends_at: datetime | None, now: datetime) -> Status | None:
    """Derive the status of one record at `now`, as `status_at` does for a table's rows."""
    access_expired = status in OPEN and access_ends_at is not None and access_ends_at < now
    return Status.EXPIRED if access_expired else status


def finished(row: FromClause, now: Moment) -> ColumnElement[bool]:  # noqa: ARG001  every definition has one form
    """Completed or passed."""
    return row.c.stage == Stage.FINISHED


def withdrawn(row: FromClause, now: Moment) -> ColumnElement[bool]:  # noqa: ARG001
    """Taken out of the course; counted among enrollments, in no rate."""
    return row.c.stage == Stage.WITHDRAWN


def not_finished(row: FromClause, now: Moment) -> ColumnElement[bool]:  # noqa: ARG001
    """Neither finished nor withdrawn."""
    return row.c.stage >= Stage.STARTED


def expired(row: FromClause, now: Moment) -> ColumnElement[bool]:
    """Access or certificate has run out."""
    return status_at(row, now) == Status.EXPIRED


def failed(row: FromClause, now: Moment) -> ColumnElement[bool]:  # noqa: ARG001
    """Failed, as the LMS says."""
    return row.c.stage >= Stage.FAILED


def overdue(row: FromClause, now: Moment) -> ColumnElement[bool]:
    """Not finished, and late by status, by due date, or because access has expired."""
    return (row.c.late_from < now) & (row.c.late_until.is_(None) | (row.c.late_until >= now))


def not_started(row: FromClause, now: Moment) -> ColumnElement[bool]:  # noqa: ARG001
    """Not finished, and no sign of work."""
    return row.c.stage.in_([Stage.NOT_STARTED, Stage.FAILED_UNTRIED])


def due_soon(row: FromClause, now: Moment) -> ColumnElement[bool]:
    """Not finished, and due from now to 14 days on."""
    return not_finished(row, now) & row.c.due_at.between(now, now + DUE_SOON_DAYS * _DAY_SECONDS)


def due_soon_low_progress(row: FromClause, now: Moment, thresholds: Thresholds) -> ColumnElement[bool]:
    """Not finished, due soon, and little of it done."""
    return row.c.due_at.between(now, now + thresholds.due_days * _DAY_SECONDS) & below(row, now, thresholds.progress)


def below(row: FromClause, now: Moment, percent: float) -> ColumnElement[bool]:
    """Not finished, and done to less than so many percent; progress that is not reported is none."""
    from sqlalchemy import func

    return not_finished(row, now) & (func.coalesce(row.c.progress_percent, 0) < percent)


def inactive(row: FromClause, now: Moment, thresholds: Thresholds) -> ColumnElement[bool]:
    """Not finished, and the last activity is long ago."""
    long_ago = row.c.last_activity_at <= now - thresholds.inactive_days * _DAY_SECONDS
    return not_finished(row, now) & row.c.completed_at.is_(None) & row.c.last_activity_at.is_not(None) & long_ago


def inactive_since(row: FromClause, now: Moment, since: int) -> ColumnElement[bool]:
    """Not finished, and nothing done at a moment or later; without any activity, enrolled before it."""
    from sqlalchemy import func

    return not_finished(row, now) & (func.coalesce(row.c.last_activity_at, row.c.enrolled_at) < since)


def not_started_for_long(row: FromClause, now: Moment, thresholds: Thresholds) -> ColumnElement[bool]:
    """Not started, long after enrolling."""
    return not_started(row, now) & (row.c.enrolled_at <= now - thresholds.not_started_days * _DAY_SECONDS)


def signals(row: FromClause, now: Moment, thresholds: Thresholds) -> dict[SignalKind, ColumnElement[bool]]:
    """Compose the condition of each signal, in the order in which answers list them."""
    return {
        SignalKind.OVERDUE: overdue(row, now),
        SignalKind.FAILED: failed(row, now),
        SignalKind.DUE_SOON: due_soon_low_progress(row, now, thresholds),
        SignalKind.INACTIVE: inactive(row, now, thresholds),
        SignalKind.NOT_STARTED: not_started_for_long(row, now, thresholds),
    }


def at_risk(row: FromClause, now: Moment, thresholds: Thresholds) -> ColumnElement[bool]:
    """At least one sign of trouble."""
    from sqlalchemy import or_

    return not_finished(row, now) & or_(*signals(row, now, thresholds).values())  # most are finished: told at once


def late_since(row: FromClause, now: Moment) -> ColumnElement[int | None]:
    """From when on an overdue enrollment is late: its due date, else the end of access; NULL where there is neither."""
    from sqlalchemy import case, null

    by_date = row.c.due_at.is_not(None) & (row.c.due_at < now)
    by_access = row.c.access_ends_at.is_not(None) & (row.c.access_ends_at < now)
    since = case((by_date, row.c.due_at), (by_access, row.c.access_ends_at), else_=null())
    return case((overdue(row, now), since), else_=null())


def days_late(late_since: int, now: int) -> int:
    """Count the days since a moment, begun ones included."""
    return -((late_since - now) // _DAY_SECONDS)


def finished_within(row: FromClause, now: Moment, since: int | None, before: int | None) -> ColumnElement[bool]:
    """Finished, with a completion date in a period that is open where a bound is None."""
    from sqlalchemy import and_

    parts = [finished(row, now), row.c.completed_at.is_not(None)]
    if since is not None:
        parts.append(row.c.completed_at >= since)
    if before is not None:
        parts.append(row.c.completed_at < before)
    return and_(*parts)


def open_within(row: FromClause, now: Moment, since: int | None, before: int | None) -> ColumnElement[bool]:
    """Open or enrolled in a period: enrolled before its end, and not finished before it began."""
    from sqlalchemy import and_

    finished_later = row.c.completed_at.is_not(None) if since is None else row.c.completed_at >= since
    parts: list[ColumnElement[bool]] = [~finished(row, now) | finished_later]
    if before is not None:
        parts.append(row.c.enrolled_at.is_(None) | (row.c.enrolled_at < before))
    return and_(*parts)


def is_learner_role(person: FromClause) -> ColumnElement[bool]:
    """Of the people who are expected to be enrolled: neither an instructor nor an administrator, as far as is told."""
    return person.c.role.is_(None) | person.c.role.not_in([UserRole.INSTRUCTOR, UserRole.ADMIN])


def no_due_date(row: FromClause, now: Moment) -> ColumnElement[bool]:  # noqa: ARG001
    """Without a due date in the LMS."""
    return row.c.due_at.is_(None)


def failure_unknown(row: FromClause, now: Moment) -> ColumnElement[bool]:  # noqa: ARG001
    """Read from a roster, which cannot tell failed from in progress or completed, and worked on."""
    return row.c.failure_unknown == 1


STATES: Mapping[State, Callable[[Any, Moment], ColumnElement[bool]]] = {
    State.FINISHED: finished,
    State.NOT_FINISHED: not_finished,
    State.NOT_STARTED: not_started,
    State.OVERDUE: overdue,
    State.DUE_SOON: due_soon,
    State.FAILED: failed,
    State.EXPIRED: expired,
    State.NO_DUE_DATE: no_due_date,
}
"""The definition behind each value of `state` that is a fact of one enrollment; `at_risk` takes thresholds besides."""
