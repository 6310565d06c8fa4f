"""What several processes do to one store: killed writers, locks, and limits that they share."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, func, select

from mcp_truto_lms.providers.rate_limiter import Window
from mcp_truto_lms.store import account_state, shared_rate_limits
from mcp_truto_lms.store.schema import calls, enrollments
from tests.store.endless_writer import COURSES, size
from tests.stored import ACCOUNT, Opened, Where, new_store

pytestmark = pytest.mark.anyio
LOCK_AND_WAIT = """
import anyio, sys
from mcp_truto_lms.store.database import Database

database = Database(sys.argv[1])
print(anyio.run(database.try_lock, sys.argv[2]), flush=True)
sys.stdin.read()
"""


BY_COURSE = select(
    enrollments.c.course_id, func.min(enrollments.c.score), func.max(enrollments.c.score), func.count()
).group_by(enrollments.c.course_id)


@contextmanager
def process(*arguments: str) -> Generator[subprocess.Popen[str]]:
    """Run Python as another process, killed with the block."""
    command = [sys.executable, *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        try:
            yield running
        finally:
            running.kill()


def line(running: subprocess.Popen[str]) -> str:
    assert running.stdout
    return running.stdout.readline().strip()


@pytest.fixture
def address() -> str:
    return Where.new_address()


@pytest.mark.engines("file", "postgres")
def test_a_writer_that_is_killed_at_any_moment_leaves_each_scope_whole(address: str, engine: str):
    chance, turn = random.Random(7), 1
    database = Opened(address)
    for _ in range(10):
        with process("-m", "tests.store.endless_writer", address, str(turn)) as writer:
            for _ in range(chance.randint(1, 12)):
                turn = int(line(writer))
            # a moment later, anywhere in the next replacement
            for _ in range(chance.randint(0, 200_000)):
                pass
        states = database._transact(lambda c: account_state.scope_states(c, ACCOUNT))
        found = database._transact(lambda c: c.execute(BY_COURSE).all())
        assert {one[0] for one in found} == {key.removeprefix("course:") for key in states} <= {*COURSES}
        for key, low, high, number in found:
            written = states[f"course:{key}"].fetched_at
            assert (low, high, number) == (written, written, size(written))
        if engine == "file":
            check = database._transact(lambda c: c.exec_driver_sql("PRAGMA quick_check").scalar_one())
            assert check == "ok"
        turn += 2


# Locks


@pytest.mark.engines("file", "postgres")
async def test_a_lock_is_anothers_until_it_is_given_back(address: str):
    first, second = Opened(address), Opened(address)
    assert first.shared
    assert await first.try_lock("course:7")
    assert not await second.try_lock("course:7")
    assert await second.try_lock("course:8")
    await first.unlock("course:7")
    assert await second.try_lock("course:7")


@pytest.mark.engines("file", "postgres")
async def test_a_lock_is_taken_once_in_one_process(address: str):
    database = Opened(address)
    assert await database.try_lock("list")
    assert not await database.try_lock("list")
    await database.unlock("list")
    assert await database.try_lock("list")


@pytest.mark.engines("file", "postgres")
async def test_giving_back_a_lock_that_is_anothers_changes_nothing(address: str):
    first, second = Opened(address), Opened(address)
    assert await first.try_lock("list")
    await second.unlock("list")
    assert not await second.try_lock("list")


@pytest.mark.engines("file", "postgres")
async def test_closing_a_store_gives_its_locks_back_and_no_others(address: str):
    first, second, third = Opened(address), Opened(address), Opened(address)
    assert await first.try_lock("course:7")
    assert await second.try_lock("course:8")
    first.close()
    assert await third.try_lock("course:7")
    assert not await third.try_lock("course:8")


@pytest.mark.engines("file", "postgres")
async def test_a_process_that_is_killed_gives_its_locks_back(address: str):
    database = Opened(address)
    with process("-c", LOCK_AND_WAIT, address, "course:7") as holder:
        assert line(holder) == "True"
        assert not await database.try_lock("course:7")
        with process("-c", LOCK_AND_WAIT, address, "course:7") as other:
            assert line(other) == "False"
        holder.kill()
        holder.wait()
        with anyio.fail_after(20):
            while not await database.try_lock("course:7"):  # noqa: ASYNC110 - the server notices a little later
                await anyio.sleep(0.01)


@pytest.mark.engines("memory")
async def test_in_memory_nobody_else_holds_a_lock():
    database = new_store()
    assert not database.shared
    assert await database.try_lock("list")
    await database.unlock("list")


# Limits


TWO, THREE = Window(2, 1.0), Window(3, 10.0)


def admitted(database: Opened, *windows: Window, key: str = "k") -> Callable[[int], float]:
    return lambda now: database._transact(lambda c: shared_rate_limits.acquire(c, key, windows, now=now))


def test_calls_are_admitted_while_every_window_has_room():
    ask = admitted(new_store(), TWO, THREE)
    assert [ask(at) for at in (0, 400, 500, 999)] == [0.0, 0.0, 0.5, 0.001]
    assert [ask(at) for at in (1000, 1400, 9999, 10_000)] == [0.0, 8.6, 0.001, 0.0]


def test_keys_have_limits_of_their_own_and_old_calls_are_forgotten():
    database = new_store()
    one, other = admitted(database, TWO), admitted(database, TWO, key="other")
    assert [one(0), one(1), one(2), other(2), one(5000)] == [0.0, 0.0, 0.998, 0.0, 0.0]
    kept = database._transact(lambda c: [tuple(row) for row in c.execute(select(calls).order_by(calls.c.at))])
    assert kept == [("other", 2), ("k", 5000)]


def test_a_clock_that_was_set_back_holds_nobody_up_for_long():
    ask = admitted(new_store(), TWO)
    assert [ask(1_000_000), ask(1_000_000)] == [0.0, 0.0]
    assert ask(5) == 0.0


def test_without_windows_everybody_is_admitted():
    assert admitted(new_store())(0) == 0.0


def check_windows(gaps: list[int], windows: list[Window]) -> None:
    database = new_store()
    ask = admitted(database, *windows)
    now, taken = 0, list[int]()
    for gap in gaps:
        now += gap
        wait = ask(now)
        if not wait:
            taken.append(now)
            continue
        assert any(
            sum(at > now + round(wait * 1000) - 1 - one.seconds * 1000 for at in taken) >= one.calls for one in windows
        )
        assert all(sum(at > now + wait * 1000 - one.seconds * 1000 for at in taken) < one.calls for one in windows)
    database.close()
    for one in windows:
        for start in taken:
            assert sum(start <= at < start + one.seconds * 1000 for at in taken) <= one.calls


def test_no_window_ever_holds_more_calls_than_it_may_and_the_wait_is_exact(engine: str):
    windows = st.lists(st.builds(Window, st.integers(1, 4), st.sampled_from([0.1, 1.0, 3.0])), min_size=1, max_size=3)
    examples = settings(max_examples={"memory": 60, "file": 15, "postgres": 5}[engine])
    examples(given(st.lists(st.integers(0, 900), max_size=25), windows)(check_windows))()


@pytest.mark.engines("file", "postgres")
async def test_processes_share_a_limit(address: str):
    stores = [Opened(address) for _ in range(3)]
    waits: list[float] = []

    async def ask(database: Opened) -> None:
        waits.extend([await database.admit("key", [Window(10, 3600.0)]) for _ in range(8)])

    async with anyio.create_task_group() as group:
        for one in stores:
            group.start_soon(ask, one)
    assert waits.count(0.0) == 10
    assert all(0.0 <= one <= 3600.0 for one in waits)


# Snapshots


@pytest.mark.engines("file", "postgres")
def test_a_reader_sees_one_state_while_another_process_writes(address: str):
    reader, writer = Opened(address), Opened(address)
    admitted(writer, THREE)(1)

    def twice(connection: Connection) -> list[int]:
        number = select(func.count()).select_from(calls)
        before = connection.execute(number).scalar_one()
        thread = threading.Thread(target=admitted(writer, THREE), args=(2,))
        thread.start()
        thread.join()
        return [before, connection.execute(number).scalar_one()]

    assert reader._transact(twice, write=False) == [1, 1]
    assert reader._transact(lambda c: c.execute(select(func.count()).select_from(calls)).scalar_one()) == 2
