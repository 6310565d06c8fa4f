"""The tools' arguments as values: forgiving in form, strict in names.

A bare string stands for a list of one, a number for an id, a JSON text for what it holds; `""`, `[]` and null are
absent. An unknown argument, column or value is refused with one sentence that names the nearest right one, so that a
model can correct itself. Enums and columns come from the unified model; nothing is typed twice.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import date, timedelta
from difflib import get_close_matches
from enum import StrEnum
from typing import Annotated, Any, Self, TypeVar, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema, model_validator

from mcp_truto_lms.errors import QueryError
from mcp_truto_lms.model import CUSTOM_FIELDS, EnrollmentStatus, enrollment_columns
from mcp_truto_lms.progress import State

MAX_LIMIT = 200
MAX_TERMS = 50
MAX_TERM_CHARACTERS = 200
DEFAULT_LIMIT = 25


class GroupBy(StrEnum):
    """What a summary counts by."""

    COURSE = "course"
    LEARNER = "learner"
    STATUS = "status"


class Format(StrEnum):
    """How a list is printed."""

    TABLE = "table"
    JSON = "json"


SUMMARY_COLUMNS = {
    "name": "name",
    "enrollments": "enrollments",
    "finished": "finished",
    "%": "rate",
    "rate": "rate",
    "overdue": "overdue",
    "due_soon": "due_soon",
    "due": "due_soon",
    "not_started": "not_started",
    "avg": "average",
}
"""What a summary can be sorted by, as it may be written."""


def nearest(word: str, known: Iterable[str], likeness: float = 0.5) -> str | None:
    """Find the known word that was probably meant."""
    by_folded = {one.casefold(): one for one in known}
    found = get_close_matches(word.casefold(), by_folded, n=1, cutoff=likeness)
    return by_folded[found[0]] if found else None


def _refuse(word: object, what: str, known: Iterable[str], also: Iterable[str] = ()) -> ValueError:
    """Say what is not known, what is, and the nearest of it; `also` are other ways to write it."""
    listed = list(known)
    guess = nearest(str(word), also, likeness=0.75) or nearest(str(word), listed)
    rest = f"did you mean {guess!r}? " if guess else ""
    return ValueError(f"{str(word)[:60]!r} is no {what}; {rest}known: {', '.join(listed)}")


def _unpack(value: object) -> list[object]:
    """Read a list, a JSON text of a list, or one value as a list, without nulls."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        with suppress(ValueError, RecursionError):
            value = json.loads(value)
    items = list(cast("list[object]", value)) if isinstance(value, list | tuple) else [value]
    if len(items) > MAX_TERMS:
        raise ValueError(f"{len(items)} values are too many: {MAX_TERMS} at most")
    return [item for item in items if item is not None]


def _terms(value: object) -> tuple[str, ...]:
    """Read names and ids: texts and numbers, trimmed."""
    terms: list[str] = []
    for item in _unpack(value):
        if isinstance(item, bool) or not isinstance(item, str | int | float):
            raise ValueError("takes ids, names or parts of names as text")
        text = str(int(item) if isinstance(item, float) and item.is_integer() else item).strip()
        if len(text) > MAX_TERM_CHARACTERS:
            raise ValueError(f"a name of more than {MAX_TERM_CHARACTERS} characters is none")
        if text and text not in terms:
            terms.append(text)
    return tuple(terms)


def _words(value: object) -> list[str]:
    """Read values of an enum, however they are joined and written."""
    found: list[str] = []
    for item in _unpack(value):
        found.extend(re.sub(r"[\s-]+", "_", part.strip().lower()) for part in str(item).split(",") if part.strip())
    return found


_Enum = TypeVar("_Enum", bound=StrEnum)


def _members(enum: type[_Enum], value: object, what: str) -> tuple[_Enum, ...]:
    known = {str(member): member for member in enum}
    found: list[_Enum] = []
    for word in _words(value):
        if word not in known:
            other = {"status": "state", "state": "status"}.get(what)
            if other and word in [*State, *EnrollmentStatus]:
                raise ValueError(f"{word!r} is a {other}: pass it as {other}")
            raise _refuse(word, what, known)
        if known[word] not in found:
            found.append(known[word])
    return tuple(found)


def _statuses(value: object) -> tuple[EnrollmentStatus, ...]:
    return _members(EnrollmentStatus, value, "status")


def _states(value: object) -> tuple[State, ...]:
    return _members(State, value, "state")


def _one(enum: type[_Enum], value: object, what: str) -> _Enum:
    members = _members(enum, value, what)
    if len(members) != 1:
        raise ValueError(f"takes one {what}: {', '.join(enum)}")
    return members[0]


def _group(value: object) -> GroupBy:
    synonyms = {"user": "learner", "person": "learner", "people": "learner", "title": "course", "statuses": "status"}
    words = [synonyms.get(word, word.removesuffix("s") if word != "status" else word) for word in _words(value)]
    return _one(GroupBy, words, "group_by")


def column_paths(value: str) -> tuple[str, ...]:
    """Resolve a column as it may be written: its path, its short header, a group such as `user`, a custom field.

    Raises:
        ValueError: there is no such column; the message names the nearest.
    """
    columns = enrollment_columns()
    word = value.strip()
    folded = re.sub(r"[\s-]+", "_", word.lower())
    if folded in columns:
        return (folded,)
    if word.lower().startswith(f"{CUSTOM_FIELDS}.") and len(CUSTOM_FIELDS) + 1 < len(word) <= MAX_TERM_CHARACTERS:
        return (f"{CUSTOM_FIELDS}.{word[len(CUSTOM_FIELDS) + 1 :]}",)
    by_header = {column.header: path for path, column in columns.items()}
    if folded in by_header:
        return (by_header[folded],)
    group = tuple(path for path in columns if path.startswith(f"{folded}."))
    if group:
        return group
    raise _refuse(word, "column", [*columns, f"{CUSTOM_FIELDS}.<name>"], also=by_header)


def _column_list(value: object) -> tuple[str, ...]:
    found: list[str] = []
    for item in _unpack(value):
        for part in str(item).split(","):
            if part.strip():
                found.extend(path for path in column_paths(part) if path not in found)
    if len(found) > MAX_TERMS:
        raise ValueError(f"{len(found)} columns are too many: {MAX_TERMS} at most")
    return tuple(found)


def _sort(value: object) -> str:
    text = str(value).strip()
    sign = "-" if text.startswith("-") else ""
    paths = column_paths(text.lstrip("+-"))
    path = paths[0] if len(paths) == 1 else next(one for one in paths if one.endswith((".name", ".title")))
    if path.startswith(CUSTOM_FIELDS) or path in ("user.emails", "urls"):
        raise ValueError(f"{path} cannot be sorted by; sort by a single value such as due_at or user.name")
    return sign + path


def _summary_sort(value: object) -> str:
    text = str(value).strip().lower()
    sign = "-" if text.startswith("-") else ""
    word = re.sub(r"[\s-]+", "_", text.lstrip("+-").strip())
    if word not in SUMMARY_COLUMNS:
        raise _refuse(word, "column to sort a summary by", [*SUMMARY_COLUMNS])
    return sign + SUMMARY_COLUMNS[word]


def _truth(value: object) -> bool:
    known = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    word = str(value).strip().lower()
    if word not in known:
        raise ValueError("takes true or false")
    return known[word]


def _percent(value: object) -> float:
    try:
        number = float(str(value).strip().removesuffix("%"))
    except ValueError:
        number = -1.0
    if not 0 <= number <= 100:
        raise ValueError(f"{str(value)[:20]!r} is no percentage: it takes a number from 0 to 100")
    return number


def _limit(value: object) -> int:
    try:
        number = float(str(value))
    except ValueError:
        number = 0.0
    if not (1 <= number <= MAX_LIMIT and number.is_integer()):
        raise ValueError(f"takes a whole number from 1 to {MAX_LIMIT}")
    return int(number)


def _cursor(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError("takes the token that the answer before ends with")
    return str(value).strip().removeprefix("cursor=")


_RELATIVE = re.compile(r"([+-]?)(\d{1,4})\s*([dwmy])")
_NEAR = {"today": 0, "now": 0, "tomorrow": 1, "yesterday": -1}


def _day_text(value: object) -> str:
    text = str(value).strip().lower()
    resolve_day(text, date(2000, 6, 15))
    return text


def resolve_day(text: str, today: date) -> date:
    """Resolve `2026-11-01`, `today`, `+14d` or `-3m` (d, w, m, y) to a day. A month's end stays at the month's end.

    Raises:
        ValueError: this is no day.
    """
    if text in _NEAR:
        return today + timedelta(days=_NEAR[text])
    relative = _RELATIVE.fullmatch(text)
    try:
        if relative is None:
            return date.fromisoformat(re.split("[t ]", text)[0])
        sign, number, unit = relative.groups()
        count = -int(number) if sign == "-" else int(number)
        if unit in "dw":
            return today + timedelta(days=count * (7 if unit == "w" else 1))
        months = today.year * 12 + today.month - 1 + count * (12 if unit == "y" else 1)
        year, month = divmod(months, 12)
        first, next_first = date(year, month + 1, 1), date(year + (month == 11), (month + 1) % 12 + 1, 1)
        return first + timedelta(days=min(today.day, (next_first - first).days) - 1)
    except (ValueError, OverflowError):
        raise ValueError(f"{text[:30]!r} is no day: write 2026-11-30, today, +14d or -3m") from None


Terms = Annotated[tuple[str, ...], BeforeValidator(_terms)]
_COLUMN_LIST = BeforeValidator(_column_list)
_DAY = BeforeValidator(_day_text)
_LIMIT_BOUNDS = Field(json_schema_extra={"minimum": 1, "maximum": MAX_LIMIT})


class EnrollmentFilter(BaseModel):
    """What both tools share: which enrollments are meant."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    user: Annotated[Terms, Field(description="Learners: id, e-mail or part of a name")] = ()
    course: Annotated[Terms, Field(description="Courses: id, code or part of a title")] = ()
    status: Annotated[
        tuple[EnrollmentStatus, ...], BeforeValidator(_statuses), Field(description="As the LMS has it")
    ] = ()
    state: Annotated[
        tuple[State, ...], BeforeValidator(_states), Field(description="What people mean; several are joined by or")
    ] = ()
    due_from: Annotated[str | None, _DAY, Field(description="First day: 2026-11-01, today, +14d, -3m")] = None
    due_to: Annotated[str | None, _DAY, Field(description="Last day, included")] = None
    progress_below: Annotated[
        float | None,
        BeforeValidator(_percent),
        Field(description="Percent, of those not finished", json_schema_extra={"minimum": 0, "maximum": 100}),
    ] = None
    fresh: Annotated[
        bool, BeforeValidator(_truth), Field(description='Read again from the LMS now ("she just finished")')
    ] = False

    @model_validator(mode="before")
    @classmethod
    def _drop_absent(cls, data: object) -> object:
        if not isinstance(data, Mapping):
            return data
        given = cast("Mapping[str, object]", data)
        return {name: value for name, value in given.items() if not _absent(value)}

    @classmethod
    def parse(cls, arguments: Mapping[str, object]) -> Self:
        """Read a tool's arguments.

        Raises:
            QueryError: one sentence for each argument that cannot be understood.
        """
        for name in arguments:
            if name not in cls.model_fields:
                guess = nearest(name, cls.model_fields)
                hint = f"did you mean {guess!r}? " if guess else ""
                known = ", ".join(cls.model_fields)
                raise QueryError(f"There is no argument {name[:60]!r}; {hint}Known: {known}.")
        try:
            return cls.model_validate(dict(arguments))
        except ValidationError as error:
            sentences = [_sentence(one["loc"], one["msg"]) for one in error.errors(include_url=False)]
            raise QueryError(" ".join(dict.fromkeys(sentences))) from None

    @property
    def judges_outcome(self) -> bool:
        """Whether it filters on how things went, which makes a completion rate meaningless."""
        return bool(self.status or self.state) or self.progress_below is not None

    @property
    def asks_for_failed(self) -> bool:
        """Whether the answer depends on telling failed from in progress."""
        return EnrollmentStatus.FAILED in self.status or State.FAILED in self.state


class EnrollmentQuery(EnrollmentFilter):
    """The arguments of `list_course_enrollments`."""

    fields: Annotated[
        tuple[str, ...],
        _COLUMN_LIST,
        Field(description="Columns instead of the default ones; also custom_fields.<name>"),
    ] = ()
    exclude_fields: Annotated[tuple[str, ...], _COLUMN_LIST, Field(description="Columns to leave out")] = ()
    sort: Annotated[str | None, BeforeValidator(_sort), Field(description="A column; -column for descending")] = None
    limit: Annotated[int, BeforeValidator(_limit), _LIMIT_BOUNDS] = DEFAULT_LIMIT
    cursor: Annotated[str | None, BeforeValidator(_cursor), Field(description="From the answer before; alone")] = None
    format: Annotated[Format, BeforeValidator(lambda value: _one(Format, value, "format"))] = Format.TABLE

    @model_validator(mode="after")
    def _cursor_alone(self) -> Self:
        if self.cursor is not None and (others := sorted(self.model_fields_set - {"cursor"})):
            raise ValueError(f"cursor comes alone, it remembers the question: leave out {', '.join(others)}")
        return self


class ProgressQuery(EnrollmentFilter):
    """The arguments of `summarize_learner_progress`."""

    group_by: Annotated[
        GroupBy | None, BeforeValidator(_group), Field(description="Without it: the overall picture")
    ] = None
    sort: Annotated[
        str | None,
        BeforeValidator(_summary_sort),
        WithJsonSchema({"type": "string"}),
        Field(description="A column of the summary, such as -overdue or name"),
    ] = None
    limit: Annotated[int, BeforeValidator(_limit), _LIMIT_BOUNDS] = DEFAULT_LIMIT


def _absent(value: object) -> bool:
    if isinstance(value, list | tuple):
        return all(_absent(item) for item in cast("list[object]", value))
    return value is None or (isinstance(value, str) and not value.strip())


def _sentence(where: tuple[int | str, ...], message: str) -> str:
    name = str(where[0]) if where else ""
    text = message.removeprefix("Value error, ")
    return f"{name}: {text}." if name else f"{text[0].upper()}{text[1:]}."


_SchemaNode = dict[str, Any]


def input_schema(query: type[EnrollmentFilter]) -> _SchemaNode:
    """Generate a tool's input schema from its query: compact, without titles, nulls and references."""
    schema = query.model_json_schema()
    definitions = cast("dict[str, _SchemaNode]", schema.pop("$defs", {}))
    properties = {name: _plain(node, definitions) for name, node in schema["properties"].items()}
    if "fields" in properties:
        properties["fields"]["items"] = {
            "anyOf": [{"enum": [*enrollment_columns()]}, {"type": "string", "pattern": rf"^{CUSTOM_FIELDS}\."}]
        }
    return {"type": "object", "properties": properties, "additionalProperties": False}


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
