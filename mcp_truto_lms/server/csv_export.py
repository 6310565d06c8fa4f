"""CSV exports: the whole of a match as a file that a spreadsheet opens, and no row of it in an answer.

UTF-8 with a mark that it is, lines ended by CR and LF, quoted as RFC 4180 says: as Excel reads it. Every row and every
chosen column is there, whatever is empty or always the same; cells are cleaned as in any answer, and not clipped.

Text that a spreadsheet would take for a formula gets an apostrophe in front, as OWASP says, also behind a semicolon,
which separates cells in half of Europe; numbers and days are what they are. A file is its owner's alone, never
written over another one, and has its name once it is whole. What is to be fetched over HTTP is kept in the store, in
packed parts.
"""

from __future__ import annotations

import csv
import errno
import io
import logging
import os
import re
import secrets
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from itertools import chain
from pathlib import Path
from stat import S_ISDIR
from typing import Any

from mcp_truto_lms.domain import text_cleaning
from mcp_truto_lms.domain.errors import ConfigurationError, QueryError
from mcp_truto_lms.domain.model import CellKind, EnrollmentColumn
from mcp_truto_lms.ingest.question_budget import Progress
from mcp_truto_lms.operating_system import is_own, make_owner_only_folder, open_owner_only
from mcp_truto_lms.query.queries import EnrollmentQuery
from mcp_truto_lms.render import cells
from mcp_truto_lms.render.row_text import ID_COLUMNS, disambiguate
from mcp_truto_lms.reports.results import Export, ListAnswer, MatchStats
from mcp_truto_lms.server.account import Account
from mcp_truto_lms.server.export_download import PATH
from mcp_truto_lms.settings import PREFIX
from mcp_truto_lms.store.exports import MAX_BYTES, Part

logger = logging.getLogger(__name__)

SETTING = f"{PREFIX}EXPORT_DIR"
FOLDER = "mcp-truto-lms"
UNFINISHED = ".part"
"""Ends the name of a file while it is written, for a process may end before the file does."""
_UNCLIPPED = sys.maxsize
_TEXTUAL: frozenset[CellKind] = frozenset({"text", "email", "link", "fields"})
_FORMULA = re.compile(r"""(^|;)(?=[\s"']*[=+\-@\t\r\ufe62\ufe63\ufe66\ufe6b\uff0b\uff0d\uff1d\uff20])""")
"""What a formula begins with, small and full-width forms included."""


@dataclass(frozen=True, slots=True)
class _Written:
    """What was written: the match without its rows, and how many those are."""

    answer: ListAnswer
    rows: int


@dataclass(frozen=True, slots=True)
class _Packed:
    """What is to be kept in the store."""

    written: _Written
    name: str
    parts: list[Part]


async def export(
    account: Account,
    query: EnrollmentQuery,
    chosen_folder: str,
    on_progress: Progress | None = None,
    *,
    principal: str = "",
    base_url: str | None = None,
) -> Export:
    """Write all rows of a match.

    Args:
        account: whose rows
        query: which of them
        chosen_folder: of files; empty is the usual one
        on_progress: is told what is being read
        principal: who may fetch them
        base_url: where the server is reached that they are fetched from; None writes a file

    Raises:
        LmsError: nothing could be read, or nothing can be written.
    """
    if base_url is None:
        place = folder(chosen_folder)
        written, path = await account.export(query, lambda pages: _to_file(pages, place), on_progress)
        exported = Export(written.answer, written.rows, str(path))
    else:
        packed = await account.export(query, _to_parts, on_progress)
        token, expires_at = await account.keep_export(packed.name, packed.parts, principal=principal)
        written, address = packed.written, f"{base_url.rstrip('/')}{PATH}{token}"
        exported = Export(written.answer, written.rows, address, expires_at)
    kind = "a file" if base_url is None else "an address"
    logger.info("csv: %d rows of %d columns, to %s", exported.rows, len(exported.answer.columns), kind)
    return exported


def guarded(text: str) -> str:
    """Keep a spreadsheet from taking a text for a formula."""
    return _FORMULA.sub(r"\1'", text)


def folder(chosen: str) -> Path:
    """Give the folder of exports: the one that the settings name, else one of our own in the temporary directory.

    Raises:
        ConfigurationError: it cannot be made, or belongs to somebody else.
    """
    place = Path(chosen).expanduser().absolute() if chosen else Path(tempfile.gettempdir(), FOLDER)
    try:
        make_owner_only_folder(place)
        found = place.stat() if chosen else place.lstat()
    except OSError as error:
        raise _unusable(place, error) from None
    if not S_ISDIR(found.st_mode) or not (chosen or is_own(found)):
        raise ConfigurationError(f"{SETTING} is missing: {place} is somebody else's. Set it to a folder of yours.")
    return place


def _to_file(pages: Iterable[ListAnswer], place: Path) -> tuple[_Written, Path]:
    """Write rows into a new file of a folder; none is left where that fails.

    Raises:
        ConfigurationError: the folder cannot be written to.
    """
    first, rest = _begun(pages)
    path = place / f"{_name(first.stats)}-{secrets.token_hex(4)}.csv"
    begun = path.with_suffix(UNFINISHED)
    try:
        file = os.fdopen(open_owner_only(begun, os.O_WRONLY | os.O_EXCL), "wb")
    except OSError as error:
        raise _unusable(place, error) from None
    try:
        with file:
            written = _write(first, rest, file.write)
        begun.rename(path)
        return written, path
    except BaseException as error:
        begun.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise _unusable(place, error) from None
        raise


def _to_parts(pages: Iterable[ListAnswer]) -> _Packed:
    """Write rows into packed parts.

    Raises:
        QueryError: they are more than may ever be kept.
    """
    parts: list[Part] = []
    room = MAX_BYTES

    def add(chunk: bytes) -> None:
        nonlocal room
        packed = zlib.compress(chunk)
        room -= len(packed)
        if room < 0:
            raise QueryError(f"This export is larger than {MAX_BYTES >> 20} MiB, packed: narrow the question down.")
        parts.append(Part(packed, len(chunk)))

    first, rest = _begun(pages)
    return _Packed(_write(first, rest, add), f"{_name(first.stats)}.csv", parts)


def _begun(pages: Iterable[ListAnswer]) -> tuple[ListAnswer, Iterator[ListAnswer]]:
    rest = iter(pages)
    first = next(rest)
    if not first.columns:
        raise QueryError("No column is left: name fewer in exclude_fields.")
    return first, rest


def _name(stats: MatchStats) -> str:
    """Name a file by what it holds, its day, and whether something is missing."""
    what = "not-enrolled" if stats.question.query.asks_who_is_missing else "enrollments"
    day = datetime.fromtimestamp(stats.question.now, stats.question.zone).date()
    return f"{what}-{day}{'' if stats.coverage.complete else '-incomplete'}"


def _write(first: ListAnswer, rest: Iterator[ListAnswer], write: Callable[[bytes], object]) -> _Written:
    write(_encoded([[guarded(text_cleaning.clean(one.header)) for one in first.columns]]).encode("utf-8-sig"))
    last, rows = first, 0
    for last in chain([first], rest):
        if last.rows:
            write(_encoded(_cells(last)).encode())
            rows += len(last.rows)
    return _Written(replace(last, rows=()), rows)


def _encoded(lines: Iterable[Sequence[str]]) -> str:
    out = io.StringIO(newline="")
    csv.writer(out).writerows(lines)
    return out.getvalue()


def _cells(page: ListAnswer) -> list[tuple[str, ...]]:
    """Print rows; who or what bears the name of another one is told apart by the id, as in a table."""
    by_column: list[list[str]] = []
    for column in page.columns:
        values = [cells.value_at(row, column.path) for row in page.rows]
        printed = _printed(values, column, page.stats.question.zone)
        if (key := ID_COLUMNS.get(column.path)) is not None:
            ids = [str(row[key] or "") for row in page.rows]
            printed = disambiguate(printed, ids, page.duplicate_names.get(column.path, frozenset()))
        if column.kind in _TEXTUAL:
            safe = {one: guarded(one) for one in {*printed}}
            printed = [
                one if isinstance(value, int | float) else safe[one] for one, value in zip(printed, values, strict=True)
            ]
        by_column.append(printed)
    return list(zip(*by_column, strict=True))


def _printed(values: Sequence[Any], column: EnrollmentColumn, zone: tzinfo) -> list[str]:
    """Print the cells of a column, a text that comes again only once."""

    def cell(value: Any) -> str:
        return cells.cell(value, column.kind, zone, _UNCLIPPED)

    texts = {one: cell(one) for one in {one for one in values if isinstance(one, str)}}
    return [texts[one] if isinstance(one, str) else cell(one) for one in values]


def _unusable(place: Path, error: OSError) -> ConfigurationError:
    reason = "its disk is full" if error.errno == errno.ENOSPC else (error.strerror or str(error)).lower()
    return ConfigurationError(f"{SETTING}: {place} cannot be written to ({reason}). Name a folder of yours that can.")
