"""The tables: every row is keyed by account, and the columns of an enrollment are derived from the unified model.

Instants are whole seconds since the epoch, in UTC, so that every engine compares and sorts them alike. An enrollment's
row holds everything that filters, groups and sorts it: why it is excluded, the normalized names of its learner and
course, and its `Classification`.

The indexes of enrollments cover every counted column: the numbers of a course, of a learner or of everybody are read
from an index alone, already grouped. Two more give lists their usual order, for everybody and for one course, and one
finds the people whose outcomes are unknown.
`python -m bench.asking` prints the plans.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Dialect,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
)
from sqlalchemy import Text as PlainText
from sqlalchemy.types import TypeDecorator, TypeEngine

from mcp_truto_lms.domain.model import CellKind, enrollment_columns
from mcp_truto_lms.domain.redaction import storable

CONTENT_VERSION = 1
"""Raise it if a stored value gets another meaning. A change of the tables needs nothing: their DDL is digested."""

metadata = MetaData()


class StorableText(TypeDecorator[str]):
    """Text that is compared and sorted by code points, without characters that a database cannot store."""

    impl = PlainText
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Ask PostgreSQL for the order of code points; SQLite always uses it."""
        return PlainText(collation="C") if dialect.name == "postgresql" else PlainText()

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Remove NUL and surrogates from stored values and from search terms."""
        return None if value is None else storable(value)


_TYPES: dict[CellKind, type[TypeEngine[Any]]] = {
    "text": StorableText,
    "day": BigInteger,
    "number": Float,
    "hours": BigInteger,
    "flag": Boolean,
    "email": StorableText,
    "link": StorableText,
    "fields": StorableText,
}
INCLUDED, INSTRUCTOR, INACTIVE, ARCHIVED, EARLIER = "", "instructor", "inactive", "archived", "earlier attempt"
INACTIVE_AND_ARCHIVED = "inactive, archived"
"""The values of `excluded_reason`: why an enrollment is not in the population. An empty text means that it is.

An instructor's enrollment and an earlier attempt have that reason alone, as naming a person or a course cancels the
others."""
_ALL_REASONS = (INCLUDED, INSTRUCTOR, INACTIVE, ARCHIVED, INACTIVE_AND_ARCHIVED, EARLIER)
JOINED = frozenset({"user.name", "user.emails", "course.title"})
"""Columns of the model that are stored in the row of the learner or of the course."""


def column_name(path: str) -> str:
    """Return the column for a path of the model: `user_id` for `user.id`."""
    return path.replace(".", "_")


learners = Table(
    "learners",
    metadata,
    Column("account", StorableText, primary_key=True),
    Column("id", StorableText, primary_key=True),
    Column("name", StorableText, nullable=False),
    Column("normalized_name", StorableText, nullable=False),
    Column("email", StorableText),
    Column("emails", StorableText),
    Column("login", StorableText),
    Column("active", Boolean, nullable=False),
    Column("role", StorableText),
    Column("record", StorableText, nullable=False),
)
Index("learners_by_name", learners.c.account, learners.c.normalized_name)
Index("learners_by_email", learners.c.account, learners.c.email)
Index("learners_by_login", learners.c.account, learners.c.login)

courses = Table(
    "courses",
    metadata,
    Column("account", StorableText, primary_key=True),
    Column("id", StorableText, primary_key=True),
    Column("title", StorableText, nullable=False),
    Column("normalized_name", StorableText, nullable=False),
    Column("code", StorableText),
    Column("archived", Boolean, nullable=False),
    Column("record", StorableText, nullable=False),
)
Index("courses_by_name", courses.c.account, courses.c.normalized_name)
Index("courses_by_archived", courses.c.account, courses.c.archived, courses.c.id)

enrollments = Table(
    "enrollments",
    metadata,
    Column("account", StorableText, primary_key=True),
    *(
        Column(column_name(column.path), _TYPES[column.kind], primary_key=column.path == "id")
        for column in enrollment_columns().values()
        if column.path not in JOINED
    ),
    Column("access_ends_at", BigInteger),
    Column("opens_at", BigInteger),
    Column("certificate_issued_at", BigInteger),
    Column("certificate_expires_at", BigInteger),
    Column("evidence", BigInteger, nullable=False),
    Column("route", StorableText, nullable=False),
    Column("outcome_at", BigInteger, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Column("excluded_reason", StorableText, nullable=False),
    Column("learner_normalized_name", StorableText, nullable=False),
    Column("course_normalized_name", StorableText, nullable=False),
    Column("stage", SmallInteger, nullable=False),
    Column("late_from", BigInteger),
    Column("outcome_kind", SmallInteger, nullable=False),
)
"""`outcome_at` is when a route last reported the outcome; `changed_at` is when a fetch last showed other dates, other
progress or more time, 0 if none did."""
_COUNTED = (
    "status",
    "stage",
    "late_from",
    "due_at",
    "progress_percent",
    "time_spent_seconds",
    "enrolled_at",
    "completed_at",
    "last_activity_at",
    "access_ends_at",
    "opens_at",
    "outcome_at",
    "outcome_kind",
)


def _index(name: str, *columns: str) -> None:
    Index(name, *(enrollments.c[column] for column in ("account", "excluded_reason", *columns)))


_index("enrollments_by_course", "course_id", *_COUNTED, "user_id")
_index("enrollments_by_user", "user_id", *_COUNTED, "course_id")
_index("enrollments_by_due", "due_at", "stage", "late_from", "opens_at", "status")
_index("enrollments_of_course", "course_id", "due_at", "learner_normalized_name")
_index("enrollments_by_outcome", "outcome_kind", "stage", "outcome_at", "changed_at", "user_id")


def has_any_reason() -> ColumnElement[bool]:
    """Compose a condition that every enrollment meets, with which an index finds a person or a course.

    The indexes begin with the account and the reason. SQLite skips a column of an index only once it has statistics:
    without this condition, it reads all enrollments of the account until then.
    """
    return enrollments.c.excluded_reason.in_(_ALL_REASONS)


scopes = Table(
    "scopes",
    metadata,
    Column("account", StorableText, primary_key=True),
    Column("scope", StorableText, primary_key=True),
    Column("fetched_at", BigInteger, nullable=False),
    Column("took_seconds", Float, nullable=False),
    Column("complete", Boolean, nullable=False),
    Column("unusable", Integer, nullable=False),
    Column("unreadable", Boolean, nullable=False),
)
"""`unusable` items of a scope or a list are those without a usable id, and those that the LMS counts but does not list.
An `unreadable` scope is one of a course that the LMS lists, but does not show."""

dimensions = Table(
    "dimensions",
    metadata,
    Column("account", StorableText, primary_key=True),
    Column("learner_id", StorableText, primary_key=True),
    Column("name", StorableText, primary_key=True),
    Column("normalized_value", StorableText, primary_key=True),
    Column("value", StorableText, nullable=False),
    sqlite_with_rowid=False,
)
"""What people are filtered and grouped by: `team`, `manager`, `custom_fields.<label>`; a person may have several."""
overridden_dimensions = dimensions.to_metadata(metadata, name="overridden_dimensions")
"""The LMS's values of a name that is a column of the people file. They apply again once the file has no such column."""
Index("dimensions_by_value", dimensions.c.account, dimensions.c.name, dimensions.c.normalized_value)

people_files = Table(
    "people_files",
    metadata,
    Column("account", StorableText, primary_key=True),
    Column("digest", StorableText, nullable=False),
    Column("columns", StorableText, nullable=False),
)

people_file_rows = Table(
    "people_file_rows",
    metadata,
    Column("account", StorableText, primary_key=True),
    Column("key", StorableText, primary_key=True),
    Column("record", StorableText, nullable=False),
    Column("matched", Boolean, nullable=False),
)
"""Rows of the people file, by `id:<user id>` or `email:<address>`, and whether the LMS has that person."""

accounts = Table(
    "accounts",
    metadata,
    Column("account", StorableText, primary_key=True),
    Column("data_version", Integer, nullable=False),
    Column("zone", StorableText),
    Column("unreported", StorableText),
    Column("asked_at", BigInteger),
)

cursors = Table(
    "cursors",
    metadata,
    Column("token", StorableText, primary_key=True),
    Column("account", StorableText, nullable=False),
    Column("principal", StorableText, nullable=False),
    Column("question", StorableText, nullable=False),
    Column("data_version", Integer, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)

exports = Table(
    "exports",
    metadata,
    Column("token", StorableText, primary_key=True),
    Column("part", Integer, primary_key=True),
    Column("account", StorableText, nullable=False),
    Column("principal", StorableText, nullable=False),
    Column("name", StorableText, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("compressed_size", BigInteger, nullable=False),
    Column("compressed", LargeBinary, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)
"""CSV files to download, in parts; `size` is that of the uncompressed part. Sizes are in bytes."""

calls = Table(
    "calls",
    metadata,
    Column("key", StorableText, nullable=False),
    Column("at", BigInteger, nullable=False),
)
"""When upstream calls were made, in epoch milliseconds; `key` names the limits that they count against."""
Index("calls_by_key", calls.c.key, calls.c.at)
