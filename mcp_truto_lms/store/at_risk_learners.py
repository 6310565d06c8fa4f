"""The learners of a match who are most at risk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from operator import add

from sqlalchemy import Connection, and_, func, select

from mcp_truto_lms.domain import definitions
from mcp_truto_lms.domain.signals import SignalKind
from mcp_truto_lms.store.counts import number_of
from mcp_truto_lms.store.schema import enrollments, learners
from mcp_truto_lms.store.selection import Selection


@dataclass(frozen=True, slots=True)
class AtRiskLearner:
    """A learner at risk.

    Args:
        enrollments: how many are at risk
        signals: how many enrollments show each signal; signals that none shows are absent
        days_late: of the enrollment that is overdue for longest; None if nothing is, or if it is hidden
    """

    id: str
    name: str
    enrollments: int
    signals: Mapping[SignalKind, int]
    days_late: int | None


def most_at_risk(connection: Connection, selection: Selection, *, limit: int) -> tuple[list[AtRiskLearner], int]:
    """List the learners with the most signals, those late for longest first; also count all learners at risk."""
    row, now = enrollments, selection.now
    signals = definitions.signals(row, now, selection.thresholds)
    sums = {kind: number_of(condition).label(f"signal_{kind.name.lower()}") for kind, condition in signals.items()}
    by_learner = (
        select(
            row.c.user_id,
            func.count().label("number"),
            func.min(definitions.late_since(row, now)).label("late_since"),
            *sums.values(),
        )
        .where(selection.counted(), definitions.at_risk(row, now, selection.thresholds), row.c.user_id.is_not(None))
        .group_by(row.c.user_id)
        .subquery()
    )
    column = by_learner.c
    signal_count = reduce(add, (column[label.name] for label in sums.values()))
    learner = and_(learners.c.account == selection.account, learners.c.id == column.user_id)
    query = (
        select(
            by_learner, func.coalesce(learners.c.name, column.user_id).label("name"), func.count().over().label("all")
        )
        .select_from(by_learner.outerjoin(learners, learner))
        .order_by(
            signal_count.desc(),
            column.late_since.asc().nulls_last(),
            func.coalesce(learners.c.normalized_name, ""),
            column.user_id,
        )
        .limit(limit)
    )
    rows = connection.execute(query).mappings().all()
    at_risk_learners = [
        AtRiskLearner(
            id=line["user_id"],
            name=line["name"],
            enrollments=int(line["number"]),
            signals={kind: int(line[label.name]) for kind, label in sums.items() if line[label.name]},
            days_late=None if line["late_since"] is None else definitions.days_late(line["late_since"], now),
        )
        for line in rows
    ]
    return at_risk_learners, int(rows[0]["all"]) if rows else 0
