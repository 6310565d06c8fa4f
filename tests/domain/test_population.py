"""Which enrollments are counted: the latest attempt, active people, current courses, learners, and a period."""

from __future__ import annotations

import pytest

from mcp_truto_lms.store.schema import ARCHIVED, INACTIVE
from mcp_truto_lms.store.selection import Selection
from tests.domain.matches import match_counts
from tests.stored import ACCOUNT, at, course, filled, page_of, person, record
from tests.truth import DAY, NOON


def test_only_the_latest_of_several_attempts_is_counted():
    records = [
        record("u", "c", "failed", key="first", attempt_number=1, enrolled_at=at(NOON - DAY)),
        record("u", "c", "completed", key="third", attempt_number=3, enrolled_at=at(NOON - 3 * DAY)),
        record("u", "c", "in_progress", key="second", attempt_number=2, enrolled_at=at(NOON)),
        record("u", "d", "failed", key="early", enrolled_at=at(NOON - 9 * DAY)),
        record("u", "d", "in_progress", key="late", enrolled_at=at(NOON - 8 * DAY)),
    ]
    database = filled(records=records)
    rows = database._transact(lambda c: page_of(c, Selection(ACCOUNT, NOON), sort="id", limit=9, offset=0))
    excluded = match_counts(database).excluded
    database.close()
    assert [row["id"] for row in rows] == ["late", "third"]
    assert excluded.earlier_attempts == 3


@pytest.mark.parametrize("reason", [INACTIVE, ARCHIVED])
def test_only_the_latest_attempt_is_counted_where_excluded_enrollments_are_included(reason: str):
    people = [person("u", "U", status="inactive" if reason == INACTIVE else "active")]
    titles = [course("c", "C", status="archived" if reason == ARCHIVED else "published")]
    records = [record("u", "c", "failed", key=f"attempt {number}", attempt_number=number) for number in (2, 3, 1)]
    database = filled(people, titles, records)
    counts = match_counts(database, included=frozenset({reason}))
    excluded = match_counts(database).excluded
    database.close()
    assert (counts.totals.enrollments, counts.excluded.earlier_attempts) == (1, 2)
    assert (excluded.inactive_people, excluded.archived_courses) == (int(reason == INACTIVE), int(reason == ARCHIVED))


def test_inactive_people_archived_courses_and_instructors_are_excluded_and_counted_by_reason():
    people = [person("1", "Ann"), person("2", "Bob", status="inactive")]
    titles = [course("c", "Current"), course("d", "Old", status="archived")]
    records = [
        record("1", "c", "completed"),
        record("2", "c", "completed"),
        record("1", "d", "completed"),
        record("3", "c", "in_progress", learner=False),
    ]
    database = filled(people, titles, records)
    counts = match_counts(database)
    database.close()
    totals, excluded = counts.totals, counts.excluded
    assert (totals.enrollments, totals.learners, totals.courses) == (1, 1, 1)
    assert (
        excluded.inactive_people,
        excluded.archived_courses,
        excluded.instructors,
        excluded.earlier_attempts,
    ) == (1, 1, 1, 0)


def test_a_stored_enrollment_becomes_overdue_and_expires_as_time_passes():
    database = filled(records=[record("u", "c", "enrolled", due=NOON + DAY, ends=NOON + 2 * DAY)])

    def status_and_overdue(now: int) -> tuple[str, int]:
        counts = match_counts(database, now=now)
        return next(iter(counts.by_status)), counts.totals.overdue

    by_day = [status_and_overdue(NOON + days * DAY) for days in (0, 1, 2, 3)]
    database.close()
    assert by_day == [("enrolled", 0), ("enrolled", 0), ("enrolled", 1), ("expired", 1)]


def test_the_completion_rate_of_a_period_is_what_finished_in_it_of_what_was_open_in_it():
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
    finished_in_period = Selection(ACCOUNT, NOON, completed_from=from_, completed_before=before)
    finished = match_counts(database, completed_from=from_, completed_before=before).totals
    base = match_counts(database, completed_from=from_, completed_before=before, in_period=True).totals
    rows = database._transact(lambda c: page_of(c, finished_in_period, sort="user.id", limit=9, offset=0))
    database.close()
    assert [row["user.id"] for row in rows] == ["last", "within"]
    assert (finished.enrollments, base.finished) == (2, 2)
    assert (base.enrollments, base.withdrawn) == (5, 1)
    assert base.rate == 50
