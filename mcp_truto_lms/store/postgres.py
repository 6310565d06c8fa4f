"""PostgreSQL: shared by any number of replicas, in a schema of its own.

Readers are read only and see one state of the data for the whole of their work. Writers of one account take turns,
and so do replicas that start at once on an empty server. Locks that outlive a transaction belong to one connection,
kept for them alone: the server gives them back when that connection, or its process, is gone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from selectors import EVENT_READ, DefaultSelector
from typing import Any, TypeVar

from sqlalchemy import (
    URL,
    Column,
    Connection,
    Integer,
    MetaData,
    Table,
    create_engine,
    event,
    func,
    insert,
    inspect,
    make_url,
    select,
)
from sqlalchemy.exc import ArgumentError, DBAPIError, InvalidatePoolError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.schema import CreateSchema

from mcp_truto_lms.domain.errors import ConfigurationError, StoreError
from mcp_truto_lms.store.advisory_locks import lock_id, lock_name
from mcp_truto_lms.store.schema import SCHEMA_VERSION, metadata
from mcp_truto_lms.store.schema_rebuild import SETTING, build, needs_building

_Result = TypeVar("_Result")

SCHEMA = "mcp_truto_lms"
LOCK_SECONDS = 60
CONNECT_SECONDS = 10
_LOST = "PostgreSQL cannot be reached. See that it runs and takes connections, and ask again."
_TROUBLE: Mapping[str, str] = {
    "08": _LOST,
    "25006": "PostgreSQL is read only. Point {setting} at the server that takes writes.",
    "28": "PostgreSQL refused the user or the password. See to them in {setting}.",
    "3D": "PostgreSQL has no such database. Create it, or name another one in {setting}.",
    "40": "Two writers were in each other's way in PostgreSQL. Ask again.",
    "42501": "PostgreSQL does not allow this user to do that. Let it create and own the schema " + SCHEMA + ".",
    "53": "PostgreSQL has no room: its disk, its memory or its connections are used up. Make room, and ask again.",
    "55P03": "What is to be written was locked by another process for too long. Ask again; if it stays so, end it.",
    "57": _LOST,
    "58": "PostgreSQL failed on its disk. See to the server.",
}
"""What PostgreSQL's error codes, or their classes, mean to whoever set the store."""
_SIGNS = {"authentication failed": "28", "no pg_hba.conf entry": "28", "role": "28", "database": "3D"}
"""What a refused connection says where it has no code, in English."""
_SESSION = ("random_page_cost TO 1.1", "jit TO off", "work_mem TO '32MB'", "synchronous_commit TO off")
"""Rows lie in memory or on a solid disk, and no question runs long enough for code to be compiled for it.

A server that fails may lose the last moment's transactions, as a file does: what was read is read from the LMS again,
and a cursor or an export of that moment is unknown.
"""

_marks = MetaData()
_version = Table("store_version", _marks, Column("version", Integer, nullable=False))


class Postgres:
    """The tables on a server.

    Args:
        address: `postgresql://user:password@host/database`
        lock_seconds: how long to wait for another writer

    Raises:
        ConfigurationError: the server cannot be used as it is set, or has something else in our schema.
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
                hide_parameters=True,
            )
        except ImportError:
            raise ConfigurationError(
                f"{SETTING} names PostgreSQL, which needs psycopg: pip install 'mcp-truto-lms[postgres]'"
            ) from None

        def configure(connection: Any, _: object) -> None:
            connection.execute(f"SET search_path TO {SCHEMA}")
            connection.execute(f"SET lock_timeout TO {round(lock_seconds * 1000)}")
            for one in _SESSION:
                connection.execute(f"SET {one}")
            connection.commit()

        event.listen(engine, "connect", configure)
        event.listen(engine, "checkout", _check)
        self._pool = engine
        self.engine = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self.writer = engine.execution_options(isolation_level="READ COMMITTED")
        self._outside = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._held: set[str] = set()
        self._keeper: Connection | None = None
        self._turn = threading.Lock()
        try:
            with _explained(ConfigurationError, f"{SETTING}: "), self.writer.begin() as connection:
                _prepare(connection)
        except BaseException:
            self.close()
            raise

    def transact(self, work: Callable[[Connection], _Result], *, write: bool, apart: bool = False) -> _Result:
        """Do work in one transaction: on one state of the data, or as a writer; or what it writes in one trip each."""
        engine = (self._outside if apart else self.writer) if write else self.engine
        with _explained(StoreError), engine.begin() as connection:
            return work(connection)

    def try_lock(self, key: str) -> bool:
        """Take a lock that lasts until it is given back or the connection ends."""
        with self._turn, _explained(StoreError):
            if key in self._held:
                return False
            taken: bool = self._keep(func.pg_try_advisory_lock(lock_id(f"held:{key}")))
            if taken:
                self._held.add(key)
            return taken

    def unlock(self, key: str) -> None:
        """Give a lock back; one whose connection broke is free already."""
        with self._turn, _explained(StoreError):
            if key in self._held:
                self._held.remove(key)
                self._keep(func.pg_advisory_unlock(lock_id(f"held:{key}")))

    def tidy(self) -> None:
        """Count anew what plans are made by, and which pages need no second look: the server's own round may be far."""
        with _explained(StoreError), self._outside.connect() as connection:
            for one in metadata.tables:
                connection.exec_driver_sql(f"VACUUM (ANALYZE, SKIP_LOCKED) {one}")

    def close(self) -> None:
        """Give up all locks and connections."""
        with self._turn:
            self._held.clear()
            self._drop_keeper()
        self._pool.dispose()

    def _keep(self, call: Any) -> Any:
        """Call a function on the connection that has the locks; on a new one where that broke."""
        if self._keeper is not None:
            try:
                return self._keeper.execute(select(call)).scalar_one()
            except DBAPIError as error:
                self._drop_keeper()
                if not error.connection_invalidated:
                    raise
        self._keeper = self._outside.connect()
        self._keeper.detach()
        return self._keeper.execute(select(call)).scalar_one()

    def _drop_keeper(self) -> None:
        if self._keeper is not None:
            self._keeper.close()
            self._keeper = None


def _check(connection: Any, _record: object, _proxy: object) -> None:
    """Replace connections that the server closed: one of which nothing was asked has something to be read, its end.

    That takes no trip to the server, as a ping would before each transaction.
    """
    with DefaultSelector() as selector:
        selector.register(connection.fileno(), EVENT_READ)
        if selector.select(0):
            raise InvalidatePoolError


def _url(address: str) -> URL:
    try:
        return make_url(address).set(drivername="postgresql+psycopg")
    except (ArgumentError, ValueError):
        raise ConfigurationError(
            f"{SETTING} cannot be read as postgresql://user:password@host:port/database."
        ) from None


def _prepare(connection: Connection) -> None:
    """Build the tables where they are missing or old, one replica at a time."""
    lock_name(connection, "building")
    if not inspect(connection).has_schema(SCHEMA):
        connection.execute(CreateSchema(SCHEMA))
    names = inspect(connection).get_table_names(SCHEMA)
    version = connection.execute(select(_version.c.version)).scalar() if _version.name in names else None
    if needs_building(version, empty=not names, where=f"the schema {SCHEMA}"):
        build(connection)
        _marks.create_all(connection)
        connection.execute(insert(_version).values(version=SCHEMA_VERSION))


@contextmanager
def _explained(kind: type[ConfigurationError | StoreError], prefix: str = "") -> Generator[None]:
    """Say in our words what PostgreSQL says in its own, which may show addresses and data."""
    from psycopg import Error

    try:
        yield
    except PoolTimeout:
        raise kind(f"{prefix}all connections to PostgreSQL are busy. Ask again.") from None
    except (DBAPIError, Error) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        trouble = _trouble(cause)
        if trouble is None:
            raise
        raise kind(prefix + trouble.format(setting=SETTING)) from None


def _trouble(error: BaseException | None) -> str | None:
    from psycopg import OperationalError

    code: str | None = getattr(error, "sqlstate", None)
    if code is None and isinstance(error, OperationalError):
        fatal = str(error).rpartition("FATAL:")[2] if "FATAL:" in str(error) else ""
        code = next((code for sign, code in _SIGNS.items() if sign in fatal), "08")
    return _TROUBLE.get(code or "", _TROUBLE.get((code or "")[:2]))
