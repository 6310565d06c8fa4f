"""Progress reaches the client, and a cancelled call leaves no request behind."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from mcp import Client

from mcp_truto_lms.sandbox.faults import Fault
from mcp_truto_lms.sandbox.organisation import generate
from tests.conftest import LIST, SUMMARIZE, TODAY, OpenDesk
from tests.ingest.portal_calls import transcripts
from tests.ingest.portal_waits import PendingRequests, until

pytestmark = pytest.mark.anyio


DOWN = Fault(status=503)


SMALL = generate(today=TODAY, learners=40, courses=8)


async def call_with_progress(
    client: Client, tool: str, **arguments: Any
) -> list[tuple[float, float | None, str | None]]:
    updates: list[tuple[float, float | None, str | None]] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        updates.append((progress, total, message))

    result = await client.call_tool(tool, arguments, progress_callback=hear)
    assert not result.is_error
    return updates


async def test_progress_arrives_at_the_client_with_growing_numbers_and_a_total(open_desk: OpenDesk):
    async with open_desk() as desk:
        await desk.list(course="101")
        updates = await call_with_progress(desk.client, SUMMARIZE)
        others = transcripts()["users/id"] - transcripts("101")["users/id"]
        assert [update[:2] for update in updates[:15]] == [(n, 16) for n in range(2, 17)]
        assert updates[14][2] == "16 of 16 courses read"
        assert [update[:2] for update in updates[15:]] == [(16 + n, 16 + others) for n in range(1, others + 1)]
        assert updates[-1][2] == f"{others} of {others} people read"
        assert await call_with_progress(desk.client, SUMMARIZE) == []


async def test_progress_keeps_growing_while_transcripts_are_fetched(open_desk: OpenDesk):
    async with open_desk(of=SMALL) as desk:
        updates = await call_with_progress(desk.client, LIST, state="failed", course="101")
    numbers = [update[0] for update in updates]
    assert numbers == sorted({*numbers})
    assert updates[0] == (1, 1, "1 of 1 courses read")
    assert updates[-1][0] == updates[-1][1]
    assert updates[-1][2].endswith("people read")
    assert all(progress <= total for progress, total, _ in updates)


@pytest.mark.parametrize("endpoint", ["siteinfo", "courses", "users", "courses/id"])
async def test_a_cancelled_call_leaves_no_request_behind_and_the_next_call_works(open_desk: OpenDesk, endpoint: str):
    async with open_desk() as desk:
        pending = PendingRequests(desk)
        desk.portal.faults.add(Fault(delay_seconds=30), times=None, endpoint=endpoint)
        async with anyio.create_task_group() as group:
            group.start_soon(desk.summarize)
            await until(lambda: pending.now > 0)
            group.cancel_scope.cancel()
        await until(lambda: pending.now == 0)
        desk.portal.faults.clear()
        assert ", complete." in await desk.summarize()


async def test_the_end_of_the_connection_cancels_its_fetches(open_desk: OpenDesk):
    async with anyio.create_task_group() as group, open_desk() as desk:
        pending = PendingRequests(desk)
        desk.portal.faults.add(Fault(delay_seconds=30), times=None, endpoint="courses/id")

        async def ask() -> None:
            with anyio.CancelScope():
                await desk.client.call_tool(SUMMARIZE, {})

        group.start_soon(ask)
        await until(lambda: pending.now == 8)
        group.cancel_scope.cancel()
    assert pending.now == 0
