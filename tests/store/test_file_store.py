"""A store in a file: its owner and version, and what keeps it from being opened or used."""

from __future__ import annotations

import os
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, Table, insert, select, text, update

from mcp_truto_lms.domain.errors import ConfigurationError, LmsError, StoreError
from mcp_truto_lms.domain.source import Reading, Scope
from mcp_truto_lms.store import list_writer, schema_rebuild, scope_writer
from mcp_truto_lms.store.database import Database
from mcp_truto_lms.store.rows import learner_rows
from mcp_truto_lms.store.schema import calls, enrollments, learners, metadata
from mcp_truto_lms.store.schema_rebuild import SETTING
from mcp_truto_lms.store.sqlite import APPLICATION_ID, File
from tests.stored import ACCOUNT, STAMP, person, record, scope_rows


@pytest.fixture(scope="module", autouse=True)
def engine() -> str:
    return "file"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lms.db"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    opened = Database(str(path))
    yield opened
    opened.close()


def fill(connection: Connection) -> None:
    list_writer.replace_learners(connection, ACCOUNT, learner_rows(ACCOUNT, [person("u", "U")]), STAMP)


def names(connection: Connection) -> list[str]:
    return list(connection.execute(select(learners.c.name)).scalars())


def refused(path: Path | str) -> str:
    with pytest.raises(ConfigurationError) as error:
        Database(str(path))
    assert SETTING in str(error.value)
    return str(error.value)


def pragma(path: Path, name: str) -> object:
    with sqlite3.connect(path) as connection:
        row = connection.execute(f"PRAGMA {name}").fetchone()
    connection.close()
    return row and row[0]


def test_stored_rows_are_there_when_the_file_is_opened_again(path: Path):
    first = Database(str(path))
    first._transact(fill, write=True)
    first.close()
    second = Database(str(path))
    assert second._transact(names) == ["U"]
    second.close()
    assert pragma(path, "application_id") == APPLICATION_ID


@pytest.mark.skipif(sys.platform == "win32", reason="rights are not bits there")
@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_only_the_owner_may_read_and_write_the_files(path: Path, umask: int):
    before = os.umask(umask)
    try:
        database = Database(str(path))
        database._transact(fill, write=True)
    finally:
        os.umask(before)
    modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    database.close()
    assert modes == dict.fromkeys(("lms.db", "lms.db-wal", "lms.db-shm", "lms.db-locks"), 0o600)


def test_a_path_may_have_any_character_and_begin_with_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    for name in ("50% of é?.db", "file:x.db"):
        Database(f"~/{name}").close()
        assert (tmp_path / name).stat().st_size > 0


# What cannot be opened


def test_the_error_names_a_missing_folder(tmp_path: Path):
    assert f"the folder {tmp_path / 'none'} does not exist" in refused(tmp_path / "none" / "lms.db")


def test_a_folder_is_refused(tmp_path: Path):
    assert "is a folder" in refused(tmp_path)
    (tmp_path / "file").touch()
    assert "lies in a file" in refused(tmp_path / "file" / "lms.db")


def test_the_error_names_a_file_that_may_not_be_opened(path: Path, monkeypatch: pytest.MonkeyPatch):
    def deny(*_: object) -> int:
        raise PermissionError

    monkeypatch.setattr(os, "open", deny)
    assert f"{path} cannot be opened. Give this user the right" in refused(path)


@pytest.mark.parametrize("content", [b"no database at all, but long enough for a header" * 99, b"x"])
def test_a_file_that_is_not_a_database_is_refused_and_left_unchanged(path: Path, content: bytes):
    path.write_bytes(content)
    assert "is not an SQLite database" in refused(path)
    assert path.read_bytes() == content
    assert [*path.parent.iterdir()] == [path]


@pytest.mark.parametrize("mark", [0, 4711])
def test_the_database_of_another_program_is_refused_and_left_unchanged(path: Path, mark: int):
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE theirs (x)")
        connection.execute(f"PRAGMA application_id = {mark}")
    connection.close()
    content = path.read_bytes()
    assert "belongs to another program" in refused(path)
    assert path.read_bytes() == content
    assert [*path.parent.iterdir()] == [path]


def test_a_damaged_file_is_refused_and_left_unchanged(path: Path):
    Database(str(path)).close()
    content = bytearray(path.read_bytes())
    content[100:4096] = b"\xff" * 3996
    path.write_bytes(content)
    assert "is damaged" in refused(path)
    assert path.read_bytes() == content


def test_damage_further_inside_is_reported_when_it_is_read(path: Path):
    database = Database(str(path))
    many = [person(str(n), f"Somebody {n}") for n in range(500)]
    database._transact(
        lambda c: list_writer.replace_learners(c, ACCOUNT, learner_rows(ACCOUNT, many), STAMP), write=True
    )
    database.close()
    content = bytearray(path.read_bytes())
    content[8192:] = b"\xff" * (len(content) - 8192)
    path.write_bytes(content)
    with pytest.raises(LmsError, match="is damaged"):
        Database(str(path))._transact(names)


def store_version() -> Table:
    return schema_rebuild._store_version


def test_a_store_with_an_older_content_version_is_rebuilt(path: Path):
    database = Database(str(path))
    database._transact(fill, write=True)
    database._transact(lambda c: c.exec_driver_sql("CREATE TABLE old_table (x)"), write=True)
    database._transact(lambda c: c.execute(update(store_version()).values(content_version=0)), write=True)
    database.close()
    reopened = Database(str(path))
    assert reopened._transact(names) == []
    table_names = reopened._transact(lambda c: c.execute(text("SELECT name FROM sqlite_master")).scalars().all())
    reopened.close()
    assert "old_table" not in table_names


def test_a_store_of_a_program_that_wrote_no_version_is_rebuilt(path: Path):
    database = Database(str(path))
    database._transact(fill, write=True)
    database._transact(lambda c: c.exec_driver_sql("DROP TABLE store_version"), write=True)
    database.close()
    reopened = Database(str(path))
    assert reopened._transact(names) == []
    reopened.close()


def test_a_store_is_rebuilt_after_a_change_of_the_tables_and_only_then(path: Path, monkeypatch: pytest.MonkeyPatch):
    def open_with(tables: MetaData) -> Database:
        monkeypatch.setattr(schema_rebuild, "metadata", tables)
        return Database(str(path))

    changed = MetaData()
    for table in metadata.sorted_tables:
        table.to_metadata(changed)
    changed.tables["learners"].append_column(Column("shoe_size", Integer))
    first = open_with(metadata)
    first._transact(fill, write=True)
    first.close()
    for tables, stored_names in ((metadata, ["U"]), (changed, []), (changed, ["V"])):
        database = open_with(tables)
        assert database._transact(names) == stored_names
        if tables is changed and not stored_names:
            row = {"account": ACCOUNT, "id": "v", "name": "V", "normalized_name": "v", "active": True, "record": "{}"}
            added = insert(changed.tables["learners"]).values(**row, shoe_size=42)
            database._transact(lambda c, added=added: c.execute(added), write=True)
        database.close()


def test_a_store_with_a_newer_content_version_is_refused_and_left_unchanged(path: Path):
    database = Database(str(path))
    database._transact(fill, write=True)
    newer = update(store_version()).values(content_version=schema_rebuild.CONTENT_VERSION + 1)
    database._transact(lambda c: c.execute(newer), write=True)
    database.close()
    assert "Upgrade this one" in refused(path)
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT name FROM learners").fetchall() == [("U",)]
    connection.close()


@pytest.mark.parametrize(
    "address", ["mysql://x:hunter2@y/z", "sqlite:///x.db", "file:///x.db", "postgres://x:hunter2@y"]
)
def test_other_addresses_are_refused_by_an_error_that_does_not_show_them(address: str):
    assert "hunter2" not in refused(address)


@pytest.mark.parametrize("other_version", [False, True])
def test_stores_that_open_a_new_file_or_one_of_another_version_at_once_all_work(path: Path, other_version: bool):
    if other_version:
        database = Database(str(path))
        database._transact(lambda c: c.execute(update(store_version()).values(tables_digest="other")), write=True)
        database.close()
    opened: list[Database] = []
    threads = [threading.Thread(target=lambda: opened.append(Database(str(path)))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 6
    for number, database in enumerate(opened):
        database._transact(lambda c, n=number: c.execute(insert(calls).values(key="k", at=n)), write=True)
    assert opened[0]._transact(lambda c: c.execute(select(calls.c.at)).scalars().all()) == [0, 1, 2, 3, 4, 5]
    for database in opened:
        database.close()


# What goes wrong while working


def test_a_reader_may_not_write(database: Database):
    with pytest.raises(StoreError, match="cannot be written"):
        database._transact(fill)
    assert database._transact(names) == []


def test_a_full_disk_is_reported_and_leaves_the_stored_rows(database: Database):
    database._transact(fill, write=True)

    def too_much(connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")
        people = [person(str(n), "x" * 1000) for n in range(500)]
        list_writer.replace_learners(connection, ACCOUNT, learner_rows(ACCOUNT, people), STAMP)

    with pytest.raises(StoreError, match="its disk is full"):
        database._transact(too_much, write=True)
    assert database._transact(names) == ["U"]


def test_a_writer_waits_for_the_writer_of_another_process_for_a_limited_time(database: Database, path: Path):
    impatient = File(str(path), busy_seconds=0.01)

    def both(_: Connection) -> None:
        impatient.transact(fill, write=True)

    with pytest.raises(StoreError, match="locked by another process for too long"):
        database._transact(both, write=True)
    impatient.transact(fill, write=True)
    impatient.close()
    assert database._transact(names) == ["U"]


def test_a_reader_does_not_wait_for_a_writer(database: Database, path: Path):
    def look(connection: Connection) -> list[str]:
        fill(connection)
        return database._transact(names)

    assert database._transact(look, write=True) == []
    assert database._transact(names) == ["U"]


def test_writers_of_one_process_wait_for_each_other(database: Database):
    def count(connection: Connection) -> None:
        at = connection.execute(select(calls.c.at).order_by(calls.c.at.desc()).limit(1)).scalar() or 0
        connection.execute(insert(calls).values(key="k", at=at + 1))

    threads = [threading.Thread(target=lambda: database._transact(count, write=True)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert database._transact(lambda c: sorted(c.execute(select(calls.c.at)).scalars())) == [*range(1, 21)]


def add_jane_twice(connection: Connection) -> None:
    jane = {"account": "a", "id": "1", "name": "Jane", "normalized_name": "j", "active": True, "record": "{}"}
    for _ in range(2):
        connection.execute(insert(learners).values(**jane))


@pytest.mark.parametrize(
    ("work", "message"),
    [
        (add_jane_twice, "failed with SQLITE_CONSTRAINT_PRIMARYKEY. Ask again"),
        (lambda c: c.execute(text("SELECT 'Jane' FROM learners WHERE id = :id")), "failed with StatementError"),
        (lambda c: c.execute(select(learners.c.id)).scalar_one(), "failed with NoResultFound"),
        (lambda c: c.execute(text("SELECT 'Jane' FROM no_such_table")), "does not have the tables of this version"),
        (lambda c: c.connection.execute("SELECT 'Jane' FROM no_such_table"), "does not have the tables"),
    ],
)
def test_an_unexpected_database_error_is_a_sentence_without_sql_or_values(
    database: Database, work: Callable[[Connection], object], message: str
):
    with pytest.raises(StoreError) as error:
        database._transact(work, write=True)
    assert message in str(error.value)
    assert not any(word in str(error.value) for word in ("Jane", "SELECT", "INSERT", "http"))


def test_tidying_measures_the_indexes_for_the_connections_that_are_open(database: Database, path: Path):
    other = Database(str(path))

    def plan(connection: Connection, user_id: str) -> str:
        connection.execute(select(calls.c.key).limit(1))  # notices new statistics, which EXPLAIN does not
        due = enrollments.c
        query = select(due.id).where(due.account == ACCOUNT, due.excluded_reason == "", due.user_id == user_id)
        compiled = query.order_by(due.due_at).compile(connection, compile_kwargs={"literal_binds": True})
        return str(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}").first())

    def fill_course(connection: Connection) -> None:
        records = tuple(record(str(n), "c", "enrolled", due=n) for n in range(2_000))
        scope_writer.replace_scope(
            connection, ACCOUNT, Scope(course_id="c"), scope_rows(ACCOUNT, Reading(records)), STAMP
        )

    database._transact(fill_course, write=True)
    before = other._transact(lambda c: plan(c, "7"))
    database._engine.tidy()
    assert "enrollments_by_user" not in before
    assert "enrollments_by_user" in other._transact(lambda c: plan(c, "8"))
    other.close()


def test_indexes_are_created_in_a_fixed_order_by_which_sqlite_chooses(path: Path):
    Database(str(path)).close()
    with closing(sqlite3.connect(path)) as file:
        created = [name for (name,) in file.execute("SELECT name FROM sqlite_master WHERE sql LIKE 'CREATE INDEX%'")]
    assert len(created) == sum(len(table.indexes) for table in metadata.sorted_tables)
    of_enrollments = [name for name in created if name.startswith("enrollments")]
    assert of_enrollments == sorted(of_enrollments, reverse=True)
    assert of_enrollments[-1] == "enrollments_by_course"
