"""Unified records as Truto sends them, settled: whatever a mapping has bent, a record comes out, or is counted.

Mappings can be changed customer by customer, so nothing about a field's form is trusted. Numbers may be texts, dates
may be epochs or no dates at all, a list may be a single object, an enum may have a word of its own. A field that cannot
be read is null; only an enrollment without an id, a user or a course is of no use. Fields that the model does not know
are kept. Texts lose HTML escapes, and what would let somebody log in or open a signed address.

An endpoint that serves TalentLMS may list what it has read from rosters, which cannot tell a failure. Such a record has
a role, and no completion status beside it: its status is then trusted as that of a roster.
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

MAX_ID_LENGTH = 200
FIRST_YEAR, LAST_YEAR = 1900, 9000
WHOLE_DAY = len("2026-11-01")

_MILLISECONDS_FROM = 20_000_000_000  # as epoch seconds this would be the year 2603
_TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_LONE_FIELD = {"emails": "email", "urls": "url"}

Record = TypeVar("Record", bound=UnifiedModel)


def enrollment(
    raw: object, *, route: FetchRoute, zone: tzinfo = UTC, remote_data: bool = False
) -> EnrollmentRecord | None:
    """Read a course enrollment; None where its id, user or course is missing.

    Args:
        raw: the unified object
        route: the way it came
        zone: in which a due date without a time ends
        remote_data: whether the provider's payload stays on it, secrets removed
    """
    item = {**as_object(raw)}
    for name in ("user", "course"):
        lone = item.get(name)
        if isinstance(lone, str | int):
            item[name] = {"id": lone}
    found = settled(CourseEnrollment, item, zone=zone, remote_data=remote_data)
    if found is None or found.user is None or found.course is None or not found.user.id or not found.course.id:
        return None
    fields = as_object(found.custom_fields)
    role = text(fields.get("role"))
    if route is FetchRoute.LIST and role is not None and "completion_status" not in fields:
        route = FetchRoute.COURSE
    return EnrollmentRecord(found, route, is_learner=role is None or role.lower() not in INSTRUCTORS)


def user(raw: object, *, remote_data: bool = False) -> User | None:
    """Read a user; None where there is no usable id."""
    found = settled(
        User, {**as_object(raw), "manager": _manager(as_object(raw).get("manager"))}, remote_data=remote_data
    )
    if found is None or found.name:
        return found
    name = " ".join(part for part in (found.first_name, found.last_name) if part) or found.username
    return found.model_copy(update={"name": name})


def _manager(value: object) -> dict[str, Any] | None:
    """Read a manager, who may come as a bare name or id, or without an id: the name, or the address, stands for it."""
    item = dict(as_object(value)) or {"id": value, "name": value}
    if identifier(item.get("id")) is not None:
        return item if as_object(value) else {"id": value}
    address = next(iter(as_list(item.get("emails"))), None)
    known = text(item.get("name")) or text(as_object(address).get("email")) or text(address)
    return {**item, "id": "_".join(known.split())[:MAX_ID_LENGTH]} if known else None


def course(raw: object, *, remote_data: bool = False) -> Course | None:
    """Read a course; None where there is no usable id."""
    return settled(Course, raw, remote_data=remote_data)


def settled(model: type[Record], raw: object, *, zone: tzinfo = UTC, remote_data: bool = False) -> Record | None:
    """Read a record of the model; None where it has no usable id."""
    fields = _fields(model, as_object(raw), remote_data=remote_data)
    if fields.get("id") is None:
        return None
    try:
        return model.model_validate(fields, context={"zone": zone})
    except ValidationError as error:  # pragma: no cover - what is settled is valid; a new field of the model may not be
        wrong = {one["loc"][0] for one in error.errors(include_url=False, include_input=False)}
        return model.model_validate({name: value for name, value in fields.items() if name not in wrong})


def identifier(value: object) -> str | None:
    """Read an id: any short text without blanks."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    found = text(value)
    if found is None or len(found) > MAX_ID_LENGTH or any(map(str.isspace, found)) or found in (".", ".."):
        return None
    return found


def _fields(model: type[UnifiedModel], item: Raw, *, remote_data: bool) -> dict[str, Any]:
    known = field_types(model)
    found: dict[str, Any] = {}
    for name, value in item.items():
        if value is None or (name == "remote_data" and not remote_data):
            continue
        if name not in known:
            if not _is_secret(name):
                found[name] = without_secrets(value)
            continue
        settle = _BY_NAME.get(name)
        plain = settle(value) if settle else _value(name, known[name], value)
        if plain is not None:
            found[name] = plain
    return found


def _is_secret(name: str) -> bool:
    return not without_secrets({name: ""})


def _value(name: str, kind: Any, value: object) -> Any:
    if get_origin(kind) is list:
        return _list(name, get_args(kind)[0], value)
    if not isinstance(kind, type):
        return without_secrets(as_object(value)) or None if get_origin(kind) is dict else without_secrets(value)
    if issubclass(kind, UnifiedModel):
        return _nested(name, kind, value)
    if issubclass(kind, StrEnum | str):
        return text(value)
    settle = _BY_TYPE.get(cast("type[object]", kind))
    return without_secrets(value) if settle is None else settle(value)


def _list(name: str, kind: Any, value: object) -> list[Any] | None:
    if not isinstance(value, list):
        value = [value]
    items = cast("list[object]", value)
    if not (isinstance(kind, type) and issubclass(kind, UnifiedModel)):
        return [without_secrets(one) for one in items]
    return [found for one in items if (found := _nested(name, kind, one)) is not None]


def _nested(name: str, kind: type[UnifiedModel], value: object) -> dict[str, Any] | None:
    if isinstance(value, str) and name in _LONE_FIELD:
        value = {_LONE_FIELD[name]: value}
    fields = _fields(kind, as_object(value), remote_data=False)
    required = [one for one, field in kind.model_fields.items() if field.is_required()]
    if not fields or any(fields.get(one) is None for one in required):
        return None
    if "name" in kind.model_fields and "name" not in fields:
        parts = (fields.get("first_name"), fields.get("last_name"))
        name_of_parts = " ".join(part for part in parts if isinstance(part, str))
        if name_of_parts:
            fields["name"] = name_of_parts
    return fields


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else _TRUTHS.get((text(value) or "").lower())


def _whole(value: object) -> int | None:
    found = number(value)
    return None if found is None else int(found)


def moment(value: object) -> datetime | None:
    """Read an instant: ISO 8601, or an epoch in seconds or milliseconds; without a zone it is UTC."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    counted = number(value)
    if counted is not None and not _is_day_in_digits(value):
        return epoch(counted / 1000 if counted > _MILLISECONDS_FROM else counted)
    try:
        found = datetime.fromisoformat(str(value).strip())
    except ValueError:
        return None
    if not FIRST_YEAR <= found.year <= LAST_YEAR:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _is_day_in_digits(value: object) -> bool:
    return isinstance(value, str) and len(value.strip()) == len("20261101")


def _due(value: object) -> datetime | date | None:
    """Read a due date; a day without a time stays a day, whose end depends on the zone."""
    found = moment(value)
    if found is not None and isinstance(value, str) and len(value.strip()) == WHOLE_DAY and value.strip()[4] == "-":
        return found.date()
    return found


_BY_NAME: Mapping[str, Any] = {"id": identifier, "progress_percent": percent, "due_at": _due}
_BY_TYPE: Mapping[type, Any] = {float: number, int: _whole, bool: _flag, datetime: moment}


def counted(found: Iterable[Record | None]) -> tuple[dict[str, Any], int]:
    """Key records by id, the first of each; count those that were none."""
    every = tuple(found)
    kept: dict[str, Any] = {}
    for one in every:
        if one is not None:
            kept.setdefault(cast("Any", one).id, one)
    return kept, every.count(None)
