"""Records as rows: tuples in the order of a table's columns, with values that every database can store.

Texts lose NUL and surrogates; a number that is not finite, or too large, is stored as unknown. Rows are cleaned here
alone: bulk inserts bypass the types of the columns.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import repeat
from operator import attrgetter, itemgetter
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError, to_json
from sqlalchemy import Table

from mcp_truto_lms.domain.definitions import OUTCOME_CERTAIN, OUTCOME_UNKNOWN
from mcp_truto_lms.domain.model import (
    CellKind,
    Course,
    CourseStatus,
    EnrolledCourse,
    EnrolledUser,
    EnrollmentStatus,
    User,
    UserStatus,
    enrollment_columns,
    primary_email,
)
from mcp_truto_lms.domain.normalization import MAX_CHARACTERS, normalize
from mcp_truto_lms.domain.redaction import MAX_INTEGER, storable
from mcp_truto_lms.domain.source import EnrollmentRecord, FetchRoute, Reading
from mcp_truto_lms.store.schema import JOINED, courses, enrollments, learners

Row = tuple[Any, ...]


def column_index(table: Table) -> Mapping[str, int]:
    """Return the index of each column of a table in its rows, by name."""
    return {column.name: index for index, column in enumerate(table.columns)}


_MOMENTS = ("access_ends_at", "opens_at", "certificate_issued_at", "certificate_expires_at")
"""The moments that a record has beside its enrollment, in the order of the columns."""
DERIVED_COLUMNS = (
    "excluded_reason",
    "learner_normalized_name",
    "course_normalized_name",
    "stage",
    "late_from",
    "outcome_kind",
)
"""The last columns of an enrollment's row, which `derived_columns` fills."""
_ID = column_index(enrollments)["id"]
NEVER_CHANGED = 0
"""`changed_at` of an enrollment of which no fetch showed a change."""
_BATCH = 1_000


class ScopeRows:
    """The fetched enrollments of a scope, as rows without derived columns; they need less memory than records.

    Args:
        account: the account of the rows
        known: ids of people that are in the store; one that is deleted meanwhile is added again by its id alone
        outcomes_age: whether the outcomes of transcripts and pairs count for a time, as rosters cannot confirm them

    Attributes:
        rows: by id; of several with one id, the last counts
        teachers: ids of rows that are not a learner's
        users: people that may have to be added, by id
        courses: courses that may have to be added, by id
        learners: people that were fetched along in full
        complete: whether the rows are all of the scope's
        unusable: how many items came without a usable id
    """

    def __init__(self, account: str, *, known: Container[str] = (), outcomes_age: bool = False) -> None:
        self.account = account
        self.outcomes_age = outcomes_age
        self._known = known
        self.rows: dict[str, Row] = {}
        self.teachers: set[str] = set()
        self.users: dict[str, EnrolledUser] = {}
        self.courses: dict[str, EnrolledCourse] = {}
        self.learners: list[User] = []
        self.complete = True
        self.unusable = 0

    @classmethod
    def merged(cls, scopes: Sequence[ScopeRows]) -> ScopeRows:
        """Merge the rows of several scopes."""
        first, *_ = scopes
        merged = cls(first.account, outcomes_age=first.outcomes_age)
        for rows in scopes:
            merged.rows |= rows.rows
            merged.teachers |= rows.teachers
            merged.users |= rows.users
            merged.courses |= rows.courses
            merged.learners += rows.learners
            merged.complete = merged.complete and rows.complete
        return merged

    def add(self, reading: Reading) -> None:
        """Add a part of the scope."""
        self.unusable += reading.skipped
        rows = enrollment_rows(self.account, reading.records)
        for row, record in zip(rows, reading.records, strict=True):
            key = row[_ID]
            self.rows[key] = row
            (self.teachers.discard if record.is_learner else self.teachers.add)(key)
            user, course = record.enrollment.user, record.enrollment.course
            if user is not None and user.id and user.id not in self._known and (user.name or user.id not in self.users):
                self.users[user.id] = user
            if course is not None and course.id and (course.title or course.id not in self.courses):
                self.courses[course.id] = course
        self.learners += reading.learners
        self.complete = self.complete and reading.complete


def enrollment_rows(account: str, records: Sequence[EnrollmentRecord]) -> Iterator[Row]:
    """Make the rows of enrollments without derived columns.

    Column by column takes half as long as row by row: `python -m bench.store`.
    """
    for start in range(0, len(records), _BATCH):
        batch = records[start : start + _BATCH]
        fields = [vars(record.enrollment) for record in batch]
        columns: list[Iterable[Any]] = [repeat(account)]
        for name, convert in _columns():
            values = [enrollment[name] for enrollment in fields]
            is_empty = convert is not _statuses and values.count(None) == len(values)
            columns.append(values if is_empty else convert(values))
        yield from zip(
            *columns,
            *(_moments(batch, attrgetter(name)) for name in _MOMENTS),
            [record.evidence for record in batch],
            [_WORDS[record.route] for record in batch],
            [OUTCOME_UNKNOWN if record.route is FetchRoute.COURSE else OUTCOME_CERTAIN for record in batch],
            repeat(NEVER_CHANGED),
            strict=False,
        )


def _moments(records: Sequence[EnrollmentRecord], moment: Callable[[EnrollmentRecord], Any]) -> list[int | None]:
    return _instants([moment(record) for record in records])


def learner_rows(account: str, people: Iterable[User]) -> list[Row]:
    """Make the rows of people."""
    return [learner_row(account, user) for user in people]


def learner_row(account: str, user: User) -> Row:
    """Make the row of a person."""
    user_id = storable(user.id)
    name = storable(user.name or " ".join(part for part in (user.first_name, user.last_name) if part)) or user_id
    values = {
        "account": account,
        "id": user_id,
        "name": name,
        "normalized_name": normalize(name),
        "email": storable(primary_email(user.emails) or "").lower()[:MAX_CHARACTERS] or None,
        "emails": compact(user.emails),
        "login": storable(user.username or "").lower()[:MAX_CHARACTERS] or None,
        "active": user.status in (None, UserStatus.ACTIVE, UserStatus.INVITED, UserStatus.UNKNOWN),
        "role": None if user.role is None else user.role.value,
        "record": _to_json(user),
    }
    return _row_maker(learners)(values)


def course_row(account: str, course: Course) -> Row:
    """Make the row of a course."""
    course_id = storable(course.id)
    title = storable(course.title or "") or course_id
    values = {
        "account": account,
        "id": course_id,
        "title": title,
        "normalized_name": normalize(title),
        "code": storable(course.code or "") or None,
        "archived": course.status is CourseStatus.ARCHIVED,
        "record": _to_json(course),
    }
    return _row_maker(courses)(values)


def compact(value: Any) -> str | None:
    """Serialize a list or an object as JSON; None if it is empty."""
    return _to_json(value) if value else None


def _to_json(value: Any) -> str:
    try:
        return to_json(value, exclude_none=True, inf_nan_mode="null", serialize_unknown=True).decode()
    except PydanticSerializationError:  # it has a surrogate somewhere
        return storable(json.dumps(value, ensure_ascii=False, default=_plain))


def _plain(value: object) -> object:
    return value.model_dump(exclude_none=True) if isinstance(value, BaseModel) else str(value)


_Values = list[Any]
_WORDS: Mapping[str, str] = {word: word.value for enum in (EnrollmentStatus, FetchRoute) for word in enum}


def _texts(values: _Values) -> _Values:
    if "".join(filter(None, values)).isprintable():  # nearly always, and one check is cheaper
        return values
    return [None if text is None else storable(text) for text in values]


def _statuses(values: _Values) -> _Values:
    return [_WORDS[status or EnrollmentStatus.UNKNOWN] for status in values]


def _instants(values: _Values) -> _Values:
    return [None if instant is None else int(instant.timestamp()) for instant in values]


def _numbers(values: _Values) -> _Values:
    return [None if number is None or not abs(number) <= MAX_INTEGER else float(number) for number in values]


def _integers(values: _Values) -> _Values:
    return [None if number is None or abs(number) > MAX_INTEGER else number for number in values]


def _unchanged(values: _Values) -> _Values:
    return values


def _json_texts(values: _Values) -> _Values:
    return [_to_json(value) if value else None for value in values]


_CONVERSIONS: Mapping[CellKind, Callable[[_Values], _Values]] = {
    "text": _texts,
    "day": _instants,
    "number": _numbers,
    "hours": _integers,
    "flag": _unchanged,
    "email": _json_texts,
    "link": _json_texts,
    "fields": _json_texts,
}


@cache
def _columns() -> tuple[tuple[str, Callable[[_Values], _Values]], ...]:
    """List the fields of an enrollment that fill a row, in the table's order, and how their values are converted."""
    columns: list[tuple[str, Callable[[_Values], _Values]]] = []
    for path, column in enrollment_columns().items():
        name, _, part = path.partition(".")
        if path == "status":
            columns.append((name, _statuses))
        elif path not in JOINED:
            columns.append((name, _nested_texts(part) if part else _CONVERSIONS[column.kind]))
    return tuple(columns)


def _nested_texts(name: str) -> Callable[[_Values], _Values]:
    """Make the conversion of nested records to one of their texts."""
    part = attrgetter(name)
    return lambda values: _texts([None if value is None else part(value) for value in values])


@cache
def _row_maker(table: Table) -> Callable[[Mapping[str, Any]], Row]:
    return itemgetter(*table.columns.keys())
