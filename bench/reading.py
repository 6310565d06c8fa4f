"""Compares an answer with the expected one: the first line, whole sentences, and every cell of its tables.

An answer is read as a model reads it: the first line has the total, a header names the columns, and a column with the
same value in the whole match stands on the first line instead. A table must have exactly the expected header, number of
rows and rows, in the order that the question asks for. Prints nothing; `bench/tokens.py` and tests use it.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass

SAMPLE = "SAMPLE DATA, no LMS connected. "
TABLE_END = re.compile(r".*\.$|[\d,]+ more: cursor=\S+$")
"""Matches the line below the rows of a table."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the match.

    Args:
        sort_key: what the rows are ordered by
        cells: those of all columns
    """

    sort_key: float
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """All rows of a match, of which an answer shows the first ones.

    Args:
        columns: the headers
        rows: in any order
        limit: the most rows that the answer shows
    """

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    limit: int


@dataclass(frozen=True, slots=True)
class Truth:
    """What an answer must contain.

    Args:
        first: the beginning of the first line, up to its first full stop or colon
        sentences: whole sentences below the first line
        tables: in the order in which the answer shows them
    """

    first: str
    sentences: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()


def find_mistake(answer: str, truth: Truth) -> str:
    """Describe the first mistake of an answer; an empty text if it is right."""
    lines = answer.removeprefix(SAMPLE).splitlines()
    if not re.match(rf"{re.escape(truth.first)}[.:]", lines[0]):
        return f"the first line does not begin with {truth.first!r}"
    if ", complete." not in lines[0]:
        return "it is not complete"
    text = f" {' '.join(lines[1:])} "
    for sentence in truth.sentences:
        if f" {sentence} " not in text:
            return f"it lacks the sentence {sentence!r}"
    position = 1
    for table in truth.tables:
        position, mistake = _compare_table(lines, position, table)
        if mistake:
            return mistake
    return ""


def _compare_table(lines: Sequence[str], position: int, table: Table) -> tuple[int, str]:
    """Compare the next table; return the line where it ends, and its first mistake."""
    values = {index: {row.cells[index] for row in table.rows} for index, _ in enumerate(table.columns)}
    for start in range(position, len(lines)):
        header = _cells(lines[start])
        if set(header) <= set(table.columns):
            break
    else:
        return position, f"there is no table of {', '.join(table.columns)}"
    shown = [index for index, name in enumerate(table.columns) if name in header]
    if [table.columns[index] for index in shown] != header:
        return position, f"the columns are {', '.join(header)}"
    for index, name in enumerate(table.columns):
        if index not in shown and not (len(values[index]) == 1 and _is_stated_once(lines, name, *values[index])):
            return position, f"there is no column {name}"
    end = start + 1 + min(table.limit, len(table.rows))
    if end > len(lines) or (end < len(lines) and not TABLE_END.match(lines[end])):
        return position, f"it does not have {end - start - 1} rows"
    printed_rows = [tuple(_cells(line)) for line in lines[start + 1 : end]]
    sort_keys = {tuple(row.cells[index] for index in shown): row.sort_key for row in table.rows}
    if unexpected := [row for row in printed_rows if row not in sort_keys]:
        return position, f"the row {unexpected[0]} is not expected"
    if len({*printed_rows}) < len(printed_rows):
        return position, "a row is there twice"
    if [sort_keys[row] for row in printed_rows] != sorted(row.sort_key for row in table.rows)[: len(printed_rows)]:
        return position, "these are not the first rows in the expected order"
    return end, ""


def _cells(line: str) -> list[str]:
    return next(csv.reader([line]))


def _is_stated_once(lines: Sequence[str], column: str, value: str) -> bool:
    """Check that the first line has the value of every row, or that a note says that the column is empty."""
    if value:
        return re.search(rf"[:,] ({re.escape(column)} )?{re.escape(value)}[.,]", lines[0]) is not None
    return any(re.search(rf"Empty in every row: [\w ,]*\b{re.escape(column)}\b", line) for line in lines)
