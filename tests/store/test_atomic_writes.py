"""A replacement is seen whole or not at all, whatever interrupts it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import anyio
import pytest
from sqlalchemy import Connection, event

from mcp_truto_lms.domain.errors import StoreError
from mcp_truto_lms.domain.source import Reading
from mcp_truto_lms.store import scope_writer
from mcp_truto_lms.store.counts import count_by_course_and_status
from mcp_truto_lms.store.selection import Selection
from tests.store.written_store import COURSE, WrittenStore
from tests.stored import ACCOUNT, STAMP, course, page_of, person, record, scope_rows
from tests.truth import NOON


def before_and_after(store: WrittenStore) -> Callable[[Connection], None]:
    """Fill the store; return a replacement that writes to every table."""
    store.replace_people(person("u", "U"), person("v", "V"))
    store.replace_courses(course("c", "C"))
    store.replace_scope(COURSE, *(record(str(n), "c", "enrolled", progress_percent=0) for n in range(30)))
    changed = tuple(record(str(n), "c", "in_progress", progress_percent=5) for n in range(10, 60))
    reading = Reading(changed, (person("20", "Twenty"), person("v", "Vera")))
    return lambda c: scope_writer.replace_scope(c, ACCOUNT, COURSE, scope_rows(ACCOUNT, reading), STAMP)


class Interrupted(Exception):
    pass


def test_a_replacement_that_fails_at_any_statement_leaves_the_old_state(store: WrittenStore):
    work = before_and_after(store)
    old = store.dump()
    left = 0

    def fail(*_: Any) -> None:
        nonlocal left
        left -= 1
        if not left:
            raise Interrupted

    engine = store.writer_engine
    event.listen(engine, "after_cursor_execute", fail)
    failures = 0
    while True:
        left = failures + 1
        try:
            store.write(work)
        except Interrupted:
            failures += 1
            left = -1
            assert store.dump() == old, failures
        else:
            break
    event.remove(engine, "after_cursor_execute", fail)
    assert failures > 10
    new = store.dump()
    assert new != old
    assert len(new["enrollments"]) == 50


def test_a_reader_in_another_thread_sees_the_old_state_or_the_new_one_at_every_statement(store: WrittenStore):
    """A reader asks while the replacement pauses at a statement; a store in memory answers once all is written."""
    work = before_and_after(store)
    old = store.dump()
    selection = Selection(ACCOUNT, NOON)
    seen: list[tuple[int, int]] = []
    readers: list[threading.Thread] = []
    engine, writer = store.writer_engine, threading.get_ident()

    def look() -> None:
        def both(connection: Connection) -> tuple[int, int]:
            counts = count_by_course_and_status(connection, selection)
            return counts.totals.enrollments, counts.by_status.get("in_progress", 0)

        seen.append(store.read(both))

    def ask(*_: Any) -> None:
        if threading.get_ident() == writer:
            readers.append(threading.Thread(target=look))
            readers[-1].start()

    look()
    event.listen(engine, "before_cursor_execute", ask)
    store.write(work)
    event.remove(engine, "before_cursor_execute", ask)
    for reader in readers:
        reader.join()
    assert len(readers) > 10
    assert store.dump() != old
    assert seen[0] == (30, 0)
    assert {*seen} <= {(30, 0), (50, 50)}


@pytest.mark.anyio
async def test_readers_in_other_tasks_see_each_replacement_whole(store: WrittenStore):
    sizes = (10, 25, 40)
    readings = {n: Reading(tuple(record(str(k), "c", "enrolled", score=float(n)) for k in range(n))) for n in sizes}
    database, selection = store.database, Selection(ACCOUNT, NOON)
    seen: list[tuple[int, ...]] = []
    done = False

    async def replace_often() -> None:
        nonlocal done
        for n in sizes * 5:
            await database.run(
                lambda c, n=n: scope_writer.replace_scope(c, ACCOUNT, COURSE, scope_rows(ACCOUNT, readings[n]), STAMP),
                write=True,
            )
        done = True

    def scores(connection: Connection) -> tuple[int, ...]:
        page = page_of(connection, selection, sort=None, limit=100, offset=0)
        return (
            len(page),
            count_by_course_and_status(connection, selection).totals.enrollments,
            *{int(row["score"]) for row in page},
        )

    async def read_often() -> None:
        while not done:
            seen.append(await database.run(scores))

    async with anyio.create_task_group() as group:
        group.start_soon(replace_often)
        for _ in range(4):
            group.start_soon(read_often)
    assert {*seen} <= {(n, n, n) for n in sizes} | {(0, 0)}
    assert len({*seen}) > 1


@pytest.mark.anyio
async def test_the_store_works_after_a_call_was_cancelled_while_it_wrote(store: WrittenStore):
    reached, go_on = threading.Event(), threading.Event()

    def slow(connection: Connection) -> None:
        scope_writer.replace_scope(
            connection, ACCOUNT, COURSE, scope_rows(ACCOUNT, Reading((record("u", "c", "enrolled"),))), STAMP
        )
        reached.set()
        go_on.wait(5)

    async with anyio.create_task_group() as group:
        group.start_soon(partial(store.database.run, write=True), slow)
        while not reached.is_set():  # noqa: ASYNC110 - the event is another thread's
            await anyio.sleep(0.001)
        group.cancel_scope.cancel()
        go_on.set()
    assert {*store.rows()} == {"u_c"}


@pytest.mark.engines("memory")
def test_a_closed_store_in_memory_refuses_work(store: WrittenStore):
    store.replace_scope(COURSE, record("u", "c", "enrolled"))
    store.database.close()
    with pytest.raises(StoreError, match="is closed"):
        store.rows()
    with pytest.raises(StoreError, match="is closed"):
        store.write(lambda _: None)
