"""Parses unified records as Truto sends them, tolerating any change that a customer's mapping makes.

Mappings differ between accounts, so no field is trusted to have its documented form: a number may be text, a date an
epoch or unreadable, a list a single object, an enum value a word of the customer's own. An unreadable field becomes
null. Only an enrollment without an id, a user or a course is unusable. Fields unknown to the model stay on the record.
HTML escapes, one-click logins and signed addresses are removed from texts.

An endpoint over TalentLMS may list what it has read from rosters, which do not report a failure. Such a record has a
role and no completion status, and its status is treated like that of a roster.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, tzinfo
from enum import StrEnum
from typing import Any, TypeVar, cast, get_args, get_origin

from pydantic import ValidationError

from mcp_truto_lms.domain.model import Course, CourseEnrollment, UnifiedModel, User, field_types
from mcp_truto_lms.domain.redaction import without_secrets
from mcp_truto_lms.domain.source import EnrollmentRecord, FetchRoute
from mcp_truto_lms.providers.payload_values import Raw, as_list, as_object, epoch, number, percent, text
from mcp_truto_lms.providers.talentlms.enrollments import INSTRUCTORS
from mcp_truto_lms.providers.talentlms.people import CERTIFICATE_FIELDS

MAX_ID_LENGTH = 200
FIRST_YEAR, LAST_YEAR = 1900, 9000
ISO_DATE_LENGTH = len("2026-11-01")
COMPACT_DATE_LENGTH = len("20261101")

_FIRST_EPOCH_IN_MILLISECONDS = 20_000_000_000  # as epoch seconds this would be the year 2603
_BOOLEAN_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_FIELD_OF_A_PLAIN_TEXT = {"emails": "email", "urls": "url"}
"""The field that a text stands for in a list of objects, such as an address in `emails`."""

Record = TypeVar("Record", bound=UnifiedModel)


def parse_enrollment(
    raw: object, *, route: FetchRoute, zone: tzinfo = UTC, remote_data: bool = False
) -> EnrollmentRecord | None:
    """Parse a course enrollment; None if its id, user or course is missing.

    Args:
        raw: the unified object
        route: the route by which it was read
        zone: the time zone in which a due date without a time ends
        remote_data: whether the record carries the provider's payload, secrets removed
    """
    fields = {**as_object(raw)}
    for name in ("user", "course"):
        plain_id = fields.get(name)
        if isinstance(plain_id, str | int):
            fields[name] = {"id": plain_id}
    enrollment = parse_record(CourseEnrollment, fields, zone=zone, remote_data=remote_data)
    if enrollment is None or enrollment.user is None or enrollment.course is None:
        return None
    if not enrollment.user.id or not enrollment.course.id:
        return None
    custom_fields = as_object(enrollment.custom_fields)
    role = text(custom_fields.get("role"))
    if route is FetchRoute.LIST and role is not None and "completion_status" not in custom_fields:
        route = FetchRoute.COURSE
    issued_at, expires_at = (parse_datetime(custom_fields.get(name)) for name in CERTIFICATE_FIELDS)
    return EnrollmentRecord(
        enrollment,
        route,
        is_learner=role is None or role.lower() not in INSTRUCTORS,
        certificate_issued_at=issued_at,
        certificate_expires_at=expires_at,
    )


def parse_user(raw: object, *, remote_data: bool = False) -> User | None:
    """Parse a user; None without a usable id."""
    fields = {**as_object(raw), "manager": _manager_fields(as_object(raw).get("manager"))}
    user = parse_record(User, fields, remote_data=remote_data)
    if user is None or user.name:
        return user
    name = " ".join(part for part in (user.first_name, user.last_name) if part) or user.username
    return user.model_copy(update={"name": name})


def _manager_fields(value: object) -> dict[str, Any] | None:
    """Read a manager given as an object, a name or an id; without an id, the name or address serves as one."""
    fields = dict(as_object(value)) or {"id": value, "name": value}
    if parse_identifier(fields.get("id")) is not None:
        return fields if as_object(value) else {"id": value}
    address = next(iter(as_list(fields.get("emails"))), None)
    label = text(fields.get("name")) or text(as_object(address).get("email")) or text(address)
    return {**fields, "id": "_".join(label.split())[:MAX_ID_LENGTH]} if label else None


def parse_course(raw: object, *, remote_data: bool = False) -> Course | None:
    """Parse a course; None without a usable id."""
    return parse_record(Course, raw, remote_data=remote_data)


def parse_record(model: type[Record], raw: object, *, zone: tzinfo = UTC, remote_data: bool = False) -> Record | None:
    """Parse a record of the model; None without a usable id."""
    fields = _parse_fields(model, as_object(raw), remote_data=remote_data)
    if fields.get("id") is None:
        return None
    try:
        return model.model_validate(fields, context={"zone": zone})
    except ValidationError as error:  # pragma: no cover - parsed fields are valid; a new field of the model may not be
        invalid = {problem["loc"][0] for problem in error.errors(include_url=False, include_input=False)}
        return model.model_validate({name: value for name, value in fields.items() if name not in invalid})


def parse_identifier(value: object) -> str | None:
    """Parse an id: any short text without blanks."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    identifier = text(value)
    if identifier is None or len(identifier) > MAX_ID_LENGTH or identifier in (".", ".."):
        return None
    return None if any(map(str.isspace, identifier)) else identifier


def parse_datetime(value: object) -> datetime | None:
    """Parse ISO 8601, or an epoch in seconds or milliseconds; a time without a zone is UTC."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    epoch_number = number(value)
    if epoch_number is not None and not _is_compact_date(value):
        return epoch(epoch_number / 1000 if epoch_number > _FIRST_EPOCH_IN_MILLISECONDS else epoch_number)
    try:
        parsed = datetime.fromisoformat(str(value).strip())
    except ValueError:
        return None
    if not FIRST_YEAR <= parsed.year <= LAST_YEAR:
        return None
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def key_by_id(records: Iterable[Record | None]) -> tuple[dict[str, Any], int]:
    """Key records by id, the first of each id; also return how many were None."""
    parsed = tuple(records)
    by_id: dict[str, Any] = {}
    for record in parsed:
        if record is not None:
            by_id.setdefault(cast("Any", record).id, record)
    return by_id, parsed.count(None)


def _parse_fields(model: type[UnifiedModel], raw_fields: Raw, *, remote_data: bool) -> dict[str, Any]:
    types = field_types(model)
    fields: dict[str, Any] = {}
    for name, value in raw_fields.items():
        if value is None or (name == "remote_data" and not remote_data):
            continue
        if name not in types:
            if not _is_secret(name):
                fields[name] = without_secrets(value)
            continue
        parse = _PARSER_BY_NAME.get(name)
        parsed = parse(value) if parse else _parse_value(name, types[name], value)
        if parsed is not None:
            fields[name] = parsed
    return fields


def _is_secret(name: str) -> bool:
    return not without_secrets({name: ""})


def _parse_value(name: str, kind: Any, value: object) -> Any:
    if get_origin(kind) is list:
        return _parse_list(name, get_args(kind)[0], value)
    if not isinstance(kind, type):
        return without_secrets(as_object(value)) or None if get_origin(kind) is dict else without_secrets(value)
    if issubclass(kind, UnifiedModel):
        return _parse_nested(name, kind, value)
    if issubclass(kind, StrEnum | str):
        return text(value)
    parse = _PARSER_BY_TYPE.get(cast("type[object]", kind))
    return without_secrets(value) if parse is None else parse(value)


def _parse_list(name: str, kind: Any, value: object) -> list[Any] | None:
    items = cast("list[object]", value) if isinstance(value, list) else [value]
    if not (isinstance(kind, type) and issubclass(kind, UnifiedModel)):
        return [without_secrets(item) for item in items]
    return [fields for item in items if (fields := _parse_nested(name, kind, item)) is not None]


def _parse_nested(name: str, kind: type[UnifiedModel], value: object) -> dict[str, Any] | None:
    if isinstance(value, str) and name in _FIELD_OF_A_PLAIN_TEXT:
        value = {_FIELD_OF_A_PLAIN_TEXT[name]: value}
    fields = _parse_fields(kind, as_object(value), remote_data=False)
    required = [field_name for field_name, field in kind.model_fields.items() if field.is_required()]
    if not fields or any(fields.get(field_name) is None for field_name in required):
        return None
    if "name" in kind.model_fields and "name" not in fields:
        parts = (fields.get("first_name"), fields.get("last_name"))
        full_name = " ".join(part for part in parts if isinstance(part, str))
        if full_name:
            fields["name"] = full_name
    return fields


def _parse_bool(value: object) -> bool | None:
    return value if isinstance(value, bool) else _BOOLEAN_WORDS.get((text(value) or "").lower())


def _parse_int(value: object) -> int | None:
    parsed = number(value)
    return None if parsed is None else int(parsed)


def _is_compact_date(value: object) -> bool:
    return isinstance(value, str) and len(value.strip()) == COMPACT_DATE_LENGTH


def _parse_due_at(value: object) -> datetime | date | None:
    """Parse a due date; a date without a time stays a date, because the moment it ends depends on the zone."""
    moment = parse_datetime(value)
    if moment is not None and isinstance(value, str):
        printed = value.strip()
        if len(printed) == ISO_DATE_LENGTH and printed[4] == "-":
            return moment.date()
    return moment


_PARSER_BY_NAME: Mapping[str, Any] = {"id": parse_identifier, "progress_percent": percent, "due_at": _parse_due_at}
_PARSER_BY_TYPE: Mapping[type, Any] = {float: number, int: _parse_int, bool: _parse_bool, datetime: parse_datetime}
