"""The tools' arguments as values: forgiving in form, strict in names.

A bare string stands for a list of one, a number for an id, a JSON text for what it holds; `""`, `[]` and null are
absent. An unknown argument, column or value is refused with one sentence that names the nearest right one, so that a
model can correct itself. Enums and columns come from the unified model; nothing is typed twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self, cast

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from mcp_truto_lms.domain.columns import ALL_COLUMNS, Columns
from mcp_truto_lms.domain.days import parse_day
from mcp_truto_lms.domain.definitions import State
from mcp_truto_lms.domain.errors import QueryError
from mcp_truto_lms.domain.model import CUSTOM_FIELDS, EnrollmentStatus
from mcp_truto_lms.query.parsing import (
    Where,
    group_words,
    nearest,
    offered_columns,
    parse_bool,
    parse_columns,
    parse_cursor,
    parse_groups,
    parse_limit,
    parse_percent,
    parse_single,
    parse_sort,
    parse_states,
    parse_statuses,
    parse_summary_sort,
    parse_terms,
    parse_users,
    parse_where,
    user_words,
)
from mcp_truto_lms.query.vocabulary import (
    DEFAULT_LIMIT,
    FILTERED_BY,
    MAX_LIMIT,
    PEOPLE_COLUMNS,
    Format,
    GroupBy,
    is_offered,
    is_usual_group,
)

Terms = Annotated[tuple[str, ...], BeforeValidator(parse_terms)]
_COLUMN_LIST = BeforeValidator(parse_columns)
_DAY = BeforeValidator(parse_day)
_LIMIT_BOUNDS = Field(json_schema_extra={"minimum": 1, "maximum": MAX_LIMIT})


class EnrollmentFilter(BaseModel):
    """What both tools share: which enrollments are meant."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    user: Annotated[tuple[str, ...], BeforeValidator(parse_users), Field(description=user_words(ALL_COLUMNS))] = ()
    course: Annotated[Terms, Field(description="Id, code or part of a title")] = ()
    status: Annotated[
        tuple[EnrollmentStatus, ...], BeforeValidator(parse_statuses), Field(description="As the LMS has it")
    ] = ()
    state: Annotated[
        tuple[State, ...],
        BeforeValidator(parse_states),
        Field(description="What people mean; not_enrolled needs course"),
    ] = ()
    due_from: Annotated[str | None, _DAY, Field(description="2026-11-01, today, +14d or -3m; inclusive")] = None
    due_to: Annotated[str | None, _DAY] = None
    completed_from: Annotated[str | None, _DAY] = None
    completed_to: Annotated[str | None, _DAY] = None
    enrolled_from: Annotated[str | None, _DAY] = None
    enrolled_to: Annotated[str | None, _DAY] = None
    inactive_since: Annotated[str | None, _DAY] = None
    progress_below: Annotated[
        float | None,
        BeforeValidator(parse_percent),
        Field(json_schema_extra={"minimum": 0, "maximum": 100}),
    ] = None
    is_mandatory: Annotated[bool | None, BeforeValidator(parse_bool)] = None
    where: Annotated[
        Where,
        BeforeValidator(parse_where),
        WithJsonSchema({"type": "object"}),
        Field(description="Of the learners: {team: Sales, manager: Ann Lee, custom_fields.site: Oslo}"),
    ] = ()
    fresh: Annotated[bool, BeforeValidator(parse_bool), Field(description="Read again now")] = False

    @model_validator(mode="before")
    @classmethod
    def _drop_absent(cls, data: object) -> object:
        if not isinstance(data, Mapping):
            return data
        given = cast("Mapping[str, object]", data)
        return {name: value for name, value in given.items() if not _absent(value)}

    @classmethod
    def arguments(cls, columns: Columns = ALL_COLUMNS) -> list[str]:
        """List the arguments that there are where these columns are."""
        return [name for name in cls.model_fields if name not in FILTERED_BY or FILTERED_BY[name] in columns]

    @classmethod
    def parse(cls, arguments: Mapping[str, object], columns: Columns = ALL_COLUMNS) -> Self:
        """Read a tool's arguments.

        Raises:
            QueryError: one sentence for each argument that cannot be understood.
        """
        known = cls.arguments(columns)
        for name in arguments:
            if name not in known:
                guess = nearest(name, known)
                hint = f"did you mean {guess!r}? " if guess else ""
                raise QueryError(f"There is no argument {name[:60]!r}; {hint}Known: {', '.join(known)}.")
        try:
            return cls.model_validate(dict(arguments), context=columns)
        except ValidationError as error:
            sentences = [_sentence(one["loc"], one["msg"]) for one in error.errors(include_url=False)]
            raise QueryError(" ".join(dict.fromkeys(sentences))) from None

    @model_validator(mode="after")
    def _not_enrolled_alone(self) -> Self:
        if not self.asks_who_is_missing:
            return self
        if not self.course:
            raise ValueError("state not_enrolled needs course, to say in which")
        others = [*self.state[:1], *(name for name in _OF_ENROLLMENTS if getattr(self, name) not in (None, ()))]
        if len(self.state) > 1 or len(others) > 1:
            apart = [one for one in [*self.state, *others[1:]] if one is not State.NOT_ENROLLED]
            raise ValueError(f"state not_enrolled is about people without an enrollment: leave out {', '.join(apart)}")
        return self

    @property
    def judges_outcome(self) -> bool:
        """Whether it filters on how things went, which makes a completion rate meaningless."""
        outcome = {*self.state} - {State.NO_DUE_DATE}
        return bool(self.status or outcome or self.inactive_since) or self.progress_below is not None

    @property
    def asks_who_is_missing(self) -> bool:
        """Whether it is about people who have no enrollment."""
        return State.NOT_ENROLLED in self.state

    @property
    def period_asked(self) -> bool:
        """Whether it is about what was completed in some time."""
        return self.completed_from is not None or self.completed_to is not None

    @property
    def needs_directory(self) -> bool:
        """Whether the answer depends on what is known of everybody."""
        return bool(self.where) or self.asks_who_is_missing

    @property
    def dimensions(self) -> frozenset[str]:
        """What learners are chosen or grouped by, folded."""
        return frozenset(key.strip().casefold() for key, _ in self.where)

    @property
    def asks_for_failed(self) -> bool:
        """Whether the answer depends on telling failed from in progress."""
        return EnrollmentStatus.FAILED in self.status or State.FAILED in self.state


_OF_ENROLLMENTS = tuple(
    name for name in EnrollmentFilter.model_fields if name not in ("user", "course", "state", "where", "fresh")
)
"""The filters that only an enrollment can match."""


class EnrollmentQuery(EnrollmentFilter):
    """The arguments of `list_course_enrollments`."""

    fields: Annotated[
        tuple[str, ...],
        _COLUMN_LIST,
        Field(description="Columns instead of the default ones; also custom_fields.<name>"),
    ] = ()
    exclude_fields: Annotated[tuple[str, ...], _COLUMN_LIST] = ()
    sort: Annotated[str | None, BeforeValidator(parse_sort), Field(description="A column; -column for descending")] = (
        None
    )
    limit: Annotated[int, BeforeValidator(parse_limit), _LIMIT_BOUNDS] = DEFAULT_LIMIT
    cursor: Annotated[str | None, BeforeValidator(parse_cursor), Field(description="From the answer before; alone")] = (
        None
    )
    format: Annotated[
        Format,
        BeforeValidator(lambda value: parse_single(Format, value, "format")),
        Field(description="csv: all rows, as a file"),
    ] = Format.TABLE

    def order(self, columns: Columns) -> str | None:
        """Say which column rows are sorted by; None is by due date, or by risk, and by name where people are missing.

        Where due dates are for nobody, their order would tell them.
        """
        usual = "due_at" in columns or self.asks_who_is_missing or self.state == (State.AT_RISK,)
        return self.sort if self.sort is not None or usual else "course.title"

    @model_validator(mode="after")
    def _cursor_alone(self) -> Self:
        if self.cursor is not None and (others := sorted(self.model_fields_set - {"cursor"})):
            raise ValueError(f"cursor comes alone, it remembers the question: leave out {', '.join(others)}")
        return self

    @model_validator(mode="after")
    def _of_people_only(self, info: ValidationInfo) -> Self:
        """Refuse columns of enrollments where there are none."""
        if not self.asks_who_is_missing:
            return self
        wrong = [one for one in (*self.fields, (self.sort or "").lstrip("-")) if one and one not in PEOPLE_COLUMNS]
        if wrong:
            known = ", ".join(path for path in PEOPLE_COLUMNS if path in offered_columns(info))
            raise ValueError(f"state not_enrolled has no {wrong[0]}, as there is no enrollment; it has {known}")
        return self


class ProgressQuery(EnrollmentFilter):
    """The arguments of `summarize_learner_progress`."""

    group_by: Annotated[
        tuple[GroupBy | str, ...],
        BeforeValidator(parse_groups),
        WithJsonSchema({"type": "array", "items": {"type": "string"}}),
        Field(description=group_words(ALL_COLUMNS)),
    ] = ()
    sort: Annotated[
        str | None,
        BeforeValidator(parse_summary_sort),
        WithJsonSchema({"type": "string"}),
        Field(description="Such as -overdue or name"),
    ] = None
    limit: Annotated[int, BeforeValidator(parse_limit), _LIMIT_BOUNDS] = DEFAULT_LIMIT

    @model_validator(mode="after")
    def _sorted_by_what_is_told(self) -> Self:
        column = (self.sort or "").lstrip("-")
        if column in ("learners", "learner_rate") and all(map(is_usual_group, self.group_by)):
            raise ValueError("sort by learners takes group_by team, manager or a key of where")
        if column == "finished_in_month" and GroupBy.MONTH not in self.group_by:
            raise ValueError("sort by finished_in_month takes group_by month")
        return self

    @model_validator(mode="after")
    def _missing_by_people(self) -> Self:
        """Refuse groups and orders of enrollments where there are none."""
        if not self.asks_who_is_missing:
            return self
        if wrong := [one for one in self.group_by if one in (GroupBy.STATUS, GroupBy.MONTH)]:
            raise ValueError(f"state not_enrolled has no {wrong[0]}: group by course, learner, or a key of where")
        if self.sort is not None and self.sort.lstrip("-") not in ("name", "enrollments"):
            raise ValueError("state not_enrolled is sorted by name or not_enrolled")
        return self

    @property
    def needs_directory(self) -> bool:
        """Whether the answer depends on what is known of everybody."""
        return super().needs_directory or not all(map(is_usual_group, self.group_by))

    @property
    def dimensions(self) -> frozenset[str]:
        """What learners are chosen or grouped by, folded."""
        return super().dimensions | {one.casefold() for one in self.group_by}


def _absent(value: object) -> bool:
    if isinstance(value, Mapping):
        return all(_absent(item) for item in cast("Mapping[str, object]", value).values())
    if isinstance(value, list | tuple):
        return all(_absent(item) for item in cast("list[object]", value))
    return value is None or (isinstance(value, str) and not value.strip())


def _sentence(where: tuple[int | str, ...], message: str) -> str:
    name = str(where[0]) if where else ""
    text = message.removeprefix("Value error, ")
    return f"{name}: {text}." if name else f"{text[0].upper()}{text[1:]}."


_SchemaNode = dict[str, Any]


def input_schema(query: type[EnrollmentFilter], columns: Columns = ALL_COLUMNS) -> _SchemaNode:
    """Generate a tool's input schema from its query: compact, without titles, nulls and references.

    What is of a column that was taken out is not in it.
    """
    schema = query.model_json_schema()
    definitions = cast("dict[str, _SchemaNode]", schema.pop("$defs", {}))
    every = {name: _plain(node, definitions) for name, node in schema["properties"].items()}
    properties = {name: every[name] for name in query.arguments(columns)}
    properties["user"]["description"] = user_words(columns)
    properties["state"]["items"]["enum"] = [one for one in State if is_offered(one, columns)]
    first_day = next((name for name in properties if name in _DAYS), None)
    if first_day is not None:
        properties[first_day]["description"] = every[_DAYS[0]]["description"]
    if CUSTOM_FIELDS not in columns:
        properties["where"]["description"] = "Of the learners: {team: Sales}"
    if "fields" in properties:
        properties["fields"]["items"] = {"anyOf": [{"enum": [*columns.known]}, {"type": "string"}]}
        if CUSTOM_FIELDS not in columns:
            properties["fields"]["description"] = "Columns instead of the default ones"
    if "group_by" in properties:
        properties["group_by"]["description"] = group_words(columns)
    return {"type": "object", "properties": properties, "additionalProperties": False}


_DAYS = ("due_from", "due_to", "completed_from", "completed_to", "enrolled_from", "enrolled_to", "inactive_since")


def _plain(node: _SchemaNode, definitions: Mapping[str, _SchemaNode]) -> _SchemaNode:
    plain: _SchemaNode = {}
    options = [one for one in node.get("anyOf", []) if one.get("type") != "null"]
    for part in (*options, node):
        reference = part.get("$ref")
        source = {**definitions[reference.rsplit("/", 1)[-1]], **part} if reference else part
        for key, value in source.items():
            if key == "items":
                plain[key] = _plain(value, definitions)
            elif key not in {"title", "anyOf", "$ref"} and not (
                key == "description" and reference and part is not node
            ):
                plain[key] = value
    if "enum" in plain and "description" in plain and plain["description"] in _DOCSTRINGS:
        del plain["description"]
    if plain.get("default") in (None, [], (), False):
        plain.pop("default", None)
    return plain


_DOCSTRINGS = {enum.__doc__ for enum in (GroupBy, Format, State, EnrollmentStatus)}
