"""Structured content: the data of an answer for programs, and the schema that it follows.

It says what the text says, of the same match at the same moment: of a list, the rows that the text shows, each as the
unified object with the columns that were chosen; of a summary, its numbers, unrounded. What the text leaves out because
it would mislead, such as a rate under a filter on the outcome, is left out here, and so is whatever is not known.

Schemas are generated: rows from the unified model, numbers from those that the store counts. Nothing is typed twice.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, cast, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from mcp_truto_lms.domain import text_cleaning
from mcp_truto_lms.domain.columns import Columns
from mcp_truto_lms.domain.model import CourseEnrollment, iso_utc
from mcp_truto_lms.query.vocabulary import SIGNALS, GroupBy, is_offered
from mcp_truto_lms.render.list_json import envelope, records
from mcp_truto_lms.render.summary_text import counts_people, group_names, trouble_names
from mcp_truto_lms.reports.results import AtRiskTable, Export, GroupTable, ListAnswer, MatchStats, SummaryAnswer
from mcp_truto_lms.store.counts import Counts, ExcludedCounts, Totals
from mcp_truto_lms.store.groups import Group

_PARTS = frozenset({"progress_sum", "progress_known", "seconds", "seconds_known"})
"""What averages and hours are made of."""


@cache
def _numbers(kind: type[Any]) -> Mapping[str, Any]:
    """List the numbers of a dataclass by name and type, those that it derives included."""
    types = {name: kind for name, kind in get_type_hints(kind).items() if kind in (int, float)}
    named = {one.name: types[one.name] for one in fields(kind) if one.name in types and one.name not in _PARTS}
    derived = {
        name: get_type_hints(value.fget)["return"]
        for each in kind.__mro__
        for name, value in vars(each).items()
        if isinstance(value, property)
    }
    return named | derived


def _optional(types: Mapping[str, Any]) -> dict[str, Any]:
    return {name: (kind | None, None) for name, kind in types.items()}


class ContentPart(BaseModel):
    """A piece of a content, with nothing else in it."""

    model_config = ConfigDict(extra="forbid")


class _Shaped:
    """Publishes what is built as a plain object by the schema of a model."""

    def __init__(self, model: type[BaseModel]) -> None:
        self._model = model

    def __get_pydantic_json_schema__(self, _: object, handler: Any) -> JsonSchemaValue:
        return handler(self._model.__pydantic_core_schema__)


_ROW = create_model(
    "Row",
    __config__=ConfigDict(extra="allow"),
    __doc__="A course enrollment, without nulls, of the columns that were chosen.",
    **_optional(
        {name: one.annotation for name, one in CourseEnrollment.model_fields.items() if name != "remote_data"}
        | {SIGNALS: str}
    ),
)
_NUMBERS = create_model(
    "Numbers",
    __base__=ContentPart,
    __doc__="Counts; rate, average and learner_rate are percentages, hours are of time spent.",
    **_optional({**_numbers(Totals), **_numbers(Group), "not_enrolled": int}),
)
_LINE = create_model("Line", __base__=_NUMBERS, __doc__="A group and its numbers.", keys=(list[str], ...))
_Row = Annotated[dict[str, Any], _Shaped(_ROW)]
_Numbers = Annotated[dict[str, Any], _Shaped(_NUMBERS)]
_Line = Annotated[dict[str, Any], _Shaped(_LINE)]


class CoverageContent(ContentPart):
    """How much was read, where that is not all, and how much of it the LMS itself gave in part."""

    read: int
    wanted: int
    unit: str
    partial: int


class Frame(ContentPart):
    """What stands beside the data of any answer."""

    total: int = Field(description="Of the whole match")
    as_of: datetime
    complete: bool
    coverage: CoverageContent | None = None
    sample_data: bool | None = None
    excluded: ExcludedCounts | None = None
    notes: str | None = None


class CsvFile(ContentPart):
    """A file with all rows: a path, or an address that expires."""

    path: str | None = None
    address: str | None = None
    expires_at: datetime | None = None
    rows: int
    columns: list[str]


class ListContent(Frame):
    """Rows of a match, or where all of them are."""

    result: list[_Row] | None = None
    next_cursor: str | None = None
    unreported: list[str] | None = None
    csv: CsvFile | None = None


class GroupLines(ContentPart):
    """Groups, the first ones of `number`."""

    by: list[str]
    number: int
    groups: list[_Line]


class LearnerAtRisk(ContentPart):
    """A learner at risk, and how many enrollments show each sign."""

    learner: str
    enrollments: int
    signals: dict[str, int]
    days_late: int | None = None


class AtRisk(ContentPart):
    """The learners most at risk, the first ones of `number`."""

    number: int
    learners: list[LearnerAtRisk]


class Details(ContentPart):
    """One learner's courses, or who is late in one course."""

    total: int
    result: list[_Row]


class SummaryContent(Frame):
    """Counts of a match."""

    totals: _Numbers
    by_status: dict[str, int] | None = None
    period: _Numbers | None = None
    tables: list[GroupLines]
    at_risk: AtRisk | None = None
    details: Details | None = None
    not_enrolled: int | None = None
    empty_courses: list[str] | None = None


class _Plain(GenerateJsonSchema):
    """What is not there is left out: no schema says null; and a name needs no title."""

    def nullable_schema(self, schema: Any) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: Any) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False


def list_schema(columns: Columns) -> dict[str, Any]:
    """Generate the schema of a list's content."""
    return _schema(ListContent, columns)


def summary_schema(columns: Columns) -> dict[str, Any]:
    """Generate the schema of a summary's content."""
    return _schema(SummaryContent, columns)


def _schema(content: type[Frame], columns: Columns) -> dict[str, Any]:
    """Generate a schema without the columns, and the numbers that are of columns, that are not there."""
    described = content.model_json_schema(schema_generator=_Plain)
    for part in _objects(described):
        if part.get("description") == _ROW.__doc__:
            columns.prune(described, part)
        elif part.get("description") in (_NUMBERS.__doc__, _LINE.__doc__):
            part["properties"] = {name: one for name, one in part["properties"].items() if is_offered(name, columns)}
    return described


def _objects(schema: Any) -> Iterator[dict[str, Any]]:
    """List every object inside a schema, itself included."""
    if isinstance(schema, dict):
        found = cast("dict[str, Any]", schema)
        yield found
        for one in [*found.values()]:
            yield from _objects(one)


def list_content(answer: ListAnswer, shown: int, next_cursor: str | None, *, budget: int) -> dict[str, Any]:
    """Give the rows that a text shows, and where they go on."""
    content = {**_frame(answer.stats, budget), "result": records(answer)[:shown]}
    if next_cursor is not None:
        content["next_cursor"] = next_cursor
    if answer.unreported:
        content["unreported"] = answer.unreported
    return _checked(ListContent, content)


def export_content(export: Export, *, budget: int) -> dict[str, Any]:
    """Give where all rows are, and what they have."""
    answer = export.answer
    csv: dict[str, Any] = {"rows": export.rows, "columns": [text_cleaning.clean(one.header) for one in answer.columns]}
    if export.expires_at is None:
        csv["path"] = export.place
    else:
        csv |= {"address": export.place, "expires_at": iso_utc(datetime.fromtimestamp(export.expires_at, UTC))}
    content = {**_frame(answer.stats, budget), "csv": csv}
    if answer.unreported:
        content["unreported"] = answer.unreported
    return _checked(ListContent, content)


def summary_content(answer: SummaryAnswer, *, budget: int) -> dict[str, Any]:
    """Give the numbers of a match, by groups or as the overall picture."""
    stats, query, columns = answer.stats, answer.stats.question.query, answer.stats.question.columns
    without = {"rate", "learner_rate"} if query.judges_outcome else set[str]()
    content = _frame(stats, budget)
    if query.asks_who_is_missing:
        content["totals"] = _missing(stats.counts) | _told(stats.counts, ("learners", "courses"), columns)
    else:
        of_the_match = {"rate"} if answer.period is not None else set[str]()
        content["totals"] = _told(stats.counts, _numbers(Totals).keys() - without - of_the_match, columns)
        content["by_status"] = dict(stats.by_status)
    if answer.period is not None:
        content["period"] = _told(answer.period, _numbers(Totals).keys() - {"learners", "courses"}, columns)
    content["tables"] = [_table(one, without, stats) for one in answer.tables]
    if answer.at_risk is not None:
        content["at_risk"] = _at_risk(answer.at_risk)
    if answer.details is not None:
        details = answer.details
        rows = records(details, [one.path for one in details.columns])
        content["details"] = {"total": details.stats.counts.enrollments, "result": rows}
    if answer.not_enrolled is not None:
        content["not_enrolled"] = answer.not_enrolled
    if answer.empty_courses:
        content["empty_courses"] = [text_cleaning.clean(one) for one in answer.empty_courses]
    return _checked(SummaryContent, content)


def _frame(stats: MatchStats, budget: int) -> dict[str, Any]:
    coverage = stats.coverage
    frame = {name: value for name, value in envelope(stats, budget).items() if name != "next_cursor"}
    if not coverage.complete:
        frame["coverage"] = {name: getattr(coverage, name) for name in CoverageContent.model_fields}
    if any(asdict(stats.excluded).values()):
        frame["excluded"] = stats.excluded
    return frame


def _checked(model: type[BaseModel], content: dict[str, Any]) -> dict[str, Any]:
    return model.model_validate(content).model_dump(mode="json", exclude_unset=True)


def _told(source: object, names: Collection[str], columns: Columns) -> dict[str, Any]:
    """Take what is known of some numbers, in the order in which they are defined."""
    told = (name for name in _numbers(type(source)) if name in names and is_offered(name, columns))
    known = {name: getattr(source, name) for name in told}
    return {name: value for name, value in known.items() if value is not None}


def _missing(counts: Counts) -> dict[str, Any]:
    """Name the enrollments that are missing as what they are."""
    return {"not_enrolled": counts.enrollments}


def _table(groups: GroupTable, without: Collection[str], stats: MatchStats) -> dict[str, Any]:
    columns = stats.question.columns
    people = {"learners", "learners_finished", "learner_rate"} if counts_people(groups) else set[str]()
    people |= {"finished_in_month"} if GroupBy.MONTH in groups.by else set()
    hidden = {*without, "rate"} if GroupBy.STATUS in groups.by else without
    lines: list[dict[str, Any]] = []
    for one, keys in zip(groups.groups, group_names(groups), strict=True):
        if stats.question.query.asks_who_is_missing:
            numbers = _missing(one.counts) | _told(one, ("possible",), columns)
        else:
            numbers = _told(one.counts, _numbers(Counts).keys() - hidden, columns)
            numbers |= _told(one, people - {*hidden}, columns)
        lines.append({"keys": keys, **numbers})
    return {"by": [text_cleaning.clean(one) for one in groups.by], "number": groups.number, "groups": lines}


def _at_risk(trouble: AtRiskTable) -> dict[str, Any]:
    learners: list[dict[str, Any]] = []
    for one, name in zip(trouble.lines, trouble_names(trouble), strict=True):
        line: dict[str, Any] = {
            "learner": name,
            "enrollments": one.enrollments,
            "signals": {str(kind): number for kind, number in one.signals.items()},
        }
        if one.days_late is not None:
            line["days_late"] = one.days_late
        learners.append(line)
    return {"number": trouble.number, "learners": learners}
