"""PostgreSQL: shared by any number of replicas, in a schema of its own.

Readers are read only and see one state of the data for the whole of their work. Writers of one account wait for each
other, and so do replicas that start at once on an empty server. Locks that outlive a transaction belong to a connection
of their own: the server releases them when that connection, or its process, ends.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, create_engine, event, func, inspect, make_url, select
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.schema import CreateSchema

from mcp_truto_lms.domain.errors import ConfigurationError, StoreError
from mcp_truto_lms.store.advisory_locks import lock_id, lock_name
from mcp_truto_lms.store.engine_errors import OTHER_TABLES, unexpected_error
from mcp_truto_lms.store.schema import metadata
from mcp_truto_lms.store.schema_rebuild import SETTING, needs_rebuild, read_version, rebuild

_Result = TypeVar("_Result")

SCHEMA = "mcp_truto_lms"
LOCK_SECONDS = 60
CONNECT_SECONDS = 10
_UNREACHABLE = "PostgreSQL cannot be reached. Check that it runs and accepts connections, and ask again."
_OTHER_TABLES = OTHER_TABLES.format(place=f"The schema {SCHEMA}")
_MESSAGES: Mapping[str, str] = {
    "08": _UNREACHABLE,
    "25006": "PostgreSQL is read only. Point {setting} at the server that accepts writes.",
    "28": "PostgreSQL refused the user or the password. Check them in {setting}.",
    "3D": "PostgreSQL has no such database. Create it, or name another one in {setting}.",
    "40": "Two writers got in each other's way in PostgreSQL. Ask again.",
    "42501": "PostgreSQL does not allow this user to do that. Let it create and own the schema " + SCHEMA + ".",
    "42703": _OTHER_TABLES,
    "42P01": _OTHER_TABLES,
    "53": "PostgreSQL has no room: its disk, its memory or its connections are used up. Make room, and ask again.",
    "55P03": "The rows to write were locked by another process for too long. Ask again; if it stays so, end it.",
    "57": _UNREACHABLE,
    "58": "PostgreSQL failed on its disk. Check the server.",
}
"""What PostgreSQL's error codes, or their classes, mean to the person who set the store."""
_REFUSALS = {"authentication failed": "28", "no pg_hba.conf entry": "28", "role": "28", "database": "3D"}
"""Error codes by the English words of a refused connection, which has no code of its own."""
_SESSION_SETTINGS = ("random_page_cost TO 1.1", "jit TO off", "work_mem TO '32MB'", "synchronous_commit TO off")
"""Rows are in memory or on a solid-state disk, and no question is long enough to pay for compiling it.

A server that fails may lose the transactions of its last moment, as a file does: fetched data is fetched again, and a
cursor or an export of that moment is unknown.
"""


class Postgres:
    """The tables on a server.

    Args:
        address: `postgresql://user:password@host/database`
        lock_seconds: how long to wait for another writer

    Raises:
        ConfigurationError: the server cannot be used as it is set, or our schema holds something else.
    """

    shared = True

    def __init__(self, address: str, *, lock_seconds: float = LOCK_SECONDS) -> None:
        arguments = {"connect_timeout": CONNECT_SECONDS, "application_name": SCHEMA}
        try:
            url = _url(address)
            engine = create_engine(
                url,
                connect_args={name: value for name, value in arguments.items() if name not in url.query},
                pool_timeout=lock_seconds,
                pool_pre_ping=True,
                hide_parameters=True,
            )
        except ImportError:
            raise ConfigurationError(
                f"{SETTING} names PostgreSQL, which needs psycopg: pip install 'mcp-truto-lms[postgres]'"
            ) from None

        def configure(connection: Any, _: object) -> None:
            connection.execute(f"SET search_path TO {SCHEMA}")
            connection.execute(f"SET lock_timeout TO {round(lock_seconds * 1000)}")
            for setting in _SESSION_SETTINGS:
                connection.execute(f"SET {setting}")
            connection.commit()

        event.listen(engine, "connect", configure)
        self._pool = engine
        self.engine = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self.writer = engine.execution_options(isolation_level="READ COMMITTED")
        self._autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._held: set[str] = set()
        self._lock_connection: Connection | None = None
        self._lock = threading.Lock()
        try:
            with _database_errors(ConfigurationError, f"{SETTING}: "), self.writer.begin() as connection:
                _prepare(connection)
        except BaseException:
            self.close()
            raise

    def transact(self, work: Callable[[Connection], _Result], *, write: bool) -> _Result:
        """Do work in one transaction: on one state of the data, or as a writer."""
        with _database_errors(StoreError), (self.writer if write else self.engine).begin() as connection:
            return work(connection)

    def try_lock(self, key: str) -> bool:
        """Take a lock that lasts until it is released or its connection ends."""
        with self._lock, _database_errors(StoreError):
            if key in self._held:
                return False
            is_locked: bool = self._call_on_lock_connection(func.pg_try_advisory_lock(lock_id(f"held:{key}")))
            if is_locked:
                self._held.add(key)
            return is_locked

    def unlock(self, key: str) -> None:
        """Release a lock; one whose connection broke is free already."""
        with self._lock, _database_errors(StoreError):
            if key in self._held:
                self._held.remove(key)
                self._call_on_lock_connection(func.pg_advisory_unlock(lock_id(f"held:{key}")))

    def tidy(self) -> None:
        """Run VACUUM ANALYZE: the server's own run may be far off."""
        with _database_errors(StoreError), self._autocommit.connect() as connection:
            for table_name in metadata.tables:
                connection.exec_driver_sql(f"VACUUM (ANALYZE, SKIP_LOCKED) {table_name}")

    def close(self) -> None:
        """Release all locks and connections.

        The locks first: the server ends a closed connection a little later, and its locks with it.
        """
        with self._lock:
            if self._held and self._lock_connection is not None:
                with suppress(SQLAlchemyError):  # a connection that broke has no locks
                    self._lock_connection.execute(select(func.pg_advisory_unlock_all()))
            self._held.clear()
            self._drop_lock_connection()
        self._pool.dispose()

    def _call_on_lock_connection(self, call: Any) -> Any:
        """Call a function on the connection that has the locks; on a new one if that broke."""
        if self._lock_connection is not None:
            try:
                return self._lock_connection.execute(select(call)).scalar_one()
            except DBAPIError as error:
                self._drop_lock_connection()
                if not error.connection_invalidated:
                    raise
        self._lock_connection = self._autocommit.connect()
        self._lock_connection.detach()
        return self._lock_connection.execute(select(call)).scalar_one()

    def _drop_lock_connection(self) -> None:
        if self._lock_connection is not None:
            self._lock_connection.close()
            self._lock_connection = None


def _url(address: str) -> URL:
    try:
        return make_url(address).set(drivername="postgresql+psycopg")
    except (ArgumentError, ValueError):
        raise ConfigurationError(
            f"{SETTING} cannot be read as postgresql://user:password@host:port/database."
        ) from None


def _prepare(connection: Connection) -> None:
    """Build the tables if they are missing or of another version, one replica at a time."""
    lock_name(connection, "building")
    if not inspect(connection).has_schema(SCHEMA):
        connection.execute(CreateSchema(SCHEMA))
    table_names = inspect(connection).get_table_names(SCHEMA)
    version = read_version(connection, table_names)
    if needs_rebuild(connection, version, is_empty=not table_names, place=f"the schema {SCHEMA}"):
        rebuild(connection)


@contextmanager
def _database_errors(kind: type[ConfigurationError | StoreError], prefix: str = "") -> Generator[None]:
    """Raise what PostgreSQL reports as an error of ours, without SQL, values or addresses."""
    from psycopg import Error

    try:
        yield
    except PoolTimeout:
        raise kind(f"{prefix}all connections to PostgreSQL are busy. Ask again.") from None
    except (SQLAlchemyError, Error) as error:
        raise kind(prefix + _message(error)) from None


def _message(error: BaseException) -> str:
    from psycopg import OperationalError

    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    code: str | None = getattr(cause, "sqlstate", None)
    if code is None and isinstance(cause, OperationalError):
        refusal = str(cause).rpartition("FATAL:")[2] if "FATAL:" in str(cause) else ""
        code = next((code for words, code in _REFUSALS.items() if words in refusal), "08")
    message = _MESSAGES.get(code or "") or _MESSAGES.get((code or "")[:2])
    if message is None:
        return unexpected_error("PostgreSQL", cause, code and f"error {code}")
    return message.format(setting=SETTING)
