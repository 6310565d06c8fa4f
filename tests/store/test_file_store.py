"""A store in a file: whose it is, who may read it, and what stands in the way of opening or using it."""

from __future__ import annotations

import os
import sqlite3
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, select

from mcp_truto_lms.domain.errors import ConfigurationError, LmsError, StoreError
from mcp_truto_lms.store import scope_writer
from mcp_truto_lms.store.database import Database
from mcp_truto_lms.store.rows import learner_rows
from mcp_truto_lms.store.schema import SCHEMA_VERSION, calls, learners, metadata
from mcp_truto_lms.store.schema_rebuild import SETTING
from mcp_truto_lms.store.sqlite import APPLICATION_ID, File
from tests.stored import ACCOUNT, STAMP, person


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
    scope_writer.replace_learners(connection, ACCOUNT, learner_rows(ACCOUNT, [person("u", "U")]), STAMP)


def names(connection: Connection) -> list[str]:
    return list(connection.execute(select(learners.c.name)).scalars())


def refused(path: Path | str) -> str:
    with pytest.raises(ConfigurationError) as found:
        Database(str(path))
    assert SETTING in str(found.value)
    return str(found.value)


def pragma(path: Path, text: str) -> object:
    with sqlite3.connect(path) as connection:
        found = connection.execute(f"PRAGMA {text}").fetchone()
    connection.close()
    return found and found[0]


def test_what_was_written_is_there_when_the_file_is_opened_again(path: Path):
    first = Database(str(path))
    first._transact(fill, write=True)
    first.close()
    second = Database(str(path))
    assert second._transact(names) == ["U"]
    second.close()
    assert pragma(path, "application_id") == APPLICATION_ID
    assert pragma(path, "user_version") == SCHEMA_VERSION


@pytest.mark.skipif(sys.platform == "win32", reason="rights are not bits there")
@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_all_files_are_their_owners_alone(path: Path, umask: int):
    before = os.umask(umask)
    try:
        database = Database(str(path))
        database._transact(fill, write=True)
    finally:
        os.umask(before)
    modes = {one.name: one.stat().st_mode & 0o777 for one in path.parent.iterdir()}
    database.close()
    assert modes == dict.fromkeys(("lms.db", "lms.db-wal", "lms.db-shm", "lms.db-locks"), 0o600)


def test_a_path_may_hold_any_character_and_begin_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    for name in ("50% of é?.db", "file:x.db"):
        Database(f"~/{name}").close()
        assert (tmp_path / name).stat().st_size > 0


# What cannot be opened


def test_a_folder_that_is_missing_is_named(tmp_path: Path):
    assert f"the folder {tmp_path / 'none'} does not exist" in refused(tmp_path / "none" / "lms.db")


def test_a_folder_is_no_file(tmp_path: Path):
    assert "is a folder" in refused(tmp_path)
    (tmp_path / "file").touch()
    assert "lies in a file" in refused(tmp_path / "file" / "lms.db")


def test_a_file_that_may_not_be_opened_is_named(path: Path, monkeypatch: pytest.MonkeyPatch):
    def deny(*_: object) -> int:
        raise PermissionError

    monkeypatch.setattr(os, "open", deny)
    assert f"{path} cannot be opened. Give this user the right" in refused(path)


@pytest.mark.parametrize("content", [b"no database at all, but long enough for a header" * 99, b"x"])
def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(path: Path, content: bytes):
    path.write_bytes(content)
    assert "is not an SQLite database" in refused(path)
    assert path.read_bytes() == content
    assert [*path.parent.iterdir()] == [path]


@pytest.mark.parametrize("mark", [0, 4711])
def test_another_programs_database_is_refused_and_left_as_it_is(path: Path, mark: int):
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE theirs (x)")
        connection.execute(f"PRAGMA application_id = {mark}")
    connection.close()
    content = path.read_bytes()
    assert "belongs to another program" in refused(path)
    assert path.read_bytes() == content
    assert [*path.parent.iterdir()] == [path]


def test_a_damaged_file_is_refused_and_left_as_it_is(path: Path):
    Database(str(path)).close()
    content = bytearray(path.read_bytes())
    content[100:4096] = b"\xff" * 3996
    path.write_bytes(content)
    assert "is damaged" in refused(path)
    assert path.read_bytes() == content


def test_damage_that_shows_later_is_told_when_it_shows(path: Path):
    database = Database(str(path))
    many = [person(str(n), f"Somebody {n}") for n in range(500)]
    database._transact(
        lambda c: scope_writer.replace_learners(c, ACCOUNT, learner_rows(ACCOUNT, many), STAMP), write=True
    )
    database.close()
    content = bytearray(path.read_bytes())
    content[8192:] = b"\xff" * (len(content) - 8192)
    path.write_bytes(content)
    with pytest.raises(LmsError, match="is damaged"):
        Database(str(path))._transact(names)


def test_an_older_schema_is_built_anew(path: Path):
    database = Database(str(path))
    database._transact(fill, write=True)
    database._transact(lambda c: c.exec_driver_sql("CREATE TABLE of_old (x)"), write=True)
    database.close()
    pragma(path, f"user_version = {SCHEMA_VERSION - 1}")
    again = Database(str(path))
    assert again._transact(names) == []
    tables = again._transact(lambda c: c.exec_driver_sql("SELECT name FROM sqlite_master").scalars().all())
    again.close()
    assert "of_old" not in tables
    assert pragma(path, "user_version") == SCHEMA_VERSION


def test_a_newer_schema_is_refused_and_left_as_it_is(path: Path):
    database = Database(str(path))
    database._transact(fill, write=True)
    database.close()
    pragma(path, f"user_version = {SCHEMA_VERSION + 1}")
    assert "Upgrade this one" in refused(path)
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT name FROM learners").fetchall() == [("U",)]
    connection.close()


@pytest.mark.parametrize(
    "address", ["mysql://x:hunter2@y/z", "sqlite:///x.db", "file:///x.db", "postgres://x:hunter2@y"]
)
def test_other_addresses_are_refused_without_showing_them(address: str):
    assert "hunter2" not in refused(address)


def test_processes_that_start_at_once_on_a_new_file_all_find_it_built(path: Path):
    opened: list[Database] = []
    threads = [threading.Thread(target=lambda: opened.append(Database(str(path)))) for _ in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(opened) == 6
    for number, one in enumerate(opened):
        one._transact(lambda c, n=number: c.execute(insert(calls).values(key="k", at=n)), write=True)
    assert opened[0]._transact(lambda c: c.execute(select(calls.c.at)).scalars().all()) == [0, 1, 2, 3, 4, 5]
    for one in opened:
        one.close()


# What goes wrong while working


def test_a_reader_may_not_write(database: Database):
    with pytest.raises(StoreError, match="cannot be written"):
        database._transact(fill)
    assert database._transact(names) == []


def test_a_full_disk_is_told_and_leaves_what_was_there(database: Database):
    database._transact(fill, write=True)

    def too_much(connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")
        people = [person(str(n), "x" * 1000) for n in range(500)]
        scope_writer.replace_learners(connection, ACCOUNT, learner_rows(ACCOUNT, people), STAMP)

    with pytest.raises(StoreError, match="its disk is full"):
        database._transact(too_much, write=True)
    assert database._transact(names) == ["U"]


def test_a_writer_waits_for_that_of_another_process_and_no_longer_than_it_may(database: Database, path: Path):
    impatient = File(str(path), busy_seconds=0.01)

    def both(_: Connection) -> None:
        impatient.transact(fill, write=True)

    with pytest.raises(StoreError, match="locked by another process for too long"):
        database._transact(both, write=True)
    impatient.transact(fill, write=True)
    impatient.close()
    assert database._transact(names) == ["U"]


def test_a_reader_is_not_held_up_by_a_writer(database: Database, path: Path):
    def look(connection: Connection) -> list[str]:
        fill(connection)
        return database._transact(names)

    assert database._transact(look, write=True) == []
    assert database._transact(names) == ["U"]


def test_writers_of_one_process_take_turns(database: Database):
    def count(connection: Connection) -> None:
        at = connection.execute(select(calls.c.at).order_by(calls.c.at.desc()).limit(1)).scalar() or 0
        connection.execute(insert(calls).values(key="k", at=at + 1))

    threads = [threading.Thread(target=lambda: database._transact(count, write=True)) for _ in range(20)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert database._transact(lambda c: sorted(c.execute(select(calls.c.at)).scalars())) == [*range(1, 21)]


def test_an_error_shows_no_values(database: Database):
    def twice(connection: Connection) -> None:
        for _ in range(2):
            connection.execute(
                insert(learners).values(account="a", id="1", name="Jane", normalized_name="f", active=True, record="{}")
            )

    with pytest.raises(Exception, match="UNIQUE") as found:
        database._transact(twice, write=True)
    assert "Jane" not in str(found.value)


def test_indices_are_made_in_one_order_for_sqlite_chooses_by_it(path: Path):
    Database(str(path)).close()
    with closing(sqlite3.connect(path)) as file:
        made = [name for (name,) in file.execute("SELECT name FROM sqlite_master WHERE sql LIKE 'CREATE INDEX%'")]
    assert len(made) == sum(len(table.indexes) for table in metadata.sorted_tables)
    of_enrollments = [one for one in made if one.startswith("enrollments")]
    assert of_enrollments == sorted(of_enrollments, reverse=True)
    assert of_enrollments[-1] == "enrollments_by_course"
