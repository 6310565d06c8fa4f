"""The declaration of an argument: one annotation of a query's field, from which everything about it is read.

A query model reads its parser and schema here, the command line its form, an answer's first line its words, the store
the name of its condition, and the documentation its meaning.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import BaseModel, GetCoreSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, core_schema

from mcp_truto_lms.domain.columns import ALL_COLUMNS, Columns
from mcp_truto_lms.query.value_kinds import ValueKind


def offered_columns(info: ValidationInfo) -> Columns:
    """Return the columns that are offered where a query is parsed."""
    return info.context if isinstance(info.context, Columns) else ALL_COLUMNS


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """An argument of a tool.

    Args:
        kind: of its values
        meaning: for the documentation
        example: a value, for the documentation and the tests
        description: published in the schema, where some columns are offered; every word costs tokens
        column: the column that it depends on; it is not offered where that column is excluded
    """

    kind: ValueKind
    meaning: str
    example: Any
    description: str | Callable[[Columns], str] = ""
    column: str | None = None

    def describe(self, columns: Columns) -> str:
        """Return what the schema says of it."""
        return self.description if isinstance(self.description, str) else self.description(columns)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def parse(value: object, info: ValidationInfo) -> Any:
            return self.kind.parse(value, offered_columns(info))

        return core_schema.with_info_before_validator_function(parse, handler(source))


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter(Argument):
    """An argument that selects enrollments; the store has a condition under its name.

    Args:
        words: in the first line of an answer, with `{}` for the value
        is_last_day: whether a period stands for its last day, which is included
        adds_column: whether a list shows the column that it depends on
        judges_outcome: whether it selects by outcome, which makes a completion rate meaningless
        of_enrollments: whether only an enrollment can match it, not a person without one
        unreported_hint: what to do where the LMS does not report the column, with `{prefix}` for that of the settings;
            empty where the filter works without it
    """

    words: str
    is_last_day: bool = False
    adds_column: bool = True
    judges_outcome: bool = False
    of_enrollments: bool = True
    unreported_hint: str = ""


@cache
def arguments_of(query: type[BaseModel]) -> Mapping[str, Argument]:
    """List the arguments that a query declares, by name."""
    return {
        name: argument
        for name, field in query.model_fields.items()
        for argument in field.metadata
        if isinstance(argument, Argument)
    }
