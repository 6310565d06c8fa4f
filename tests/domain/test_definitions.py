"""The definitions, over every combination of facts, against an independent reading of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import product
from typing import Any, NamedTuple

import pytest

from mcp_truto_lms.domain.definitions import (
    DUE_SOON_DAYS,
    State,
    Thresholds,
    days_late,
    status_of,
)
from mcp_truto_lms.domain.model import EnrollmentStatus
from mcp_truto_lms.domain.terms import LEGEND, at_risk_words
from mcp_truto_lms.query.vocabulary import GroupBy
from mcp_truto_lms.store import at_risk_learners
from mcp_truto_lms.store.counts import Counts, MatchCounts, count_by_course_and_status
from mcp_truto_lms.store.database import Database
from mcp_truto_lms.store.groups import count_groups
from mcp_truto_lms.store.schema import ARCHIVED, INACTIVE
from mcp_truto_lms.store.selection import Selection
from tests.stored import ACCOUNT, at, course, filled, page_of, person, record
from tests.truth import DAY, NOON

SOON = NOON + 14 * DAY
OPEN = {"assigned", "enrolled", "in_progress", "overdue", "unknown"}


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
        [str(one) for one in EnrollmentStatus],
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
            f"u{index}",
            "c",
            one.status,
            due=one.due,
            ends=one.ends,
            completed_at=at(NOON - 400 * DAY) if one.completed else None,
            progress_percent=one.progress,
            time_spent_seconds=one.seconds,
            last_activity_at=at(NOON - DAY) if one.active else None,
        )
        for index, one in enumerate(CASES)
    ]
    made = filled(titles=[course("c", "Course")], records=records)
    yield made
    made.close()


def matching(database: Database, **selected: Any) -> set[int]:
    """Number the cases that a selection matches."""
    selection = Selection(ACCOUNT, NOON, **selected)
    rows = database._transact(lambda c: page_of(c, selection, sort=None, limit=len(CASES), offset=0))
    return {int(row["user.id"][1:]) for row in rows}


def surveyed(database: Database, **selected: Any) -> MatchCounts:
    return database._transact(lambda c: count_by_course_and_status(c, Selection(ACCOUNT, NOON, **selected)))


def meant(database: Database, state: State) -> set[int]:
    return matching(database, states=(state,))


def cases(test: Any) -> set[int]:
    return {index for index, one in enumerate(CASES) if test(one)}


def is_open(one: Case) -> bool:
    return one.status not in ("completed", "passed", "withdrawn")


def has_expired(one: Case, now: int = NOON) -> bool:
    return one.status == "expired" or (one.status in OPEN and one.ends is not None and one.ends < now)


def is_overdue(one: Case, now: int = NOON) -> bool:
    if not is_open(one) or (has_expired(one, now) and one.completed):
        return False
    return one.status == "overdue" or (one.due is not None and one.due < now) or has_expired(one, now)


def is_not_started(one: Case) -> bool:
    return is_open(one) and not (one.progress or one.seconds or one.active or one.completed)


def test_finished_is_completed_or_passed(database: Database):
    assert meant(database, State.FINISHED) == cases(lambda one: one.status in ("completed", "passed"))


def test_finished_not_finished_and_withdrawn_part_all_enrollments(database: Database):
    finished, open_ = meant(database, State.FINISHED), meant(database, State.NOT_FINISHED)
    withdrawn = matching(database, statuses=(EnrollmentStatus.WITHDRAWN,))
    assert withdrawn == cases(lambda one: one.status == "withdrawn")
    assert finished | open_ | withdrawn == set(range(len(CASES)))
    assert len(finished) + len(open_) + len(withdrawn) == len(CASES)


def test_overdue_is_late_by_status_date_or_access_and_never_a_lapsed_certificate(database: Database):
    assert meant(database, State.OVERDUE) == cases(is_overdue)
    assert meant(database, State.OVERDUE) < meant(database, State.NOT_FINISHED)


@pytest.mark.parametrize("now", [NOON - 2, NOON - 1, NOON, NOON + 1, SOON, SOON + 1, SOON + 2])
def test_who_is_overdue_and_whose_access_ran_out_follows_the_clock(database: Database, now: int):
    for state, test in ((State.OVERDUE, is_overdue), (State.EXPIRED, has_expired)):
        counted = database._transact(
            lambda c, s=state: count_by_course_and_status(c, Selection(ACCOUNT, now, states=(s,)))
        )
        assert counted.totals.enrollments == len(cases(lambda one, t=test: t(one, now)))
        assert counted.totals.overdue == len(cases(lambda one, t=test: t(one, now) and is_overdue(one, now)))


def test_the_status_overdue_asks_for_the_state_overdue(database: Database):
    assert matching(database, statuses=(EnrollmentStatus.OVERDUE,)) == meant(database, State.OVERDUE)


def test_due_soon_is_open_and_due_from_now_to_fourteen_days_on(database: Database):
    assert meant(database, State.DUE_SOON) == cases(lambda one: is_open(one) and one.due in (NOON, SOON))


def test_overdue_and_due_soon_meet_only_where_the_status_or_the_access_is_late(database: Database):
    both = meant(database, State.OVERDUE) & meant(database, State.DUE_SOON)
    assert both
    assert all(CASES[one].status == "overdue" or has_expired(CASES[one]) for one in both)


def test_not_started_needs_no_sign_of_work_whatever_the_status(database: Database):
    assert meant(database, State.NOT_STARTED) == cases(is_not_started)
    assert meant(database, State.NOT_STARTED) < meant(database, State.NOT_FINISHED)


def test_access_that_has_ended_makes_an_open_enrollment_expired(database: Database):
    assert meant(database, State.EXPIRED) == cases(has_expired)
    assert matching(database, statuses=(EnrollmentStatus.EXPIRED,)) == cases(has_expired)


def test_the_status_of_one_record_is_that_of_its_row(database: Database):
    now = datetime.fromtimestamp(NOON, UTC)
    told = {index: status_of(EnrollmentStatus(one.status), at(one.ends), now) for index, one in enumerate(CASES)}
    for status in EnrollmentStatus:
        if status is not EnrollmentStatus.OVERDUE:  # asks for the state as well
            assert matching(database, statuses=(status,)) == {index for index, one in told.items() if one is status}


def test_failed_stays_failed_after_its_access_has_ended(database: Database):
    assert meant(database, State.FAILED) == cases(lambda one: one.status == "failed")


def test_no_due_date_says_nothing_of_the_outcome(database: Database):
    assert meant(database, State.NO_DUE_DATE) == cases(lambda one: one.due is None)


def test_states_are_joined_by_or(database: Database):
    two = (State.OVERDUE, State.FINISHED)
    assert matching(database, states=two) == meant(database, two[0]) | meant(database, two[1])


def test_progress_below_takes_unknown_progress_as_none_and_leaves_out_the_finished(database: Database):
    assert matching(database, progress_below=50.0) == cases(lambda one: is_open(one) and (one.progress or 0) < 50)


def test_counts_are_the_sizes_of_the_states(database: Database):
    counts = surveyed(database).totals
    for state in (State.FINISHED, State.OVERDUE, State.DUE_SOON, State.NOT_STARTED, State.AT_RISK, State.NO_DUE_DATE):
        assert getattr(counts, state.value) == len(meant(database, state)), state
    assert counts.withdrawn == len(cases(lambda one: one.status == "withdrawn"))
    known = [one.progress for one in CASES if one.progress is not None]
    assert counts.average == pytest.approx(sum(known) / len(known))
    assert counts.rate == pytest.approx(100 * counts.finished / (len(CASES) - counts.withdrawn))


def test_counts_by_status_add_up_to_the_whole(database: Database):
    by_status = surveyed(database).by_status
    assert sum(by_status.values()) == len(CASES)
    assert by_status["expired"] == len(cases(has_expired))
    found, number = database._transact(
        lambda c: count_groups(c, Selection(ACCOUNT, NOON), (GroupBy.STATUS,), sort="-enrollments", limit=25)
    )
    assert {one.keys[0].id: one.counts.enrollments for one in found} == by_status
    assert number == len(by_status)


def test_a_completion_rate_without_enrollments_is_none():
    nothing = Counts(enrollments=2, withdrawn=2)
    assert (nothing.rate, nothing.average, nothing.hours) == (None, None, None)


def test_of_several_attempts_the_latest_counts():
    records = [
        record("u", "c", "failed", key="first", attempt_number=1, enrolled_at=at(NOON - DAY)),
        record("u", "c", "completed", key="third", attempt_number=3, enrolled_at=at(NOON - 3 * DAY)),
        record("u", "c", "in_progress", key="second", attempt_number=2, enrolled_at=at(NOON)),
        record("u", "d", "failed", key="early", enrolled_at=at(NOON - 9 * DAY)),
        record("u", "d", "in_progress", key="late", enrolled_at=at(NOON - 8 * DAY)),
    ]
    database = filled(records=records)
    rows = database._transact(lambda c: page_of(c, Selection(ACCOUNT, NOON), sort="id", limit=9, offset=0))
    excluded = surveyed(database).excluded
    database.close()
    assert [row["id"] for row in rows] == ["late", "third"]
    assert excluded.earlier_attempts == 3


@pytest.mark.parametrize("reason", [INACTIVE, ARCHIVED])
def test_of_several_attempts_the_latest_counts_also_where_those_left_out_are_asked_for(reason: str):
    people = [person("u", "U", status="inactive" if reason == INACTIVE else "active")]
    titles = [course("c", "C", status="archived" if reason == ARCHIVED else "published")]
    records = [record("u", "c", "failed", key=f"attempt {number}", attempt_number=number) for number in (2, 3, 1)]
    database = filled(people, titles, records)
    found = surveyed(database, included=frozenset({reason}))
    whole = surveyed(database).excluded
    database.close()
    assert (found.totals.enrollments, found.excluded.earlier_attempts) == (1, 2)
    assert (whole.inactive_people, whole.archived_courses) == (int(reason == INACTIVE), int(reason == ARCHIVED))


def test_inactive_people_archived_courses_and_instructors_are_no_part_of_the_population():
    people = [person("1", "Ann"), person("2", "Bob", status="inactive")]
    titles = [course("c", "Current"), course("d", "Old", status="archived")]
    records = [
        record("1", "c", "completed"),
        record("2", "c", "completed"),
        record("1", "d", "completed"),
        record("3", "c", "in_progress", learner=False),
    ]
    database = filled(people, titles, records)
    found = surveyed(database)
    database.close()
    counts, left = found.totals, found.excluded
    assert (counts.enrollments, counts.learners, counts.courses) == (1, 1, 1)
    assert (left.inactive_people, left.archived_courses, left.instructors, left.earlier_attempts) == (1, 1, 1, 0)


def test_a_later_now_expires_and_makes_late_without_reading_again():
    database = filled(records=[record("u", "c", "enrolled", due=NOON + DAY, ends=NOON + 2 * DAY)])

    def states(now: int) -> tuple[str, int]:
        selection = Selection(ACCOUNT, now)
        found = database._transact(lambda c: count_by_course_and_status(c, selection))
        return next(iter(found.by_status)), found.totals.overdue

    seen = [states(NOON + days * DAY) for days in (0, 1, 2, 3)]
    database.close()
    assert seen == [("enrolled", 0), ("enrolled", 0), ("enrolled", 1), ("expired", 1)]


# at risk, over facts of their own


class Sign(NamedTuple):
    status: str
    due: int | None
    completed: bool
    progress: int | None
    enrolled: int | None
    active: int | None


SIGNS = [
    Sign(*facts)
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
def troubled() -> Iterator[Database]:
    records = [
        record(
            f"u{index}",
            "c",
            one.status,
            due=one.due,
            completed_at=at(NOON - 400 * DAY) if one.completed else None,
            progress_percent=one.progress,
            enrolled_at=at(one.enrolled),
            last_activity_at=at(one.active),
        )
        for index, one in enumerate(SIGNS)
    ]
    made = filled(titles=[course("c", "Course")], records=records)
    yield made
    made.close()


def signs_of(one: Sign) -> list[str]:
    """Judge by the words of the definition."""
    if one.status in ("completed", "withdrawn"):
        return []
    lapsed = one.status == "expired" and one.completed
    late = one.status in ("overdue", "expired") or (one.due is not None and one.due < NOON)
    begun = one.progress or one.active or one.completed
    found = {
        "overdue": late and not lapsed,
        "failed": one.status == "failed",
        "due soon": one.due in (NOON, SOON) and (one.progress or 0) < 50,
        "inactive": not one.completed and one.active == NOON - 30 * DAY,
        "not started": not begun and one.enrolled == NOON - 30 * DAY,
    }
    return [word for word, is_so in found.items() if is_so]


def test_at_risk_is_at_least_one_sign_of_trouble_and_the_signs_are_told(troubled: Database):
    selection = Selection(ACCOUNT, NOON, states=(State.AT_RISK,))
    rows = troubled._transact(lambda c: page_of(c, selection, sort=None, limit=5_000, offset=0, signals=True))
    told = {int(row["user.id"][1:]): [signal.kind for signal in row["signals"]] for row in rows}
    assert {signal.days_late for row in rows for signal in row["signals"]} == {None, 1}
    assert told == {index: signs_of(one) for index, one in enumerate(SIGNS) if signs_of(one)}
    assert [len(told[int(row["user.id"][1:])]) for row in rows] == sorted(map(len, told.values()), reverse=True)
    assert surveyed(troubled).totals.at_risk == len(told)


def test_every_threshold_moves_its_sign_alone(troubled: Database):
    def number(thresholds: Thresholds) -> dict[str, int]:
        selection = Selection(ACCOUNT, NOON, thresholds=thresholds)
        found, _ = troubled._transact(lambda c: at_risk_learners.most_at_risk(c, selection, limit=5_000))
        return {word: sum(one.signals.get(word, 0) for one in found) for word in WORDS_OF_SIGNS}

    usual = number(Thresholds())
    for thresholds, word in (
        (Thresholds(due_days=15), "due soon"),
        (Thresholds(progress=51), "due soon"),
        (Thresholds(inactive_days=29), "inactive"),
        (Thresholds(not_started_days=29), "not started"),
    ):
        moved = number(thresholds)
        assert {one for one in moved if moved[one] != usual[one]} == {word}
        assert moved[word] > usual[word]


WORDS_OF_SIGNS = ("overdue", "failed", "due soon", "inactive", "not started")


def test_learners_at_risk_come_by_their_signs_then_by_days_late_then_by_name():
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
    found, number = database._transact(lambda c: at_risk_learners.most_at_risk(c, Selection(ACCOUNT, NOON), limit=3))
    database.close()
    assert [(one.name, dict(one.signals)) for one in found] == [
        ("Zoe", {"overdue": 1, "not started": 1}),
        ("Bob", {"overdue": 1}),
        ("Ann", {"overdue": 1}),
    ]
    assert number == 4


@pytest.mark.parametrize(("seconds", "days"), [(1, 1), (DAY, 1), (DAY + 1, 2), (22 * DAY - 1, 22)])
def test_a_begun_day_late_is_a_day(seconds: int, days: int):
    assert days_late(NOON - seconds, NOON) == days


def test_inactive_since_a_day_is_without_activity_from_then_on_or_enrolled_before_it(troubled: Database):
    since = NOON - 30 * DAY + 1
    rows = troubled._transact(
        lambda c: page_of(c, Selection(ACCOUNT, NOON, inactive_since=since), sort=None, limit=5_000, offset=0)
    )
    wanted = {
        index
        for index, one in enumerate(SIGNS)
        if one.status not in ("completed", "withdrawn") and (one.active or one.enrolled or since) < since
    }
    assert {int(row["user.id"][1:]) for row in rows} == wanted


def test_what_was_finished_in_a_time_is_a_share_of_what_was_open_in_it():
    from_, before = NOON - 10 * DAY, NOON - 5 * DAY
    records = [
        record("before", "c", "completed", completed_at=at(from_ - 1)),
        record("within", "c", "passed", completed_at=at(from_)),
        record("last", "c", "completed", completed_at=at(before - 1), enrolled_at=at(before - 1)),
        record("after", "c", "completed", completed_at=at(before)),
        record("open", "c", "in_progress", enrolled_at=at(from_ - DAY)),
        record("later", "c", "in_progress", enrolled_at=at(before)),
        record("undated", "c", "completed"),
        record("gone", "c", "withdrawn"),
    ]
    database = filled(titles=[course("c", "C")], records=records)
    match = Selection(ACCOUNT, NOON, completed_from=from_, completed_before=before)
    base = Selection(ACCOUNT, NOON, completed_from=from_, completed_before=before, in_period=True)
    found, whole = (
        database._transact(lambda c, s=one: count_by_course_and_status(c, s)).totals for one in (match, base)
    )
    rows = database._transact(lambda c: page_of(c, match, sort="user.id", limit=9, offset=0))
    database.close()
    assert [row["user.id"] for row in rows] == ["last", "within"]
    assert (found.enrollments, whole.finished) == (2, 2)
    assert (whole.enrollments, whole.withdrawn) == (5, 1)
    assert whole.rate == 50


def test_thresholds_are_told_with_what_they_mean():
    told = at_risk_words(Thresholds(due_days=7, progress=33, inactive_days=45, not_started_days=60))
    assert all(number in told for number in ("7 days", "33 %", "45 days", "60 days"))


def test_every_number_of_a_summary_has_its_words():
    assert {"finished", "%", "overdue", "due_soon", "not_started"} <= set(LEGEND)
    assert str(DUE_SOON_DAYS) in LEGEND["due_soon"]
