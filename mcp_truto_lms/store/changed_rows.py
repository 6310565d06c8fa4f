"""Replacing rows by writing only those that differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, delete, select

from mcp_truto_lms.store.account_state import increment_data_version
from mcp_truto_lms.store.bulk_insert import upsert_rows
from mcp_truto_lms.store.rows import Row, column_index
from mcp_truto_lms.store.schema import enrollments, learners
from mcp_truto_lms.store.selection import in_list


def rows_by_id(table: Table, rows: Iterable[Row]) -> dict[str, Row]:
    """Index rows by their id; of several with one id, the last counts."""
    id_index = column_index(table)["id"]
    return {row[id_index]: row for row in rows}


def read_rows_by_id(connection: Connection, table: Table, condition: ColumnElement[bool]) -> dict[str, Row]:
    """Read the rows that match a condition, by id."""
    query: Select[*tuple[Any, ...]] = select(table).where(condition)
    return rows_by_id(table, map(tuple, connection.execute(query)))


def replace_rows(
    connection: Connection, account: str, table: Table, before: Mapping[str, Row | None], after: Mapping[str, Row]
) -> list[str]:
    """Replace rows of a table; return the ids that are new, deleted, or different in what answers show.

    If there are any, the account's data version is incremented.
    """
    written = [key for key, row in after.items() if before.get(key) != row]
    deleted = [key for key in before if key not in after]
    if deleted:
        connection.execute(delete(table).where(table.c.account == account, in_list(table.c.id, deleted)))
    upsert_rows(connection, table, [after[key] for key in written])
    changed = deleted + [key for key in written if not _shows_the_same(table, before.get(key), after[key])]
    if changed:
        increment_data_version(connection, account)
    return changed


def _shows_the_same(table: Table, before: Row | None, after: Row) -> bool:
    """Compare rows without what no answer has.

    A list has less of a person's record than the person's page. A course's record counts: the categories in it may make
    the course mandatory. An outcome that is reported again is the same outcome.
    """
    if before is None or table.name not in _UNSHOWN:
        return False
    index = column_index(table)
    unshown = {index[name] for name in _UNSHOWN[table.name]}
    return all(before[place] == after[place] for place in index.values() if place not in unshown)


_UNSHOWN = {learners.name: ("record", "login"), enrollments.name: ("evidence", "route", "outcome_at", "changed_at")}
