"""The independent count follows the written definitions, in cases worked out by hand."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from mcp_truto_lms.sandbox.records import Outcome
from tests.model.independent_count import Fact, facts, matching, missing
from tests.model.portal_model import DAY, INSTRUCTOR, Course, Enrollment, Person, PortalModel

NOW = 1_800_000_000


def portal(enrollment: dict[str, Any], course: dict[str, Any] | None = None) -> PortalModel:
    """One person in one course, enrolled forty days ago."""
    model = PortalModel(Random(0))
    model.people["1"] = Person("1", "Ada", "Quill")
    model.courses["2"] = Course("2", "Safety Basics", **(course or {}))
    model.enrollments["1", "2"] = Enrollment("1", "2", NOW - 40 * DAY, **enrollment)
    return model


def fact(enrollment: dict[str, Any], course: dict[str, Any] | None = None) -> Fact:
    (only,) = facts(portal(enrollment, course), NOW)
    return only


def test_a_time_limit_that_has_passed_makes_overdue_and_expired():
    judged = fact({}, {"limit_days": 30})
    assert (judged.overdue, judged.expired, judged.status) == (True, True, "expired")


def test_a_failure_ends_neither_overdue_nor_expired():
    judged = fact({"outcome": Outcome.FAILED, "ends_on": NOW - DAY})
    assert (judged.failed, judged.overdue, judged.expired, judged.status) == (True, True, True, "failed")


def test_finishing_ends_overdue_and_expired():
    judged = fact({"outcome": Outcome.COMPLETED, "completed_on": NOW - 2 * DAY, "ends_on": NOW - DAY})
    assert (judged.finished, judged.overdue, judged.expired, judged.at_risk) == (True, False, False, False)


def test_before_a_course_opens_nobody_is_late_at_risk_or_not_started():
    judged = fact({}, {"opens_on": NOW + 20 * DAY, "limit_days": 30})
    assert (judged.overdue, judged.at_risk, judged.not_started) == (False, False, False)


def test_not_started_is_the_word_of_the_lms_whatever_the_time_spent():
    assert fact({"seconds": 60}).not_started
    assert not fact({"outcome": Outcome.INCOMPLETE}).not_started


def test_due_soon_ends_with_access():
    judged = fact({"ends_on": NOW + 3 * DAY}, {"expires_on": NOW - DAY})
    assert (judged.due_soon, judged.overdue) == (False, True)


@pytest.mark.parametrize(
    ("asked", "number"), [({}, 0), ({"user": ["1"]}, 0), ({"course": ["2"]}, 0), ({"user": ["1"], "course": ["2"]}, 1)]
)
def test_an_inactive_person_that_is_named_does_not_bring_an_archived_course_along(asked: dict[str, Any], number: int):
    model = portal({}, {"status": "archived"})
    model.people["1"].active = False
    assert len(matching(model, asked, NOW)) == number


def test_people_who_could_be_enrolled_are_active_learners():
    model = portal({})
    for key, kind, active in (("3", "Learner-Type", True), ("4", INSTRUCTOR, True), ("5", "Learner-Type", False)):
        model.people[key] = Person(key, "Ben", key, kind=kind, active=active)
    assert missing(model, {"course": ["2"]}) == [("3", "2")]
