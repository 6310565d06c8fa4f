"""Pages of a match as CSV that a spreadsheet opens, without a cell that it takes for a formula.

UTF-8 with a byte order mark, lines that end with CR and LF, quoted as RFC 4180 says: the form that Excel reads. Every
chosen column is there, even if it is empty or the same in every row; cells are cleaned as in any answer, but not
clipped. Text that begins like a formula gets an apostrophe in front, as OWASP advises, also behind a semicolon, which
separates cells in half of Europe. Numbers and days are printed as they are.
"""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo
from itertools import chain
from typing import Any

from mcp_truto_lms.domain.errors import QueryError
from mcp_truto_lms.domain.model import CellKind, EnrollmentColumn
from mcp_truto_lms.render.cells import cell, value_at
from mcp_truto_lms.render.row_text import ID_COLUMNS, disambiguate
from mcp_truto_lms.reports.results import ListAnswer

_UNCLIPPED = sys.maxsize
_TEXT_KINDS: frozenset[CellKind] = frozenset({"text", "email", "link", "fields"})
_FORMULA_START = re.compile(r"""(^|;)(?=[\s"']*[=+\-@\t\r\ufe62\ufe63\ufe66\ufe6b\uff0b\uff0d\uff1d\uff20])""")
"""Matches where a formula begins, with small and full-width signs too."""


@dataclass(frozen=True, slots=True)
class CsvResult:
    """What was written.

    Args:
        answer: the match, without its rows
        rows: how many rows were written
    """

    answer: ListAnswer
    rows: int


def first_page(pages: Iterable[ListAnswer]) -> tuple[ListAnswer, Iterator[ListAnswer]]:
    """Read the first page, which names the match; return it and the rest.

    Raises:
        QueryError: no column is chosen.
    """
    rest = iter(pages)
    first = next(rest)
    if not first.columns:
        raise QueryError("No column is left; name fewer in exclude_fields.")
    return first, rest


def write_csv(first: ListAnswer, rest: Iterator[ListAnswer], write: Callable[[bytes], object]) -> CsvResult:
    """Write the header and the rows of all pages, a call of `write` for each page."""
    write(_encoded([[guard_formula(column.header) for column in first.columns]]).encode("utf-8-sig"))
    page, row_count = first, 0
    for page in chain([first], rest):
        if page.rows:
            write(_encoded(_rows(page)).encode())
            row_count += len(page.rows)
    return CsvResult(replace(page, rows=()), row_count)


def guard_formula(text: str) -> str:
    """Put an apostrophe where a spreadsheet would see the beginning of a formula."""
    return _FORMULA_START.sub(r"\1'", text)


def _encoded(rows: Iterable[Sequence[str]]) -> str:
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerows(rows)
    return buffer.getvalue()


def _rows(page: ListAnswer) -> list[tuple[str, ...]]:
    """Print the rows of a page; names that several people or courses have carry the id."""
    printed_columns: list[list[str]] = []
    for column in page.columns:
        values = [value_at(row, column.path) for row in page.rows]
        texts = _column_texts(values, column, page.stats.question.zone)
        if (id_column := ID_COLUMNS.get(column.path)) is not None:
            ids = [str(row[id_column] or "") for row in page.rows]
            texts = disambiguate(texts, ids, page.duplicate_names.get(column.path, frozenset()))
        if column.kind in _TEXT_KINDS:
            guarded = {text: guard_formula(text) for text in {*texts}}
            texts = [
                text if isinstance(value, int | float) else guarded[text]
                for text, value in zip(texts, values, strict=True)
            ]
        printed_columns.append(texts)
    return list(zip(*printed_columns, strict=True))


def _column_texts(values: Sequence[Any], column: EnrollmentColumn, zone: tzinfo) -> list[str]:
    """Print the cells of a column; each distinct text is cleaned once."""

    def text_of(value: Any) -> str:
        return cell(value, column.kind, zone, _UNCLIPPED)

    texts = {value: text_of(value) for value in {value for value in values if isinstance(value, str)}}
    return [texts[value] if isinstance(value, str) else text_of(value) for value in values]
