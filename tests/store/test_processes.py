"""Several processes on one store: killed writers, locks, and shared rate limits."""

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

from mcp_truto_lms.domain.rate_limits import RateLimit
from mcp_truto_lms.store import account_state, shared_rate_limits
from mcp_truto_lms.store.schema import calls, enrollments
from tests.conftest import WAIT_SECONDS
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
def run_python(*arguments: str) -> Generator[subprocess.Popen[str]]:
    """Run Python in another process, which is killed when the block ends."""
    command = [sys.executable, *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def read_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


@pytest.fixture
def address() -> str:
    return Where.new_address()


@pytest.mark.engines("file", "postgres")
def test_a_writer_that_is_killed_at_any_moment_leaves_each_scope_whole(address: str, engine: str):
    chance, round_number = random.Random(7), 1
    database = Opened(address)
    for _ in range(10):
        with run_python("-m", "tests.store.endless_writer", address, str(round_number)) as writer:
            for _ in range(chance.randint(1, 12)):
                round_number = int(read_line(writer))
            # a moment later, anywhere in the next replacement
            for _ in range(chance.randint(0, 200_000)):
                pass
        states = database._transact(lambda c: account_state.scope_states(c, ACCOUNT))
        courses = database._transact(lambda c: c.execute(BY_COURSE).all())
        assert {row.course_id for row in courses} == {key.removeprefix("course:") for key in states} <= {*COURSES}
        for course_id, low, high, number in courses:
            written = states[f"course:{course_id}"].fetched_at
            assert (low, high, number) == (written, written, size(written))
        if engine == "file":
            check = database._transact(lambda c: c.exec_driver_sql("PRAGMA quick_check").scalar_one())
            assert check == "ok"
        round_number += 2


# Locks


@pytest.mark.engines("file", "postgres")
async def test_a_lock_is_held_until_it_is_released(address: str):
    first, second = Opened(address), Opened(address)
    assert first.shared
    assert await first.try_lock("course:7")
    assert not await second.try_lock("course:7")
    assert await second.try_lock("course:8")
    await first.unlock("course:7")
    assert await second.try_lock("course:7")


@pytest.mark.engines("file", "postgres")
async def test_a_lock_is_taken_once_in_a_process(address: str):
    database = Opened(address)
    assert await database.try_lock("list")
    assert not await database.try_lock("list")
    await database.unlock("list")
    assert await database.try_lock("list")


@pytest.mark.engines("file", "postgres")
async def test_releasing_the_lock_of_another_store_changes_nothing(address: str):
    first, second = Opened(address), Opened(address)
    assert await first.try_lock("list")
    await second.unlock("list")
    assert not await second.try_lock("list")


@pytest.mark.engines("file", "postgres")
async def test_closing_a_store_releases_its_locks_and_no_others(address: str):
    first, second, third = Opened(address), Opened(address), Opened(address)
    assert await first.try_lock("course:7")
    assert await second.try_lock("course:8")
    first.close()
    assert await third.try_lock("course:7")
    assert not await third.try_lock("course:8")


@pytest.mark.engines("file", "postgres")
async def test_the_locks_of_a_killed_process_are_released(address: str):
    database = Opened(address)
    with run_python("-c", LOCK_AND_WAIT, address, "course:7") as holder:
        assert read_line(holder) == "True"
        assert not await database.try_lock("course:7")
        with run_python("-c", LOCK_AND_WAIT, address, "course:7") as other:
            assert read_line(other) == "False"
        holder.kill()
        holder.wait()
        with anyio.fail_after(WAIT_SECONDS):
            while not await database.try_lock("course:7"):  # noqa: ASYNC110 - the server notices a little later
                await anyio.sleep(0.01)


@pytest.mark.engines("memory")
async def test_a_lock_of_a_store_in_memory_is_always_free():
    database = new_store()
    assert not database.shared
    assert await database.try_lock("list")
    await database.unlock("list")


# Limits


TWO, THREE = RateLimit(2, 1.0), RateLimit(3, 10.0)


def acquire_at(database: Opened, *windows: RateLimit, key: str = "k") -> Callable[[int], float]:
    return lambda now: database._transact(lambda c: shared_rate_limits.acquire(c, key, windows, now_milliseconds=now))


def test_calls_are_admitted_while_every_window_has_room():
    acquire = acquire_at(new_store(), TWO, THREE)
    assert [acquire(now) for now in (0, 400, 500, 999)] == [0.0, 0.0, 0.5, 0.001]
    assert [acquire(now) for now in (1000, 1400, 9999, 10_000)] == [0.0, 8.6, 0.001, 0.0]


def test_keys_have_limits_of_their_own_and_old_calls_are_deleted():
    database = new_store()
    acquire, acquire_other = acquire_at(database, TWO), acquire_at(database, TWO, key="other")
    assert [acquire(0), acquire(1), acquire(2), acquire_other(2), acquire(5000)] == [0.0, 0.0, 0.998, 0.0, 0.0]
    stored_calls = database._transact(lambda c: [tuple(row) for row in c.execute(select(calls).order_by(calls.c.at))])
    assert stored_calls == [("other", 2), ("k", 5000)]


def test_a_clock_that_was_set_back_does_not_block_for_long():
    acquire = acquire_at(new_store(), TWO)
    assert [acquire(1_000_000), acquire(1_000_000)] == [0.0, 0.0]
    assert acquire(5) == 0.0


def test_without_windows_every_call_is_admitted():
    assert acquire_at(new_store())(0) == 0.0


def check_windows(gaps: list[int], windows: list[RateLimit]) -> None:
    database = new_store()
    acquire = acquire_at(database, *windows)
    now, admitted = 0, list[int]()

    def count(window: RateLimit, start: float) -> int:
        return sum(start <= at < start + window.seconds * 1000 for at in admitted)

    for gap in gaps:
        now += gap
        wait = round(acquire(now) * 1000)
        if not wait:
            admitted.append(now)
            continue
        assert any(count(window, now + wait - window.seconds * 1000) >= window.calls for window in windows)
        assert all(count(window, now + wait - window.seconds * 1000 + 1) < window.calls for window in windows)
    database.close()
    assert all(count(window, start) <= window.calls for window in windows for start in admitted)


def test_no_window_exceeds_its_limit_and_the_wait_is_exact(engine: str):
    windows = st.lists(
        st.builds(RateLimit, st.integers(1, 4), st.sampled_from([0.1, 1.0, 3.0])), min_size=1, max_size=3
    )
    examples = settings(max_examples={"memory": 60, "file": 15, "postgres": 5}[engine])
    examples(given(st.lists(st.integers(0, 900), max_size=25), windows)(check_windows))()


@pytest.mark.engines("file", "postgres")
async def test_processes_share_a_limit(address: str):
    stores = [Opened(address) for _ in range(3)]
    waits: list[float] = []

    async def call_often(database: Opened) -> None:
        waits.extend([await database.acquire("key", [RateLimit(10, 3600.0)]) for _ in range(8)])

    async with anyio.create_task_group() as group:
        for database in stores:
            group.start_soon(call_often, database)
    assert waits.count(0.0) == 10
    assert all(0.0 <= wait <= 3600.0 for wait in waits)


# Snapshots


@pytest.mark.engines("file", "postgres")
def test_a_reader_sees_one_state_while_another_process_writes(address: str):
    reader, writer = Opened(address), Opened(address)
    acquire_at(writer, THREE)(1)

    def count_twice(connection: Connection) -> list[int]:
        number = select(func.count()).select_from(calls)
        before = connection.execute(number).scalar_one()
        thread = threading.Thread(target=acquire_at(writer, THREE), args=(2,))
        thread.start()
        thread.join()
        return [before, connection.execute(number).scalar_one()]

    assert reader._transact(count_twice, write=False) == [1, 1]
    assert reader._transact(lambda c: c.execute(select(func.count()).select_from(calls)).scalar_one()) == 2
