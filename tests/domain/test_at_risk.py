"""Signals of risk, over every combination of facts, against an independent reading of the definitions."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import pytest

from mcp_truto_lms.domain.definitions import State, Thresholds, days_late
from mcp_truto_lms.store.at_risk_learners import most_at_risk
from mcp_truto_lms.store.database import Database
from mcp_truto_lms.store.selection import Selection
from tests.domain.matches import case_number, match_counts, matching_cases
from tests.stored import ACCOUNT, at, course, filled, page_of, person, record
from tests.truth import DAY, NOON

SOON = NOON + 14 * DAY
SIGNAL_KINDS = ("overdue", "failed", "due soon", "inactive", "not started")


class Case(NamedTuple):
    status: str
    due: int | None
    completed: bool
    progress: int | None
    enrolled: int | None
    active: int | None


CASES = [
    Case(*facts)
    for facts in product(
        ["enrolled", "in_progress", "completed", "failed", "withdrawn", "expired", "overdue"],
        [None, NOON - 1, NOON, SOON, SOON + 1],
        [False, True],
        [None, 49, 50],
        [None, NOON - 30 * DAY, NOON - 30 * DAY + 1],
        [None, NOON - 30 * DAY, NOON - 30 * DAY + 1],
    )
]


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    records = [
        record(
            f"u{number}",
            "c",
            case.status,
            due=case.due,
            completed_at=at(NOON - 400 * DAY) if case.completed else None,
            progress_percent=case.progress,
            enrolled_at=at(case.enrolled),
            last_activity_at=at(case.active),
        )
        for number, case in enumerate(CASES)
    ]
    store = filled(titles=[course("c", "Course")], records=records)
    yield store
    store.close()


def signals_of(case: Case) -> list[str]:
    """List the signals of a case by the words of the definition."""
    if case.status in ("completed", "withdrawn"):
        return []
    expired_after_completion = case.status == "expired" and case.completed
    late = case.status in ("overdue", "expired") or (case.due is not None and case.due < NOON)
    by_word = {"enrolled": False, "in_progress": True, "failed": True}
    started = by_word.get(case.status, case.progress or case.active or case.completed)
    shown = {
        "overdue": late and not expired_after_completion,
        "failed": case.status == "failed",
        "due soon": case.status != "expired" and case.due in (NOON, SOON) and (case.progress or 0) < 50,
        "inactive": not case.completed and case.active == NOON - 30 * DAY,
        "not started": not started and case.enrolled == NOON - 30 * DAY,
    }
    return [kind for kind, is_shown in shown.items() if is_shown]


def test_an_enrollment_with_at_least_one_signal_is_at_risk_and_its_row_has_the_signals(database: Database):
    selection = Selection(ACCOUNT, NOON, states=(State.AT_RISK,))
    rows = database._transact(lambda c: page_of(c, selection, sort=None, limit=5_000, offset=0, signals=True))
    signals = {case_number(row): [signal.kind for signal in row["signals"]] for row in rows}
    assert {signal.days_late for row in rows for signal in row["signals"]} == {None, 1}
    assert signals == {number: signals_of(case) for number, case in enumerate(CASES) if signals_of(case)}
    assert [len(signals[case_number(row)]) for row in rows] == sorted(map(len, signals.values()), reverse=True)
    assert match_counts(database).totals.at_risk == len(signals)


def test_a_threshold_changes_only_its_own_signal(database: Database):
    def enrollments_by_signal(thresholds: Thresholds) -> dict[str, int]:
        selection = Selection(ACCOUNT, NOON, thresholds=thresholds)
        learners, _ = database._transact(lambda c: most_at_risk(c, selection, limit=5_000))
        return {kind: sum(learner.signals.get(kind, 0) for learner in learners) for kind in SIGNAL_KINDS}

    usual = enrollments_by_signal(Thresholds())
    for thresholds, kind in (
        (Thresholds(due_days=15), "due soon"),
        (Thresholds(progress=51), "due soon"),
        (Thresholds(inactive_days=29), "inactive"),
        (Thresholds(not_started_days=29), "not started"),
    ):
        changed = enrollments_by_signal(thresholds)
        assert {signal for signal in changed if changed[signal] != usual[signal]} == {kind}
        assert changed[kind] > usual[kind]


def test_learners_at_risk_are_sorted_by_signals_then_by_days_late_then_by_name():
    people = [person("1", "Zoe"), person("2", "Ann"), person("3", "Bob"), person("4", "Cyd"), person("5", "Eve")]
    long_ago = at(NOON - 90 * DAY)
    records = [
        record("1", "c", "enrolled", due=NOON - 2 * DAY, enrolled_at=long_ago),
        record("2", "c", "in_progress", due=NOON - 5 * DAY, progress_percent=10),
        record("3", "c", "in_progress", due=NOON - 9 * DAY, progress_percent=10),
        record("4", "c", "in_progress", due=NOON - 5 * DAY, progress_percent=10),
        record("5", "c", "completed", due=NOON - 5 * DAY),
        record("1", "d", "completed", due=NOON - 50 * DAY),
    ]
    database = filled(people, [course("c", "C"), course("d", "D")], records)
    learners, learner_count = database._transact(lambda c: most_at_risk(c, Selection(ACCOUNT, NOON), limit=3))
    database.close()
    assert [(learner.name, dict(learner.signals)) for learner in learners] == [
        ("Zoe", {"overdue": 1, "not started": 1}),
        ("Bob", {"overdue": 1}),
        ("Ann", {"overdue": 1}),
    ]
    assert learner_count == 4


@pytest.mark.parametrize(("seconds", "days"), [(1, 1), (DAY, 1), (DAY + 1, 2), (22 * DAY - 1, 22)])
def test_days_late_are_rounded_up_to_whole_days(seconds: int, days: int):
    assert days_late(NOON - seconds, NOON) == days


def test_inactive_since_a_time_matches_earlier_activity_or_earlier_enrollment_without_activity(database: Database):
    since = NOON - 30 * DAY + 1
    expected = {
        number
        for number, case in enumerate(CASES)
        if case.status not in ("completed", "withdrawn") and (case.active or case.enrolled or since) < since
    }
    assert matching_cases(database, inactive_since=since) == expected
