"""The doctor: its findings, step by step, without secrets and people."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import anyio
import httpx
import pytest

from mcp_truto_lms.cli.doctor import Finding, examine
from mcp_truto_lms.providers.talentlms.source import TalentLmsSource
from mcp_truto_lms.providers.truto.source import TrutoSource
from mcp_truto_lms.sandbox.faults import WRONG_KEY, Fault, Faults
from mcp_truto_lms.sandbox.portal import SAMPLE_API_KEY, SAMPLE_BASE_URL, sample_app
from mcp_truto_lms.sandbox.records import Organisation
from mcp_truto_lms.sandbox.truto import SAMPLE_ACCOUNT_ID, SAMPLE_TRUTO_TOKEN, SAMPLE_TRUTO_URL, truto_app
from mcp_truto_lms.sandbox.truto_faults import TrutoFault
from mcp_truto_lms.sandbox.truto_options import STRICT, TrutoOptions
from mcp_truto_lms.server.app_context import AppContext
from mcp_truto_lms.settings import Settings
from tests.conftest import TODAY, WAIT_SECONDS, no_sleep

pytestmark = pytest.mark.anyio


async def findings_of(organisation: Organisation, *, key: str = SAMPLE_API_KEY, faults: Faults | None = None):
    portal = sample_app(organisation, faults=faults)
    settings = Settings(
        source="talentlms",
        provider_values={"TALENTLMS_BASE_URL": SAMPLE_BASE_URL, "TALENTLMS_API_KEY": key},
        today=TODAY,
    )

    def source(_: Any) -> TalentLmsSource:
        return TalentLmsSource.connect(SAMPLE_BASE_URL, key, transport=httpx.ASGITransport(app=portal), sleep=no_sleep)

    with anyio.fail_after(WAIT_SECONDS):
        async with AppContext(settings, source=source) as app_context:
            return [finding async for finding in examine(app_context)]


async def test_a_portal_that_answers_is_described_in_counts(organisation: Organisation):
    first_active = next(person.id for person in organisation.people if person.active)
    enrollments = sum(enrollment.user_id == first_active for enrollment in organisation.enrollments)
    assert await findings_of(organisation) == [
        Finding(True, f"Reading TalentLMS at {SAMPLE_BASE_URL}; the API key is set."),
        Finding(True, f"It answers and lists {len(organisation.courses)} courses."),
        Finding(True, f"It lists {len(organisation.people)} people."),
        Finding(True, f"Enrollments can be read: the transcript of one learner has {enrollments} enrollments."),
        Finding(
            True,
            "Days are in Europe/Athens. Not seen in what was read: certificates. Not reported by this LMS: assigned, "
            "assigned_by_id, assigned_by, attempt, attempts, created, mandatory, last_activity, started, updated. "
            "Rosters do not report failures: those are read person by person. 7 calls were made.",
        ),
    ]


async def test_without_credentials_the_first_finding_names_the_sample_portal():
    with anyio.fail_after(WAIT_SECONDS):
        async with AppContext(Settings(today=TODAY)) as app_context:
            findings = [finding async for finding in examine(app_context)]
    assert all(finding.good for finding in findings)
    assert "sample portal" in findings[0].text
    assert "TALENTLMS_API_KEY" in findings[0].text


async def test_a_wrong_key_is_reported_and_not_shown(organisation: Organisation):
    findings = await findings_of(organisation, key="wrong-s3cr3t")
    assert [finding.good for finding in findings] == [True, False]
    assert "TALENTLMS_API_KEY" in findings[1].text
    assert "s3cr3t" not in str(findings)


@pytest.mark.parametrize(("endpoint", "steps"), [("siteinfo", 1), ("courses", 1), ("users", 2), ("users/id", 3)])
async def test_the_doctor_stops_at_the_step_that_fails(organisation: Organisation, endpoint: str, steps: int):
    faults = Faults()
    faults.add(Fault(status=503), times=None, endpoint=endpoint)
    findings = await findings_of(organisation, faults=faults)
    assert [finding.good for finding in findings] == [True] * steps + [False]


async def test_a_key_that_is_refused_at_a_later_step_is_reported(organisation: Organisation):
    faults = Faults()
    faults.add(WRONG_KEY, times=None, endpoint="users")
    findings = await findings_of(organisation, faults=faults)
    assert [finding.good for finding in findings] == [True, True, False]


async def findings_over_truto(organisation: Organisation, options: TrutoOptions, faults: Faults | None = None):
    truto = truto_app(organisation, options=replace(options, rate_limits=False), faults=faults)

    def source(_: Any) -> TrutoSource:
        transport = httpx.ASGITransport(app=truto)
        return TrutoSource.connect(
            SAMPLE_TRUTO_URL, SAMPLE_TRUTO_TOKEN, SAMPLE_ACCOUNT_ID, transport=transport, sleep=no_sleep
        )

    with anyio.fail_after(WAIT_SECONDS):
        async with AppContext(Settings(today=TODAY), source=source) as app_context:
            return [finding async for finding in examine(app_context)], len(truto.log)


@pytest.mark.parametrize(
    ("options", "place", "calls", "last_words"),
    [
        (STRICT, "the transcript of one learner", 4, "read person by person"),
        (replace(STRICT, remote_data=False), "the transcript of one learner", 6, "read person by person"),
        (
            replace(STRICT, remote_data=False, proxy=False, roles=False),
            "one learner and course",
            10,
            "who is an instructor, when access ends",
        ),
    ],
)
async def test_over_truto_an_enrollment_is_read_by_the_cheapest_route_there_is(
    organisation: Organisation, options: TrutoOptions, place: str, calls: int, last_words: str
):
    findings, calls_made = await findings_over_truto(organisation, options)
    assert all(finding.good for finding in findings)
    assert f"Enrollments can be read: {place}" in findings[3].text
    assert "the LMS reports no time zone" in findings[4].text
    assert findings[4].text.endswith(f"{last_words}. {calls} calls were made.")
    assert calls_made == calls


async def test_a_provider_that_refuses_every_enrollment_fails_the_check(organisation: Organisation):
    refusal = TrutoFault(status=422, remote=True, message="Malformed response")
    options = replace(STRICT, remote_data=False, proxy=False, pair_refusal=refusal)
    findings, _ = await findings_over_truto(organisation, options)
    assert [finding.good for finding in findings] == [True, True, True, False]
    assert "HTTP 422" in findings[3].text
    faults = Faults()
    faults.add(TrutoFault(status=405), times=None, endpoint="course-enrollments")
    findings, _ = await findings_over_truto(organisation, replace(STRICT, remote_data=False, proxy=False), faults)
    assert findings[3].text.startswith("The provider lets no enrollments be read.")
    assert not findings[3].good
