"""Which columns there are: the model's, without those that the settings take out of it for everybody.

Whoever offers, reads or shows columns asks here: arguments and their schemas, default columns, numbers of a summary,
resources, records. A column that was taken out is refused as one that never was. What is judged by it stays: somebody
is overdue although nobody may see the due date.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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
"""Columns that tell who somebody is, whatever their name is replaced by."""


def field_key(name: str) -> str:
    """Give a custom field's name as it is compared: case, accents and what joins its words do not matter."""
    from mcp_truto_lms.domain.normalization import normalize  # which no start needs

    return normalize(name).replace("_", " ").replace("-", " ")


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns there are.

    Args:
        removed: dotted paths of those that were taken out
        aliases: whether people stand under aliases, and are asked for by nothing else
    """

    removed: frozenset[str] = frozenset()
    aliases: bool = False

    def __contains__(self, path: str) -> bool:
        name = path.removeprefix(f"{CUSTOM_FIELDS}.")
        if name != path:
            return CUSTOM_FIELDS not in self.removed and field_key(name) not in self.fields_removed
        return path not in self.removed

    @property
    def known(self) -> Mapping[str, EnrollmentColumn]:
        """Those of the model, by their dotted paths."""
        return {path: column for path, column in enrollment_columns().items() if path in self}

    @property
    def fields_removed(self) -> frozenset[str]:
        """The custom fields that were taken out one by one, as they are compared."""
        start = f"{CUSTOM_FIELDS}."
        return frozenset(field_key(path.removeprefix(start)) for path in self.removed if path.startswith(start))

    def prune(self, described: dict[str, Any], record: dict[str, Any]) -> None:
        """Take the columns that are not there out of a JSON Schema of enrollments.

        Args:
            described: the whole schema, which has the definitions
            record: the part of it that an enrollment is
        """
        for path in enrollment_columns():
            if path not in self:
                parent, _, name = path.rpartition(".")
                part = described["$defs"][field_types(CourseEnrollment)[parent].__name__] if parent else record
                del part["properties"][name]
                part["required"] = [one for one in part.get("required", ()) if one != name]


ALL_COLUMNS = Columns()
