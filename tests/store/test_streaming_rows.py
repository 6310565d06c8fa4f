"""All rows of a match, read one after the other: in the order of pages, and until the reader stops."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection

from mcp_truto_lms.store import catalogue, enrollment_rows, not_enrolled
from mcp_truto_lms.store.selection import Selection
from tests.stored import ACCOUNT, course, filled, person, record
from tests.truth import DAY, NOON

PEOPLE = 1_203
SELECTION = Selection(ACCOUNT, NOON, course_ids=("c",))


@pytest.fixture
def database(engine: str) -> Any:
    people = [person(str(number), f"P{number % 7}") for number in range(PEOPLE)]
    records = [record(str(number), "c", "enrolled", due=NOON + number % 5 * DAY) for number in range(PEOPLE)]
    return filled([*people, *(person(f"m{number}", "M") for number in range(PEOPLE))], [course("c", "C")], records)


@pytest.mark.parametrize("rows", [enrollment_rows.read_rows, not_enrolled.read_rows])
def test_rows_come_in_the_order_of_pages(database: Any, rows: Any):
    def ids(connection: Connection, **options: Any) -> list[str]:
        return [row["user.id"] for row in rows(connection, SELECTION, sort=None, **options)]

    paged = database._transact(lambda c: [*ids(c, limit=700, offset=0), *ids(c, limit=700, offset=700)])
    assert len(paged) == PEOPLE
    assert database._transact(ids) == paged


def test_the_store_works_after_a_reader_stopped_early(database: Any):
    def stop(connection: Connection) -> None:
        next(enrollment_rows.read_rows(connection, SELECTION, sort=None))
        raise ZeroDivisionError

    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            database._transact(stop)
    assert len(database._transact(lambda c: [*enrollment_rows.read_rows(c, SELECTION, sort=None)])) == PEOPLE


def test_other_statements_may_run_between_two_rows(database: Any):
    def both(connection: Connection) -> int:
        row_count = 0
        for _ in enrollment_rows.read_rows(connection, SELECTION, sort=None):
            row_count += 1
            if row_count % 500 == 0:
                assert catalogue.sizes(connection, ACCOUNT).enrollments == PEOPLE
        return row_count

    assert database._transact(both) == PEOPLE
