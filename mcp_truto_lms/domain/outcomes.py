"""Unknown outcomes: which enrollments only a roster has reported, and between which bounds they leave a number.

A roster reports neither failures nor the LMS's own word. A transcript or a pair reports both, and `outcome_at` is the
moment of its report. While an enrollment is unchanged, the report counts: for ever once it is finished, else for
`OUTCOME_MAX_AGE_SECONDS`.

A condition is evaluated for the enrollment as it is stored, and once for each other outcome that it may have. It is
certain where all of them meet it, and possible where any does: a number lies between the count of the certain and the
count of the possible.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from mcp_truto_lms.domain.definitions import OUTCOME_UNKNOWN, OutcomeKind, Stage
from mcp_truto_lms.domain.model import EnrollmentStatus as Status

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, FromClause

    Condition = Callable[[FromClause], ColumnElement[bool]]

OUTCOME_MAX_AGE_SECONDS = 8 * 24 * 3600
"""From this age on, the reported outcome of an enrollment that is not finished is unknown again."""
_POSSIBLE = {
    OutcomeKind.OPEN: (
        (Stage.STARTED, Status.IN_PROGRESS),
        (Stage.NOT_STARTED, Status.ENROLLED),
        (Stage.FAILED, Status.FAILED),
    ),
    OutcomeKind.ENDED: (
        (Stage.FINISHED, Status.COMPLETED),
        (Stage.FINISHED, Status.PASSED),
        (Stage.STARTED, Status.IN_PROGRESS),
        (Stage.FAILED, Status.FAILED),
    ),
}
"""The outcomes that an enrollment may have where only a roster reported it."""


@dataclass(frozen=True, slots=True)
class KnownSince:
    """Since when a reported outcome counts, in epoch seconds; both may be parameters of a statement.

    Args:
        finished: for finished enrollments
        open: for all others
    """

    finished: Any
    open: Any

    @classmethod
    def at(cls, now: int, *, fetched_since: int | None = None) -> KnownSince:
        """Return since when outcomes count at a moment.

        Args:
            now: the moment of the answer
            fetched_since: the moment before which nothing counts; None if stored outcomes count
        """
        if fetched_since is not None:
            return cls(fetched_since, fetched_since)
        return cls(OUTCOME_UNKNOWN + 1, now - OUTCOME_MAX_AGE_SECONDS)


def is_unknown(row: FromClause, since: KnownSince) -> ColumnElement[bool]:
    """Compose that the outcome was never reported, or so long ago that it no longer counts."""
    return (row.c.outcome_at < since.finished) | ((row.c.outcome_at < since.open) & (row.c.stage >= Stage.STARTED))


def certain(row: FromClause, since: KnownSince, condition: Condition) -> ColumnElement[bool]:
    """Compose that an enrollment meets a condition whatever its outcome turns out to be."""
    from sqlalchemy import and_

    return _whatever_outcome(row, since, condition, and_)


def possible(row: FromClause, since: KnownSince, condition: Condition) -> ColumnElement[bool]:
    """Compose that an enrollment meets a condition, or may turn out to."""
    from sqlalchemy import or_

    return _whatever_outcome(row, since, condition, or_)


def _whatever_outcome(
    row: FromClause, since: KnownSince, condition: Condition, combine: Callable[..., ColumnElement[bool]]
) -> ColumnElement[bool]:
    from sqlalchemy import case

    by_kind = [
        (
            row.c.outcome_kind == kind,
            combine(
                condition(row), *(condition(cast("FromClause", _HypotheticalRow(row, *each))) for each in outcomes)
            ),
        )
        for kind, outcomes in _POSSIBLE.items()
    ]
    return case((~is_unknown(row, since), condition(row)), *by_kind, else_=condition(row))


class _HypotheticalRow:
    """A row with another outcome, for definitions, which read nothing but columns.

    Args:
        row: the table
        stage: how far the enrollment got
        status: as the LMS would report it
    """

    def __init__(self, row: FromClause, stage: Stage, status: Status) -> None:
        self.c = _HypotheticalColumns(row, stage, status)


class _HypotheticalColumns:
    def __init__(self, row: FromClause, stage: Stage, status: Status) -> None:
        from sqlalchemy import literal

        self._row = row
        self.stage = literal(int(stage))
        self.status = literal(str(status))

    def __getattr__(self, name: str) -> ColumnElement[Any]:
        return self._row.c[name]
