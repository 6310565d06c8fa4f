"""All rows of a match, read as they are taken: in the order of its pages, and given up at any moment."""

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
    people = [person(str(one), f"P{one % 7}") for one in range(PEOPLE)]
    records = [record(str(one), "c", "enrolled", due=NOON + one % 5 * DAY) for one in range(PEOPLE)]
    return filled([*people, *(person(f"m{one}", "M") for one in range(PEOPLE))], [course("c", "C")], records)


@pytest.mark.parametrize("rows", [enrollment_rows.read_rows, not_enrolled.read_rows])
def test_rows_come_in_the_order_of_pages(database: Any, rows: Any):
    def ids(connection: Connection, **options: Any) -> list[str]:
        return [one["user.id"] for one in rows(connection, SELECTION, sort=None, **options)]

    paged = database._transact(lambda c: [*ids(c, limit=700, offset=0), *ids(c, limit=700, offset=700)])
    assert len(paged) == PEOPLE
    assert database._transact(ids) == paged


def test_whoever_stops_early_leaves_the_store_as_it_was(database: Any):
    def stop(connection: Connection) -> None:
        next(enrollment_rows.read_rows(connection, SELECTION, sort=None))
        raise ZeroDivisionError

    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            database._transact(stop)
    assert len(database._transact(lambda c: [*enrollment_rows.read_rows(c, SELECTION, sort=None)])) == PEOPLE


def test_other_questions_may_be_asked_between_two_rows(database: Any):
    def both(connection: Connection) -> int:
        taken = 0
        for _ in enrollment_rows.read_rows(connection, SELECTION, sort=None):
            taken += 1
            if taken % 500 == 0:
                assert catalogue.sizes(connection, ACCOUNT).enrollments == PEOPLE
        return taken

    assert database._transact(both) == PEOPLE
