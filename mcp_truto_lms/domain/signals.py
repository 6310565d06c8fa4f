"""Signals: the reasons why an enrollment is at risk, as values.

`definitions.signals` decides them in SQL, the store reads them into these values, and only `render` prints them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class SignalKind(StrEnum):
    """A reason to be at risk. Answers list them in this order."""

    OVERDUE = "overdue"
    FAILED = "failed"
    DUE_SOON = "due soon"
    INACTIVE = "inactive"
    NOT_STARTED = "not started"


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal of one enrollment.

    Args:
        kind: which signal
        days_late: for how many days the enrollment is overdue; None if unknown, hidden or not about lateness
    """

    kind: SignalKind
    days_late: int | None = None
