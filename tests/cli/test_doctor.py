"""The doctor: its findings, step by step, without secrets and people."""

from __future__ import annotations

from typing import Any

import anyio
import httpx
import pytest

from mcp_truto_lms.cli.doctor import Finding, examine
from mcp_truto_lms.providers.talentlms.source import TalentLmsSource
from mcp_truto_lms.sandbox.faults import WRONG_KEY, Fault, Faults
from mcp_truto_lms.sandbox.portal import SAMPLE_API_KEY, SAMPLE_BASE_URL, sample_app
from mcp_truto_lms.sandbox.records import Organisation
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
    assert await findings_of(organisation) == [
        Finding(True, f"Reading TalentLMS at {SAMPLE_BASE_URL}; the API key is set."),
        Finding(True, f"It answers and lists {len(organisation.courses)} courses. Days are in Europe/Athens."),
        Finding(True, f"It lists {len(organisation.people)} people. 6 calls were made."),
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


@pytest.mark.parametrize(("endpoint", "steps"), [("siteinfo", 1), ("courses", 1), ("users", 2)])
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
