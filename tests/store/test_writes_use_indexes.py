"""Writes read the enrollments of a person or a course by an index, from the first write on, without statistics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event

from mcp_truto_lms.domain.source import Scope
from tests.store.written_store import COURSE, LEARNER, PAIR, WrittenStore
from tests.stored import course, person, record

pytestmark = pytest.mark.engines("memory")


def plans(store: WrittenStore, write: Callable[[], object]) -> list[str]:
    """Return how SQLite finds enrollments in the statements of a write."""
    statements: list[tuple[str, Any]] = []

    def collect(_: object, __: object, statement: str, parameters: Any, ___: object, is_many: bool) -> None:
        if "enrollments" in statement and not statement.startswith("INSERT"):
            statements.append((statement, parameters[0] if is_many else parameters))

    event.listen(store.writer_engine, "before_cursor_execute", collect)
    write()
    event.remove(store.writer_engine, "before_cursor_execute", collect)
    steps = [
        row[3]
        for statement, parameters in statements
        for row in store.write(lambda c: c.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all())  # noqa: B023
    ]
    return [step for step in steps if "enrollments" in step]


@pytest.mark.parametrize("scope", [COURSE, LEARNER, PAIR])
def test_replacing_a_scope_reads_its_own_enrollments_alone(store: WrittenStore, scope: Scope):
    steps = plans(store, lambda: store.replace_scope(scope, record("u", "c", "enrolled")))
    assert steps
    assert not any("(account=?)" in step or "SCAN" in step for step in steps)


@pytest.mark.parametrize("number", [1, 30])
def test_replacing_a_list_reads_the_enrollments_of_what_changed_alone(store: WrittenStore, number: int):
    store.replace_people(*(person(f"u{n}", "Old") for n in range(number * 2)))
    store.replace_courses(*(course(f"c{n}", "Old") for n in range(number * 2)))
    store.replace_scope(Scope(), *(record(f"u{n}", f"c{n}", "enrolled") for n in range(number * 2)))
    steps = plans(store, lambda: store.replace_people(*(person(f"u{n}", "New") for n in range(number))))
    steps += plans(store, lambda: store.replace_courses(*(course(f"c{n}", "New") for n in range(number // 2))))
    assert any("user_id" in step for step in steps)
    assert any("course_id" in step for step in steps)
    assert not any("(account=?)" in step or "SCAN" in step for step in steps)
