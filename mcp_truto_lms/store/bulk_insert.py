"""Rows in bulk, by the driver's fastest means: `executemany`, or COPY into PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Insert, Table, delete, insert

from mcp_truto_lms.store.rows import Row, column_index
from mcp_truto_lms.store.selection import in_list


def insert_rows(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows that the table does not have yet, each in the order of its columns."""
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        _copy(connection, table, rows)
    else:
        _execute_many(connection, insert(table), rows)


def upsert_rows(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows of one account; they replace those with the same id."""
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        index = column_index(table)
        account, ids = rows[0][index["account"]], [row[index["id"]] for row in rows]
        connection.execute(delete(table).where(table.c.account == account, in_list(table.c.id, ids)))
        _copy(connection, table, rows)
    else:
        _execute_many(connection, insert(table).prefix_with("OR REPLACE"), rows)


def _execute_many(connection: Connection, statement: Insert, rows: Sequence[Row]) -> None:
    connection.exec_driver_sql(str(statement.compile(dialect=connection.dialect)), [*rows])


def _copy(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    from psycopg import sql

    names = sql.SQL(", ").join(map(sql.Identifier, table.columns.keys()))
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table.name), names)
    driver_connection: Any = connection.connection.driver_connection
    with driver_connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)
