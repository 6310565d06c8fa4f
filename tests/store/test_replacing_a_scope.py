"""The rows of scopes that overlap, after they were replaced."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from mcp_truto_lms.domain.definitions import OUTCOME_CERTAIN
from mcp_truto_lms.domain.source import EnrollmentRecord, FetchRoute, Reading, Scope
from mcp_truto_lms.store import account_state, list_writer, scope_writer
from mcp_truto_lms.store.counts import count_by_course_and_status
from mcp_truto_lms.store.rows import ScopeRows, learner_rows
from mcp_truto_lms.store.selection import Selection
from tests.store.written_store import COURSE, LEARNER, PAIR, WrittenStore
from tests.stored import ACCOUNT, STAMP, at, record, scope_rows
from tests.truth import DAY, NOON

# One row per enrollment


def test_an_enrollment_is_one_row_whichever_scopes_brought_it(store: WrittenStore):
    for scope in (COURSE, LEARNER, PAIR, COURSE):
        store.replace_scope(scope, record("u", "c", "in_progress", progress_percent=40))
    assert {*store.rows()} == {"u_c"}
    assert store.scopes() == {"course:c", "learner:u", "pair:u:c"}


def test_a_scope_deletes_its_own_missing_rows_and_no_others(store: WrittenStore):
    store.replace_scope(COURSE, record("u", "c", "enrolled"), record("v", "c", "enrolled"))
    store.replace_scope(LEARNER, record("u", "c", "enrolled"), record("u", "d", "enrolled"))
    store.replace_scope(COURSE, record("v", "c", "enrolled"))
    assert {*store.rows()} == {"v_c", "u_d"}
    store.replace_scope(LEARNER)
    assert {*store.rows()} == {"v_c"}


def test_a_pair_that_is_no_longer_enrolled_is_deleted_alone(store: WrittenStore):
    store.replace_scope(COURSE, record("u", "c", "enrolled"), record("v", "c", "enrolled"))
    store.replace_scope(PAIR)
    assert {*store.rows()} == {"v_c"}


def test_an_incomplete_fetch_deletes_nothing_and_is_stored_as_incomplete(store: WrittenStore):
    store.replace_scope(COURSE, record("u", "c", "enrolled"), record("v", "c", "enrolled", progress_percent=0))
    store.replace_scope(COURSE, record("v", "c", "in_progress", progress_percent=50), complete=False)
    assert store.column("status") == {"u_c": "enrolled", "v_c": "in_progress"}
    (state,) = store.write(lambda c: account_state.scope_states(c, ACCOUNT)).values()
    assert not state.complete


def test_an_enrollment_that_moved_to_another_learner_is_still_one_row(store: WrittenStore):
    store.replace_scope(LEARNER, record("u", "c", "enrolled", key="e1"))
    store.replace_scope(Scope(user_id="v"), record("v", "c", "enrolled", key="e1"))
    assert store.column("user_id") == {"e1": "v"}


def test_accounts_do_not_see_each_others_rows(store: WrittenStore):
    store.replace_scope(COURSE, record("u", "c", "enrolled"))
    store.write(lambda c: scope_writer.replace_scope(c, "other", COURSE, scope_rows("other", Reading(())), STAMP))
    store.write(lambda c: list_writer.replace_learners(c, "other", learner_rows("other", []), STAMP))
    assert {*store.rows()} == {"u_c"}
    assert store.write(lambda c: count_by_course_and_status(c, Selection("other", NOON))).totals.enrollments == 0


def test_a_row_has_the_route_of_its_scope(store: WrittenStore):
    for scope in (COURSE, LEARNER, PAIR, Scope()):
        store.replace_scope(scope, record("u", "c", "enrolled", progress_percent=len(scope.key)))
        assert FetchRoute(store.row()["route"]) is scope.route


# What is more detailed stays


def failed(**changes: Any) -> EnrollmentRecord:
    fields = {"enrolled_at": at(NOON - 9 * DAY), "progress_percent": 60, "custom_fields": {"site": "Oslo", "code": "f"}}
    return record("u", "c", "failed", **{**fields, **changes})


def as_a_roster_has_it(**changes: Any) -> EnrollmentRecord:
    fields = {"enrolled_at": at(NOON - 9 * DAY), "progress_percent": 60, "custom_fields": {"site": "Oslo"}}
    return record("u", "c", "in_progress", **{**fields, **changes})


@pytest.mark.parametrize("detailed", [LEARNER, PAIR])
def test_a_roster_keeps_a_more_detailed_status_of_an_unchanged_enrollment(store: WrittenStore, detailed: Scope):
    store.replace_scope(detailed, failed(score=31.0, urls=[{"url": "https://x.example"}]))
    before = store.row()
    for _ in range(2):
        store.replace_scope(COURSE, as_a_roster_has_it())
        assert store.row() == before


@pytest.mark.parametrize(
    "change",
    [
        {"enrolled_at": at(NOON - DAY)},
        {"completed_at": at(NOON - DAY)},
        {"progress_percent": 61},
        {"progress_percent": None},
    ],
)
def test_a_roster_overwrites_the_status_of_a_changed_enrollment(store: WrittenStore, change: dict[str, Any]):
    store.replace_scope(LEARNER, failed(score=31.0))
    store.replace_scope(COURSE, as_a_roster_has_it(**change))
    row = store.row()
    assert (row["status"], row["route"], row["score"]) == ("in_progress", "course", None)


def test_an_outcome_of_the_list_that_a_roster_confirms_is_as_old_as_the_list(store: WrittenStore):
    def write(scope: Scope, fetched_at: int) -> None:
        rows = ScopeRows(ACCOUNT, outcomes_age=True)
        rows.add(Reading((replace(as_a_roster_has_it(), route=scope.route),)))
        fetch_info = replace(STAMP, fetched_at=fetched_at)
        store.write(lambda c: scope_writer.replace_scope(c, ACCOUNT, scope, rows, fetch_info))

    for days_ago in (9, 0):
        write(Scope(), NOON - 10 * DAY)
        assert store.row()["outcome_at"] == OUTCOME_CERTAIN
        write(COURSE, NOON - days_ago * DAY)
        write(COURSE, NOON - days_ago * DAY + 60)
        assert (store.status(), store.row()["outcome_at"]) == ("in_progress", NOON - 10 * DAY)


def test_a_transcript_overwrites_the_status_of_a_pair_and_keeps_its_score(store: WrittenStore):
    store.replace_scope(PAIR, failed(score=31.0))
    store.replace_scope(LEARNER, record("u", "c", "in_progress", enrolled_at=at(NOON - 9 * DAY), progress_percent=60))
    row = store.row()
    assert (row["status"], row["route"], row["score"]) == ("in_progress", "learner", 31.0)


def test_a_new_score_replaces_an_old_one(store: WrittenStore):
    store.replace_scope(PAIR, failed(score=31.0))
    store.replace_scope(PAIR, failed(score=0.0))
    assert store.row()["score"] == 0.0


def test_a_roster_updates_custom_fields_and_keeps_those_that_only_a_transcript_has(store: WrittenStore):
    store.replace_scope(LEARNER, failed())
    store.replace_scope(COURSE, as_a_roster_has_it(custom_fields={"site": "Rome"}))
    assert json.loads(store.row()["custom_fields"]) == {"site": "Rome", "code": "f"}
    assert store.status() == "failed"


def test_custom_fields_are_in_one_order_whichever_route_came_first(store: WrittenStore):
    by_roster = as_a_roster_has_it(custom_fields={"site": "Oslo", "role": "learner"})
    by_transcript = failed(custom_fields={"site": "Oslo", "group": "A", "role": "learner"})
    store.replace_scope(LEARNER, by_transcript)
    transcript_first = store.row()["custom_fields"]
    store.replace_scope(COURSE, by_roster)
    assert store.row()["custom_fields"] == transcript_first
    store.replace_scope(COURSE)
    store.replace_scope(COURSE, by_roster)
    store.replace_scope(LEARNER, by_transcript)
    assert store.row()["custom_fields"] == transcript_first


def test_a_custom_field_is_deleted_when_its_own_route_no_longer_has_it(store: WrittenStore):
    store.replace_scope(COURSE, as_a_roster_has_it(custom_fields={"site": "Rome", "team": "A"}))
    store.replace_scope(COURSE, as_a_roster_has_it(custom_fields=None))
    assert store.row()["custom_fields"] is None
