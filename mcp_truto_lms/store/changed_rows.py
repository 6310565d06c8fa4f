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
    changed = deleted + [key for key in written if not _stays_in_place(table, before.get(key), after[key])]
    if changed:
        increment_data_version(connection, account)
    return changed


def _stays_in_place(table: Table, before: Row | None, after: Row) -> bool:
    """Compare rows without what moves no row of an answer to another page.

    A list has less of a person's record than the person's page. A course's record counts: the categories in it may make
    the course mandatory. Of an enrollment, a transcript adds addresses, custom fields and certificates, and confirms
    its outcome: a list that is read meanwhile goes on.
    """
    if before is None or table.name not in _UNPLACED:
        return False
    index = column_index(table)
    unplaced = {index[name] for name in _UNPLACED[table.name]}
    return all(before[place] == after[place] for place in index.values() if place not in unplaced)


_ADDED_BY_TRANSCRIPTS = (
    "urls",
    "custom_fields",
    "certificate_issued_at",
    "certificate_expires_at",
    "evidence",
    "route",
    "outcome_at",
    "changed_at",
)
_UNPLACED = {learners.name: ("record", "login"), enrollments.name: _ADDED_BY_TRANSCRIPTS}
