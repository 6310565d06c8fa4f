"""A store under test: its tables, and the writes of the tests in one word each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from sqlalchemy import Connection, select

from mcp_truto_lms.domain.source import EnrollmentRecord, Reading, Scope
from mcp_truto_lms.store import account_state, list_writer, scope_writer
from mcp_truto_lms.store.rows import learner_rows
from mcp_truto_lms.store.schema import accounts, courses, enrollments, learners, scopes
from tests.stored import ACCOUNT, STAMP, new_store, scope_rows

COURSE, LEARNER, PAIR = Scope(course_id="c"), Scope(user_id="u"), Scope("u", "c")


class WrittenStore:
    """The tables, with the writes of an account."""

    def __init__(self) -> None:
        self.database = new_store()
        self.write = self.database._transact
        self.read = partial(self.database._transact, write=False)
        self.writer_engine = getattr(self.database._engine, "writer", self.database._engine.engine)

    def replace_scope(
        self, scope: Scope, *records: EnrollmentRecord, complete: bool = True, people: Sequence[Any] = ()
    ) -> None:
        routed = tuple(replace(record, route=scope.route) for record in records)
        rows = scope_rows(ACCOUNT, Reading(routed, tuple(people), complete=complete))
        self.write(lambda c: scope_writer.replace_scope(c, ACCOUNT, scope, rows, STAMP))

    def replace_people(self, *people: Any) -> None:
        self.write(lambda c: list_writer.replace_learners(c, ACCOUNT, learner_rows(ACCOUNT, people), STAMP))

    def replace_courses(self, *titles: Any) -> None:
        self.write(lambda c: list_writer.replace_courses(c, ACCOUNT, titles, STAMP))

    def rows(self) -> dict[str, dict[str, Any]]:
        def work(connection: Connection) -> dict[str, dict[str, Any]]:
            return {row["id"]: dict(row) for row in connection.execute(select(enrollments)).mappings()}

        return self.write(work)

    def row(self, key: str = "u_c") -> dict[str, Any]:
        return self.rows()[key]

    def column(self, name: str) -> dict[str, Any]:
        return {key: row[name] for key, row in self.rows().items()}

    def status(self, key: str = "u_c") -> str:
        return self.row(key)["status"]

    def version(self) -> int:
        return self.write(lambda c: account_state.load(c, ACCOUNT).data_version)

    def scopes(self) -> set[str]:
        return {*self.write(lambda c: account_state.scope_states(c, ACCOUNT))}

    def dump(self) -> dict[str, list[Any]]:
        """Return every row of the tables."""
        tables = (learners, courses, enrollments, scopes, accounts)
        return self.write(lambda c: {table.name: sorted(map(repr, c.execute(select(table)))) for table in tables})
