"""A process that replaces three scopes of a store over and over, each time with other rows, until it is killed.

    python -m tests.store.endless_writer ADDRESS FIRST_ROUND

The rows of a scope name their round, and so does its fetch time: a test can check the stored rows against each other.
"""

from __future__ import annotations

import sys
from itertools import count

from mcp_truto_lms.domain.source import Reading, Scope
from mcp_truto_lms.store import scope_writer
from mcp_truto_lms.store.account_state import FetchInfo
from mcp_truto_lms.store.database import Database
from tests.stored import ACCOUNT, record, scope_rows

COURSES = ("c", "d", "e")


def size(round_number: int) -> int:
    return 100 + 37 * round_number % 90


def main(address: str, first_round: int) -> None:
    database = Database(address)
    for round_number in count(first_round):
        for course_id in COURSES:
            user_ids = map(str, range(size(round_number)))
            records = tuple(record(key, course_id, "in_progress", score=float(round_number)) for key in user_ids)
            fetch_info, scope = FetchInfo(round_number, 0.0), Scope(course_id=course_id)
            rows = scope_rows(ACCOUNT, Reading(records))
            database._transact(
                lambda c, scope=scope, rows=rows, info=fetch_info: scope_writer.replace_scope(
                    c, ACCOUNT, scope, rows, info
                ),
                write=True,
            )
            sys.stdout.write(f"{round_number}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
