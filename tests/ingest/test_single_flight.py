"""A scope is fetched once for all questions that wait for it."""

from __future__ import annotations

from math import inf

import anyio
import pytest

from mcp_truto_lms.domain.call_counter import CALL_COUNTER
from mcp_truto_lms.domain.errors import RateLimited
from mcp_truto_lms.ingest import fetcher
from mcp_truto_lms.ingest.background import Background, BackgroundJob
from mcp_truto_lms.ingest.single_flight import SingleFlight
from mcp_truto_lms.sandbox.faults import Fault
from mcp_truto_lms.store.database import Database
from tests.conftest import WAIT_SECONDS, OpenDesk
from tests.ingest.portal_calls import HELLO, PEOPLE, calls, transcripts
from tests.ingest.portal_waits import PendingRequests, until
from tests.stored import (
    ACCOUNT,
)

pytestmark = pytest.mark.anyio


async def test_a_scope_that_several_questions_need_at_once_is_fetched_once(open_desk: OpenDesk):
    async with open_desk() as desk:
        desk.portal.faults.add(Fault(delay_seconds=0.01), times=None)
        answers: list[str] = []

        async def ask() -> None:
            answers.append(await desk.list(course=["101", "102"]))

        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(ask)
        assert calls(desk) == {**HELLO, "courses": 1, **PEOPLE, "courses/id": 2, **transcripts("101", "102")}
    assert len(answers) == 5
    assert len({answer.split("cursor=")[0] for answer in answers}) == 1


async def test_a_question_with_fresh_does_not_use_a_fetch_that_began_before_it(open_desk: OpenDesk):
    async with open_desk() as desk:
        await desk.list(user="6")
        calls(desk)
        desk.portal.faults.add(Fault(delay_seconds=0.03), endpoint="users/id")
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: desk.list(user="6", fresh=True))
            await until(lambda: desk.portal.log.counts()["users/id"] == 1)
            await desk.list(user="6", fresh=True)
        assert calls(desk)["users/id"] == 2


async def test_a_fetch_continues_for_the_questions_that_wait_when_the_first_is_cancelled(open_desk: OpenDesk):
    texts: list[str] = []
    async with open_desk() as desk:
        await desk.list(course="102")
        calls(desk)
        desk.portal.faults.add(Fault(delay_seconds=1), endpoint="courses/id")

        async def wait_for_the_first() -> None:
            texts.append(await desk.list(course="101"))

        async with anyio.create_task_group() as group:
            reading = anyio.CancelScope()

            async def read() -> None:
                with reading:
                    await desk.list(course="101")

            group.start_soon(read)
            await until(lambda: len(desk.portal.log) == 1)
            group.start_soon(wait_for_the_first)
            single_flight = desk.account._refresher.fetcher.single_flight._under_way
            await until(lambda: any(shared_fetch.waiting == 2 for shared_fetch in single_flight.values()))
            reading.cancel()
        assert reading.cancelled_caught
        assert calls(desk)["courses/id"] == 1
    assert ", complete." in texts[0]


async def test_a_cancelled_question_ends_a_fetch_that_nobody_else_waits_for(open_desk: OpenDesk):
    async with open_desk() as desk:
        await desk.list(course="102")
        calls(desk)
        pending = PendingRequests(desk)
        desk.portal.faults.add(Fault(delay_seconds=3600), endpoint="courses/id")
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: desk.list(course="101"))
            await until(lambda: bool(pending.now))
            group.cancel_scope.cancel()
        await until(lambda: not desk.account._refresher.fetcher.single_flight._under_way)
        assert ", complete." in await desk.list(course="101")
        assert calls(desk)["courses/id"] == 2


async def test_the_store_is_tidied_in_the_background_after_many_rows_were_written(
    open_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch
):
    async with open_desk() as desk:
        tidied, database = list[str](), desk.account._database

        async def tidy() -> None:
            tidied.append("tidied")

        monkeypatch.setattr(database, "tidy", tidy)
        monkeypatch.setattr(fetcher, "FIRST_TIDIED_ROWS", 200)
        monkeypatch.setattr(fetcher, "TIDIED_ROWS", 400)
        await desk.list(user="6")
        assert not tidied
        await desk.list()
        await until(lambda: tidied == ["tidied"])
        await desk.list(fresh=True)
        await desk.account._refresher.tidy()
        assert tidied == ["tidied"] * 2, "what was read again and is as it was is nothing new"


async def test_a_limit_that_stops_a_background_fetch_does_not_stop_the_question_that_waits_for_it():
    may_end, tried = anyio.Event(), list[bool]()

    async def fetch() -> None:
        await may_end.wait()
        tally = CALL_COUNTER.get()
        tried.append(tally is not None and tally.background)
        if tried[-1]:
            raise RateLimited("Reading in the background has used its quarter.")

    async def is_stale() -> bool:
        return True

    async with Background() as background:
        single_flight = SingleFlight(ACCOUNT, Database(), background)

        async def read(work: BackgroundJob) -> None:
            work.detach()
            await single_flight.ensure("key", fetch, is_stale)

        assert not await background.run(read, ends_at=inf)
        async with anyio.create_task_group() as group:
            group.start_soon(single_flight.ensure, "key", fetch, is_stale)
            await until(lambda: any(shared_fetch.waiting == 2 for shared_fetch in single_flight._under_way.values()))
            may_end.set()
    assert tried == [True, False]


async def test_a_job_that_starts_another_while_the_process_ends_is_no_error():
    background, began = Background(), anyio.Event()

    async def last() -> None:
        await anyio.sleep_forever()

    async def first() -> None:
        began.set()
        try:
            await anyio.sleep_forever()
        finally:
            background.start(last)

    with anyio.fail_after(WAIT_SECONDS):
        async with background:
            background.start(first)
            await began.wait()
    with pytest.raises(AssertionError, match="enter the app context first"):
        background.start(last)
