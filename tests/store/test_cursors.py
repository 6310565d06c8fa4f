"""Cursors as they are stored: whose they are, and what ends them."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, func, select

from mcp_truto_lms.domain.errors import QueryError, UnknownCursor
from mcp_truto_lms.store import account_state, cursors, list_writer
from mcp_truto_lms.store.cursors import MAX_AGE_SECONDS
from mcp_truto_lms.store.database import Database
from mcp_truto_lms.store.rows import learner_rows
from mcp_truto_lms.store.schema import cursors as cursors_table
from tests.stored import ACCOUNT, STAMP, Opened, Where, course, new_store, person
from tests.truth import NOON

UNKNOWN, CHANGED = "unknown or has expired", "The data changed since that page"


@pytest.fixture
def database() -> Database:
    database = new_store()
    database._transact(
        lambda c: list_writer.replace_learners(c, ACCOUNT, learner_rows(ACCOUNT, [person("1", "A")]), STAMP)
    )
    return database


def save(database: Database, token: str = "tkn", *, version: int = 1, now: int = NOON, principal: str = "ann") -> None:
    options = {"question": "{}", "version": version, "now": now, "principal": principal}
    database._transact(lambda c: cursors.save(c, ACCOUNT, token, **options))


def load(
    database: Database, token: str = "tkn", *, account: str = ACCOUNT, now: int = NOON, principal: str = "ann"
) -> str:
    def load_current(connection: Connection) -> str:
        version = account_state.load(connection, account).data_version
        return cursors.load(connection, account, token, now=now, principal=principal, version=version)

    return database._transact(load_current)


def test_a_cursor_works_for_an_hour(database: Database):
    save(database)
    assert load(database, now=NOON + MAX_AGE_SECONDS) == "{}"
    with pytest.raises(QueryError, match=UNKNOWN):
        load(database, now=NOON + MAX_AGE_SECONDS + 1)


def test_a_cursor_can_be_used_again(database: Database):
    save(database)
    assert load(database) == load(database)


@pytest.mark.parametrize(("token", "account"), [("other", ACCOUNT), ("tkn", "other"), ("", ACCOUNT)])
def test_the_cursor_of_another_account_is_refused(database: Database, token: str, account: str):
    save(database)
    with pytest.raises(UnknownCursor, match=UNKNOWN):
        load(database, token, account=account)


@pytest.mark.parametrize(("owner", "caller"), [("ann", "bob"), ("ann", ""), ("", "ann")])
def test_the_cursor_of_another_caller_is_unknown(database: Database, owner: str, caller: str):
    save(database, principal=owner)
    with pytest.raises(UnknownCursor, match=UNKNOWN):
        load(database, principal=caller)
    assert load(database, principal=owner) == "{}"


def test_a_cursor_ends_when_the_data_changes_and_only_then(database: Database):
    save(database)
    database._transact(
        lambda c: list_writer.replace_learners(c, ACCOUNT, learner_rows(ACCOUNT, [person("1", "A")]), STAMP)
    )
    assert load(database) == "{}"
    database._transact(
        lambda c: list_writer.replace_learners(c, "other", learner_rows("other", [person("1", "B")]), STAMP)
    )
    assert load(database) == "{}"
    database._transact(
        lambda c: list_writer.replace_learners(c, ACCOUNT, learner_rows(ACCOUNT, [person("1", "B")]), STAMP)
    )
    with pytest.raises(QueryError, match=CHANGED):
        load(database)


def test_a_cursor_ends_when_a_course_changes_its_category(database: Database):
    def read_courses(category: str) -> None:
        categorized = course("c", "C").model_copy(update={"categories": [{"name": category}]})
        database._transact(lambda c: list_writer.replace_courses(c, ACCOUNT, [categorized], STAMP))

    read_courses("Safety")
    save(database, version=2)
    read_courses("Safety")
    assert load(database) == "{}"
    read_courses("Other")
    with pytest.raises(QueryError, match=CHANGED):
        load(database)


def test_a_cursor_of_a_page_that_is_older_than_the_data_is_refused(database: Database):
    save(database, version=0)
    with pytest.raises(QueryError, match=CHANGED):
        load(database)


def test_expired_cursors_are_deleted_and_others_stay(database: Database):
    late = NOON + MAX_AGE_SECONDS + 1
    save(database, "old")
    save(database, "new", now=late)
    database._transact(lambda c: cursors.drop_expired(c, late))
    tokens = database._transact(lambda c: list(c.execute(select(cursors_table.c.token)).scalars()))
    assert tokens == ["new"]


def test_tokens_are_short_and_differ(database: Database):
    tokens = {cursors.new_token() for _ in range(200)}
    assert len(tokens) == 200
    assert {len(token) for token in tokens} == {8}
    for token in tokens:
        save(database, token)
    assert database._transact(lambda c: c.execute(select(func.count()).select_from(cursors_table)).scalar_one()) == 200


@pytest.mark.engines("file", "postgres")
def test_another_process_of_the_store_continues_a_cursor():
    address = Where.new_address()
    first, second = Opened(address), Opened(address)
    first._transact(
        lambda c: list_writer.replace_learners(c, ACCOUNT, learner_rows(ACCOUNT, [person("1", "A")]), STAMP)
    )
    save(first)
    assert load(second) == "{}"
    second._transact(
        lambda c: list_writer.replace_learners(c, ACCOUNT, learner_rows(ACCOUNT, [person("1", "B")]), STAMP)
    )
    with pytest.raises(QueryError, match=CHANGED):
        load(first)


@pytest.mark.engines("postgres")  # the others have one writer at a time
def test_an_expired_cursor_that_another_writer_is_deleting_is_skipped():
    address = Where.new_address()
    first, second = Opened(address), Opened(address)
    save(first, "old")
    late = NOON + MAX_AGE_SECONDS + 1

    def delete_both(connection: Connection) -> None:
        cursors.drop_expired(connection, late)
        second._transact(lambda c: cursors.drop_expired(c, late))

    first._transact(delete_both)
    assert not first._transact(lambda c: [*c.execute(select(cursors_table.c.token)).scalars()])
