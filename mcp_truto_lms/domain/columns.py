"""The columns of enrollments: the model's, the record's and the derived ones, and which the settings exclude.

Arguments and their schemas, default columns, numbers of a summary, resources and records all ask `Columns`. An excluded
column is refused like an unknown one. What is derived from it remains: an enrollment is overdue although nobody may
see its due date.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from mcp_truto_lms.domain.model import (
    CUSTOM_FIELDS,
    CourseEnrollment,
    EnrollmentColumn,
    enrollment_columns,
    field_types,
)

NEEDED = frozenset({"id", "user.id", "course.id", "course.title", "status"})
"""Columns without which no answer can be read."""
IDENTIFYING = frozenset({"id", "user.id", "user.emails", "urls", "assigned_by.id", CUSTOM_FIELDS})
"""Columns that identify a person even where names are replaced by aliases."""
DEFAULT_COLUMNS = ("user.name", "course.title", "status", "progress_percent", "due_at")
"""The columns of a list, in their order, where none are asked for."""
PEOPLE_COLUMNS = ("user.name", "user.id", "user.emails", "course.title", "course.id")
"""The columns of a list of people without an enrollment."""
SIGNALS = "signals"
DERIVED_COLUMNS: Mapping[str, EnrollmentColumn] = {
    SIGNALS: EnrollmentColumn(SIGNALS, SIGNALS, "signals", "The signals of risk that the enrollment shows"),
}
"""The columns of a list that no row stores, by name."""
CERTIFICATE_COLUMNS: Mapping[str, EnrollmentColumn] = {
    column.path: column
    for column in (
        EnrollmentColumn(
            "certificate_issued_at", "certificate_issued", "day", "When the latest certificate was issued"
        ),
        EnrollmentColumn(
            "certificate_expires_at", "certificate_expires", "day", "When the latest certificate expires, if it does"
        ),
    )
}
"""The columns of certificates, by name; the custom fields of a unified record have them under the same names."""
RECORD_COLUMNS: Mapping[str, EnrollmentColumn] = {
    "access_ends_at": EnrollmentColumn("access_ends_at", "access_ends", "day", "When access to the course ends"),
    **CERTIFICATE_COLUMNS,
}
"""The columns that a record has beside the model's, by name."""
_REVEALS = {"access_ends_at": "due_at", "certificate_issued_at": "completed_at"}
"""Columns that are excluded together with another one, because they often have its value."""


@cache
def row_columns() -> Mapping[str, EnrollmentColumn]:
    """List every column that a row stores, by its dotted path: the model's, then those beside it."""
    return {**enrollment_columns(), **RECORD_COLUMNS}


def field_key(name: str) -> str:
    """Normalize a custom field's name for comparison: case, accents and the joints of its words are ignored."""
    from mcp_truto_lms.domain.normalization import normalize  # not needed to start

    return normalize(name).replace("_", " ").replace("-", " ")


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns that are offered.

    Args:
        removed: dotted paths of the excluded columns
        aliases: whether people are shown by aliases, and asked for by nothing else
    """

    removed: frozenset[str] = frozenset()
    aliases: bool = False

    def __contains__(self, path: str) -> bool:
        name = path.removeprefix(f"{CUSTOM_FIELDS}.")
        if name != path:
            return CUSTOM_FIELDS not in self.removed and field_key(name) not in self.fields_removed
        return path not in self.removed and _REVEALS.get(path) not in self.removed

    @property
    def known(self) -> Mapping[str, EnrollmentColumn]:
        """The offered columns that a row stores, by their dotted paths."""
        return {path: column for path, column in row_columns().items() if path in self}

    @property
    def fields_removed(self) -> frozenset[str]:
        """The custom fields that are excluded one by one or with the column that repeats them, normalized."""
        prefix = f"{CUSTOM_FIELDS}."
        names = {path.removeprefix(prefix) for path in self.removed if path.startswith(prefix)}
        return frozenset(map(field_key, names | {path for path in CERTIFICATE_COLUMNS if path not in self}))

    def prune(self, schema: dict[str, Any], record: dict[str, Any]) -> None:
        """Remove the excluded columns from a JSON Schema of enrollments.

        Args:
            schema: the whole schema, with the definitions
            record: the part of it that describes an enrollment
        """
        for path in row_columns():
            if path not in self:
                parent, _, name = path.rpartition(".")
                part = schema["$defs"][field_types(CourseEnrollment)[parent].__name__] if parent else record
                part["properties"].pop(name, None)  # the unified model has no columns of the record
                part["required"] = [required for required in part.get("required", ()) if required != name]


ALL_COLUMNS = Columns()
