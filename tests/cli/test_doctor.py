"""The check of the set-up: in plain words, step by step, without a secret or a person."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from mcp_truto_lms.cli.doctor import Finding, examine
from mcp_truto_lms.providers.talentlms.source import TalentLmsSource
from mcp_truto_lms.sandbox.faults import WRONG_KEY, Fault, Faults
from mcp_truto_lms.sandbox.portal import SAMPLE_API_KEY, SAMPLE_BASE_URL, sample_app
from mcp_truto_lms.sandbox.records import Organisation
from mcp_truto_lms.server.app_context import AppContext
from mcp_truto_lms.settings import Settings
from tests.conftest import TODAY, no_sleep

pytestmark = pytest.mark.anyio


async def findings(organisation: Organisation, *, key: str = SAMPLE_API_KEY, faults: Faults | None = None):
    portal = sample_app(organisation, faults=faults)
    settings = Settings(
        source="talentlms",
        provider_values={"TALENTLMS_BASE_URL": SAMPLE_BASE_URL, "TALENTLMS_API_KEY": key},
        today=TODAY,
    )

    def source(_: Any) -> TalentLmsSource:
        return TalentLmsSource.connect(SAMPLE_BASE_URL, key, transport=httpx.ASGITransport(app=portal), sleep=no_sleep)

    async with AppContext(settings, source=source) as connection:
        return [finding async for finding in examine(connection)]


async def test_a_portal_that_answers_is_described_in_counts(organisation: Organisation):
    assert await findings(organisation) == [
        Finding(True, f"Reading TalentLMS at {SAMPLE_BASE_URL}; the API key is set."),
        Finding(True, f"It answers and lists {len(organisation.courses)} courses. Days are in Europe/Athens."),
        Finding(True, f"It lists {len(organisation.people)} people. 6 calls were made."),
    ]


async def test_without_credentials_the_sample_is_named_as_such():
    async with AppContext(Settings(today=TODAY)) as connection:
        results = [finding async for finding in examine(connection)]
    assert all(finding.good for finding in results)
    assert "sample portal" in results[0].text
    assert "TALENTLMS_API_KEY" in results[0].text


async def test_a_wrong_key_is_told_without_showing_it(organisation: Organisation):
    results = await findings(organisation, key="wrong-s3cr3t")
    assert [finding.good for finding in results] == [True, False]
    assert "TALENTLMS_API_KEY" in results[1].text
    assert "s3cr3t" not in str(results)


@pytest.mark.parametrize(("endpoint", "steps"), [("siteinfo", 1), ("courses", 1), ("users", 2)])
async def test_it_stops_at_the_step_that_fails(organisation: Organisation, endpoint: str, steps: int):
    faults = Faults()
    faults.add(Fault(status=503), times=None, endpoint=endpoint)
    results = await findings(organisation, faults=faults)
    assert [finding.good for finding in results] == [True] * steps + [False]


async def test_a_key_that_lost_its_rights_halfway_is_told(organisation: Organisation):
    faults = Faults()
    faults.add(WRONG_KEY, times=None, endpoint="users")
    results = await findings(organisation, faults=faults)
    assert [finding.good for finding in results] == [True, True, False]
