"""The states of an enrollment, over every combination of facts, against an independent reading of the definitions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import product
from typing import NamedTuple

import pytest

from mcp_truto_lms.domain.definitions import State, status_of
from mcp_truto_lms.domain.model import EnrollmentStatus
from mcp_truto_lms.query.vocabulary import GroupBy
from mcp_truto_lms.store.counts import Counts
from mcp_truto_lms.store.database import Database
from mcp_truto_lms.store.groups import count_groups
from mcp_truto_lms.store.selection import Selection
from tests.domain.matches import match_counts, matching_cases
from tests.stored import ACCOUNT, at, course, filled, record
from tests.truth import DAY, NOON

SOON = NOON + 14 * DAY
OPEN_STATUSES = {"assigned", "enrolled", "in_progress", "overdue", "unknown"}


class Case(NamedTuple):
    status: str
    due: int | None
    ends: int | None
    completed: bool
    progress: int | None
    seconds: int | None
    active: bool


CASES = [
    Case(*facts)
    for facts in product(
        [str(status) for status in EnrollmentStatus],
        [None, NOON - 1, NOON, SOON, SOON + 1],
        [None, NOON - 1, NOON],
        [False, True],
        [None, 0, 50],
        [None, 60],
        [False, True],
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
            ends=case.ends,
            completed_at=at(NOON - 400 * DAY) if case.completed else None,
            progress_percent=case.progress,
            time_spent_seconds=case.seconds,
            last_activity_at=at(NOON - DAY) if case.active else None,
        )
        for number, case in enumerate(CASES)
    ]
    store = filled(titles=[course("c", "Course")], records=records)
    yield store
    store.close()


def in_state(database: Database, state: State) -> set[int]:
    return matching_cases(database, states=(state,))


def cases_where(test: Callable[[Case], bool]) -> set[int]:
    return {number for number, case in enumerate(CASES) if test(case)}


def is_open(case: Case) -> bool:
    return case.status not in ("completed", "passed", "withdrawn")


def has_status_expired(case: Case, now: int = NOON) -> bool:
    return case.status == "expired" or (case.status in OPEN_STATUSES and case.ends is not None and case.ends < now)


def has_expired(case: Case, now: int = NOON) -> bool:
    return case.status == "expired" or (is_open(case) and case.ends is not None and case.ends < now)


def is_overdue(case: Case, now: int = NOON) -> bool:
    if not is_open(case) or (case.status == "expired" and case.completed):
        return False
    past = [moment for moment in (case.due, case.ends) if moment is not None and moment < now]
    return case.status in ("overdue", "expired") or bool(past)


def is_not_started(case: Case) -> bool:
    if case.status in ("assigned", "enrolled"):
        return True
    has_begun = case.progress or case.seconds or case.active or case.completed
    return case.status in ("overdue", "expired", "unknown") and not has_begun


def test_an_enrollment_is_finished_if_it_is_completed_or_passed(database: Database):
    assert in_state(database, State.FINISHED) == cases_where(lambda case: case.status in ("completed", "passed"))


def test_every_enrollment_is_either_finished_or_not_finished_or_withdrawn(database: Database):
    finished, not_finished = in_state(database, State.FINISHED), in_state(database, State.NOT_FINISHED)
    withdrawn = matching_cases(database, statuses=(EnrollmentStatus.WITHDRAWN,))
    assert withdrawn == cases_where(lambda case: case.status == "withdrawn")
    assert finished | not_finished | withdrawn == set(range(len(CASES)))
    assert len(finished) + len(not_finished) + len(withdrawn) == len(CASES)


def test_an_enrollment_is_overdue_by_status_or_due_date_or_access_whether_it_failed_or_not(database: Database):
    assert in_state(database, State.OVERDUE) == cases_where(is_overdue)
    assert in_state(database, State.OVERDUE) < in_state(database, State.NOT_FINISHED)


@pytest.mark.parametrize("now", [NOON - 2, NOON - 1, NOON, NOON + 1, SOON, SOON + 1, SOON + 2])
def test_overdue_and_expired_enrollments_follow_the_clock(database: Database, now: int):
    for state, test in ((State.OVERDUE, is_overdue), (State.EXPIRED, has_expired)):
        expected = [case for case in CASES if test(case, now)]
        totals = match_counts(database, now=now, states=(state,)).totals
        assert totals.enrollments == len(expected)
        assert totals.overdue == sum(is_overdue(case, now) for case in expected)


def test_the_status_overdue_selects_the_state_overdue(database: Database):
    assert matching_cases(database, statuses=(EnrollmentStatus.OVERDUE,)) == in_state(database, State.OVERDUE)


def test_an_open_enrollment_is_due_soon_from_now_until_fourteen_days_from_now(database: Database):
    expected = cases_where(
        lambda case: (
            is_open(case)
            and case.due in (NOON, SOON)
            and case.ends != NOON - 1
            and case.status != EnrollmentStatus.EXPIRED
        )
    )
    assert in_state(database, State.DUE_SOON) == expected


def test_an_enrollment_that_is_overdue_and_due_soon_is_late_by_its_status(database: Database):
    both = in_state(database, State.OVERDUE) & in_state(database, State.DUE_SOON)
    assert {CASES[number].status for number in both} == {"overdue"}


def test_an_enrollment_is_not_started_by_its_status_else_without_any_sign_of_work(database: Database):
    assert in_state(database, State.NOT_STARTED) == cases_where(is_not_started)
    assert in_state(database, State.NOT_STARTED) < in_state(database, State.NOT_FINISHED)


def test_an_open_enrollment_expires_when_its_access_ends(database: Database):
    assert in_state(database, State.EXPIRED) == cases_where(has_expired)
    assert matching_cases(database, statuses=(EnrollmentStatus.EXPIRED,)) == cases_where(has_status_expired)


def test_a_record_has_the_same_status_as_its_row(database: Database):
    now = datetime.fromtimestamp(NOON, UTC)
    statuses = [status_of(EnrollmentStatus(case.status), at(case.ends), now) for case in CASES]
    for status in EnrollmentStatus:
        if status is not EnrollmentStatus.OVERDUE:  # as a filter it also selects the state
            expected = {number for number, case_status in enumerate(statuses) if case_status is status}
            assert matching_cases(database, statuses=(status,)) == expected


def test_a_failed_enrollment_is_failed_and_overdue_and_expired_after_its_access_ends(database: Database):
    failed = cases_where(lambda case: case.status == "failed")
    assert in_state(database, State.FAILED) == failed
    after_end = failed & cases_where(lambda case: case.ends == NOON - 1)
    assert after_end
    assert after_end <= in_state(database, State.OVERDUE) & in_state(database, State.EXPIRED)


def test_an_enrollment_without_a_due_date_is_in_that_state_whatever_its_outcome(database: Database):
    assert in_state(database, State.NO_DUE_DATE) == cases_where(lambda case: case.due is None)


def test_several_states_match_enrollments_in_any_of_them(database: Database):
    states = (State.OVERDUE, State.FINISHED)
    assert matching_cases(database, states=states) == in_state(database, states[0]) | in_state(database, states[1])


def test_progress_below_counts_unknown_progress_as_zero_and_excludes_finished_enrollments(database: Database):
    expected = cases_where(lambda case: is_open(case) and (case.progress or 0) < 50)
    assert matching_cases(database, progress_below=50.0) == expected


def test_the_count_of_a_state_is_the_number_of_enrollments_in_it(database: Database):
    counts = match_counts(database).totals
    for state in (State.FINISHED, State.OVERDUE, State.DUE_SOON, State.NOT_STARTED, State.AT_RISK, State.NO_DUE_DATE):
        assert getattr(counts, state.value) == len(in_state(database, state)), state
    assert counts.withdrawn == len(cases_where(lambda case: case.status == "withdrawn"))
    known = [case.progress for case in CASES if case.progress is not None]
    assert counts.average == pytest.approx(sum(known) / len(known))
    assert counts.rate == pytest.approx(100 * counts.finished / (len(CASES) - counts.withdrawn))


def test_counts_by_status_add_up_to_the_total(database: Database):
    by_status = match_counts(database).by_status
    assert sum(by_status.values()) == len(CASES)
    assert by_status["expired"] == len(cases_where(has_status_expired))
    groups, group_count = database._transact(
        lambda c: count_groups(c, Selection(ACCOUNT, NOON), (GroupBy.STATUS,), sort="-enrollments", limit=25)
    )
    assert {group.keys[0].id: group.counts.enrollments for group in groups} == by_status
    assert group_count == len(by_status)


def test_rates_and_averages_of_no_enrollments_are_none():
    only_withdrawn = Counts(enrollments=2, withdrawn=2)
    assert (only_withdrawn.rate, only_withdrawn.average, only_withdrawn.hours) == (None, None, None)
