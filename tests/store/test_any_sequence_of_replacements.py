"""After any sequence of replacements, the rows are those of a model made of dictionaries."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, select

from mcp_truto_lms.domain.source import FetchRoute, Reading, Scope
from mcp_truto_lms.store import account_state, list_writer, scope_writer
from mcp_truto_lms.store.counts import count_by_course_and_status
from mcp_truto_lms.store.database import Database
from mcp_truto_lms.store.rows import learner_rows
from mcp_truto_lms.store.schema import accounts, courses, dimensions, enrollments, learners, scopes
from mcp_truto_lms.store.selection import Selection
from tests.stored import ACCOUNT, STAMP, at, course, new_store, person, record, scope_rows
from tests.truth import NOON

EXAMPLES = {"memory": 80, "file": 30, "postgres": 12}
PEOPLE, COURSES = ("u", "v", "w"), ("c", "d")


@dataclass(frozen=True)
class Row:
    """An enrollment of the model; a learner may have two in one course."""

    user: str
    course: str
    attempt: int
    status: str
    percent: int
    learner: bool
    route: FetchRoute = FetchRoute.LEARNER

    @property
    def key(self) -> str:
        return f"{self.user}{self.course}{self.attempt}"


ROWS = st.builds(
    Row,
    st.sampled_from(PEOPLE),
    st.sampled_from(COURSES),
    st.integers(1, 2),
    st.sampled_from(["in_progress", "failed"]),
    st.integers(0, 1),
    st.booleans(),
)
SCOPES = st.builds(Scope, st.sampled_from([None, *PEOPLE]), st.sampled_from([None, *COURSES]))
LISTED = st.booleans()


@st.composite
def replacements(draw: st.DrawFn) -> tuple[str, Any]:
    kind = draw(st.sampled_from(["scope", "scope", "scope", "people", "courses"]))
    if kind == "scope":
        scope = draw(SCOPES)
        rows = draw(st.lists(ROWS, max_size=5, unique_by=lambda row: row.key))
        scope_rows = [
            replace(row, user=scope.user_id or row.user, course=scope.course_id or row.course, route=scope.route)
            for row in rows
        ]
        return kind, (scope, list({row.key: row for row in scope_rows}.values()), draw(st.booleans()))
    names = PEOPLE if kind == "people" else COURSES
    return kind, draw(st.dictionaries(st.sampled_from(names), st.booleans(), max_size=3))


@dataclass
class Model:
    """What the store should have; people by whether they are active, courses by whether they are current."""

    rows: dict[str, Row] = field(default_factory=dict)
    people: dict[str, bool] = field(default_factory=dict)
    courses: dict[str, bool] = field(default_factory=dict)

    def replace_scope(self, scope: Scope, rows: list[Row], complete: bool) -> None:
        def within(row: Row) -> bool:
            return scope.user_id in (None, row.user) and scope.course_id in (None, row.course)

        before = {key: row for key, row in self.rows.items() if within(row)}
        after = {**({} if complete else before)}
        for row in rows:
            old = before.get(row.key)
            is_more_detailed = old is not None and old.percent == row.percent and old.route is not FetchRoute.COURSE
            keeps_status = is_more_detailed and row.route is FetchRoute.COURSE
            after[row.key] = replace(row, status=old.status, route=old.route) if keeps_status else row
            self.people.setdefault(row.user, True)
            self.courses.setdefault(row.course, True)
        self.rows = {key: row for key, row in self.rows.items() if key not in before} | after

    def replace_people(self, people: dict[str, bool]) -> None:
        gone = self.people.keys() - people.keys()
        self.rows = {key: row for key, row in self.rows.items() if row.user not in gone}
        self.people = dict(people)

    def replace_courses(self, courses: dict[str, bool]) -> None:
        gone = self.courses.keys() - courses.keys()
        self.rows = {key: row for key, row in self.rows.items() if row.course not in gone}
        self.courses = dict(courses)

    def excluded_reason(self, row: Row) -> str:
        if not row.learner:
            return "instructor"
        attempts = [
            attempt.attempt
            for attempt in self.rows.values()
            if attempt.learner and (attempt.user, attempt.course) == (row.user, row.course)
        ]
        if row.attempt != max(attempts):
            return "earlier attempt"
        reasons = {"inactive": not self.people[row.user], "archived": not self.courses[row.course]}
        return ", ".join(reason for reason, applies in reasons.items() if applies)

    def seen(self) -> dict[str, tuple[Any, ...]]:
        return {
            key: (row.user, row.course, row.status, row.percent, str(row.route), self.excluded_reason(row))
            for key, row in self.rows.items()
        }


def placed(rows: dict[str, tuple[Any, ...]]) -> dict[str, tuple[Any, ...]]:
    """Leave out the route that brought each row: it moves no row of an answer to another page."""
    return {key: (*before, reason) for key, (*before, _, reason) in rows.items()}


def seen(connection: Connection) -> dict[str, tuple[Any, ...]]:
    row = enrollments.c
    columns = (row.id, row.user_id, row.course_id, row.status, row.progress_percent, row.route, row.excluded_reason)
    return {key: tuple(rest) for key, *rest in connection.execute(select(*columns))}


def apply(connection: Connection, kind: str, what: Any, *, account: str = ACCOUNT) -> None:
    if kind == "people":
        people = [person(key, key, status="active" if active else "inactive") for key, active in what.items()]
        list_writer.replace_learners(connection, account, learner_rows(account, people), STAMP)
    elif kind == "courses":
        titles = [course(key, key, status="published" if current else "archived") for key, current in what.items()]
        list_writer.replace_courses(connection, account, titles, STAMP)
    else:
        scope, rows, complete = what
        records = tuple(
            replace(
                record(
                    row.user,
                    row.course,
                    row.status,
                    key=row.key,
                    learner=row.learner,
                    attempt_number=row.attempt,
                    progress_percent=row.percent,
                    enrolled_at=at(NOON),
                ),
                route=scope.route,
            )
            for row in rows
        )
        scope_writer.replace_scope(
            connection, account, scope, scope_rows(account, Reading(records, complete=complete)), STAMP
        )


def check(steps: list[tuple[str, Any]]) -> None:
    database, model = new_store(), Model()
    try:
        for kind, what in steps:
            before, version = model.seen(), database._transact(lambda c: account_state.load(c, ACCOUNT).data_version)
            database._transact(lambda c, kind=kind, what=what: apply(c, kind, what))
            if kind == "people":
                model.replace_people(what)
            elif kind == "courses":
                model.replace_courses(what)
            else:
                model.replace_scope(*what)
            assert database._transact(seen) == model.seen()
            if placed(model.seen()) != placed(before):
                assert database._transact(lambda c: account_state.load(c, ACCOUNT).data_version) > version
        counted = database._transact(lambda c: count_by_course_and_status(c, Selection(ACCOUNT, NOON)))
        assert counted.totals.enrollments == sum(model.excluded_reason(row) == "" for row in model.rows.values())
    finally:
        database.close()


def test_any_sequence_of_replacements_ends_in_the_rows_of_the_model(engine: str):
    examples = settings(max_examples=EXAMPLES[engine])
    examples(given(st.lists(replacements(), max_size=10))(check))()


TABLES = (learners, courses, enrollments, scopes, accounts, dimensions)


def rows_of(database: Database, account: str) -> dict[str, list[str]]:
    """Return every row of an account."""
    return database._transact(
        lambda c: {
            table.name: sorted(repr(tuple(row)) for row in c.execute(select(table).where(table.c.account == account)))
            for table in TABLES
        }
    )


def check_accounts(steps: list[tuple[str, tuple[str, Any]]]) -> None:
    shared, alone = new_store(), {"a": new_store(), "b": new_store()}
    try:
        for account, (kind, what) in steps:
            for database in (shared, alone[account]):
                database._transact(lambda c, a=account, k=kind, w=what: apply(c, k, w, account=a))
        for account, database in alone.items():
            assert rows_of(shared, account) == rows_of(database, account)
    finally:
        for database in (shared, *alone.values()):
            database.close()


def test_two_accounts_in_one_store_have_the_rows_that_each_would_have_alone(engine: str):
    examples = settings(max_examples=EXAMPLES[engine] // 2)
    examples(given(st.lists(st.tuples(st.sampled_from("ab"), replacements()), max_size=12))(check_accounts))()
