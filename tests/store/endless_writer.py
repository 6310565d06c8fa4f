"""A process that replaces three scopes of a store over and over, each a little different, until it is killed.

    python -m tests.store.endless_writer ADDRESS FIRST_TURN

The rows of a scope tell its turn, and so does its stamp: what is found afterwards can be checked against itself.
"""

from __future__ import annotations

import sys
from itertools import count

from mcp_truto_lms.domain.source import Reading, Scope
from mcp_truto_lms.store import scope_writer
from mcp_truto_lms.store.database import Database
from mcp_truto_lms.store.scope_writer import FetchInfo
from tests.stored import ACCOUNT, record, scope_rows

COURSES = ("c", "d", "e")


def size(turn: int) -> int:
    return 100 + 37 * turn % 90


def main(address: str, first: int) -> None:
    database = Database(address)
    for turn in count(first):
        for key in COURSES:
            records = tuple(record(str(n), key, "in_progress", score=float(turn)) for n in range(size(turn)))
            stamp, scope = FetchInfo(turn, 0.0), Scope(course_id=key)
            database._transact(
                lambda c, s=scope, r=records, t=stamp: scope_writer.replace_scope(
                    c, ACCOUNT, s, scope_rows(ACCOUNT, Reading(r)), t
                ),
                write=True,
            )
            sys.stdout.write(f"{turn}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
