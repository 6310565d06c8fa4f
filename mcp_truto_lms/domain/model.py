"""The unified model: course enrollments, users and courses, as Truto's Unified LMS API names them.

Everything published about a record is derived from here: the columns of the tools, their headers and cell kinds, and
the enums of the schemas. Records may vary by customer: unknown fields are preserved in `model_extra`, an unknown enum
value becomes `unknown` (or `other`) and stays readable as `custom_fields.raw_<field>`. Times are aware and in UTC. A
due date without a time ends with that day, in the zone of the validation context `{"zone": tzinfo}`, by default UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, tzinfo
from enum import StrEnum
from functools import cache
from types import NoneType
from typing import Annotated, Any, Literal, Self, Union, cast, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, ValidationInfo, model_validator


class EnrollmentStatus(StrEnum):
    ASSIGNED = "assigned"
    ENROLLED = "enrolled"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    PASSED = "passed"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    OVERDUE = "overdue"
    UNKNOWN = "unknown"


class UserStatus(StrEnum):
    ACTIVE = "active"
    INACTIVE = "inactive"
    INVITED = "invited"
    SUSPENDED = "suspended"
    DELETED = "deleted"
    UNKNOWN = "unknown"


class UserRole(StrEnum):
    LEARNER = "learner"
    INSTRUCTOR = "instructor"
    ADMIN = "admin"
    MANAGER = "manager"
    OTHER = "other"


class CourseType(StrEnum):
    COURSE = "course"
    PATH = "path"
    CURRICULUM = "curriculum"
    PROGRAM = "program"
    MICROLEARNING = "microlearning"
    OTHER = "other"


class CourseStatus(StrEnum):
    DRAFT = "draft"
    PUBLISHED = "published"
    ARCHIVED = "archived"
    DISABLED = "disabled"
    UNKNOWN = "unknown"


class CourseLevel(StrEnum):
    BEGINNER = "beginner"
    INTERMEDIATE = "intermediate"
    ADVANCED = "advanced"
    MIXED = "mixed"
    UNKNOWN = "unknown"


def _aware(value: object) -> object:
    """Parse an empty text as no date, and a time without a zone as UTC."""
    if isinstance(value, str):
        if not value.strip():
            return None
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            return value
    elif isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if isinstance(value, datetime):
        return _in_utc(value.replace(tzinfo=UTC) if value.tzinfo is None else value)
    return value


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{moment.isoformat()} is out of range") from None


def _aware_due(value: object, info: ValidationInfo) -> object:
    """Parse a day without a time as the last second of that day, in the zone of the validation context."""
    day: date | None = None
    if isinstance(value, str) and len(value.strip()) == len("2026-11-01"):
        try:
            day = date.fromisoformat(value.strip())
        except ValueError:
            return value
    elif isinstance(value, date) and not isinstance(value, datetime):
        day = value
    if day is None:
        return _aware(value)
    context = cast("Mapping[str, tzinfo]", info.context or {})
    # where clocks go back at midnight, the day's last hour occurs twice: fold=1 selects the second
    return _in_utc(datetime.combine(day, time(23, 59, 59, fold=1), context.get("zone", UTC)))


def iso_utc(moment: datetime) -> str:
    """Format an aware time as ISO 8601 in UTC, with a `Z`."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


_as_iso = PlainSerializer(lambda moment: None if moment is None else iso_utc(moment), when_used="json")
UtcDatetime = Annotated[datetime | None, BeforeValidator(_aware), _as_iso]
DueDatetime = Annotated[datetime | None, BeforeValidator(_aware_due), _as_iso]

CellKind = Literal["text", "day", "number", "hours", "flag", "email", "link", "fields", "signals"]


@dataclass(frozen=True, slots=True)
class Header:
    """Declares a field of the model as a column.

    Args:
        text: the short header
        meaning: for the documentation
        kind: of its cells; None derives it from the field's type
    """

    text: str
    meaning: str
    kind: CellKind | None = None


class UnifiedModel(BaseModel):
    """A record of the unified API: frozen, and tolerant of unknown fields."""

    model_config = ConfigDict(extra="allow", frozen=True, coerce_numbers_to_str=True)

    @classmethod
    def trusted(cls, **fields: Any) -> Self:
        """Create a record from validated values; omitted fields are null.

        Validating the thousands of records of a roster again would take time and memory. All records created here share
        one set of field names.
        """
        blank, names = _blank(cls)
        record = cls.__new__(cls)
        set_attribute = object.__setattr__
        set_attribute(record, "__dict__", {**blank, **fields})
        set_attribute(record, "__pydantic_fields_set__", names)
        set_attribute(record, "__pydantic_extra__", {})
        set_attribute(record, "__pydantic_private__", None)
        return record

    @model_validator(mode="before")
    @classmethod
    def _preserve_unknown_values(cls, data: object) -> object:
        enums = _enum_fields(cls)
        if not enums or not isinstance(data, Mapping):
            return data
        record = cast("Mapping[str, Any]", data)
        changed: dict[str, Any] = {}
        unknown: dict[str, Any] = {}
        for name, enum in enums:
            raw = record.get(name)
            if raw is None or isinstance(raw, enum):
                continue
            word = str(raw).strip().lower().replace(" ", "_").replace("-", "_")
            members = {str(member): member for member in enum}
            if not word:
                changed[name] = None
            elif word in members:
                changed[name] = members[word]
            else:
                changed[name] = members.get("unknown") or members["other"]
                unknown[f"raw_{name}"] = raw
        if unknown:
            fields: object = record.get("custom_fields")
            changed["custom_fields"] = {
                **(cast("Mapping[str, Any]", fields) if isinstance(fields, Mapping) else {}),
                **unknown,
            }
        return {**record, **changed} if changed else record


@cache
def _blank(model: type[BaseModel]) -> tuple[Mapping[str, None], set[str]]:
    return dict.fromkeys(model.model_fields), set(model.model_fields)


@cache
def field_types(model: type[BaseModel]) -> Mapping[str, Any]:
    """List the fields of a model and their types, without None."""
    return {name: _without_none(field.annotation) for name, field in model.model_fields.items()}


@cache
def _enum_fields(model: type[BaseModel]) -> tuple[tuple[str, type[StrEnum]], ...]:
    return tuple(
        (name, kind)
        for name, kind in field_types(model).items()
        if isinstance(kind, type) and issubclass(kind, StrEnum)
    )


class Email(UnifiedModel, json_schema_extra={"description": "An e-mail address of a user."}):
    email: str
    type: str | None = None
    is_primary: bool | None = None


class Url(UnifiedModel, json_schema_extra={"description": "An address of a record in the LMS."}):
    url: str
    type: str | None = None


class Reference(UnifiedModel):
    """Another record, by id and name."""

    id: str
    name: str | None = None


class Manager(Reference):
    """The manager of a user."""

    emails: list[Email] | None = None


class EnrolledUser(UnifiedModel, json_schema_extra={"description": "The learner associated with an enrollment."}):
    id: Annotated[str | None, Header("learner_id", "The learner's id")] = None
    name: Annotated[str | None, Header("learner", "The learner's name")] = None
    emails: Annotated[list[Email] | None, Header("email", "The learner's primary e-mail address", "email")] = None


class EnrolledCourse(UnifiedModel, json_schema_extra={"description": "The course associated with an enrollment."}):
    id: Annotated[str | None, Header("course_id", "The course's id")] = None
    title: Annotated[str | None, Header("course", "The course's title")] = None


class Assigner(UnifiedModel, json_schema_extra={"description": "Who assigned a course."}):
    id: Annotated[str | None, Header("assigned_by_id", "The id of the person who assigned the course")] = None
    name: Annotated[str | None, Header("assigned_by", "The name of the person who assigned the course")] = None


class CourseEnrollment(
    UnifiedModel, json_schema_extra={"description": "One learner in one course; only `id` is always present."}
):
    id: Annotated[str, Header("id", "The enrollment's id")]
    user: EnrolledUser | None = None
    course: EnrolledCourse | None = None
    status: Annotated[EnrollmentStatus | None, Header("status", "The status at the moment of the answer")] = None
    assigned_at: Annotated[UtcDatetime, Header("assigned", "When the course was assigned")] = None
    due_at: Annotated[DueDatetime, Header("due", "When the course is to be finished")] = None
    enrolled_at: Annotated[UtcDatetime, Header("enrolled", "When the learner was enrolled")] = None
    started_at: Annotated[UtcDatetime, Header("started", "When the learner started")] = None
    last_activity_at: Annotated[UtcDatetime, Header("last_activity", "When the learner was last active")] = None
    completed_at: Annotated[UtcDatetime, Header("completed", "When the course was completed")] = None
    progress_percent: Annotated[float | None, Header("progress", "How much is done, in percent")] = None
    time_spent_seconds: Annotated[int | None, Header("hours", "Time spent, in hours; JSON has seconds", "hours")] = None
    score: Annotated[float | None, Header("score", "The score, as the LMS reports it")] = None
    is_mandatory: Annotated[bool | None, Header("mandatory", "Whether the course is mandatory for the learner")] = None
    assigned_by: Assigner | None = None
    attempt_number: Annotated[int | None, Header("attempt", "The number of this attempt")] = None
    attempts_count: Annotated[int | None, Header("attempts", "The number of attempts so far")] = None
    urls: Annotated[list[Url] | None, Header("url", "The enrollment's address in the LMS", "link")] = None
    created_at: Annotated[UtcDatetime, Header("created", "When the record was created")] = None
    updated_at: Annotated[UtcDatetime, Header("updated", "When the record was last changed")] = None
    custom_fields: Annotated[
        dict[str, Any] | None, Header("custom_fields", "Other fields, one by one as custom_fields.<name>", "fields")
    ] = None
    remote_data: Any = None


class User(UnifiedModel):
    """A person of the LMS."""

    id: str
    first_name: str | None = None
    last_name: str | None = None
    name: str | None = None
    username: str | None = None
    emails: list[Email] | None = None
    status: UserStatus | None = None
    role: UserRole | None = None
    phones: list[Any] | None = None
    locale: str | None = None
    timezone: str | None = None
    job_title: str | None = None
    organization: Reference | None = None
    manager: Manager | None = None
    created_at: UtcDatetime = None
    updated_at: UtcDatetime = None
    custom_fields: dict[str, Any] | None = None
    remote_data: Any = None


class CourseTerms(UnifiedModel):
    """What a course says about when it opens and when its learners are due; not part of the unified API."""

    opens_at: UtcDatetime = None
    expires_at: UtcDatetime = None
    time_limit_days: int | None = None


class Course(UnifiedModel):
    """A course of the LMS."""

    id: str
    title: str | None = None
    description: str | None = None
    code: str | None = None
    type: CourseType | None = None
    status: CourseStatus | None = None
    language: str | None = None
    duration_seconds: int | None = None
    level: CourseLevel | None = None
    urls: list[Url] | None = None
    tags: list[Any] | None = None
    categories: list[Any] | None = None
    organization: Reference | None = None
    published_at: UtcDatetime = None
    created_at: UtcDatetime = None
    updated_at: UtcDatetime = None
    terms: CourseTerms | None = None
    custom_fields: dict[str, Any] | None = None
    remote_data: Any = None


CUSTOM_FIELDS = "custom_fields"


@dataclass(frozen=True, slots=True)
class EnrollmentColumn:
    """A column of enrollments: its dotted path in the model, its short header, the kind of its cells, its meaning."""

    path: str
    header: str
    kind: CellKind
    meaning: str = field(default="", compare=False)

    @property
    def is_sortable(self) -> bool:
        """Whether a cell holds one comparable value."""
        return self.kind not in ("email", "link", "fields", "signals")


def primary_email(emails: list[Email] | None) -> str | None:
    """Select the address marked as primary, else the first."""
    if not emails:
        return None
    return next((email.email for email in emails if email.is_primary), emails[0].email)


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Union, type(int | None)):
        members = [member for member in get_args(annotation) if member is not NoneType]
        return _without_none(members[0]) if len(members) == 1 else annotation
    return annotation


def _kind(annotation: Any) -> CellKind:
    if annotation is datetime:
        return "day"
    if annotation is bool:
        return "flag"
    return "number" if annotation in (int, float) else "text"


def _columns_of(model: type[BaseModel], prefix: str) -> list[EnrollmentColumn]:
    columns: list[EnrollmentColumn] = []
    for name, kind in field_types(model).items():
        metadata = model.model_fields[name].metadata
        header = next((item for item in metadata if isinstance(item, Header)), None)
        if header is not None:
            columns.append(EnrollmentColumn(prefix + name, header.text, header.kind or _kind(kind), header.meaning))
        elif isinstance(kind, type) and issubclass(kind, BaseModel):
            columns.extend(_columns_of(kind, f"{prefix}{name}."))
    return columns


@cache
def enrollment_columns() -> Mapping[str, EnrollmentColumn]:
    """List every column of `CourseEnrollment` by its dotted path, in the model's order."""
    return {column.path: column for column in _columns_of(CourseEnrollment, "")}
