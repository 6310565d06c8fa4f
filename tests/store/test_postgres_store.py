"""A store on PostgreSQL: its schema, its order of text, its writers, and what stands in the way."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path

import anyio
import psycopg
import pytest
from sqlalchemy import Connection, insert, select, text

from mcp_truto_lms.domain.errors import ConfigurationError, StoreError
from mcp_truto_lms.store import postgres, scope_writer
from mcp_truto_lms.store.database import Database
from mcp_truto_lms.store.postgres import Postgres
from mcp_truto_lms.store.rows import learner_rows
from mcp_truto_lms.store.schema import SCHEMA_VERSION, learners
from mcp_truto_lms.store.schema_rebuild import SETTING
from tests.stored import ACCOUNT, STAMP, Opened, person


@pytest.fixture(scope="module", autouse=True)
def engine() -> str:
    return "postgres"


@pytest.fixture
def address(new_address: Callable[..., str]) -> str:
    return new_address()


def fill(connection: Connection) -> None:
    scope_writer.replace_learners(connection, ACCOUNT, learner_rows(ACCOUNT, [person("u", "U")]), STAMP)


def names(connection: Connection) -> list[str]:
    return list(connection.execute(select(learners.c.name).order_by(learners.c.name)).scalars())


def refused(address: str) -> str:
    with pytest.raises(ConfigurationError) as found:
        Database(address)
    assert SETTING in str(found.value)
    assert "hunter2" not in str(found.value)
    return str(found.value)


def execute(address: str, *statements: str) -> None:
    with psycopg.connect(address, autocommit=True) as connection:
        for one in statements:
            connection.execute(one)


def test_what_was_written_is_there_when_it_is_opened_again_by_either_scheme(address: str):
    Opened(address)._transact(fill)
    assert Opened(address.replace("postgresql://", "postgresql+psycopg://"))._transact(names) == ["U"]


def test_the_tables_are_in_a_schema_of_their_own(address: str):
    found = Opened(address)._transact(
        lambda c: (
            c.execute(text("SELECT DISTINCT schemaname FROM pg_tables WHERE tablename = 'learners'")).scalars().all()
        )
    )
    assert found == ["mcp_truto_lms"]


def test_replicas_that_start_at_once_on_an_empty_server_all_find_it_built(address: str):
    opened: list[Opened] = []
    threads = [threading.Thread(target=lambda: opened.append(Opened(address))) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert [one._transact(names, write=False) for one in opened] == [[]] * 4


def test_all_text_sorts_by_code_points_whatever_the_order_of_the_server_is(address: str):
    columns = "SELECT collation_name FROM information_schema.columns WHERE table_schema = 'mcp_truto_lms'"
    query = text(f"{columns} AND data_type = 'text'")
    assert {*Opened(address)._transact(lambda c: c.execute(query).scalars().all())} == {"C"}


# What is there already


def test_an_older_schema_is_built_anew(address: str):
    database = Opened(address)
    database._transact(fill)
    database._transact(lambda c: c.execute(text("CREATE TABLE of_old (x integer)")))
    database._transact(lambda c: c.execute(text(f"UPDATE store_version SET version = {SCHEMA_VERSION - 1}")))
    again = Opened(address)
    assert again._transact(names) == []
    assert again._transact(lambda c: c.execute(text("SELECT to_regclass('of_old')")).scalar()) is None
    assert Opened(address)._transact(names) == []


def test_a_newer_schema_is_refused_and_left_as_it_is(address: str):
    database = Opened(address)
    database._transact(fill)
    database._transact(lambda c: c.execute(text(f"UPDATE store_version SET version = {SCHEMA_VERSION + 1}")))
    assert "Upgrade this one" in refused(address)
    assert database._transact(names) == ["U"]


def test_somebody_elses_schema_of_our_name_is_refused_and_left_as_it_is(address: str):
    execute(address, "CREATE SCHEMA mcp_truto_lms", "CREATE TABLE mcp_truto_lms.theirs (x integer)")
    assert "belongs to another program" in refused(address)
    execute(address, "SELECT x FROM mcp_truto_lms.theirs")


def test_a_schema_that_was_made_for_us_is_used_without_the_right_to_make_one(address: str):
    execute(
        address,
        "CREATE ROLE narrow LOGIN",
        "CREATE SCHEMA mcp_truto_lms AUTHORIZATION narrow",
    )
    database = Opened(address.replace("postgres:@", "narrow@"))
    database._transact(fill)
    assert database._transact(names) == ["U"]


def test_a_user_who_may_not_make_the_schema_is_told(address: str):
    execute(address, "CREATE ROLE nobody LOGIN")
    assert "own the schema" in refused(address.replace("postgres:@", "nobody@"))


# What cannot be opened


def test_a_server_that_is_not_there_is_told_without_its_address():
    told = refused("postgresql://me:hunter2@127.0.0.1:1/lms")
    assert "cannot be reached" in told
    assert "127.0.0.1" not in told


def test_a_database_that_is_not_there_is_told(address: str):
    assert "no such database" in refused(address.replace("/store_", "/no_store_"))


def test_an_unknown_user_is_told(address: str):
    assert "refused the user or the password" in refused(address.replace("postgres:@", "stranger:hunter2@"))


def test_an_address_that_cannot_be_read_is_told_without_it():
    assert "cannot be read" in refused("postgresql://me:hunter2@host:port/lms")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ('FATAL:  password authentication failed for user "me"', "refused the user"),
        ('FATAL:  no pg_hba.conf entry for host "1.2.3.4", user "me", database "lms"', "refused the user"),
        ("FATAL:  sorry, too many clients already", "cannot be reached"),
        ('could not translate host name "x" to address', "cannot be reached"),
    ],
)
def test_what_a_refused_connection_means_is_told(said: str, told: str):
    assert told in (postgres._trouble(psycopg.OperationalError(f"connection failed: {said}")) or "")


def test_what_is_unexpected_stays_what_it_is():
    assert postgres._trouble(psycopg.errors.UniqueViolation("x")) is None


def test_without_psycopg_the_message_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    assert "pip install 'mcp-truto-lms[postgres]'" in refused("postgresql://me:hunter2@host/lms")


# Readers, writers, locks


def test_a_reader_may_not_write(address: str):
    database = Opened(address)
    with pytest.raises(StoreError, match="read only"):
        database._transact(fill, write=False)
    assert database._transact(names) == []


def test_writers_of_one_account_take_turns_and_those_of_others_do_not_wait(address: str):
    database, impatient = Opened(address), Postgres(address, lock_seconds=0.02)

    def put(account: str) -> None:
        impatient.transact(
            lambda c: scope_writer.replace_learners(c, account, learner_rows(account, [person("v", "V")]), STAMP),
            write=True,
        )

    def meanwhile(connection: Connection) -> None:
        scope_writer.replace_courses(connection, ACCOUNT, [], STAMP)  # no row that the other writes
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
async def test_locks_whose_connection_broke_are_lost_and_others_can_be_taken(address: str):
    first, second = Opened(address), Opened(address)
    assert await first.try_lock("course:7")
    cut(address)
    assert await first.try_lock("course:8")
    with anyio.fail_after(20):
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
