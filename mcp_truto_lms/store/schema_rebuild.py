"""The version of a store, and what to do with a store of another version.

A version is a digest of the tables' DDL on the store's engine, with `CONTENT_VERSION`: no change of a column, key or
index can miss it. The store is a cache of the LMS, so a store of another version is dropped and rebuilt, and everything
is fetched again. A store with a newer content version, or one of another program, is refused and left unchanged.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Dialect,
    Integer,
    MetaData,
    Table,
    insert,
    literal_column,
    select,
)
from sqlalchemy.schema import CreateIndex, CreateTable

from mcp_truto_lms.domain.errors import ConfigurationError
from mcp_truto_lms.store.schema import CONTENT_VERSION, StorableText, metadata

SETTING = "MCP_TRUTO_LMS_STORE"
_DIGEST_BYTES = 16
_version_metadata = MetaData()
_store_version = Table(
    "store_version",
    _version_metadata,
    Column("content_version", Integer, nullable=False),
    Column("tables_digest", StorableText, nullable=False),
)


@dataclass(frozen=True, slots=True)
class StoreVersion:
    """The version that a store was built with: of its content, and the digest of its tables."""

    content: int
    tables: str


UNVERSIONED = StoreVersion(0, "")
"""The version of a store that this program wrote before it stored versions."""


def current_version(dialect: Dialect) -> StoreVersion:
    """Return the version of a store that this program builds on an engine."""
    ddl = ";".join(str(statement.compile(dialect=dialect)) for statement in _ddl())
    return StoreVersion(CONTENT_VERSION, blake2b(ddl.encode(), digest_size=_DIGEST_BYTES).hexdigest())


def read_version(connection: Connection, table_names: list[str]) -> StoreVersion | None:
    """Read the version of a store; None if its tables name none."""
    if _store_version.name not in table_names:
        return None
    # all columns: a store of another version may have others
    all_columns: ColumnElement[Any] = literal_column("*")
    row = connection.execute(select(all_columns).select_from(_store_version)).mappings().first()
    values = {} if row is None else {str(name): value for name, value in row.items()}
    return StoreVersion(values.get("content_version", UNVERSIONED.content), values.get("tables_digest", ""))


def needs_rebuild(connection: Connection, version: StoreVersion | None, *, is_empty: bool, place: str) -> bool:
    """Tell whether to build the tables: there are none, or they are of another version.

    Args:
        connection: of the store
        version: that of the store; None if nothing says that it belongs to this program
        is_empty: whether the store has no tables
        place: the store's name in messages

    Raises:
        ConfigurationError: the store belongs to another program, or to a newer version of this one.
    """
    if version is None and not is_empty:
        raise ConfigurationError(f"{SETTING}: {place} belongs to another program. Choose another place.")
    if version is not None and version.content > CONTENT_VERSION:
        raise ConfigurationError(
            f"{SETTING}: {place} was written by a newer mcp-truto-lms. Upgrade this one, or choose another place."
        )
    return version != current_version(connection.dialect)


def rebuild(connection: Connection) -> None:
    """Drop every table of the store, create the current ones, and write their version."""
    old_tables = MetaData()
    old_tables.reflect(connection)
    old_tables.drop_all(connection)
    create_tables(connection)
    _version_metadata.create_all(connection)
    version = current_version(connection.dialect)
    connection.execute(insert(_store_version).values(content_version=version.content, tables_digest=version.tables))


def create_tables(connection: Connection) -> None:
    """Create the tables and their indexes."""
    for statement in _ddl():
        connection.execute(statement)


def _ddl() -> Iterator[CreateTable | CreateIndex]:
    """Yield the statements that create the tables, in a fixed order.

    Of two indexes that serve a query equally, SQLite uses the one created last: that is to be `enrollments_by_course`.
    """
    for table in metadata.sorted_tables:
        yield CreateTable(table)
        for index in sorted(table.indexes, key=lambda index: str(index.name), reverse=True):
            yield CreateIndex(index)
