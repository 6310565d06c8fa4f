"""Reads the text of an answer as a model does: its total, and its tables."""

from __future__ import annotations

import csv
import re


def total(text: str) -> int:
    """Read the total number of enrollments from the first line."""
    match = re.search(r"(?:of |^|\. )(?:at least )?([\d,]+) enrollments", text.splitlines()[0])
    assert match, text
    return to_number(match[1])


def row_total(text: str) -> int:
    """Read the total of a page of a list, whatever its rows are."""
    match = re.match(r"(?:Rows [\d,]+ to )?[\d,]+ of ([\d,]+) ", text)
    assert match, text
    return to_number(match[1])


def table_of(text: str, first_column: str) -> list[list[str]]:
    """Read the table whose header begins with a column, up to the notes, which are sentences."""
    lines = text.splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith(first_column))
    end = next(index for index, line in enumerate(lines) if index > start and line.endswith("."))
    return list(csv.reader(lines[start:end]))


def to_number(printed: str) -> int:
    """Read a number with separators of thousands."""
    return int(printed.replace(",", ""))
