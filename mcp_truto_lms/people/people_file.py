"""The people file: HR's own dimensions of people, as a CSV file that is loaded again whenever it changes.

The first line names the columns: `email` or `user_id`, and any others, such as `team`, `manager` or `location`. A row
describes the person with its user id, else the one with its e-mail address. Beside an e-mail address, `id` is an
ordinary column, because HR's numbers are not the ids of the LMS. Delimiters are commas, semicolons and tabs; encodings
are UTF-8, UTF-16 and Windows-1252, as spreadsheets write them.

A file is accepted whole or not at all. An invalid file is an error if no valid one was loaded before; otherwise the
last valid one stays in use, because a file may be read while it is being written, and `note` says why. Messages name
lines and columns by number and never quote cells, which describe people.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mcp_truto_lms.domain.errors import ConfigurationError
from mcp_truto_lms.domain.normalization import normalize
from mcp_truto_lms.domain.text_cleaning import clean

SETTING = "MCP_TRUTO_LMS_PEOPLE_FILE"
MAX_BYTES = 50_000_000
MAX_PROBLEMS = 5
"""How many problems one message lists."""
VALUE_CHARACTERS = 200

_DELIMITERS = ",;\t"
_HEADER_CHARACTERS = 100_000
"""The text in which the header is searched."""
_USER_ID = frozenset({"user id", "userid", "learner id"})
_EMAIL = frozenset({"email", "e mail", "mail", "email address", "e mail address"})
_Signature = tuple[int, int, int]
"""Modification time, size and inode of a file."""


@dataclass(frozen=True, slots=True)
class Person:
    """One row of the file.

    Args:
        user_id, email: whom it describes; empty if the row does not say
        values: in the order of the columns; an empty text stands for no value
    """

    user_id: str
    email: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class People:
    """The content of the file.

    Args:
        columns: normalized names, without those that identify the person
        rows: each person once, and every row without an id and an address
        digest: equal for equal content
    """

    columns: tuple[str, ...]
    rows: tuple[Person, ...]
    digest: str


class PeopleFile:
    """A people file on disk.

        file = PeopleFile("~/people.csv")
        people = file.load_if_changed()

    Loading 100,000 people takes most of a second: call it in a worker thread. It is safe to call from several threads.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path).expanduser()
        self._lock = threading.Lock()
        self._signature: _Signature | None = None
        self._people: People | None = None
        self.note: str | None = None

    def load_if_changed(self) -> People:
        """Return the content of the file, loaded again if the file has changed.

        Raises:
            ConfigurationError: the file cannot be read or is invalid, and no valid one was loaded before.
        """
        with self._lock:
            loaded: _Signature | None = None
            try:
                signature = self._read_signature()
                if self._people is None or signature != self._signature:
                    content = self._read(signature)
                    if self._read_signature() != signature:
                        raise ConfigurationError(f"{SETTING}: the file changed while it was read; ask again.")
                    loaded = signature
                    self._people, self.note = parse(content), None
                loaded = signature
            except ConfigurationError as error:
                if self._people is None:
                    raise
                self.note = f"The last valid people file is used: {error}"
            finally:
                self._signature = loaded
            return self._people

    def _read_signature(self) -> _Signature:
        try:
            status = self._path.stat()
        except (OSError, ValueError) as error:
            raise _unreadable(error) from None
        return status.st_mtime_ns, status.st_size, status.st_ino

    def _read(self, signature: _Signature) -> bytes:
        if self._path.is_dir():
            raise ConfigurationError(f"{SETTING} is a directory: set it to the path of a CSV file in it.")
        if signature[1] > MAX_BYTES:
            raise ConfigurationError(
                f"{SETTING}: more than {MAX_BYTES // 1_000_000} MB: leave out columns that nobody asks by."
            )
        try:
            return self._path.read_bytes()
        except OSError as error:
            raise _unreadable(error) from None


def parse(content: bytes) -> People:
    """Parse the content of a people file.

    Raises:
        ConfigurationError: it is invalid; the message names the first problems and what to change.
    """
    records = _records(_decode(content))
    header_line, header = next(records, (1, list[str]()))
    if not header:
        raise ConfigurationError(f"{SETTING}: the file is empty: its first line names the columns.")
    header = [normalize(clean(name, VALUE_CHARACTERS)) for name in _without_empty_end(header)]
    id_index, email_index = _key_columns(header, header_line)
    value_indexes = [index for index in range(len(header)) if index not in (id_index, email_index)]
    problems: list[str] = []
    rows: dict[str | int, tuple[int, Person]] = {}
    for line, cells in records:
        if len(_without_empty_end(cells)) > len(header):
            problems.append(
                f"line {line} has more cells than the header: quote what holds a delimiter, or name the column"
            )
            continue
        cells += [""] * (len(header) - len(cells))
        user_id = "" if id_index is None else clean(cells[id_index], VALUE_CHARACTERS)
        email = "" if email_index is None else clean(cells[email_index], VALUE_CHARACTERS).lower()
        person = Person(user_id, email, tuple(clean(cells[index], VALUE_CHARACTERS) for index in value_indexes))
        earlier_line, earlier = rows.setdefault(person_key(person) or line, (line, person))
        if earlier.values != person.values:
            problems.append(f"line {line} is the person of line {earlier_line} with other values: keep one of them")
    if problems:
        raise _invalid(problems)
    people = tuple(person for _, person in rows.values())
    columns = tuple(header[index] for index in value_indexes)
    return People(columns, people, hashlib.sha256(repr((columns, people)).encode(errors="replace")).hexdigest())


def person_key(person: Person) -> str | None:
    """Return whom a row describes: `id:7`, else `email:jane@acme.example`; None if it does not say."""
    if person.user_id:
        return f"id:{person.user_id}"
    return f"email:{person.email}" if person.email else None


def _key_columns(header: Sequence[str], line: int) -> tuple[int | None, int | None]:
    """Find the indexes of the user id and the e-mail address."""
    names = [name.replace("_", " ") for name in header]
    problems = [f"line {line}, column {position}, has no name" for position, name in enumerate(names, 1) if not name]
    positions: dict[str, int] = {}
    for position, name in enumerate(names, 1):
        kind = "user id" if name in _USER_ID else "email" if name in _EMAIL else name
        if name and positions.setdefault(kind, position) != position:
            problems.append(
                f"line {line}: columns {positions[kind]} and {position} have the same name: rename or remove one"
            )
    id_position, email_position = positions.get("user id"), positions.get("email")
    if id_position is None and email_position is None:
        id_position = positions.get("id")
    if id_position is None and email_position is None:
        problems.append(f"line {line} names the columns, and none is email or user_id: name one so")
    if problems:
        raise _invalid(problems)
    return (
        None if id_position is None else id_position - 1,
        None if email_position is None else email_position - 1,
    )


def _decode(content: bytes) -> str:
    """Decode bytes as spreadsheets write them."""
    encodings = ("utf-8-sig", "cp1252")
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encodings = ("utf-16",)
    elif b"\0" in content[:100]:
        encodings = ("utf-16-be" if content.startswith(b"\0") else "utf-16-le",)
    for encoding in encodings:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise ConfigurationError(f"{SETTING}: the file is not text: save it as CSV UTF-8.")


def _records(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the records that are not blank, each with the number of its first line."""
    skipped_lines = 0
    delimiter = None
    if text[:4].lower() == "sep=" and text[5:6] in ("\r", "\n"):  # spreadsheets name their delimiter so
        delimiter, skipped_lines = text[4], 1
        text = text[7:] if text[5:7] == "\r\n" else text[6:]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter or _detect_delimiter(text), strict=True)
    line = 1
    try:
        for cells in reader:
            if not _is_blank(cells):
                yield line + skipped_lines, cells
            line = reader.line_num + 1
    except csv.Error:
        raise _invalid(
            [f"line {line + skipped_lines} cannot be read: a quote opens and does not close, or a cell is too long"]
        ) from None


def _detect_delimiter(text: str) -> str:
    """Choose the delimiter by the header: one that reveals a key column, else the one that makes most columns."""

    def header(delimiter: str) -> list[str]:
        lines = csv.reader(io.StringIO(text[:_HEADER_CHARACTERS], newline=""), delimiter=delimiter)
        cells = next((cells for cells in lines if not _is_blank(cells)), list[str]())
        return [normalize(name).replace("_", " ") for name in cells]

    headers = {delimiter: header(delimiter) for delimiter in _DELIMITERS}
    key_names = _USER_ID | _EMAIL | {"id"}
    return max(
        _DELIMITERS,
        key=lambda delimiter: (not key_names.isdisjoint(headers[delimiter]), len(headers[delimiter])),
    )


def _is_blank(cells: Sequence[str]) -> bool:
    return not any(cell.strip(f" {_DELIMITERS}") for cell in cells)


def _without_empty_end(cells: list[str]) -> list[str]:
    end = len(cells)
    while end and not cells[end - 1].strip():
        end -= 1
    return cells[:end]


def _invalid(problems: Sequence[str]) -> ConfigurationError:
    rest = f"; and {len(problems) - MAX_PROBLEMS:,} more" if len(problems) > MAX_PROBLEMS else ""
    return ConfigurationError(f"{SETTING}: {'; '.join(problems[:MAX_PROBLEMS])}{rest}.")


def _unreadable(error: OSError | ValueError) -> ConfigurationError:
    if isinstance(error, FileNotFoundError | NotADirectoryError | ValueError):
        return ConfigurationError(f"{SETTING}: there is no such file: set it to the whole path of a CSV file.")
    return ConfigurationError(f"{SETTING}: the file cannot be read: allow this process to read it.")
