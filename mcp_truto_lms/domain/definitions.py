"""The definitions behind finished, overdue, not started, due soon and at risk: each once, as SQL.

Facts are stored, and judged at the answer's `now`. A definition is a function of a table's columns and a moment, in
epoch seconds (UTC) or as a parameter, so that filters, counts and rates cannot disagree. Facts are independent: an
enrollment may be failed, expired and overdue at once, and none of them changes when another becomes known.

`classify` computes what no clock changes, and the row stores it: how far an enrollment got (`stage`), from when it is
overdue unless it is finished (`late_from`), and which outcomes it may have where only a roster was read
(`outcome_kind`). `outcomes` bounds the numbers that such outcomes can change. `terms` has the words.
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
ALL_PROGRESS = 100
_DAY_SECONDS = 86_400
OPEN = (Status.ASSIGNED, Status.ENROLLED, Status.IN_PROGRESS, Status.OVERDUE, Status.UNKNOWN)
"""Statuses that the end of access turns into expired."""


class Stage(IntEnum):
    """How far an enrollment got, at any time; `STARTED` and all after it are not finished."""

    FINISHED = 0
    WITHDRAWN = 1
    STARTED = 2
    NOT_STARTED = 3
    FAILED = 4


class OutcomeKind(IntEnum):
    """Which outcomes an enrollment may have, as far as a roster reports it.

    A roster has neither failures nor the LMS's own word. `OPEN` may be started, not started or failed; `ENDED` has a
    completion date or all of the progress, and may be finished, started or failed.
    """

    OPEN = 1
    ENDED = 2


ALWAYS = -(2**62)
"""`late_from` of an enrollment that is overdue by its status, without a date."""
OUTCOME_UNKNOWN, OUTCOME_CERTAIN = -(2**62), 2**62
"""`outcome_at` of an enrollment that only a roster reported, and of one whose provider's routes all report outcomes."""
_FINISHED = frozenset({Status.COMPLETED.value, Status.PASSED.value})
_NOT_STARTED = frozenset({Status.ASSIGNED.value, Status.ENROLLED.value})
_WITHDRAWN, _FAILED, _EXPIRED, _OVERDUE, _IN_PROGRESS = (
    status.value for status in (Status.WITHDRAWN, Status.FAILED, Status.EXPIRED, Status.OVERDUE, Status.IN_PROGRESS)
)


class State(StrEnum):
    """What people mean when they ask about an enrollment; derived and never stored."""

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
    """When an enrollment is at risk.

    Args:
        due_days: how many days before the due date `progress` percent are expected
        progress: in percent; less is at risk when the due date is near
        inactive_days: without activity
        not_started_days: since the enrollment
    """

    due_days: int = DUE_SOON_DAYS
    progress: int = 50
    inactive_days: int = 30
    not_started_days: int = 30


DEFAULT_THRESHOLDS = Thresholds()


class Classification(NamedTuple):
    """What no clock changes about an enrollment, as its row stores it.

    Args:
        stage: how far it got
        late_from: the moment after which it is overdue unless it is finished; None is never. `ALWAYS` by its status,
            else the due date or the end of access, whichever is first, but not before the course opens
        outcome_kind: which outcomes it may have where its outcome is unknown
    """

    stage: Stage
    late_from: int | None
    outcome_kind: OutcomeKind


@dataclass(frozen=True, slots=True)
class EnrollmentDates:
    """The moments of an enrollment that decide when it is overdue, in epoch seconds.

    Args:
        due_at: when it is to be finished
        access_ends_at: when the learner's access ends
        opens_at: when the course opens
        completed_at: when it was completed or failed, as far as reported
    """

    due_at: int | None = None
    access_ends_at: int | None = None
    opens_at: int | None = None
    completed_at: int | None = None


def classify(
    status: str, dates: EnrollmentDates, *, worked: bool, seen: bool, progress: float | None, by_roster: bool
) -> Classification:
    """Classify an enrollment without a clock.

    Args:
        status: as the LMS reports it
        dates: of the enrollment
        worked: whether any progress or time spent is reported
        seen: whether it was started, or any activity is reported
        progress: in percent, None if unknown
        by_roster: whether the status comes from a roster, which does not have the LMS's own word
    """
    is_ended = dates.completed_at is not None or (progress or 0) >= ALL_PROGRESS
    kind = OutcomeKind.ENDED if is_ended else OutcomeKind.OPEN
    has_begun = worked or seen or dates.completed_at is not None
    if not by_roster and status in _NOT_STARTED | {_IN_PROGRESS}:
        has_begun = status == _IN_PROGRESS
    stage = Stage.STARTED if has_begun else Stage.NOT_STARTED
    if status in _FINISHED:
        stage = Stage.FINISHED
    elif status in (_WITHDRAWN, _FAILED):
        stage = Stage.WITHDRAWN if status == _WITHDRAWN else Stage.FAILED
    if status == _EXPIRED and dates.completed_at is not None:  # it lapsed after it was completed
        return Classification(stage, None, kind)
    is_late = status in (_OVERDUE, _EXPIRED)
    ends = [ALWAYS] if is_late else [end for end in (dates.due_at, dates.access_ends_at) if end is not None]
    late_from = min(ends, default=None)
    if late_from is not None and dates.opens_at is not None:
        late_from = max(late_from, dates.opens_at)
    return Classification(stage, late_from, kind)


def access_expired(row: FromClause, now: Moment) -> ColumnElement[bool]:
    """Access has ended and the status is open, which makes it `expired`."""
    return row.c.access_ends_at.is_not(None) & (row.c.access_ends_at < now) & row.c.status.in_(OPEN)


def status_at(row: FromClause, now: Moment) -> ColumnElement[str]:
    """Derive the status at `now`: an open enrollment whose access has ended is `expired`."""
    from sqlalchemy import case

    return case((access_expired(row, now), Status.EXPIRED.value), else_=row.c.status)


def status_of(status: Status | None, access_ends_at: datetime | None, now: datetime) -> Status | None:
    """Derive the status of one record at `now`, as `status_at` does for rows."""
    access_expired = status in OPEN and access_ends_at is not None and access_ends_at < now
    return Status.EXPIRED if access_expired else status


def finished(row: FromClause, now: Moment) -> ColumnElement[bool]:  # noqa: ARG001  all definitions have one signature
    """Completed or passed."""
    return row.c.stage == Stage.FINISHED


def withdrawn(row: FromClause, now: Moment) -> ColumnElement[bool]:  # noqa: ARG001
    """Withdrawn from the course; counted in enrollments, in no rate."""
    return row.c.stage == Stage.WITHDRAWN


def not_finished(row: FromClause, now: Moment) -> ColumnElement[bool]:  # noqa: ARG001
    """Neither finished nor withdrawn."""
    return row.c.stage >= Stage.STARTED


def access_ended(row: FromClause, now: Moment) -> ColumnElement[bool]:
    """Access has ended, whatever the outcome."""
    return row.c.access_ends_at.is_not(None) & (row.c.access_ends_at < now)


def expired(row: FromClause, now: Moment) -> ColumnElement[bool]:
    """Access ended before finishing, or the LMS says so."""
    return (not_finished(row, now) & access_ended(row, now)) | (row.c.status == _EXPIRED)


def failed(row: FromClause, now: Moment) -> ColumnElement[bool]:  # noqa: ARG001
    """Failed, as the LMS reports."""
    return row.c.stage == Stage.FAILED


def overdue(row: FromClause, now: Moment) -> ColumnElement[bool]:
    """Not finished, and late by status, by due date, or because access has ended; a failure does not end it."""
    return not_finished(row, now) & (row.c.late_from < now)


def is_open(row: FromClause, now: Moment) -> ColumnElement[bool]:
    """Past the moment at which the course opens."""
    return row.c.opens_at.is_(None) | (row.c.opens_at <= now)


def not_started(row: FromClause, now: Moment) -> ColumnElement[bool]:
    """Not started by the LMS's own word, else without progress, time spent or activity; the course has opened."""
    return (row.c.stage == Stage.NOT_STARTED) & is_open(row, now)


def due_soon(row: FromClause, now: Moment) -> ColumnElement[bool]:
    """Not finished, due within `DUE_SOON_DAYS` from now, and access has not ended."""
    return not_finished(row, now) & _due_within(row, now, DUE_SOON_DAYS)


def _due_within(row: FromClause, now: Moment, days: int) -> ColumnElement[bool]:
    has_access = ~access_ended(row, now) & (row.c.status != _EXPIRED)  # not every route tells when access ended
    return row.c.due_at.between(now, now + days * _DAY_SECONDS) & has_access


def due_soon_low_progress(row: FromClause, now: Moment, thresholds: Thresholds) -> ColumnElement[bool]:
    """Not finished, due soon, and progress below the threshold."""
    return _due_within(row, now, thresholds.due_days) & below(row, now, thresholds.progress)


def below(row: FromClause, now: Moment, percent: float) -> ColumnElement[bool]:
    """Not finished, and progress below a percentage; unreported progress counts as 0."""
    from sqlalchemy import func

    return not_finished(row, now) & (func.coalesce(row.c.progress_percent, 0) < percent)


def inactive(row: FromClause, now: Moment, thresholds: Thresholds) -> ColumnElement[bool]:
    """Not finished, and the last activity is at least the threshold ago."""
    long_ago = row.c.last_activity_at <= now - thresholds.inactive_days * _DAY_SECONDS
    return not_finished(row, now) & row.c.completed_at.is_(None) & row.c.last_activity_at.is_not(None) & long_ago


def inactive_since(row: FromClause, now: Moment, since: int) -> ColumnElement[bool]:
    """Not finished, and no activity at a moment or later; without any activity, enrolled before it."""
    from sqlalchemy import func

    return not_finished(row, now) & (func.coalesce(row.c.last_activity_at, row.c.enrolled_at) < since)


def not_started_for_long(row: FromClause, now: Moment, thresholds: Thresholds) -> ColumnElement[bool]:
    """Not started, and enrolled at least the threshold ago."""
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
    """Not finished, the course has opened, and at least one signal."""
    from sqlalchemy import or_

    any_signal = or_(*signals(row, now, thresholds).values())
    return not_finished(row, now) & is_open(row, now) & any_signal  # the first condition excludes most rows


def late_since(row: FromClause, now: Moment) -> ColumnElement[int | None]:
    """Since when an overdue enrollment is late: its due date, else the end of access, else NULL."""
    from sqlalchemy import case, null

    by_date = row.c.due_at.is_not(None) & (row.c.due_at < now)
    by_access = row.c.access_ends_at.is_not(None) & (row.c.access_ends_at < now)
    since = case((by_date, row.c.due_at), (by_access, row.c.access_ends_at), else_=null())
    return case((overdue(row, now), since), else_=null())


def days_late(late_since: int, now: int) -> int:
    """Count the days since a moment, a started day as a whole."""
    return -((late_since - now) // _DAY_SECONDS)


def finished_within(row: FromClause, now: Moment, since: int | None, before: int | None) -> ColumnElement[bool]:
    """Finished, with a completion date in a period; a bound of None is open."""
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
    """Compose who is expected to be enrolled: not reported as an instructor or an administrator."""
    return person.c.role.is_(None) | person.c.role.not_in([UserRole.INSTRUCTOR, UserRole.ADMIN])


def no_due_date(row: FromClause, now: Moment) -> ColumnElement[bool]:  # noqa: ARG001
    """Without a due date in the LMS."""
    return row.c.due_at.is_(None)


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
"""The definition of each `state` that needs no thresholds, unlike `at_risk`."""
