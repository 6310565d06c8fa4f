"""What enrollments have of their learners and courses, and why they are excluded."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest

from mcp_truto_lms.domain.model import Email, EnrolledUser
from mcp_truto_lms.domain.source import Scope
from mcp_truto_lms.query.vocabulary import GroupBy
from mcp_truto_lms.store import name_search, not_enrolled
from mcp_truto_lms.store.counts import count_by_course_and_status
from mcp_truto_lms.store.schema import ARCHIVED, INACTIVE
from mcp_truto_lms.store.selection import Selection
from tests.store.written_store import COURSE, LEARNER, WrittenStore
from tests.stored import ACCOUNT, at, course, page_of, person, record
from tests.truth import DAY, NOON


def test_the_directory_excludes_inactive_people_and_includes_them_again(store: WrittenStore):
    store.replace_scope(COURSE, record("u", "c", "enrolled"))
    store.replace_people(person("u", "Ann Lee", status="inactive"))
    assert (store.row()["excluded_reason"], store.row()["learner_normalized_name"]) == ("inactive", "ann lee")
    store.replace_people(person("u", "Ann Löe"))
    assert (store.row()["excluded_reason"], store.row()["learner_normalized_name"]) == ("", "ann loe")


def test_the_course_list_excludes_archived_courses_and_includes_them_again(store: WrittenStore):
    store.replace_scope(COURSE, record("u", "c", "enrolled"))
    store.replace_courses(course("c", "Old Ways", status="archived"))
    assert (store.row()["excluded_reason"], store.row()["course_normalized_name"]) == ("archived", "old ways")
    store.replace_courses(course("c", "New Ways"))
    assert (store.row()["excluded_reason"], store.row()["course_normalized_name"]) == ("", "new ways")


def test_rows_that_are_fetched_later_are_excluded_by_the_lists_that_are_stored(store: WrittenStore):
    store.replace_people(person("u", "Ann Lee", status="inactive"))
    store.replace_courses(course("d", "Old Ways", status="archived"))
    store.replace_scope(COURSE, record("u", "c", "enrolled"), record("v", "c", "enrolled"))
    store.replace_scope(Scope(course_id="d"), record("v", "d", "enrolled"))
    assert store.column("excluded_reason") == {
        "u_c": "inactive",
        "v_c": "",
        "v_d": "archived",
    }


def test_a_person_that_comes_with_a_transcript_is_updated(store: WrittenStore):
    store.replace_people(person("u", "Ann Lee"), person("v", "Bo"))
    store.replace_scope(COURSE, record("u", "c", "enrolled"))
    store.replace_scope(LEARNER, record("u", "c", "enrolled"), people=[person("u", "Ann Berg", status="suspended")])
    assert (store.row()["learner_normalized_name"], store.row()["excluded_reason"]) == ("ann berg", "inactive")
    assert store.write(lambda c: name_search.normalized_names(c, ACCOUNT, GroupBy.LEARNER)) in (
        ["ann berg", "bo"],
        ["bo", "ann berg"],
    )


def test_people_and_courses_that_no_list_has_are_added_from_the_enrollment(store: WrittenStore):
    bare = record("u", "c", "enrolled", user_name="J. Doe", title="Böats")
    user = EnrolledUser(id="u", name="J. Doe", emails=[Email(email="J@x.example")])
    enrollment = bare.enrollment.model_copy(update={"user": user})
    store.replace_scope(COURSE, replace(bare, enrollment=enrollment), record("v", "c", "enrolled"))
    (first, second) = store.write(lambda c: page_of(c, Selection(ACCOUNT, NOON), sort="user.id", limit=9, offset=0))
    assert (first["user.name"], first["course.title"], first["user.emails"]) == (
        "J. Doe",
        "Böats",
        [{"email": "J@x.example"}],
    )
    assert second["user.name"] == "v"
    assert store.row()["course_normalized_name"] == "boats"


def test_an_enrollment_without_a_learner_or_course_is_stored_and_included(store: WrittenStore):
    bare = record("u", "c", "enrolled", key="e1")
    nobody = bare.enrollment.model_copy(update={"user": None, "course": None, "status": None})
    nobody_else = nobody.model_copy(update={"id": "e2"})
    store.replace_scope(Scope(), replace(bare, enrollment=nobody), replace(bare, enrollment=nobody_else))
    store.replace_courses()
    assert {key: (row["status"], row["excluded_reason"]) for key, row in store.rows().items()} == {
        "e1": ("unknown", ""),
        "e2": ("unknown", ""),
    }


def test_people_who_are_not_enrolled_are_counted_even_if_an_enrollment_has_no_learner(store: WrittenStore):
    store.replace_people(person("u", "U"), person("v", "V"), person("w", "W", status="inactive"))
    lost = record("u", "c", "enrolled", key="e1")
    nobody = lost.enrollment.model_copy(update={"user": None})
    store.replace_scope(COURSE, replace(lost, enrollment=nobody), record("u", "c", "enrolled"))
    assert (
        store.write(lambda c: not_enrolled.count_totals(c, Selection(ACCOUNT, NOON, course_ids=("c",)))).enrollments
        == 1
    )


# Instructors and earlier attempts


def test_an_instructor_is_excluded_and_is_not_an_earlier_attempt(store: WrittenStore):
    teaches = record("u", "c", "enrolled", key="e9", learner=False, attempt_number=9)
    store.replace_scope(COURSE, record("u", "c", "enrolled", key="e1"), teaches)
    assert store.column("excluded_reason") == {"e1": "", "e9": "instructor"}
    store.replace_people(person("u", "U", status="inactive"))
    assert store.column("excluded_reason") == {"e1": "inactive", "e9": "instructor"}


def test_a_row_that_is_a_learners_after_it_was_an_instructors_is_included(store: WrittenStore):
    store.replace_scope(COURSE, record("u", "c", "enrolled", learner=False), record("u", "c", "enrolled"))
    assert [row["excluded_reason"] for row in store.rows().values()] == [""]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"attempt_number": 1, "enrolled_at": at(NOON)}, {"attempt_number": 2, "enrolled_at": at(NOON - DAY)}),
        ({"enrolled_at": at(NOON - DAY), "updated_at": at(NOON)}, {"enrolled_at": at(NOON)}),
        ({"updated_at": at(NOON - DAY)}, {"updated_at": at(NOON)}),
        ({"key": "e1"}, {"key": "e2"}),
        ({}, {"attempt_number": 1}),
        ({"attempt_number": 2, "enrolled_at": at(NOON - DAY)}, {"enrolled_at": at(NOON)}),
        ({"enrolled_at": at(NOON - DAY)}, {"attempt_number": 1, "enrolled_at": at(NOON)}),
    ],
)
def test_only_the_latest_of_several_attempts_counts(store: WrittenStore, first: dict[str, Any], second: dict[str, Any]):
    early = record("u", "c", "failed", **{"key": "m", **first})
    late = record("u", "c", "completed", **{"key": "n", **second})
    for order in ([early, late], [late, early]):
        store.replace_scope(COURSE, *order)
        assert [row["status"] for row in store.rows().values() if row["excluded_reason"] == ""] == ["completed"]
    counted = store.write(lambda c: count_by_course_and_status(c, Selection(ACCOUNT, NOON))).excluded
    assert counted.earlier_attempts == 1


def test_attempts_of_which_one_has_no_number_are_compared_by_date_in_any_order(store: WrittenStore):
    numbered = [
        record("u", "c", "failed", key="a", attempt_number=1, enrolled_at=at(NOON - DAY)),
        record("u", "c", "failed", key="b", attempt_number=2, enrolled_at=at(NOON - 3 * DAY)),
    ]
    without_number = record("u", "c", "failed", key="c", enrolled_at=at(NOON - 2 * DAY))
    for order in permutations([*numbered, without_number]):
        store.replace_scope(COURSE, *order)
        assert store.column("excluded_reason") == {"a": "", "b": "earlier attempt", "c": "earlier attempt"}


@pytest.mark.parametrize(
    ("named", "included", "excluded"),
    [
        (frozenset[str](), {"ann_c"}, (1, 1)),
        (frozenset({INACTIVE}), {"ann_c", "bob_c"}, (0, 1)),
        (frozenset({ARCHIVED}), {"ann_c", "ann_d"}, (1, 0)),
        (frozenset({INACTIVE, ARCHIVED}), {"ann_c", "ann_d", "bob_c", "bob_d"}, (0, 0)),
    ],
)
def test_naming_an_inactive_person_or_an_archived_course_does_not_include_the_other(
    store: WrittenStore, named: frozenset[str], included: set[str], excluded: tuple[int, int]
):
    store.replace_people(person("ann", "Ann"), person("bob", "Bob", status="inactive"))
    store.replace_courses(course("c", "C"), course("d", "D", status="archived"))
    rows = [record(user, title, "enrolled") for user in ("ann", "bob") for title in ("c", "d")]
    for scope in (Scope(course_id="c"), Scope(course_id="d")):
        store.replace_scope(scope, *(row for row in rows if row.enrollment.course.id == scope.course_id))
    selection = Selection(ACCOUNT, NOON, included=named)
    shown = store.read(lambda c: [row["id"] for row in page_of(c, selection, sort="id")])
    counted = store.read(lambda c: count_by_course_and_status(c, selection)).excluded
    assert {*shown} == included
    assert (counted.inactive_people, counted.archived_courses) == excluded


def test_an_earlier_attempt_is_included_again_when_the_later_one_is_gone(store: WrittenStore):
    store.replace_scope(COURSE, record("u", "c", "failed", key="e1"), record("u", "c", "enrolled", key="e2"))
    store.replace_scope(COURSE, record("u", "c", "failed", key="e1"))
    assert store.row("e1")["excluded_reason"] == ""


def test_an_incomplete_fetch_of_a_later_attempt_excludes_the_stored_one(store: WrittenStore):
    store.replace_scope(COURSE, record("u", "c", "failed", key="e1"))
    store.replace_scope(COURSE, record("u", "c", "enrolled", key="e2"), complete=False)
    assert store.column("excluded_reason") == {"e1": "earlier attempt", "e2": ""}
