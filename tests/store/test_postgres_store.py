"""A store on PostgreSQL: its schema and version, the order of text, writers, locks and errors."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path

import anyio
import psycopg
import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, insert, select, text, update

from mcp_truto_lms.domain.errors import ConfigurationError, StoreError
from mcp_truto_lms.store import list_writer, postgres, schema_rebuild
from mcp_truto_lms.store.database import Database
from mcp_truto_lms.store.postgres import Postgres
from mcp_truto_lms.store.rows import learner_rows
from mcp_truto_lms.store.schema import learners, metadata
from mcp_truto_lms.store.schema_rebuild import SETTING
from tests.conftest import WAIT_SECONDS
from tests.stored import ACCOUNT, STAMP, Opened, person


@pytest.fixture(scope="module", autouse=True)
def engine() -> str:
    return "postgres"


@pytest.fixture
def address(new_address: Callable[..., str]) -> str:
    return new_address()


def fill(connection: Connection) -> None:
    list_writer.replace_learners(connection, ACCOUNT, learner_rows(ACCOUNT, [person("u", "U")]), STAMP)


def names(connection: Connection) -> list[str]:
    return list(connection.execute(select(learners.c.name).order_by(learners.c.name)).scalars())


def refused(address: str) -> str:
    with pytest.raises(ConfigurationError) as error:
        Database(address)
    assert SETTING in str(error.value)
    assert "hunter2" not in str(error.value)
    return str(error.value)


def execute(address: str, *statements: str) -> None:
    with psycopg.connect(address, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def test_stored_rows_are_there_when_the_store_is_opened_again_by_either_scheme(address: str):
    Opened(address)._transact(fill)
    assert Opened(address.replace("postgresql://", "postgresql+psycopg://"))._transact(names) == ["U"]


def test_the_tables_are_in_a_schema_of_their_own(address: str):
    query = text("SELECT DISTINCT schemaname FROM pg_tables WHERE tablename = 'learners'")
    assert Opened(address)._transact(lambda c: c.execute(query).scalars().all()) == ["mcp_truto_lms"]


def test_replicas_that_start_at_once_on_an_empty_server_all_work(address: str):
    opened: list[Opened] = []
    threads = [threading.Thread(target=lambda: opened.append(Opened(address))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [database._transact(names, write=False) for database in opened] == [[]] * 4


def test_all_text_sorts_by_code_points_whatever_the_collation_of_the_server_is(address: str):
    columns = "SELECT collation_name FROM information_schema.columns WHERE table_schema = 'mcp_truto_lms'"
    query = text(f"{columns} AND data_type = 'text'")
    assert {*Opened(address)._transact(lambda c: c.execute(query).scalars().all())} == {"C"}


# What is there already


def test_a_store_with_an_older_content_version_is_rebuilt(address: str):
    database = Opened(address)
    database._transact(fill)
    database._transact(lambda c: c.execute(text("CREATE TABLE old_table (x integer)")))
    database._transact(lambda c: c.execute(update(schema_rebuild._store_version).values(content_version=0)))
    reopened = Opened(address)
    assert reopened._transact(names) == []
    assert reopened._transact(lambda c: c.execute(text("SELECT to_regclass('old_table')")).scalar()) is None
    assert Opened(address)._transact(names) == []


def test_a_store_is_rebuilt_after_a_change_of_the_tables_and_only_then(address: str, monkeypatch: pytest.MonkeyPatch):
    Opened(address)._transact(fill)
    assert Opened(address)._transact(names) == ["U"]
    changed = MetaData()
    for table in metadata.sorted_tables:
        table.to_metadata(changed)
    changed.tables["learners"].append_column(Column("shoe_size", Integer))
    with monkeypatch.context() as patch:
        patch.setattr(schema_rebuild, "metadata", changed)
        assert Opened(address)._transact(names) == []
        row = {"account": ACCOUNT, "id": "v", "name": "V", "normalized_name": "v", "active": True, "record": "{}"}
        added = insert(changed.tables["learners"]).values(**row, shoe_size=42)
        Opened(address)._transact(lambda c: c.execute(added))
        assert Opened(address)._transact(names) == ["V"]
    assert Opened(address)._transact(names) == []


def test_a_store_that_another_version_rebuilt_meanwhile_is_reported_as_such(address: str):
    database = Opened(address)
    execute(address, "ALTER TABLE mcp_truto_lms.learners RENAME COLUMN name TO called")
    with pytest.raises(StoreError, match="does not have the tables of this version") as error:
        database._transact(names)
    assert "SELECT" not in str(error.value)


def test_a_store_with_a_newer_content_version_is_refused_and_left_unchanged(address: str):
    database = Opened(address)
    database._transact(fill)
    newer = update(schema_rebuild._store_version).values(content_version=schema_rebuild.CONTENT_VERSION + 1)
    database._transact(lambda c: c.execute(newer))
    assert "Upgrade this one" in refused(address)
    assert database._transact(names) == ["U"]


def test_a_schema_of_another_program_by_our_name_is_refused_and_left_unchanged(address: str):
    execute(address, "CREATE SCHEMA mcp_truto_lms", "CREATE TABLE mcp_truto_lms.theirs (x integer)")
    assert "belongs to another program" in refused(address)
    execute(address, "SELECT x FROM mcp_truto_lms.theirs")


def test_a_schema_that_was_created_for_us_is_used_without_the_right_to_create_one(address: str):
    execute(
        address,
        "CREATE ROLE narrow LOGIN",
        "CREATE SCHEMA mcp_truto_lms AUTHORIZATION narrow",
    )
    database = Opened(address.replace("postgres:@", "narrow@"))
    database._transact(fill)
    assert database._transact(names) == ["U"]


def test_the_error_says_that_a_user_may_not_create_the_schema(address: str):
    execute(address, "CREATE ROLE nobody LOGIN")
    assert "own the schema" in refused(address.replace("postgres:@", "nobody@"))


# What cannot be opened


def test_the_error_of_an_unreachable_server_does_not_show_its_address():
    message = refused("postgresql://me:hunter2@127.0.0.1:1/lms")
    assert "cannot be reached" in message
    assert "127.0.0.1" not in message


def test_the_error_says_that_a_database_is_missing(address: str):
    assert "no such database" in refused(address.replace("/store_", "/no_store_"))


def test_the_error_says_that_a_user_was_refused(address: str):
    assert "refused the user or the password" in refused(address.replace("postgres:@", "stranger:hunter2@"))


def test_the_error_of_an_unreadable_address_does_not_show_it():
    assert "cannot be read" in refused("postgresql://me:hunter2@host:port/lms")


@pytest.mark.parametrize(
    ("server_text", "message"),
    [
        ('FATAL:  password authentication failed for user "me"', "refused the user"),
        ('FATAL:  no pg_hba.conf entry for host "1.2.3.4", user "me", database "lms"', "refused the user"),
        ("FATAL:  sorry, too many clients already", "cannot be reached"),
        ('could not translate host name "x" to address', "cannot be reached"),
    ],
)
def test_the_error_says_why_a_connection_was_refused(server_text: str, message: str):
    assert message in postgres._message(psycopg.OperationalError(f"connection failed: {server_text}"))


def add_jane_twice(connection: Connection) -> None:
    jane = {"account": "a", "id": "1", "name": "Jane", "normalized_name": "j", "active": True, "record": "{}"}
    for _ in range(2):
        connection.execute(insert(learners).values(**jane))


@pytest.mark.parametrize(
    ("work", "message"),
    [
        (add_jane_twice, "PostgreSQL failed with error 23505. Ask again"),
        (lambda c: c.execute(text("SELECT 'Jane'::integer")), "PostgreSQL failed with error 22P02."),
        (lambda c: c.execute(text("SELECT 'Jane' WHERE 1 = :id")), "PostgreSQL failed with StatementError."),
        (lambda c: c.connection.execute("SELECT 'Jane'::integer"), "PostgreSQL failed with error 22P02."),
    ],
)
def test_an_unexpected_database_error_is_a_sentence_without_sql_or_values(
    address: str, work: Callable[[Connection], object], message: str
):
    with pytest.raises(StoreError) as error:
        Opened(address)._transact(work)
    assert message in str(error.value)
    assert not any(word in str(error.value) for word in ("Jane", "SELECT", "INSERT", "http"))


def test_without_psycopg_the_message_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    assert "pip install 'mcp-truto-lms[postgres]'" in refused("postgresql://me:hunter2@host/lms")


# Readers, writers, locks


def test_a_reader_may_not_write(address: str):
    database = Opened(address)
    with pytest.raises(StoreError, match="read only"):
        database._transact(fill, write=False)
    assert database._transact(names) == []


def test_writers_of_one_account_wait_for_each_other_and_not_for_those_of_another(address: str):
    database, impatient = Opened(address), Postgres(address, lock_seconds=0.02)

    def put(account: str) -> None:
        impatient.transact(
            lambda c: list_writer.replace_learners(c, account, learner_rows(account, [person("v", "V")]), STAMP),
            write=True,
        )

    def meanwhile(connection: Connection) -> None:
        list_writer.replace_courses(connection, ACCOUNT, [], STAMP)  # writes no row of the other one
        put("other")
        with pytest.raises(StoreError, match="locked by another process for too long"):
            put(ACCOUNT)

    database._transact(meanwhile)
    put(ACCOUNT)
    impatient.close()
    assert database._transact(names) == ["V", "V"]


def test_a_connection_that_broke_is_replaced(address: str):
    database = Opened(address)
    cut(address)
    assert database._transact(names) == []

    def cut_inside(connection: Connection) -> None:
        connection.execute(
            insert(learners).values(account="a", id="1", name="n", normalized_name="f", active=True, record="{}")
        )
        cut(address)
        names(connection)

    with pytest.raises(StoreError, match="cannot be reached"):
        database._transact(cut_inside)
    assert database._transact(names) == []


@pytest.mark.anyio
async def test_locks_are_lost_with_their_connection_and_others_can_be_taken(address: str):
    first, second = Opened(address), Opened(address)
    assert await first.try_lock("course:7")
    cut(address)
    assert await first.try_lock("course:8")
    with anyio.fail_after(WAIT_SECONDS):
        while not await second.try_lock("course:7"):  # noqa: ASYNC110 - the server notices a little later
            await anyio.sleep(0.01)
    await first.unlock("course:7")
    assert not await first.try_lock("course:7")


def cut(address: str) -> None:
    others = "datname = current_database() AND pid <> pg_backend_pid()"
    execute(address, f"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE {others}")


def test_opening_a_file_needs_no_psycopg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    Database(str(tmp_path / "lms.db")).close()
