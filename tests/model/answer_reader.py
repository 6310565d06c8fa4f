"""Reads an answer as a model reads it: the first line, the headline, the tables, and the bounds that numbers carry."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import inf
from zoneinfo import ZoneInfo

_RANGE = r" to (?P<high>[\d,]+)| \((?P<least>[\d,]+) to (?P<most>[\d,]+)\)| \(unknown for (?P<unknown>[\d,]+)\)"
_BOUND = rf"(?:(?P<bound>at least|at most) )?(?P<low>[\d,]+)(?:{_RANGE})?"
_TOTAL = re.compile(rf"(?:^|of |\. ){_BOUND} (?:enrollments?|people not enrolled|missing enrollments)")
_AS_OF = re.compile(r"As of (\d{4}-\d\d-\d\d \d\d:\d\d) (\S+?), (.*)$")
_CURSOR = re.compile(r"cursor=(\S+)$")
_ROWS = re.compile(r"^(?:Rows ([\d,]+) to ([\d,]+)|([\d,]+)) of ")
_HEADLINE = {
    "finished": "finished",
    "overdue": "overdue",
    "due in 14 days": "due 14d",
    "not started": "not started",
    "at risk": "at risk",
}
STATUSES = ("enrolled", "in_progress", "completed", "failed", "expired", "passed", "unknown")


@dataclass(frozen=True, slots=True)
class Bound:
    """A number as it is printed: exact, or between bounds."""

    low: float
    high: float

    @property
    def exact(self) -> bool:
        return self.low == self.high

    def __contains__(self, number: float) -> bool:
        return self.low <= number <= self.high


@dataclass(frozen=True, slots=True)
class ReadAnswer:
    """An answer, read.

    Args:
        as_of: the printed minute of the oldest data, in epoch seconds
        completeness: what the first line says after it
        headline: the numbers of the whole match, by the header that a table gives them
        by_status: enrollments by status; None where the answer has no such line
        tables: each a header, and its rows
        cursor: for the rows that follow
        shown: how many rows this page has; None for a summary
    """

    text: str
    total: Bound
    as_of: int
    completeness: str
    learners: Bound | None = None
    courses: Bound | None = None
    headline: Mapping[str, Bound] = field(default_factory=dict)
    by_status: Mapping[str, Bound] | None = None
    tables: Sequence[tuple[list[str], list[list[str]]]] = ()
    cursor: str | None = None
    shown: int | None = None

    @property
    def unread_outcomes(self) -> int:
        """How many outcomes of the match the first line says are not read."""
        match = re.search(r"([\d,]+) outcomes?\b", self.completeness)
        return 0 if match is None else int(match[1].replace(",", ""))

    @property
    def complete(self) -> bool:
        return self.completeness == "complete"

    def table(self, first_column: str, other: str | None = None) -> tuple[list[str], list[list[str]]] | None:
        """Return the table whose header begins with a column, and has another one."""
        for header, rows in self.tables:
            if header[0] == first_column and (other is None or other in header):
                return header, rows
        return None


def to_bound(text: str) -> Bound | None:
    """Read a number with its bounds; None where it is none."""
    match = re.fullmatch(_BOUND, text.strip())
    return None if match is None else _bound(match)


def _bound(match: re.Match[str]) -> Bound:
    low, high, least, most, unknown = (
        float(match[name].replace(",", "")) if match[name] else None
        for name in ("low", "high", "least", "most", "unknown")
    )
    assert low is not None
    if unknown is not None:
        return Bound(max(0, low - unknown), low + unknown)
    if least is not None and most is not None:
        return Bound(least, most)
    if high is not None:
        return Bound(low, high)
    if match["bound"] == "at least":
        return Bound(low, inf)
    return Bound(0, low) if match["bound"] == "at most" else Bound(low, low)


def read(text: str) -> ReadAnswer:
    """Read an answer that is not an error."""
    return _read_json(text) if text.startswith("{") else _read_text(text)


def _read_json(text: str) -> ReadAnswer:
    """Read a list in JSON as the table that has the same values."""
    answer = json.loads(text)
    notes, total = answer.get("notes", ""), float(answer["total"])
    incomplete = re.search(r"Incomplete: (.*?)\.(?: |$)", notes)
    words = "complete" if answer["complete"] else incomplete[1] if incomplete is not None else "incomplete"
    cells = [
        [str(row[name]) for name in ("id", "status", "progress_percent") if name in row] for row in answer["result"]
    ]
    whole = [row for row in cells if len(row) == 3]
    return ReadAnswer(
        text=text,
        total=Bound(total, total),
        as_of=int(datetime.fromisoformat(answer["as_of"]).timestamp()) // 60 * 60,
        completeness=words,
        tables=[(["id", "status", "progress"], whole)],
        cursor=answer["next_cursor"],
        shown=len(answer["result"]),
    )


def _read_text(text: str) -> ReadAnswer:
    lines = text.splitlines()
    total, as_of = _TOTAL.search(lines[0]), _AS_OF.search(lines[0])
    assert total is not None, text
    assert as_of is not None, text
    moment = datetime.strptime(as_of[1], "%Y-%m-%d %H:%M").replace(tzinfo=ZoneInfo(as_of[2]))
    rows = _ROWS.match(lines[0])
    cursor = _CURSOR.search(lines[-1])
    return ReadAnswer(
        text=text,
        total=_bound(total),
        as_of=int(moment.timestamp()),
        completeness=as_of[3].partition(".")[0],
        learners=_named(lines[0].partition(". As of")[0], "learners?"),
        courses=_named(lines[0].partition(". As of")[0], "courses?"),
        headline=_headline(lines),
        by_status=_by_status(lines),
        tables=_tables(lines),
        cursor=None if cursor is None else cursor[1],
        shown=None if rows is None else _number_of_rows(rows),
    )


def _number_of_rows(match: re.Match[str]) -> int:
    first, last = (match[1], match[2]) if match[1] else ("1", match[3])
    return int(last.replace(",", "")) - int(first.replace(",", "")) + 1


def _named(line: str, noun: str) -> Bound | None:
    match = re.search(rf"{_BOUND} {noun}\b", line.partition(":")[0])
    return None if match is None else _bound(match)


def _headline(lines: Sequence[str]) -> dict[str, Bound]:
    line = next((line for line in lines[1:] if line.startswith("finished ") and "overdue " in line), "")
    numbers: dict[str, Bound] = {}
    for words, header in _HEADLINE.items():
        if (match := re.search(rf"(?:^|, ){words} {_BOUND}", line)) is not None:
            numbers[header] = _bound(match)
    return numbers


def _by_status(lines: Sequence[str]) -> dict[str, Bound] | None:
    line = next((line for line in lines if line.startswith("By status: ")), None)
    if line is None:
        return None
    return {
        match[1]: _bound(match) for match in re.finditer(rf"(\b[a-z_]+) {_BOUND}", line.removeprefix("By status: "))
    }


def _tables(lines: Sequence[str]) -> list[tuple[list[str], list[list[str]]]]:
    """Cut the answer at its sentences; a header is a line of lower-case words, and names begin with a capital."""
    tables: list[tuple[list[str], list[list[str]]]] = []
    for line in lines[1:]:
        if line.endswith(".") or _CURSOR.search(line):
            continue
        cells = next(csv.reader([line]))
        if re.fullmatch(r"[a-z][a-z_ %\d]*", cells[0]) and cells[0] not in STATUSES:
            tables.append((cells, []))
        elif tables:
            tables[-1][1].append(cells)
    return tables
