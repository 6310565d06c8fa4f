"""CSV exports: all rows of a match go to a file, or to the store for a download, and no row into the answer.

A file is readable by its owner only, never replaces another file, and gets its name once it is complete. An export for
a download is stored in compressed parts; `export_download` serves it.
"""

from __future__ import annotations

import errno
import logging
import os
import secrets
import tempfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from stat import S_ISDIR

from mcp_truto_lms.domain.errors import ConfigurationError, QueryError
from mcp_truto_lms.ingest.question_budget import Progress
from mcp_truto_lms.operating_system import is_own, make_owner_only_folder, open_owner_only
from mcp_truto_lms.query.queries import EnrollmentQuery
from mcp_truto_lms.render import csv_text
from mcp_truto_lms.render.csv_text import CsvResult
from mcp_truto_lms.reports.results import Export, ListAnswer, MatchStats
from mcp_truto_lms.server.account import Account
from mcp_truto_lms.server.export_download import PATH
from mcp_truto_lms.settings import PREFIX
from mcp_truto_lms.store.exports import MAX_BYTES, Part

logger = logging.getLogger(__name__)

SETTING = f"{PREFIX}EXPORT_DIR"
DEFAULT_FOLDER = "mcp-truto-lms"
UNFINISHED_SUFFIX = ".part"
"""The suffix of a file while it is written, because the process may end before the file is complete."""


@dataclass(frozen=True, slots=True)
class _Download:
    """An export that is to be stored.

    Args:
        result: what was written
        name: of the file
        parts: its compressed content
    """

    result: CsvResult
    name: str
    parts: list[Part]


async def export(
    account: Account,
    query: EnrollmentQuery,
    folder: str,
    on_progress: Progress | None = None,
    *,
    principal: str = "",
    base_url: str | None = None,
) -> Export:
    """Write all rows of a match.

    Args:
        account: whose rows
        query: which of them
        folder: for files; empty for the default folder
        on_progress: is called while data is fetched
        principal: who may download the export
        base_url: the address of the server for downloads; None writes a file

    Raises:
        LmsError: nothing could be fetched, or the export cannot be written.
    """
    if base_url is None:
        export_folder = open_folder(folder)
        result, path = await account.export(query, lambda pages: _write_file(pages, export_folder), on_progress)
        exported = Export(result.answer, result.rows, str(path))
    else:
        download = await account.export(query, _write_parts, on_progress)
        token, expires_at = await account.store_export(download.name, download.parts, principal=principal)
        result, address = download.result, f"{base_url.rstrip('/')}{PATH}{token}"
        exported = Export(result.answer, result.rows, address, expires_at)
    kind = "a file" if base_url is None else "an address"
    logger.info("csv: %d rows of %d columns, to %s", exported.rows, len(exported.answer.columns), kind)
    return exported


def open_folder(chosen: str) -> Path:
    """Return the folder for files: the one of the settings, else our own in the temporary directory.

    Raises:
        ConfigurationError: the folder cannot be created, or it is somebody else's.
    """
    folder = Path(chosen).expanduser().absolute() if chosen else Path(tempfile.gettempdir(), DEFAULT_FOLDER)
    try:
        make_owner_only_folder(folder)
        status = folder.stat() if chosen else folder.lstat()
    except OSError as error:
        raise _unusable(folder, error) from None
    if not S_ISDIR(status.st_mode) or not (chosen or is_own(status)):
        raise ConfigurationError(f"{SETTING} is missing: {folder} is somebody else's. Set it to a folder of yours.")
    return folder


def _write_file(pages: Iterable[ListAnswer], folder: Path) -> tuple[CsvResult, Path]:
    """Write rows into a new file; a failure leaves no file.

    Raises:
        ConfigurationError: the folder cannot be written to.
    """
    first, rest = csv_text.first_page(pages)
    path = folder / f"{_file_stem(first.stats)}-{secrets.token_hex(4)}.csv"
    unfinished = path.with_suffix(UNFINISHED_SUFFIX)
    try:
        file = os.fdopen(open_owner_only(unfinished, os.O_WRONLY | os.O_EXCL), "wb")
    except OSError as error:
        raise _unusable(folder, error) from None
    try:
        with file:
            result = csv_text.write_csv(first, rest, file.write)
        unfinished.rename(path)
        return result, path
    except BaseException as error:
        unfinished.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise _unusable(folder, error) from None
        raise


def _write_parts(pages: Iterable[ListAnswer]) -> _Download:
    """Write rows into compressed parts.

    Raises:
        QueryError: they are larger than the store accepts.
    """
    parts: list[Part] = []
    bytes_left = MAX_BYTES

    def add_part(content: bytes) -> None:
        nonlocal bytes_left
        compressed = zlib.compress(content)
        bytes_left -= len(compressed)
        if bytes_left < 0:
            raise QueryError(f"This export exceeds {MAX_BYTES >> 20} MiB compressed; narrow the question down.")
        parts.append(Part(compressed, len(content)))

    first, rest = csv_text.first_page(pages)
    return _Download(csv_text.write_csv(first, rest, add_part), f"{_file_stem(first.stats)}.csv", parts)


def _file_stem(stats: MatchStats) -> str:
    """Name a file by its content, its day, and whether data is missing."""
    content = "not-enrolled" if stats.question.query.asks_who_is_missing else "enrollments"
    day = datetime.fromtimestamp(stats.question.now, stats.question.zone).date()
    return f"{content}-{day}{'' if stats.is_final else '-incomplete'}"


def _unusable(folder: Path, error: OSError) -> ConfigurationError:
    reason = "its disk is full" if error.errno == errno.ENOSPC else (error.strerror or str(error)).lower()
    return ConfigurationError(f"{SETTING}: {folder} cannot be written to ({reason}). Name a folder of yours that can.")
