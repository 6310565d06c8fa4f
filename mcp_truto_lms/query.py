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

from mcp_truto_lms.columns import ALL_COLUMNS, Columns
from mcp_truto_lms.errors import QueryError
from mcp_truto_lms.model import CUSTOM_FIELDS, EnrollmentStatus
from mcp_truto_lms.progress import State
from mcp_truto_lms.pseudonyms import EXAMPLE, read_alias

MAX_LIMIT = 200
MAX_TERMS = 50
MAX_TERM_CHARACTERS = 200
DEFAULT_LIMIT = 25


class GroupBy(StrEnum):
    """What a summary counts by, besides the keys of `where`, which depend on the organisation."""

    COURSE = "course"
    LEARNER = "learner"
    STATUS = "status"
    MONTH = "month"
    TEAM = "team"
    MANAGER = "manager"


def is_usual_group(by: str) -> bool:
    """Tell whether a grouping is by what every enrollment has, rather than by a dimension of the learners."""
    return by in (GroupBy.COURSE, GroupBy.LEARNER, GroupBy.STATUS, GroupBy.MONTH)


class Format(StrEnum):
    """How a list is printed, or written to a file whole."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


SUMMARY_COLUMNS = {
    "name": "name",
    "enrollments": "enrollments",
    "not_enrolled": "enrollments",
    "learners": "learners",
    "finished": "finished",
    "%": "rate",
    "rate": "rate",
    "learners_%": "learner_rate",
    "learner_rate": "learner_rate",
    "overdue": "overdue",
    "at_risk": "at_risk",
    "due_soon": "due_soon",
    "due": "due_soon",
    "not_started": "not_started",
    "avg": "average",
    "avg_%": "average",
    "hours": "hours",
    "finished_in_month": "finished_in_month",
}
"""What a summary can be sorted by, as it may be written."""
PEOPLE_COLUMNS = ("user.name", "user.id", "user.emails", "course.title", "course.id")
"""What a list of people without an enrollment has."""
MAX_GROUPS = 2
SIGNALS = "signals"
"""The one column of a list that the model does not have: the signs of trouble that an enrollment shows."""
FILTERED_BY = {
    "due_from": "due_at",
    "due_to": "due_at",
    "completed_from": "completed_at",
    "completed_to": "completed_at",
    "enrolled_from": "enrolled_at",
    "enrolled_to": "enrolled_at",
    "inactive_since": "last_activity_at",
    "progress_below": "progress_percent",
    "is_mandatory": "is_mandatory",
}
"""Arguments that are a column: without it, they are not there."""
_COUNTED_BY = {"average": "progress_percent", "hours": "time_spent_seconds", "finished_in_month": "completed_at"}
"""Numbers of a summary that are a column; so with them."""


def _columns(info: ValidationInfo) -> Columns:
    """Tell which columns there are where a query is read."""
    return info.context if isinstance(info.context, Columns) else ALL_COLUMNS


def is_offered(value: object, columns: Columns) -> bool:
    """Tell whether a state, a grouping, or a number of a summary is of a column that is there."""
    needed = {State.NO_DUE_DATE: "due_at", GroupBy.MONTH: "enrolled_at", **_COUNTED_BY}
    return not isinstance(value, str) or value not in needed or needed[value] in columns


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


def _users(value: object, info: ValidationInfo) -> tuple[str, ...]:
    """Read who is meant, by what people are shown by; nothing else is looked up, nor told whether it is known."""
    terms, columns = _terms(value), _columns(info)
    if columns.aliases:
        aliases = [read_alias(one) for one in terms]
        if None in aliases:
            raise ValueError(
                f"takes aliases alone, as answers show them ({EXAMPLE}): names, e-mails and ids are hidden here"
            )
        return tuple(dict.fromkeys(one for one in aliases if one is not None))
    if "user.emails" not in columns and any("@" in one for one in terms):
        raise ValueError(f"takes no e-mail address here: {_user_words(columns).lower()}")
    return terms


def _user_words(columns: Columns) -> str:
    """Say what a person can be asked for by."""
    if columns.aliases:
        return f"Alias as in answers: {EXAMPLE}"
    named = {"user.emails": "e-mail", "user.name": "part of a name"}
    *others, last = ["Id", *(word for path, word in named.items() if path in columns)]
    return f"{', '.join(others)} or {last}" if others else last


def _words(value: object) -> list[str]:
    """Read values of an enum, however they are joined and written."""
    found: list[str] = []
    for item in _unpack(value):
        found.extend(re.sub(r"[\s-]+", "_", part.strip().lower()) for part in str(item).split(",") if part.strip())
    return found


_Enum = TypeVar("_Enum", bound=StrEnum)


def _members(enum: type[_Enum], value: object, what: str, columns: Columns = ALL_COLUMNS) -> tuple[_Enum, ...]:
    known = {str(member): member for member in enum if is_offered(member, columns)}
    found: list[_Enum] = []
    for word in _words(value):
        if word not in known:
            other = {"status": "state", "state": "status"}.get(what)
            if other and word in [*State, *EnrollmentStatus] and word not in [*enum]:
                raise ValueError(f"{word!r} is a {other}: pass it as {other}")
            raise _refuse(word, what, known)
        if known[word] not in found:
            found.append(known[word])
    return tuple(found)


def _statuses(value: object) -> tuple[EnrollmentStatus, ...]:
    return _members(EnrollmentStatus, value, "status")


def _states(value: object, info: ValidationInfo) -> tuple[State, ...]:
    return _members(State, value, "state", _columns(info))


def _one(enum: type[_Enum], value: object, what: str) -> _Enum:
    members = _members(enum, value, what)
    if len(members) != 1:
        raise ValueError(f"takes one {what}: {', '.join(enum)}")
    return members[0]


_GROUP_SYNONYMS = {"user": "learner", "person": "learner", "people": "learner", "title": "course", "statuse": "status"}


def _groups(value: object, info: ValidationInfo) -> tuple[GroupBy | str, ...]:
    """Read what to count by; what is none of the usual ones may be a key of `where`, which the store knows."""
    found: list[GroupBy | str] = []
    offered = [by for by in GroupBy if is_offered(by, _columns(info))]
    for item in _unpack(value):
        if not isinstance(item, str):
            raise ValueError(f"takes one or two of {', '.join(offered)}, or a key of where")
        for part in filter(None, map(str.strip, item.split(","))):
            word = re.sub(r"[\s-]+", "_", part.lower())
            word = _GROUP_SYNONYMS.get(word, word)
            singular = _GROUP_SYNONYMS.get(word.removesuffix("s"), word.removesuffix("s"))
            one = next((by for by in GroupBy if by in (word, singular)), _key(part))
            if not is_offered(one, _columns(info)):
                raise _refuse(one, "group", offered)
            if one not in found:
                found.append(one)
    if len(found) > MAX_GROUPS:
        raise ValueError(f"takes one or two, not {len(found)}")
    return tuple(found)


def _group_words(columns: Columns) -> str:
    return f"One or two of {', '.join(by for by in GroupBy if is_offered(by, columns))}, or a key of where"


Where = tuple[tuple[str, tuple[str, ...]], ...]
"""What of the learners is wanted: a key, and the values any of which will do."""
_WHERE_FORM = 'takes an object such as {"team": "Sales", "custom_fields.grade": ["A", "B"]}'


def _where(value: object) -> Where:
    """Read HR's own dimensions: an object, however nested, its JSON text, or `team=Sales`."""
    found: dict[str, tuple[str, ...]] = {}
    for key, given in _pairs(value):
        try:
            terms = _terms(str(given).lower() if isinstance(given, bool) else given)
        except ValueError:
            raise ValueError(f"{key}: takes one value or a list of values as text") from None
        if terms:
            found[key] = tuple(dict.fromkeys([*found.get(key, ()), *terms]))
    if len(found) > MAX_TERMS:
        raise ValueError(f"{len(found)} keys are too many: {MAX_TERMS} at most")
    return tuple(found.items())


def _pairs(value: object, prefix: str = "") -> Iterable[tuple[str, object]]:
    """Take an object apart into keys and values; a nested key is joined by a dot."""
    if isinstance(value, str):
        if value.lstrip().startswith(("{", "[")):
            with suppress(ValueError, RecursionError):
                yield from _pairs(json.loads(value))
                return
        key, sign, rest = value.partition("=")
        if not sign:
            raise ValueError(_WHERE_FORM)
        yield _key(key), rest
    elif isinstance(value, Mapping):
        for key, inner in cast("Mapping[str, object]", value).items():
            if isinstance(inner, Mapping) and not prefix:
                yield from _pairs(cast("object", inner), f"{key}.")
            else:
                yield _key(f"{prefix}{key}"), inner
    elif isinstance(value, list | tuple):
        items = list(cast("list[object]", value))
        if len(items) == 2 and isinstance(items[0], str) and isinstance(items[1], list | tuple):
            yield _key(items[0]), cast("object", items[1])
            return
        for item in items:
            if isinstance(item, list | tuple | Mapping | str):
                yield from _pairs(cast("object", item))
            elif item is not None:
                raise ValueError(_WHERE_FORM)
    else:
        raise ValueError(_WHERE_FORM)


def _key(text: str) -> str:
    key = text.strip()
    if not 0 < len(key) <= MAX_TERM_CHARACTERS:
        raise ValueError(f"a key takes 1 to {MAX_TERM_CHARACTERS} characters")
    return key


def column_paths(value: str, offered: Columns = ALL_COLUMNS) -> tuple[str, ...]:
    """Resolve a column as it may be written: its path, its short header, a group such as `user`, a custom field.

    Raises:
        ValueError: there is no such column; the message names the nearest.
    """
    columns = offered.known
    word = value.strip()
    folded = re.sub(r"[\s-]+", "_", word.lower())
    if folded in columns or folded == SIGNALS:
        return (folded,)
    if word.lower().startswith(f"{CUSTOM_FIELDS}.") and len(CUSTOM_FIELDS) + 1 < len(word) <= MAX_TERM_CHARACTERS:
        path = f"{CUSTOM_FIELDS}.{word[len(CUSTOM_FIELDS) + 1 :]}"
        if path in offered:
            return (path,)
    by_header = {column.header: path for path, column in columns.items()}
    if folded in by_header:
        return (by_header[folded],)
    group = tuple(path for path in columns if path.startswith(f"{folded}."))
    if group:
        return group
    custom = [f"{CUSTOM_FIELDS}.<name>"] if CUSTOM_FIELDS in offered else []
    raise _refuse(word, "column", [*columns, *custom], also=by_header)


def _column_list(value: object, info: ValidationInfo) -> tuple[str, ...]:
    found: list[str] = []
    for item in _unpack(value):
        for part in str(item).split(","):
            if part.strip():
                found.extend(path for path in column_paths(part, _columns(info)) if path not in found)
    if len(found) > MAX_TERMS:
        raise ValueError(f"{len(found)} columns are too many: {MAX_TERMS} at most")
    return tuple(found)


def _sort(value: object, info: ValidationInfo) -> str:
    text = str(value).strip()
    sign = "-" if text.startswith("-") else ""
    paths = column_paths(text.lstrip("+-"), _columns(info))
    path = next((one for one in paths if one.endswith((".name", ".title"))), paths[0])
    if path.startswith(CUSTOM_FIELDS) or path in ("user.emails", "urls", SIGNALS):
        raise ValueError(f"{path} cannot be sorted by; sort by a single value such as due_at or user.name")
    return sign + path


def _summary_sort(value: object, info: ValidationInfo) -> str:
    text = str(value).strip().lower()
    sign = "-" if text.startswith("-") else ""
    word = re.sub(r"[\s-]+", "_", text.lstrip("+-").strip())
    known = {written: column for written, column in SUMMARY_COLUMNS.items() if is_offered(column, _columns(info))}
    if word not in known:
        first = {column: written for written, column in reversed(known.items())}
        raise _refuse(word, "column to sort a summary by", [*reversed(first.values())], also=known)
    return sign + known[word]


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


_PERIOD = re.compile(r"(this|last|next|previous)[\s_-]*(week|month|quarter|year)")
_STEPS = {"this": 0, "last": -1, "previous": -1, "next": 1}
_MONTHS = {"month": 1, "quarter": 3, "year": 12}


def _day_text(value: object) -> str:
    text = str(value).strip().lower()
    resolve_day(text, date(2000, 6, 15))
    return text


def resolve_day(text: str, today: date, *, last: bool = False) -> date:
    """Resolve `2026-11-01`, `today`, `+14d` or `-3m` (d, w, m, y) to a day. A month's end stays at the month's end.

    A period such as `last_month` or `this quarter` is its first day, or its last one; weeks begin on Monday.

    Raises:
        ValueError: this is no day.
    """
    if text in _NEAR:
        return today + timedelta(days=_NEAR[text])
    relative, period = _RELATIVE.fullmatch(text), _PERIOD.fullmatch(text)
    try:
        if period is not None:
            return _of_period(_STEPS[period[1]], period[2], today, last=last)
        if relative is None:
            return date.fromisoformat(re.split("[t ]", text)[0])
        sign, number, unit = relative.groups()
        count = -int(number) if sign == "-" else int(number)
        if unit in "dw":
            return today + timedelta(days=count * (7 if unit == "w" else 1))
        months = today.year * 12 + today.month - 1 + count * (12 if unit == "y" else 1)
        first = first_of_month(months)
        return first + timedelta(days=min(today.day, (first_of_month(months + 1) - first).days) - 1)
    except (ValueError, OverflowError):
        raise ValueError(f"{text[:30]!r} is no day: write 2026-11-30, today, +14d or -3m") from None


def first_of_month(number: int) -> date:
    """Say the first day of a month, counted from January of the year 0."""
    return date(number // 12, number % 12 + 1, 1)


def _of_period(steps: int, unit: str, today: date, *, last: bool) -> date:
    if unit == "week":
        return today + timedelta(days=7 * steps - today.weekday() + (6 if last else 0))
    size = _MONTHS[unit]
    number = ((today.year * 12 + today.month - 1) // size + steps) * size
    return first_of_month(number + size) - timedelta(days=1) if last else first_of_month(number)


Terms = Annotated[tuple[str, ...], BeforeValidator(_terms)]
_COLUMN_LIST = BeforeValidator(_column_list)
_DAY = BeforeValidator(_day_text)
_LIMIT_BOUNDS = Field(json_schema_extra={"minimum": 1, "maximum": MAX_LIMIT})


class EnrollmentFilter(BaseModel):
    """What both tools share: which enrollments are meant."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    user: Annotated[tuple[str, ...], BeforeValidator(_users), Field(description=_user_words(ALL_COLUMNS))] = ()
    course: Annotated[Terms, Field(description="Id, code or part of a title")] = ()
    status: Annotated[
        tuple[EnrollmentStatus, ...], BeforeValidator(_statuses), Field(description="As the LMS has it")
    ] = ()
    state: Annotated[
        tuple[State, ...],
        BeforeValidator(_states),
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
        BeforeValidator(_percent),
        Field(json_schema_extra={"minimum": 0, "maximum": 100}),
    ] = None
    is_mandatory: Annotated[bool | None, BeforeValidator(_truth)] = None
    where: Annotated[
        Where,
        BeforeValidator(_where),
        WithJsonSchema({"type": "object"}),
        Field(description="Of the learners: {team: Sales, manager: Ann Lee, custom_fields.site: Oslo}"),
    ] = ()
    fresh: Annotated[bool, BeforeValidator(_truth), Field(description="Read again now")] = False

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
    sort: Annotated[str | None, BeforeValidator(_sort), Field(description="A column; -column for descending")] = None
    limit: Annotated[int, BeforeValidator(_limit), _LIMIT_BOUNDS] = DEFAULT_LIMIT
    cursor: Annotated[str | None, BeforeValidator(_cursor), Field(description="From the answer before; alone")] = None
    format: Annotated[
        Format,
        BeforeValidator(lambda value: _one(Format, value, "format")),
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
            known = ", ".join(path for path in PEOPLE_COLUMNS if path in _columns(info))
            raise ValueError(f"state not_enrolled has no {wrong[0]}, as there is no enrollment; it has {known}")
        return self


class ProgressQuery(EnrollmentFilter):
    """The arguments of `summarize_learner_progress`."""

    group_by: Annotated[
        tuple[GroupBy | str, ...],
        BeforeValidator(_groups),
        WithJsonSchema({"type": "array", "items": {"type": "string"}}),
        Field(description=_group_words(ALL_COLUMNS)),
    ] = ()
    sort: Annotated[
        str | None,
        BeforeValidator(_summary_sort),
        WithJsonSchema({"type": "string"}),
        Field(description="Such as -overdue or name"),
    ] = None
    limit: Annotated[int, BeforeValidator(_limit), _LIMIT_BOUNDS] = DEFAULT_LIMIT

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
    properties["user"]["description"] = _user_words(columns)
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
        properties["group_by"]["description"] = _group_words(columns)
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
