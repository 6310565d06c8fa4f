"""Steps: looks share a transaction, what is awaited lies between two, and its errors are the steps' to deal with."""

from __future__ import annotations

import asyncio
import threading

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
from sqlalchemy import select

from mcp_truto_lms.store import account_state
from mcp_truto_lms.store.account_state import increment_data_version
from mcp_truto_lms.store.database import Database
from mcp_truto_lms.store.schema import accounts
from mcp_truto_lms.store.steps import Steps, View, follow
from tests import stored

pytestmark = pytest.mark.anyio


async def test_looks_share_a_transaction_and_see_what_was_written_between_two():
    database, seen = Database(stored.Where.new_address()), list[int]()

    def look(view: View) -> None:
        seen.append(account_state.load(view.connection, "a").data_version)

    def steps(view: View) -> Steps[str]:
        look(view)
        first, thread = view.connection, threading.current_thread()
        look(view)
        assert view.connection is first
        assert thread is not threading.main_thread()
        told = yield lambda: database.run(lambda c: increment_data_version(c, "a"), write=True)
        assert told is None
        look(view)
        assert (yield anyio.lowlevel.checkpoint) is None
        assert view.transactions == 3
        return "done"

    assert await follow(database, steps) == "done"
    assert seen == [0, 0, 1]
    database.close()


@pytest.mark.engines("memory")
async def test_an_error_of_what_is_awaited_is_thrown_where_it_was_asked_for():
    database = Database()

    async def fail() -> None:
        raise LookupError("no")

    def unguarded(_: View) -> Steps[None]:
        yield fail

    def steps(view: View) -> Steps[int]:
        try:
            yield from unguarded(view)
        except LookupError:
            return len(view.connection.execute(select(accounts)).all())
        raise AssertionError

    assert await follow(database, steps) == 0
    with pytest.raises(LookupError, match="no"):
        await follow(database, unguarded)


@pytest.mark.engines("memory")
async def test_steps_that_are_cancelled_are_closed():
    database, closed, kept = Database(), list[bool](), list[Steps[None]]()

    def steps() -> Steps[None]:
        try:
            yield anyio.sleep_forever
        finally:
            closed.append(True)

    def begin(_: View) -> Steps[None]:
        kept.append(steps())  # so that nothing else ends them
        return kept[0]

    with anyio.move_on_after(0.1):
        await follow(database, begin)
    assert closed == [True]
    assert await database.run(lambda c: account_state.load(c, "a").data_version) == 0


@pytest.mark.engines("memory")
async def test_a_task_that_is_cancelled_while_a_thread_looks_ends_as_cancelled():
    database, looks, goes_on = Database(), threading.Event(), threading.Event()

    def steps(_: View) -> Steps[None]:
        looks.set()
        goes_on.wait()
        yield anyio.sleep_forever

    task = asyncio.ensure_future(follow(database, steps))
    await anyio.to_thread.run_sync(looks.wait)
    task.cancel()
    try:
        with pytest.raises(asyncio.CancelledError):
            await task
    finally:
        goes_on.set()
    assert await database.run(lambda c: account_state.load(c, "a").data_version) == 0
