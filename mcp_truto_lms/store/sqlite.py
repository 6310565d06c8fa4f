"""SQLite: in memory, or in a file that several processes share.

In memory there is one connection behind one lock. A pool of one connection per thread would be several empty
databases, and one connection shared without a lock would roll back its neighbour's work.

A file has a connection per reading thread and one writer at a time: a lock in the process, `BEGIN IMMEDIATE` across
processes, so that what reads and then writes never finds that somebody was faster. The write-ahead log lets readers
go on meanwhile. The file is its owner's alone, as are those that SQLite puts beside it, and so is the lock file.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import QueuePool, StaticPool

from mcp_truto_lms.domain.errors import ConfigurationError, StoreError
from mcp_truto_lms.operating_system import open_owner_only
from mcp_truto_lms.store.lock_file import LockFile
from mcp_truto_lms.store.schema import SCHEMA_VERSION
from mcp_truto_lms.store.schema_rebuild import SETTING, build, create, needs_building

_Result = TypeVar("_Result")

APPLICATION_ID = 0x6D4C4D53
"""In the header of a file that is ours."""
BUSY_SECONDS = 60.0
_FIRST_BYTES = b"SQLite format 3\0"
_WRITER_PRAGMAS = ("synchronous = NORMAL", "cache_size = -65536", "journal_size_limit = 67108864")
_READER_PRAGMAS = ("query_only = ON", "cache_size = -16384")
_TROUBLE: Mapping[int, str] = {
    5: "{path} was locked by another process for too long. Ask again; if it stays so, end that process.",
    8: "{path} cannot be written. Give this user the right to write the file and its folder.",
    10: "{path} cannot be read or written: its disk failed. See to the disk.",
    11: "{path} is damaged. End all processes that use it and delete it: everything is read again.",
    13: "{path} cannot grow: its disk is full. Make room on it.",
    14: "{path} cannot be opened. Give this user the right to read and write the file and its folder.",
    26: "{path} is not an SQLite database. Choose another place.",
}
"""What SQLite's result codes mean to whoever set the store."""
_ROWS_PER_KEY: Mapping[str, Mapping[str, tuple[int, ...]]] = {
    "enrollments": {
        "sqlite_autoindex_enrollments_1": (1_000_000, 1_000_000, 1),
        "enrollments_by_course": (1_000_000, 1_000_000, 900_000, 5_000, 1_000, 50),
        "enrollments_by_user": (1_000_000, 1_000_000, 900_000, 10, 5, 2),
        "enrollments_by_due": (1_000_000, 1_000_000, 900_000, 2_500, 500, 50),
        "enrollments_of_course": (1_000_000, 1_000_000, 900_000, 5_000, 500, 2),
    },
    "learners": {
        "sqlite_autoindex_learners_1": (100_000, 100_000, 1),
        "learners_by_name": (100_000, 100_000, 1),
        "learners_by_email": (100_000, 100_000, 1),
    },
    "courses": {"sqlite_autoindex_courses_1": (200, 200, 1), "courses_by_name": (200, 200, 1)},
    "dimensions": {
        "dimensions": (400_000, 400_000, 4, 1, 1),
        "dimensions_by_value": (400_000, 400_000, 100_000, 5_000),
    },
}
"""How many rows a whole index, its first column, its first two columns … find: what the planner chooses by.

They are those of a large portal, and written once. Measured ones would change plans with whoever measured last, and a
good plan for many rows is a good one for few.
"""


class Memory:
    """The tables in memory; gone with the process."""

    shared = False

    def __init__(self) -> None:
        self.engine = _engine("sqlite://", "BEGIN", poolclass=StaticPool)
        self._turn = threading.Lock()
        with self.engine.begin() as connection:
            create(connection)
            _tell_planner(connection)

    def transact(self, work: Callable[[Connection], _Result], *, write: bool, apart: bool = False) -> _Result:  # noqa: ARG002  all the same here
        """Do work in one transaction, after all others."""
        with self._turn, self.engine.begin() as connection:
            return work(connection)

    def try_lock(self, key: str) -> bool:  # noqa: ARG002
        """Answer True: nobody else is there."""
        return True

    def unlock(self, key: str) -> None:
        """Do nothing: nobody waits."""

    def tidy(self) -> None:
        """Do nothing: how to read was said at the beginning."""

    def close(self) -> None:
        """Drop the data."""
        with self._turn:
            self.engine.dispose()


class File:
    """The tables in a file.

    Args:
        address: the file's path; it is created where it is missing, its folder is not
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
        self._turn = threading.Lock()
        self._locks: LockFile | None = None
        self._held: set[str] = set()
        try:
            with self._explained(ConfigurationError, f"{SETTING}: "):
                self._prepare()
        except BaseException:
            self.close()
            raise

    def transact(self, work: Callable[[Connection], _Result], *, write: bool, apart: bool = False) -> _Result:  # noqa: ARG002  there are no trips
        """Do work in one transaction: on one state of the data, or as the file's only writer."""
        with self._explained(StoreError):
            if not write:
                with self.engine.begin() as connection:
                    return work(connection)
            with self._turn, self.writer.begin() as connection:
                return work(connection)

    def try_lock(self, key: str) -> bool:
        """Take a byte of the lock file; the system gives it back when the process dies."""
        taken = self._lock_file().try_lock(key)
        if taken:
            self._held.add(key)
        return taken

    def unlock(self, key: str) -> None:
        """Give a byte of the lock file back."""
        if key in self._held:
            self._held.remove(key)
            self._lock_file().unlock(key)

    def tidy(self) -> None:
        """Do nothing: how to read was said at the beginning."""

    def close(self) -> None:
        """Give up all locks and connections."""
        for key in tuple(self._held):
            self.unlock(key)
        self._locks = None
        self.engine.dispose()
        self.writer.dispose()

    def _prepare(self) -> None:
        """Build the tables where they are missing or old, one process at a time."""
        with self.engine.begin() as connection:
            if not self._needs_building(connection):
                return
        with self._lock_file().opening():
            with self.writer.connect() as connection:
                raw: Any = connection.connection
                mode = raw.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            if mode != "wal":
                raise ConfigurationError(f"{SETTING}: the disk of {self._path} cannot be shared by processes.")
            with self.writer.begin() as connection:
                if self._needs_building(connection):
                    build(connection)
                    _tell_planner(connection)
                    connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
                    connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def _needs_building(self, connection: Connection) -> bool:
        mark = connection.exec_driver_sql("PRAGMA application_id").scalar_one()
        ours = mark == APPLICATION_ID
        version = connection.exec_driver_sql("PRAGMA user_version").scalar_one() if ours else None
        empty = not mark and not inspect(connection).get_table_names()
        return needs_building(version, empty=empty, where=str(self._path))

    def _lock_file(self) -> LockFile:
        if self._locks is None:
            self._locks = LockFile.of(f"{self._path}-locks")
        return self._locks

    @contextmanager
    def _explained(self, kind: type[ConfigurationError | StoreError], prefix: str = "") -> Generator[None]:
        try:
            yield
        except DatabaseError as error:
            trouble = _TROUBLE.get(getattr(error.orig, "sqlite_errorcode", 0) & 0xFF)
            if trouble is None:
                raise
            raise kind(prefix + trouble.format(path=self._path)) from None


def _create(path: Path) -> None:
    """Create a file that is its owner's alone before SQLite does; leave one that is there.

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
        raise ConfigurationError(f"{SETTING}: {_TROUBLE[14].format(path=path)}") from None
    if first not in (b"", _FIRST_BYTES):
        raise ConfigurationError(f"{SETTING}: {_TROUBLE[26].format(path=path)}")


def _tell_planner(connection: Connection) -> None:
    """Write down how selective the indices are."""
    connection.exec_driver_sql("ANALYZE")  # makes the table for it
    connection.exec_driver_sql("DELETE FROM sqlite_stat1")
    rows = [
        (table, index, " ".join(map(str, numbers)))
        for table, indices in _ROWS_PER_KEY.items()
        for index, numbers in indices.items()
    ]
    connection.exec_driver_sql("INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (?, ?, ?)", rows)
    connection.exec_driver_sql("ANALYZE sqlite_master")  # reads them


def _engine(
    url: URL | str,
    begin: str,
    *pragmas: str,
    busy_seconds: float = BUSY_SECONDS,
    poolclass: type[Any] = QueuePool,
    **pool: Any,
) -> Engine:
    """Make an engine whose transactions begin when they are said to, not when pysqlite thinks that they should."""
    arguments = {"check_same_thread": False, "isolation_level": None, "timeout": busy_seconds}
    engine = create_engine(url, connect_args=arguments, poolclass=poolclass, hide_parameters=True, **pool)

    def configure(connection: Any, _: object) -> None:
        for one in pragmas:
            connection.execute(f"PRAGMA {one}")

    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", configure)
    event.listen(engine, "begin", start)
    return engine
