"""The arguments of each tool as values: tolerant of form, strict about names.

A bare string stands for a list of one, a number for an id, a JSON text for its value; `""`, `[]`, `{}`, null, "null"
and "all" are absent.
An unknown argument, column or value is refused with one sentence that names the nearest known one, so that a model can
correct itself.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Self, cast

from pydantic import ValidationInfo, model_validator

from mcp_truto_lms.domain.columns import PEOPLE_COLUMNS, Columns
from mcp_truto_lms.domain.definitions import State
from mcp_truto_lms.domain.errors import QueryError
from mcp_truto_lms.domain.model import CUSTOM_FIELDS
from mcp_truto_lms.domain.text_cleaning import clip
from mcp_truto_lms.query import value_kinds
from mcp_truto_lms.query.arguments import Argument, offered_columns
from mcp_truto_lms.query.filters import EnrollmentFilter
from mcp_truto_lms.query.parsing import group_words
from mcp_truto_lms.query.vocabulary import DEFAULT_LIMIT, GROUPINGS, Format, GroupBy, is_usual_group

_LIMIT = Argument(kind=value_kinds.LIMIT, meaning="The most rows or groups of an answer", example=100)


_NOT_COMPARED = frozenset({"cursor", "limit", "fresh"})
"""Arguments that may change from page to page."""


def _comparable(name: str, value: Any) -> object:
    """Return what two values of an argument are compared by: only columns have an order."""
    if name == "where":
        return {key.casefold(): {text.casefold() for text in texts} for key, texts in value}
    if isinstance(value, tuple):
        texts = [str(item).casefold() for item in cast("tuple[object, ...]", value)]
        return texts if name == "fields" else {*texts}
    return value


def _fields_words(columns: Columns) -> str:
    custom = f"; also {CUSTOM_FIELDS}.<name>" if CUSTOM_FIELDS in columns else ""
    return f"Columns instead of the default ones{custom}"


class EnrollmentQuery(EnrollmentFilter):
    """The arguments of `list_course_enrollments`."""

    fields: Annotated[
        tuple[str, ...],
        Argument(
            kind=value_kinds.COLUMN_LIST,
            meaning="The columns to show instead of the default ones, by path or header, or a group such as `user`",
            example=["learner", "due"],
            description=_fields_words,
        ),
    ] = ()
    exclude_fields: Annotated[
        tuple[str, ...],
        Argument(kind=value_kinds.EXCLUDED_COLUMN_LIST, meaning="Columns to omit", example=["progress"]),
    ] = ()
    sort: Annotated[
        str | None,
        Argument(
            kind=value_kinds.SORT,
            meaning="The column to sort by, with `-` before it for descending",
            example="-due_at",
            description="A column; -column for descending",
        ),
    ] = None
    limit: Annotated[int, _LIMIT] = DEFAULT_LIMIT
    cursor: Annotated[
        str | None,
        Argument(
            kind=value_kinds.CURSOR,
            meaning="The token that the previous answer ended with, for the rows after it; alone or with the same "
            "arguments, of which `limit` may change",
            example="k3f9a2",
            description="From the previous answer",
        ),
    ] = None
    format: Annotated[
        Format,
        Argument(
            kind=value_kinds.FORMAT,
            meaning="How rows are printed; `csv` writes all of them to a file",
            example="json",
            description="csv: all rows, as a file",
        ),
    ] = Format.TABLE

    def order(self, columns: Columns) -> str | None:
        """Return the column that rows are sorted by.

        None is the default order: by due date, by risk, or by name for people without an enrollment. Where due dates
        are excluded, an order by them would reveal them.
        """
        has_default = "due_at" in columns or self.asks_who_is_missing or self.state == (State.AT_RISK,)
        return self.sort if self.sort is not None or has_default else "course.title"

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know of how the arguments were understood; a file has all rows whatever the limit."""
        return () if self.format is Format.CSV else super().notes

    @property
    def continues(self) -> bool:
        """Whether it continues an earlier question."""
        return self.cursor is not None

    def continuing(self, asked: EnrollmentQuery) -> EnrollmentQuery:
        """Return the question that a cursor continues, with the number of rows of this call.

        Arguments beside a cursor may be those of the question, or defaults: hosts repeat them.

        Raises:
            QueryError: an argument selects, orders or shows something else.
        """
        changes: list[str] = []
        for name, field in type(self).model_fields.items():
            value, original = getattr(self, name), getattr(asked, name)
            if (
                name in _NOT_COMPARED
                or value == field.default
                or _comparable(name, value) == _comparable(name, original)
            ):
                continue
            was = "not given" if original == field.default else clip(json.dumps(original, ensure_ascii=False), 60)
            changes.append(f"{name} was {was}")
        if changes:
            raise QueryError(
                f"cursor: it continues another question, where {' and '.join(changes)}: send the cursor alone, or ask "
                "without it."
            )
        return asked if self.limit == DEFAULT_LIMIT else asked.model_copy(update={"limit": self.limit})

    @model_validator(mode="after")
    def _check_columns_of_people(self, info: ValidationInfo) -> Self:
        """Refuse columns of enrollments where there are none."""
        if self.continues or not self.asks_who_is_missing:
            return self
        columns = (*self.fields, (self.sort or "").lstrip("-"))
        wrong = [path for path in columns if path and path not in PEOPLE_COLUMNS]
        if wrong:
            known = ", ".join(path for path in PEOPLE_COLUMNS if path in offered_columns(info))
            raise ValueError(f"state not_enrolled has no {wrong[0]}, as there is no enrollment; it has {known}")
        return self


class ProgressQuery(EnrollmentFilter):
    """The arguments of `summarize_learner_progress`."""

    group_by: Annotated[
        tuple[GroupBy | str, ...],
        Argument(
            kind=value_kinds.GROUPS,
            meaning="What to count by: one or two groupings, or keys of `where`",
            example=["team", "course"],
            description=group_words,
        ),
    ] = ()
    sort: Annotated[
        str | None,
        Argument(
            kind=value_kinds.SUMMARY_SORT,
            meaning="The column of the summary to sort by, with `-` before it for descending",
            example="-overdue",
            description="Such as -overdue or name",
        ),
    ] = None
    limit: Annotated[int, _LIMIT] = DEFAULT_LIMIT

    @model_validator(mode="after")
    def _check_sort(self) -> Self:
        """Refuse a sort by a number that the groups do not have."""
        column = (self.sort or "").lstrip("-")
        if column in ("learners", "learner_rate") and all(map(is_usual_group, self.group_by)):
            raise ValueError("sort by learners takes group_by team, manager or a key of where")
        if column == "finished_in_month" and GroupBy.MONTH not in self.group_by:
            raise ValueError("sort by finished_in_month takes group_by month")
        return self

    @model_validator(mode="after")
    def _check_groups_of_people(self) -> Self:
        """Refuse groups and orders of enrollments where there are none."""
        if not self.asks_who_is_missing:
            return self
        usual_groups = [GroupBy(group) for group in self.group_by if is_usual_group(group)]
        if wrong := [group for group in usual_groups if not GROUPINGS[group].of_missing]:
            raise ValueError(f"state not_enrolled has no {wrong[0]}: group by course, learner, or a key of where")
        if self.sort is not None and self.sort.lstrip("-") not in ("name", "enrollments"):
            raise ValueError("state not_enrolled is sorted by name or not_enrolled")
        return self

    @property
    def needs_directory(self) -> bool:
        """Whether the answer depends on the whole people directory."""
        return super().needs_directory or not all(map(is_usual_group, self.group_by))

    @property
    def dimensions(self) -> frozenset[str]:
        """The dimensions that learners are filtered or grouped by, case-folded."""
        return super().dimensions | {group.casefold() for group in self.group_by}
