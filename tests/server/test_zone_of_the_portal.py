"""Days are those of the portal's zone, which rows tell where the portal does not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mcp_truto_lms.sandbox.records import Organisation, Outcome
from mcp_truto_lms.sandbox.variations import Variations
from tests.conftest import OpenDesk
from tests.server.portals import CONDUCT, DAY, JANE, NOON, OMAR, PACIFIC, enrollment, portal_with, variations
from tests.stored import MovableClock

pytestmark = pytest.mark.anyio

HALLOWEEN = int(datetime(2026, 11, 1, 6, 30, tzinfo=UTC).timestamp())
"""31 October, 23:30 in Los Angeles."""
FINISHED: dict[str, Any] = {"outcome": Outcome.COMPLETED, "percent": 100, "seconds_spent": 600}
WITHOUT_ZONE = variations(zone_in_siteinfo=False)
WITHOUT_ORDER = variations(zone_in_siteinfo=False, date_format_in_siteinfo=False)
PRINTED_ALONE = variations(zone_in_siteinfo=False, printed_dates_alone=True)


@pytest.fixture
def pacific() -> Organisation:
    finished = enrollment(JANE, completed_on=HALLOWEEN, **FINISHED)
    return portal_with(finished, enrollment(OMAR, enrolled_on=NOON - 200 * DAY), portal=PACIFIC)


@pytest.mark.parametrize("portal", [variations(zone_in_siteinfo=False, am_pm=True), WITHOUT_ORDER], ids=["AM", "order"])
@pytest.mark.parametrize("question", [{}, {"course": CONDUCT}, {"user": "Jane Doe"}, {"user": JANE, "course": CONDUCT}])
async def test_the_first_answer_has_the_days_of_the_zone_that_rows_tell(
    open_desk: OpenDesk, pacific: Organisation, question: dict[str, str], portal: Variations
):
    async with open_desk(of=pacific, variations=portal) as desk:
        text = await desk.list(**question, completed_to="2026-10-31", status="completed")
        assert text.startswith("1 of 1 enrollment")
        assert "2026-10-31" in text
        assert "04:00 America/Los_Angeles, " in text
        assert "2026-10" in await desk.summarize(group_by="month", completed_from="2026-10-01")
        assert "0 enrollments" in await desk.list(**question, completed_from="2026-11-01", status="completed")


async def test_the_zone_is_kept_with_the_account(open_desk: OpenDesk, pacific: Organisation, tmp_path: Path):
    store, clock = {"store": str(tmp_path / "store.db")}, MovableClock()
    silent = replace(PACIFIC, zone_label="")
    async with open_desk(of=replace(pacific, portal=silent), variations=WITHOUT_ZONE, clock=clock, **store) as desk:
        assert "America/Los_Angeles" in await desk.list()
    clock.pass_by(2 * DAY)
    winter = portal_with(enrollment(JANE, enrolled_on=NOON - DAY), portal=silent)
    async with open_desk(of=winter, variations=WITHOUT_ZONE, clock=clock, **store) as desk:
        assert "America/Los_Angeles" in await desk.list()
    async with open_desk(of=winter, variations=WITHOUT_ZONE) as desk:
        assert "UTC-08:00" in await desk.list()


async def test_a_printed_date_alone_is_a_moment_of_the_zone(open_desk: OpenDesk, pacific: Organisation):
    async with open_desk(of=pacific, variations=PRINTED_ALONE) as desk:
        text = await desk.list(user=JANE, fields=["user.name", "completed_at"], format="json")
    assert datetime.fromtimestamp(HALLOWEEN, UTC).strftime("%Y-%m-%dT%H:%M") in text


async def test_access_ends_at_a_printed_date_alone(open_desk: OpenDesk):
    ended = enrollment(JANE, expired_on=NOON - int(timedelta(hours=2).total_seconds()))
    organisation = portal_with(ended, enrollment(OMAR), portal=PACIFIC)
    async with open_desk(of=organisation, variations=PRINTED_ALONE) as desk:
        assert (await desk.list(course=CONDUCT, state="expired")).startswith("1 of 1 enrollment")
