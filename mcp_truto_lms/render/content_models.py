"""The models of structured content, and the JSON Schemas that the tools publish from them.

The fields of a row come from the table of columns, the numbers from those that the store counts. An unknown value is
absent, so no schema has null. Descriptions are values, not docstrings, so that `python -OO` publishes the same schemas.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from datetime import datetime
from functools import cache
from typing import Annotated, Any, cast, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic.json_schema import JsonSchemaValue

from mcp_truto_lms.domain.columns import RECORD_COLUMNS, SIGNALS, Columns
from mcp_truto_lms.domain.json_schema import CompactJsonSchema
from mcp_truto_lms.domain.model import CourseEnrollment
from mcp_truto_lms.query.vocabulary import is_offered
from mcp_truto_lms.store.counts import Counts, ExcludedCounts, Totals
from mcp_truto_lms.store.groups import Group

_INTERMEDIATE_NUMBERS = frozenset({"progress_sum", "progress_known", "seconds", "seconds_known"})
"""Numbers that only averages and hours are computed from; they are not published."""


@cache
def number_types(kind: type[Counts | Group]) -> Mapping[str, Any]:
    """List the numbers of a dataclass and their types: its fields, then its properties."""
    types = {name: hint for name, hint in get_type_hints(kind).items() if hint in (int, float)}
    names = [field.name for field in fields(kind) if field.name in types and field.name not in _INTERMEDIATE_NUMBERS]
    derived = {
        name: get_type_hints(member.fget)["return"]
        for ancestor in kind.__mro__
        for name, member in vars(ancestor).items()
        if isinstance(member, property)
    }
    return {name: types[name] for name in names} | derived


def _described(description: str) -> ConfigDict:
    return ConfigDict(extra="forbid", json_schema_extra={"description": description})


def _optional(types: Mapping[str, Any]) -> dict[str, Any]:
    return {name: (hint | None, None) for name, hint in types.items()}


class _PublishedAs:
    """Publishes a plain dict by the schema of a model, without validating it."""

    def __init__(self, model: type[BaseModel]) -> None:
        self._model = model

    def __get_pydantic_json_schema__(self, _: object, handler: Any) -> JsonSchemaValue:
        return handler(self._model.__pydantic_core_schema__)


_ROW_FIELDS = {name: field.annotation for name, field in CourseEnrollment.model_fields.items() if name != "remote_data"}
_NUMBER_FIELDS = _optional({**number_types(Totals), **number_types(Group), "not_enrolled": int})
_ROW = create_model(
    "Row",
    __config__=ConfigDict(
        extra="allow",
        json_schema_extra={"description": "A course enrollment, without nulls, of the columns that were chosen."},
    ),
    **_optional(_ROW_FIELDS | dict.fromkeys(RECORD_COLUMNS, datetime) | {SIGNALS: str}),
)
_NUMBERS = create_model(
    "Numbers",
    __config__=_described("Counts; rate, average and learner_rate are percentages, hours are of time spent."),
    **_NUMBER_FIELDS,
)
_LINE = create_model("Line", __config__=_described("A group and its numbers."), **_NUMBER_FIELDS, keys=(list[str], ...))
_Row = Annotated[dict[str, Any], _PublishedAs(_ROW)]
_Numbers = Annotated[dict[str, Any], _PublishedAs(_NUMBERS)]
_Line = Annotated[dict[str, Any], _PublishedAs(_LINE)]


class CoverageContent(BaseModel):
    """How much is fetched where that is not all, as in `Coverage`."""

    model_config = _described(
        "How much was read, where that is not all, and how much of it the LMS itself returned only in part."
    )

    read: int
    wanted: int
    unit: str
    partial: int


class ContentEnvelope(BaseModel):
    """The fields beside the data of any answer."""

    model_config = ConfigDict(extra="forbid")

    total: int = Field(description="Of the whole match")
    as_of: datetime
    complete: bool
    coverage: CoverageContent | None = None
    sample_data: bool | None = None
    excluded: ExcludedCounts | None = Field(default=None, description="What matches and is not counted, by the reason.")
    notes: str | None = None


class CsvFile(BaseModel):
    """The place of an export."""

    model_config = _described("A file with all rows: a path, or an address that expires.")

    path: str | None = None
    address: str | None = None
    expires_at: datetime | None = None
    rows: int
    columns: list[str]


class ListContent(ContentEnvelope):
    """The content of a list."""

    model_config = _described("Rows of a match, or where all of them are.")

    result: list[_Row] | None = None
    next_cursor: str | None = None
    unreported: list[str] | None = None
    csv: CsvFile | None = None


class GroupLines(BaseModel):
    """The content of a table of groups."""

    model_config = _described("Groups, the first ones of `number`.")

    by: list[str]
    number: int
    groups: list[_Line]


class LearnerAtRisk(BaseModel):
    """A line of the learners at risk."""

    model_config = _described("A learner at risk, and how many enrollments show each signal.")

    learner: str
    enrollments: int
    signals: dict[str, int]
    days_late: int | None = None


class AtRisk(BaseModel):
    """The content of the table of learners at risk."""

    model_config = _described("The learners most at risk, the first ones of `number`.")

    number: int
    learners: list[LearnerAtRisk]


class Details(BaseModel):
    """The content of the rows below a summary."""

    model_config = _described("The courses of one learner, or the overdue enrollments of one course.")

    total: int
    result: list[_Row]


class SummaryContent(ContentEnvelope):
    """The content of a summary."""

    model_config = _described("Counts of a match.")

    totals: _Numbers
    by_status: dict[str, int] | None = None
    period: _Numbers | None = None
    tables: list[GroupLines]
    at_risk: AtRisk | None = None
    details: Details | None = None
    not_enrolled: int | None = None
    empty_courses: list[str] | None = None


def list_schema(columns: Columns) -> dict[str, Any]:
    """Generate the schema of a list's content."""
    return _schema(ListContent, columns)


def summary_schema(columns: Columns) -> dict[str, Any]:
    """Generate the schema of a summary's content."""
    return _schema(SummaryContent, columns)


def _schema(content: type[ContentEnvelope], columns: Columns) -> dict[str, Any]:
    """Generate a schema without excluded columns and the numbers that depend on them."""
    schema = content.model_json_schema(schema_generator=CompactJsonSchema)
    for part in _objects(schema):
        if part.get("title") == _ROW.__name__:
            columns.prune(schema, part)
        elif part.get("title") in (_NUMBERS.__name__, _LINE.__name__):
            part["properties"] = {name: node for name, node in part["properties"].items() if is_offered(name, columns)}
    return schema


def _objects(schema: Any) -> Iterator[dict[str, Any]]:
    """List every object inside a schema, itself included."""
    if isinstance(schema, dict):
        node = cast("dict[str, Any]", schema)
        yield node
        for value in [*node.values()]:
            yield from _objects(value)
