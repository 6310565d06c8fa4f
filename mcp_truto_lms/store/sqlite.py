"""SQLite: in memory, or in a file that several processes share.

In memory there is one connection behind one lock. A pool with a connection for each thread would be several empty
databases, and one connection without a lock would roll back another thread's work.

A file has a connection for each reading thread and one writer at a time: a lock in the process, and `BEGIN IMMEDIATE`
across processes, so that a transaction that reads and then writes never fails because another process wrote first. The
write-ahead log lets readers work meanwhile. The file, its lock file and the files that SQLite puts beside it belong to
their owner alone.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import QueuePool, StaticPool

from mcp_truto_lms.domain.errors import ConfigurationError, StoreError
from mcp_truto_lms.operating_system import open_owner_only
from mcp_truto_lms.store.engine_errors import OTHER_TABLES, unexpected_error
from mcp_truto_lms.store.lock_file import LockFile
from mcp_truto_lms.store.schema_rebuild import (
    SETTING,
    UNVERSIONED,
    create_tables,
    needs_rebuild,
    read_version,
    rebuild,
)

_Result = TypeVar("_Result")

APPLICATION_ID = 0x6D4C4D53
"""In the header of a file that is ours."""
BUSY_SECONDS = 60.0
_FIRST_BYTES = b"SQLite format 3\0"
_WRITER_PRAGMAS = ("synchronous = NORMAL", "cache_size = -65536", "journal_size_limit = 67108864")
_READER_PRAGMAS = ("query_only = ON", "cache_size = -16384")
_IN_MEMORY = "The store in memory"
_NOT_A_DATABASE, _CANNOT_OPEN = 26, 14
_MESSAGES: Mapping[int, str] = {
    1: OTHER_TABLES,
    5: "{place} was locked by another process for too long. Ask again; if it stays so, end that process.",
    8: "{place} cannot be written. Give this user the right to write the file and its folder.",
    10: "{place} cannot be read or written: its disk failed. Check the disk.",
    11: "{place} is damaged. End all processes that use it and delete it: everything is fetched again.",
    13: "{place} cannot grow: its disk is full. Make room on it.",
    _CANNOT_OPEN: "{place} cannot be opened. Give this user the right to read and write the file and its folder.",
    _NOT_A_DATABASE: "{place} is not an SQLite database. Choose another place.",
}
"""What SQLite's primary result codes mean to the person who set the store."""


class Memory:
    """The tables in memory; they are lost with the process."""

    shared = False

    def __init__(self) -> None:
        self.engine = _engine("sqlite://", "BEGIN", poolclass=StaticPool)
        self._lock = threading.Lock()
        self._is_closed = False
        with self.engine.begin() as connection:
            create_tables(connection)

    def transact(self, work: Callable[[Connection], _Result], *, write: bool) -> _Result:  # noqa: ARG002  both are the same here
        """Do work in one transaction, after all earlier ones."""
        with self._lock, _database_errors(StoreError, _IN_MEMORY):
            if self._is_closed:  # its connection is gone; a new one would be an empty database
                raise StoreError("The store in memory is closed: this process is ending.")
            with self.engine.begin() as connection:
                return work(connection)

    def try_lock(self, key: str) -> bool:  # noqa: ARG002
        """Return True: no other process shares this store."""
        return True

    def unlock(self, key: str) -> None:
        """Do nothing: `try_lock` took nothing."""

    def tidy(self) -> None:
        """Measure the indexes for the query planner."""
        self.transact(_analyze, write=True)

    def close(self) -> None:
        """Drop the data; refuse what comes later."""
        with self._lock:
            self._is_closed = True
            self.engine.dispose()


class File:
    """The tables in a file.

    Args:
        address: the file's path; it is created if it is missing, its folder is not
        busy_seconds: how long to wait for the writer of another process

    Raises:
        ConfigurationError: the file cannot be used, or is not ours.
    """

    shared = True

    def __init__(self, address: str, *, busy_seconds: float = BUSY_SECONDS) -> None:
        self._path = Path(address).expanduser().absolute()
        _create(self._path)
        url = URL.create("sqlite", database=str(self._path))
        self.engine = _engine(url, "BEGIN", *_READER_PRAGMAS, busy_seconds=busy_seconds, max_overflow=-1)
        self.writer = _engine(
            url, "BEGIN IMMEDIATE", *_WRITER_PRAGMAS, busy_seconds=busy_seconds, pool_size=1, max_overflow=0
        )
        self._writer_lock = threading.Lock()
        self._lock_file: LockFile | None = None
        self._held: set[str] = set()
        try:
            with _database_errors(ConfigurationError, str(self._path), prefix=f"{SETTING}: "):
                self._prepare()
        except BaseException:
            self.close()
            raise

    def transact(self, work: Callable[[Connection], _Result], *, write: bool) -> _Result:
        """Do work in one transaction: on one state of the data, or as the file's only writer."""
        with _database_errors(StoreError, str(self._path)):
            if not write:
                with self.engine.begin() as connection:
                    return work(connection)
            with self._writer_lock, self.writer.begin() as connection:
                return work(connection)

    def try_lock(self, key: str) -> bool:
        """Lock a byte of the lock file; the system releases it if the process dies."""
        is_locked = self._open_lock_file().try_lock(key)
        if is_locked:
            self._held.add(key)
        return is_locked

    def unlock(self, key: str) -> None:
        """Release a byte of the lock file."""
        if key in self._held:
            self._held.remove(key)
            self._open_lock_file().unlock(key)

    def tidy(self) -> None:
        """Measure the indexes for the query planner of every process."""
        self.transact(_analyze, write=True)

    def close(self) -> None:
        """Release all locks and connections."""
        for key in tuple(self._held):
            self.unlock(key)
        self._lock_file = None
        self.engine.dispose()
        self.writer.dispose()

    def _prepare(self) -> None:
        """Build the tables if they are missing or of another version, one process at a time."""
        with self.engine.begin() as connection:
            if not self._needs_rebuild(connection):
                return
        with self._open_lock_file().rebuilding():
            with self.writer.connect() as connection:
                raw_connection: Any = connection.connection
                mode = raw_connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            if mode != "wal":
                raise ConfigurationError(f"{SETTING}: the disk of {self._path} cannot be shared by processes.")
            with self.writer.begin() as connection:
                if self._needs_rebuild(connection):
                    rebuild(connection)
                    connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")

    def _needs_rebuild(self, connection: Connection) -> bool:
        application_id = connection.exec_driver_sql("PRAGMA application_id").scalar_one()
        table_names = inspect(connection).get_table_names()
        version = None
        if application_id == APPLICATION_ID:
            version = read_version(connection, table_names) or UNVERSIONED
        is_empty = not application_id and not table_names
        return needs_rebuild(connection, version, is_empty=is_empty, place=str(self._path))

    def _open_lock_file(self) -> LockFile:
        if self._lock_file is None:
            self._lock_file = LockFile.of(f"{self._path}-locks")
        return self._lock_file


@contextmanager
def _database_errors(kind: type[ConfigurationError | StoreError], place: str, *, prefix: str = "") -> Generator[None]:
    """Raise what SQLite reports as an error of ours, without SQL or values."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        message = _MESSAGES.get(getattr(cause, "sqlite_errorcode", 0) & 0xFF)
        if message is None:
            raise kind(prefix + unexpected_error(place, error, getattr(cause, "sqlite_errorname", None))) from None
        raise kind(prefix + message.format(place=place)) from None


def _create(path: Path) -> None:
    """Create a file that belongs to its owner alone before SQLite does; leave an existing one unchanged.

    SQLite takes the first bytes of anything shorter than its own header for an empty file.
    """
    try:
        os.close(open_owner_only(path, os.O_RDWR))
        with path.open("rb") as file:
            first = file.read(len(_FIRST_BYTES))
    except FileNotFoundError:
        raise ConfigurationError(f"{SETTING}: the folder {path.parent} does not exist. Create it.") from None
    except (IsADirectoryError, NotADirectoryError):
        raise ConfigurationError(f"{SETTING}: {path} is a folder, or lies in a file. Name a file.") from None
    except OSError:
        raise ConfigurationError(f"{SETTING}: {_MESSAGES[_CANNOT_OPEN].format(place=path)}") from None
    if first not in (b"", _FIRST_BYTES):
        raise ConfigurationError(f"{SETTING}: {_MESSAGES[_NOT_A_DATABASE].format(place=path)}")


def _analyze(connection: Connection) -> None:
    """Measure how selective the indexes are, for the connections of every process.

    Connections read the statistics again because a new table of them changes the schema. `sz`, the size of an index's
    rows, is the same for all indexes of enrollments: a narrow one would seem to be cheaper, and then a row is looked up
    for each entry, which made a list of those at risk take 72 ms instead of 39. `python -m bench.asking` prints both.
    """
    connection.exec_driver_sql("DROP TABLE IF EXISTS sqlite_stat1")
    connection.exec_driver_sql("ANALYZE")
    connection.exec_driver_sql("UPDATE sqlite_stat1 SET stat = stat || ' sz=100' WHERE tbl = 'enrollments'")
    connection.exec_driver_sql("ANALYZE sqlite_master")  # reads what was updated


def _engine(
    url: URL | str,
    begin: str,
    *pragmas: str,
    busy_seconds: float = BUSY_SECONDS,
    poolclass: type[Any] = QueuePool,
    **pool: Any,
) -> Engine:
    """Make an engine whose transactions begin by this statement, not when pysqlite decides."""
    arguments = {"check_same_thread": False, "isolation_level": None, "timeout": busy_seconds}
    engine = create_engine(url, connect_args=arguments, poolclass=poolclass, hide_parameters=True, **pool)

    def configure(connection: Any, _: object) -> None:
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", configure)
    event.listen(engine, "begin", start)
    return engine
