"""Signals as text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from mcp_truto_lms.domain.signals import Signal, SignalKind

if TYPE_CHECKING:
    from mcp_truto_lms.store.at_risk_learners import AtRiskLearner


def signal_text(signals: Iterable[Signal]) -> str:
    """Print the signals of an enrollment: `overdue 12 d; not started`."""
    return "; ".join(
        signal.kind if signal.days_late is None else f"{signal.kind} {signal.days_late} d" for signal in signals
    )


def signal_counts_text(learner: AtRiskLearner) -> str:
    """Print how many enrollments of a learner show each signal: `2 overdue up to 12 d; 1 not started`."""
    days_late = "" if learner.days_late is None else f" up to {learner.days_late} d"
    return "; ".join(
        f"{number} {kind}{days_late if kind is SignalKind.OVERDUE else ''}" for kind, number in learner.signals.items()
    )
