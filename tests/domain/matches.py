"""What a selection matches in a store whose enrollment number `n` belongs to the learner `u<n>`."""

from __future__ import annotations

from typing import Any

from mcp_truto_lms.store.counts import MatchCounts, count_by_course_and_status
from mcp_truto_lms.store.database import Database
from mcp_truto_lms.store.selection import Selection
from tests.stored import ACCOUNT, page_of
from tests.truth import NOON

MAX_ROWS = 10_000


def case_number(row: dict[str, Any]) -> int:
    """Return the number of the case that a row was stored from."""
    return int(row["user.id"].removeprefix("u"))


def matching_cases(database: Database, **selected: Any) -> set[int]:
    """Return the numbers of the cases that a selection matches."""
    selection = Selection(ACCOUNT, NOON, **selected)
    rows = database._transact(lambda c: page_of(c, selection, sort=None, limit=MAX_ROWS, offset=0))
    return {case_number(row) for row in rows}


def match_counts(database: Database, *, now: int = NOON, **selected: Any) -> MatchCounts:
    """Count the enrollments that a selection matches."""
    selection = Selection(ACCOUNT, now, **selected)
    return database._transact(lambda c: count_by_course_and_status(c, selection))
