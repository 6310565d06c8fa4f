"""A store with shortcuts to write people and to read their dimensions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, select

from mcp_truto_lms.domain.model import User
from mcp_truto_lms.domain.source import TeamKind
from mcp_truto_lms.people.people_file import People, parse
from mcp_truto_lms.store import account_state, dimensions, list_writer
from mcp_truto_lms.store.database import Database
from mcp_truto_lms.store.rows import learner_rows
from mcp_truto_lms.store.schema import dimensions as table
from tests.stored import ACCOUNT, STAMP

Values = set[tuple[str, str, str]]


def person(key: str, *emails: str, manager: Any = None, **fields: Any) -> User:
    return User.model_validate(
        {
            "id": key,
            "name": f"Person {key}",
            "emails": [{"email": email} for email in emails],
            "manager": manager,
            "custom_fields": fields,
        }
    )


class Store:
    """A store with shortcuts to write people and to read their dimensions."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def run(self, work: Callable[[Connection], Any]) -> Any:
        return self.database._transact(work, write=True)

    def directory(self, *people: User) -> None:
        self.run(lambda c: list_writer.replace_learners(c, ACCOUNT, learner_rows(ACCOUNT, people), STAMP))

    def put(self, *people: User) -> None:
        self.run(lambda c: list_writer.upsert_learners(c, ACCOUNT, people))

    def teams(self, kind: TeamKind = TeamKind.BRANCH, /, **teams: tuple[str, ...]) -> None:
        self.run(lambda c: dimensions.replace_teams(c, ACCOUNT, kind, {key.strip("_"): teams[key] for key in teams}))

    def file(self, text: str | None) -> int:
        people: People | None = None if text is None else parse(text.encode())
        unmatched = self.run(lambda c: dimensions.replace_people_file(c, ACCOUNT, people))
        assert self.run(lambda c: dimensions.has_people_file(c, ACCOUNT, people))
        return unmatched

    def teams_of(self, key: str) -> set[str]:
        return {value for user_id, name, value in self.stored() if user_id == key and name == "team"}

    def stored(self, account: str = ACCOUNT) -> Values:
        query = select(table.c.learner_id, table.c.name, table.c.value).where(table.c.account == account)
        return {tuple(row) for row in self.run(lambda c: c.execute(query).all())}

    @property
    def version(self) -> int:
        return self.run(lambda c: account_state.load(c, ACCOUNT).data_version)


def teams_and(kind: str, *members: tuple[str, str]) -> Values:
    return {(key, name, value) for key, value in members for name in (kind, "team")}
