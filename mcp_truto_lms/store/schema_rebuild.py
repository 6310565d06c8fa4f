"""Opening a store that may be there already: whose it is, and whether this version can use it.

What is kept is a cache: an older schema is dropped and built anew, and everything is read again. A newer one, or what
somebody else wrote, is refused and left as it is.
"""

from __future__ import annotations

from sqlalchemy import Connection, MetaData
from sqlalchemy.schema import CreateIndex, CreateTable

from mcp_truto_lms.domain.errors import ConfigurationError
from mcp_truto_lms.store.schema import SCHEMA_VERSION, metadata

SETTING = "MCP_TRUTO_LMS_STORE"


def needs_building(version: int | None, *, empty: bool, where: str) -> bool:
    """Tell whether the tables are to be built, for want of any or because they are of an older version.

    Args:
        version: that of the tables that are there; None where nothing says that they are ours
        empty: whether there is nothing at all
        where: the store, as a message names it

    Raises:
        ConfigurationError: what is there is somebody else's, or of a newer version.
    """
    if version is None and not empty:
        raise ConfigurationError(f"{SETTING}: {where} belongs to another program. Choose another place.")
    if version is not None and version > SCHEMA_VERSION:
        raise ConfigurationError(
            f"{SETTING}: {where} was written by a newer mcp-truto-lms. Upgrade this one, or choose another place."
        )
    return version is None or version < SCHEMA_VERSION


def build(connection: Connection) -> None:
    """Drop what an older version left, and create the tables."""
    old = MetaData()
    old.reflect(connection)
    old.drop_all(connection)
    create(connection)


def create(connection: Connection) -> None:
    """Create the tables, and their indices in one order.

    Of indices that promise the same, SQLite takes the one that was made last, which is to be `enrollments_by_course`.
    """
    for table in metadata.sorted_tables:
        connection.execute(CreateTable(table))
        for index in sorted(table.indexes, key=lambda one: str(one.name), reverse=True):
            connection.execute(CreateIndex(index))
