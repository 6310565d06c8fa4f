"""Whether an answer holds the truth: its first line, whole sentences, and every cell of its tables.

An answer is read as a model reads it: the first line has the total, a header names the columns, a column that is the
same in the whole match stands on the first line instead. Nothing is looked for that would stand there anyway: a table
must have exactly the header, the number of rows and the rows that are expected, in the order that was asked for.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass

SAMPLE = "SAMPLE DATA, no LMS connected. "
END = re.compile(r".*\.$|[\d,]+ more: cursor=\S+$")
"""What stands below the rows of a table."""


@dataclass(frozen=True, slots=True)
class Row:
    """A line that the match has.

    Args:
        key: what it is ordered by
        cells: of all columns
    """

    key: float
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """All lines of a match, of which the first ones are shown.

    Args:
        columns: the headers
        rows: in any order
        limit: how many are shown at most
    """

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    limit: int


@dataclass(frozen=True, slots=True)
class Truth:
    """What an answer must say.

    Args:
        first: the beginning of the first line, up to the end of its first part
        says: sentences below it
        tables: in the order in which they are shown
    """

    first: str
    says: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()


def wrong(answer: str, truth: Truth) -> str:
    """Say what is wrong with an answer; nothing where it is right."""
    lines = answer.removeprefix(SAMPLE).splitlines()
    if not re.match(rf"{re.escape(truth.first)}[.:]", lines[0]):
        return f"the first line does not begin with {truth.first!r}"
    if ", complete." not in lines[0]:
        return "it is not complete"
    text = f" {' '.join(lines[1:])} "
    for sentence in truth.says:
        if f" {sentence} " not in text:
            return f"it does not say {sentence!r}"
    at = 1
    for table in truth.tables:
        at, trouble = _read(lines, at, table)
        if trouble:
            return trouble
    return ""


def _read(lines: Sequence[str], at: int, table: Table) -> tuple[int, str]:
    """Compare the table that comes next; say where it ends, and what is wrong."""
    alike = {index: {row.cells[index] for row in table.rows} for index, _ in enumerate(table.columns)}
    for start in range(at, len(lines)):
        header = _cells(lines[start])
        if set(header) <= set(table.columns):
            break
    else:
        return at, f"there is no table of {', '.join(table.columns)}"
    shown = [index for index, name in enumerate(table.columns) if name in header]
    if [table.columns[index] for index in shown] != header:
        return at, f"the columns are {', '.join(header)}"
    for index, name in enumerate(table.columns):
        if index not in shown and not (len(alike[index]) == 1 and _told_above(lines, name, *alike[index])):
            return at, f"there is no column {name}"
    end = start + 1 + min(table.limit, len(table.rows))
    if end > len(lines) or (end < len(lines) and not END.match(lines[end])):
        return at, f"it has not {end - start - 1} rows"
    found = [tuple(_cells(line)) for line in lines[start + 1 : end]]
    keys = {tuple(row.cells[index] for index in shown): row.key for row in table.rows}
    if strange := [one for one in found if one not in keys]:
        return at, f"it has {strange[0]}"
    if len({*found}) < len(found):
        return at, "a row comes twice"
    if [keys[one] for one in found] != sorted(row.key for row in table.rows)[: len(found)]:
        return at, "these are not the first rows in their order"
    return end, ""


def _cells(line: str) -> list[str]:
    return next(csv.reader([line]))


def _told_above(lines: Sequence[str], column: str, value: str) -> bool:
    """Tell whether the first line has what is the same in every row, or a note that it is nothing."""
    if value:
        return re.search(rf"[:,] ({re.escape(column)} )?{re.escape(value)}[.,]", lines[0]) is not None
    return any(re.search(rf"Empty in every row: [\w ,]*\b{re.escape(column)}\b", line) for line in lines)
