"""A status, a failure and a score are the same whatever route brought them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mcp_truto_lms.domain.source import Scope
from mcp_truto_lms.ingest.fetch_planner import FetchPlanner
from mcp_truto_lms.query.queries import EnrollmentQuery
from mcp_truto_lms.sandbox.organisation import generate
from mcp_truto_lms.sandbox.records import Organisation, Outcome, SampleEnrollment
from mcp_truto_lms.sandbox.variations import Variations
from tests.conftest import TODAY, Desk, OpenDesk
from tests.truth import NOON, facts

pytestmark = pytest.mark.anyio


LANGUAGES = ["English", "Greek", "German"]


SMALL = generate(today=TODAY, learners=12, courses=5)


def variations(**changes: Any) -> Variations:
    return Variations(**{"burst_limit": 100_000, "hourly_limit": 100_000, **changes})


async def records(desk: Desk, **arguments: Any) -> list[dict[str, Any]]:
    """Ask for unified records, page by page."""
    enrollments: list[dict[str, Any]] = []
    envelope = json.loads(await desk.list(**arguments, format="json", limit=200))
    while True:
        enrollments += envelope["result"]
        if envelope["next_cursor"] is None:
            assert len(enrollments) == envelope["total"]
            return enrollments
        envelope = json.loads(await desk.list(cursor=envelope["next_cursor"]))


def pair_id(row: Any) -> str:
    """Return the id of an enrollment, as the portal makes it."""
    return f"{row.user_id}_{row.course_id}"


async def statuses(desk: Desk, **arguments: Any) -> dict[str, str]:
    return {enrollment["id"]: enrollment["status"] for enrollment in await records(desk, **arguments)}


def with_failure(organisation: Organisation) -> Organisation:
    """Let one enrollment of each outcome be there, the failed ones judged."""
    changed: list[SampleEnrollment] = []
    for number, enrollment in enumerate(organisation.enrollments):
        failed = number % 5 == 0 and enrollment.role == "learner"
        changed.append(
            replace(
                enrollment,
                outcome=Outcome.FAILED,
                percent=60,
                completed_on=None,
                failed_on=NOON - 999,
                seconds_spent=60,
            )
            if failed
            else enrollment
        )
    return replace(organisation, enrollments=tuple(changed))


FAILING = with_failure(SMALL)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("failed_sets_completed_on", [False, True])
async def test_a_status_is_the_same_by_transcript_and_by_pair_in_every_language(
    open_desk: OpenDesk, language: str, failed_sets_completed_on: bool
):
    wanted = variations(language=language, failed_sets_completed_on=failed_sets_completed_on)
    truth = {pair_id(fact): fact.status for fact in facts(FAILING)}
    people = sorted({fact.user_id for fact in facts(FAILING)})
    async with open_desk(of=FAILING, variations=wanted) as desk:
        by_transcript = await statuses(desk, user=people)
        assert "users" not in desk.portal.log.counts()
    by_pair: dict[str, str] = {}
    async with open_desk(of=FAILING, variations=wanted) as desk:
        account = desk.account
        refresher = account._refresher
        await refresher.run(refresher.begin(), FetchPlanner.course_list)
        await refresher.run(refresher.begin(), FetchPlanner.directory)
        pairs = [Scope(fact.user_id, fact.course_id) for fact in facts(FAILING)]
        coverage = await refresher.run(
            refresher.begin(), lambda planner: planner.scopes("pairs", pairs, max_age_seconds=0)
        )
        assert coverage.complete
        rows = await account.list_enrollments(EnrollmentQuery(limit=200))
        by_pair = {row["id"]: row["status"] for row in rows.rows}
    assert by_transcript == truth
    assert {key: by_pair[key] for key in truth} == truth


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("failed_sets_completed_on", [False, True])
async def test_a_failure_in_a_transcript_is_not_undone_by_a_later_roster(
    open_desk: OpenDesk, language: str, failed_sets_completed_on: bool
):
    wanted = variations(language=language, failed_sets_completed_on=failed_sets_completed_on)
    truth = {pair_id(fact) for fact in facts(FAILING) if fact.status == "failed"}
    async with open_desk(of=FAILING, variations=wanted) as desk:
        assert ", complete." in await desk.summarize()
        assert {*await statuses(desk, state="failed")} == truth
        everything = await statuses(desk, fresh=True)
        assert {key for key, status in everything.items() if status == "failed"} == truth


async def test_a_failure_that_no_roster_shows_appears_with_fresh(open_desk: OpenDesk):
    """A learner who fails keeps progress and dates in the roster: only a transcript that is read again tells it."""
    moment = datetime(2026, 11, 23, 12, tzinfo=UTC)
    async with open_desk(of=SMALL, clock=lambda: moment) as desk:
        before = await statuses(desk, state="failed")
        index = desk.portal._index
        counted = await statuses(desk)
        ongoing = [enrollment for enrollment in SMALL.enrollments if enrollment.outcome is Outcome.INCOMPLETE]
        enrollment = next(enrollment for enrollment in ongoing if counted.get(pair_id(enrollment)) == "in_progress")
        failed = replace(enrollment, outcome=Outcome.FAILED)
        for listing in (index.transcript(enrollment.user_id), index.roster(enrollment.course_id)):
            listing[listing.index(enrollment)] = failed
        assert await statuses(desk, state="failed") == before
        moment += timedelta(minutes=15)
        assert await statuses(desk, state="failed") == before
        after = await statuses(desk, state="failed", fresh=True)
    assert after.keys() - before.keys() == {pair_id(enrollment)}


async def test_scores_of_pairs_outlive_rosters_and_transcripts(open_desk: OpenDesk):
    truth = {pair_id(enrollment): enrollment.score for enrollment in SMALL.enrollments if enrollment.score is not None}
    counted = {pair_id(fact) for fact in facts(SMALL)}
    expected = {key: score for key, score in truth.items() if key in counted}
    async with open_desk(of=SMALL) as desk:
        for fresh in (False, True):
            rows = await records(desk, fields=["id", "score"], fresh=fresh)
            assert {row["id"]: row["score"] for row in rows if "score" in row} == expected
        await desk.list(user=sorted({fact.user_id for fact in facts(SMALL)}), fresh=True)
        rows = await records(desk, fields=["id", "score"])
    assert {row["id"]: row["score"] for row in rows if "score" in row} == expected


async def test_a_person_who_was_unenrolled_disappears_with_the_next_fetch(open_desk: OpenDesk):
    async with open_desk(of=SMALL) as desk:
        fact = facts(SMALL)[0]
        before = await statuses(desk, course=fact.course_id)
        roster = desk.portal._index.roster(fact.course_id)
        roster.remove(next(enrollment for enrollment in roster if enrollment.user_id == fact.user_id))
        after = await statuses(desk, course=fact.course_id, fresh=True)
    assert before.keys() - after.keys() == {pair_id(fact)}
