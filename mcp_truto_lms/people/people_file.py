"""The people file: HR's own dimensions of people, as a CSV that is read again whenever it changes.

Its first line names the columns: `email` or `user_id`, and any others, such as `team`, `manager` or `location`. A row
stands for the person with its user id, else with its e-mail address; beside an e-mail address, `id` is a column like
any other, for HR's own numbers are not the LMS's. Commas, semicolons and tabs are told apart, and so are UTF-8, UTF-16
and Windows-1252, as spreadsheets write them.

A file is taken whole or not at all. One that cannot be taken is an error where there was none before; where there was,
that one stays, for a file may be looked at while it is being written, and `note` says why. What is wrong is told by
line and column number, never by what stands there: that is about people.
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
VALUE_CHARACTERS = 200

_DELIMITERS = ",;\t"
_HEADER_CHARACTERS = 100_000
_USER_ID = frozenset({"user id", "userid", "learner id"})
_EMAIL = frozenset({"email", "e mail", "mail", "email address", "e mail address"})
_Signature = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Person:
    """One row: whom it is about, and their values in the order of the columns; an empty one is no value."""

    user_id: str
    email: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class People:
    """What the file says.

    Args:
        columns: folded names, without those that say who it is
        rows: each person once; whoever has neither id nor address is there all the same, to be counted
        digest: the same for the same content
    """

    columns: tuple[str, ...]
    rows: tuple[Person, ...]
    digest: str


class PeopleFile:
    """A people file on disk.

        file = PeopleFile("~/people.csv")
        people = file.load_if_changed()

    Reading takes most of a second for 100,000 people: call it in a worker thread. Threads take turns.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path).expanduser()
        self._lock = threading.Lock()
        self._signature: _Signature | None = None
        self._people: People | None = None
        self.note: str | None = None

    def load_if_changed(self) -> People:
        """Give what the file says, read again if it is not the file that was read last.

        Raises:
            ConfigurationError: it cannot be read, or something in it is wrong, and it was never right before.
        """
        with self._lock:
            tried: _Signature | None = None
            try:
                found = self._sign()
                if self._people is None or found != self._signature:
                    content = self._read(found)
                    if self._sign() != found:
                        raise ConfigurationError(f"{SETTING}: the file changed while it was read; ask again.")
                    tried = found
                    self._people, self.note = parse(content), None
                tried = found
            except ConfigurationError as error:
                if self._people is None:
                    raise
                self.note = f"The people file as it was before is used: {error}"
            finally:
                self._signature = tried
            return self._people

    def _sign(self) -> _Signature:
        try:
            found = self._path.stat()
        except (OSError, ValueError) as error:
            raise _unreadable(error) from None
        return found.st_mtime_ns, found.st_size, found.st_ino

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
    """Read the content of a people file.

    Raises:
        ConfigurationError: something in it is wrong; the message names the first lines and what to change.
    """
    records = _records(_decoded(content))
    first, header = next(records, (1, list[str]()))
    if not header:
        raise ConfigurationError(f"{SETTING}: the file is empty: its first line names the columns.")
    header = [normalize(clean(one, VALUE_CHARACTERS)) for one in _without_empty_end(header)]
    id_at, email_at = _keys(header, first)
    others = [place for place in range(len(header)) if place not in (id_at, email_at)]
    problems: list[str] = []
    rows: dict[str | int, tuple[int, Person]] = {}
    for line, cells in records:
        if len(_without_empty_end(cells)) > len(header):
            problems.append(
                f"line {line} has more cells than the header: quote what holds a delimiter, or name the column"
            )
            continue
        cells += [""] * (len(header) - len(cells))
        user_id = "" if id_at is None else clean(cells[id_at], VALUE_CHARACTERS)
        email = "" if email_at is None else clean(cells[email_at], VALUE_CHARACTERS).lower()
        one = Person(user_id, email, tuple(clean(cells[place], VALUE_CHARACTERS) for place in others))
        before, other = rows.setdefault(key(one) or line, (line, one))
        if other.values != one.values:
            problems.append(f"line {line} is the person of line {before} with other values: keep one of them")
    if problems:
        raise _wrong(problems)
    people = tuple(one for _, one in rows.values())
    columns = tuple(header[place] for place in others)
    return People(columns, people, hashlib.sha256(repr((columns, people)).encode(errors="replace")).hexdigest())


def key(person: Person) -> str | None:
    """Name whom a row is about: `id:7`, else `email:jane@acme.example`; None where it does not say."""
    if person.user_id:
        return f"id:{person.user_id}"
    return f"email:{person.email}" if person.email else None


def _keys(header: Sequence[str], line: int) -> tuple[int | None, int | None]:
    """Find the columns that say who it is: user id, e-mail."""
    words = [one.replace("_", " ") for one in header]
    problems = [f"line {line}, column {place}, has no name" for place, word in enumerate(words, 1) if not word]
    seen: dict[str, int] = {}
    for place, word in enumerate(words, 1):
        kind = "user id" if word in _USER_ID else "email" if word in _EMAIL else word
        if word and seen.setdefault(kind, place) != place:
            problems.append(f"line {line}: columns {seen[kind]} and {place} have the same name: rename or remove one")
    id_at, email_at = seen.get("user id"), seen.get("email")
    if id_at is None and email_at is None:
        id_at = seen.get("id")
    if id_at is None and email_at is None:
        problems.append(f"line {line} names the columns, and none is email or user_id: name one so")
    if problems:
        raise _wrong(problems)
    return None if id_at is None else id_at - 1, None if email_at is None else email_at - 1


def _decoded(content: bytes) -> str:
    """Read bytes as spreadsheets write them."""
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
    raise ConfigurationError(f"{SETTING}: the file is no text: save it as CSV UTF-8.")


def _records(text: str) -> Iterator[tuple[int, list[str]]]:
    """Read the records of a CSV that hold anything, each with the line that it begins on."""
    skipped = 0
    delimiter = None
    if text[:4].lower() == "sep=" and text[5:6] in ("\r", "\n"):  # how spreadsheets name their delimiter
        delimiter, skipped = text[4], 1
        text = text[7:] if text[5:7] == "\r\n" else text[6:]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter or _delimiter(text), strict=True)
    line = 1
    try:
        for cells in reader:
            if _holds_anything(cells):
                yield line + skipped, cells
            line = reader.line_num + 1
    except csv.Error:
        raise _wrong(
            [f"line {line + skipped} cannot be read: a quote opens and does not close, or a cell is too long"]
        ) from None


def _delimiter(text: str) -> str:
    """Tell the delimiter by the first line that holds anything: the one that finds who it is, else the commonest."""

    def header(delimiter: str) -> list[str]:
        lines = csv.reader(io.StringIO(text[:_HEADER_CHARACTERS], newline=""), delimiter=delimiter)
        found = next((cells for cells in lines if _holds_anything(cells)), list[str]())
        return [normalize(one).replace("_", " ") for one in found]

    headers = {one: header(one) for one in _DELIMITERS}
    known = _USER_ID | _EMAIL | {"id"}
    return max(_DELIMITERS, key=lambda one: (not known.isdisjoint(headers[one]), len(headers[one])))


def _holds_anything(cells: Sequence[str]) -> bool:
    return any(one.strip(f" {_DELIMITERS}") for one in cells)


def _without_empty_end(cells: list[str]) -> list[str]:
    end = len(cells)
    while end and not cells[end - 1].strip():
        end -= 1
    return cells[:end]


def _wrong(problems: Sequence[str]) -> ConfigurationError:
    rest = f"; and {len(problems) - MAX_PROBLEMS:,} more" if len(problems) > MAX_PROBLEMS else ""
    return ConfigurationError(f"{SETTING}: {'; '.join(problems[:MAX_PROBLEMS])}{rest}.")


def _unreadable(error: OSError | ValueError) -> ConfigurationError:
    if isinstance(error, FileNotFoundError | NotADirectoryError | ValueError):
        return ConfigurationError(f"{SETTING}: there is no such file: set it to the whole path of a CSV file.")
    return ConfigurationError(f"{SETTING}: the file cannot be read: allow this process to read it.")
