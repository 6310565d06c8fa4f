"""People: `users` and `users/id` become unified users.

Custom registration fields arrive as `custom_field_N` and are mapped to their label, which people use in questions. A
field whose label would hide a field of another kind stays `custom_field_N`. Several fields may have one label: a person
who fills one of them has that value under the label, and further values are named apart, as `Department (2)`.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping
from itertools import count
from types import MappingProxyType
from typing import Any

from mcp_truto_lms.domain.columns import CERTIFICATE_COLUMNS
from mcp_truto_lms.domain.model import Email, User, UserRole
from mcp_truto_lms.domain.person_fields import ACCOUNT_FIELDS, TEAM_FIELDS
from mcp_truto_lms.domain.redaction import REMOVED, without_secrets
from mcp_truto_lms.providers.payload_values import Mapped, Raw, as_list, as_object, epoch, identifier, text
from mcp_truto_lms.providers.talentlms.dates import UNKNOWN_DATES, PortalDates
from mcp_truto_lms.providers.talentlms.zones import resolve_zone

NO_LABELS: Mapping[str, str] = MappingProxyType({})

CERTIFICATE_FIELDS = tuple(CERTIFICATE_COLUMNS)
"""Custom fields of an enrollment: when its latest certificate was issued, and when it expires."""

_CUSTOM_FIELD = re.compile(r"custom_field_\d{1,6}", re.ASCII)
_STATUS_FIELDS = ("role", "completion_status", "completion_status_formatted")
_RESERVED = frozenset({*_STATUS_FIELDS, *CERTIFICATE_FIELDS, *TEAM_FIELDS, *ACCOUNT_FIELDS})
_ROLE_WORDS = (
    ("admin", UserRole.ADMIN),
    ("trainer", UserRole.INSTRUCTOR),
    ("instructor", UserRole.INSTRUCTOR),
    ("manager", UserRole.MANAGER),
    ("learner", UserRole.LEARNER),
)


def has_custom_fields(raw: object) -> bool:
    """Tell whether an item holds fields that need a label."""
    return any(_CUSTOM_FIELD.fullmatch(name) for name in as_object(raw))


def field_labels(raw: object) -> Mapping[str, str]:
    """Read the labels of `custom_field_N` from `getcustomregistrationfields`; of labels that look alike, the first."""
    labels: dict[str, str] = {}
    spellings: dict[str, str] = {}
    for item in as_list(raw):
        key, label = text(as_object(item).get("key")), text(as_object(item).get("name"))
        if key is None or label is None or not _CUSTOM_FIELD.fullmatch(key):
            continue
        normalized = label.casefold().replace(" ", "_")
        if normalized not in _RESERVED and not _CUSTOM_FIELD.fullmatch(normalized):
            labels[key] = spellings.setdefault(normalized, label)
    return MappingProxyType(labels)


def custom_fields(raw: Raw, labels: Mapping[str, str]) -> dict[str, Any]:
    """Read the custom fields of an item, by label; values that look like secrets are excluded."""
    fields: dict[str, Any] = {}
    names = [name for name in raw if name.startswith("custom_field_") and _CUSTOM_FIELD.fullmatch(name)]
    for name in sorted(names, key=lambda name: (len(name), name)):
        value = _field_value(raw[name])
        if value is not None and REMOVED not in value:
            label = labels.get(name, name)
            if fields.get(label) not in (None, value):
                label = _free_label(label, {*fields, *labels.values()})
            fields[label] = value
    return fields


def _free_label(label: str, used_labels: Container[str]) -> str:
    return next(free for number in count(2) if (free := f"{label} ({number})") not in used_labels)


def _field_value(value: object) -> str | None:
    several = [part for part in map(text, as_list(value)) if part]
    return ", ".join(several) if several else text(value)


def user(
    raw: object,
    *,
    labels: Mapping[str, str] = NO_LABELS,
    dates: PortalDates = UNKNOWN_DATES,
    remote_data: bool = False,
) -> User | None:
    """Map a person; None where there is no usable id."""
    item = as_object(raw)
    user_id = identifier(item.get("id"))
    if user_id is None:
        return None
    first, last = text(item.get("first_name")), text(item.get("last_name"))
    login, email = text(item.get("login")), text(item.get("email"))
    user_type, zone = text(item.get("user_type")), text(item.get("timezone"))
    fields = custom_fields(item, labels)
    if user_type is not None:
        fields["user_type"] = user_type
    for field in TEAM_FIELDS:
        names = [text(as_object(team).get("name")) for team in as_list(item.get(field))]
        if any(names):
            fields[field] = [name for name in names if name]
    return User(
        id=user_id,
        first_name=first,
        last_name=last,
        name=" ".join(part for part in (first, last) if part) or text(item.get("name")) or login,
        username=login,
        emails=[] if email is None else [Email(email=email, is_primary=True)],
        status=text(item.get("status")),  # pyright: ignore[reportArgumentType] - the model reads the word
        role=_role(user_type),
        locale=text(item.get("language")),
        timezone=getattr(resolve_zone(zone), "key", zone),
        created_at=dates.moment(item, "created_on"),
        updated_at=epoch(item.get("last_updated_timestamp")),
        custom_fields=fields or None,
        remote_data=without_secrets(raw) if remote_data else None,
    )


def people(
    raw: object,
    *,
    labels: Mapping[str, str] = NO_LABELS,
    dates: PortalDates = UNKNOWN_DATES,
    remote_data: bool = False,
) -> Mapped[User]:
    """Map the people directory, or a page of it."""
    mapped = [user(item, labels=labels, dates=dates, remote_data=remote_data) for item in as_list(raw)]
    by_id = {person.id: person for person in mapped if person is not None}
    return Mapped(tuple(by_id.values()), skipped=mapped.count(None))


def teams(raw: Iterable[object]) -> dict[str, tuple[str, ...]]:
    """Map each member's id to the names of the branches or groups that list them, in the order of the list."""
    names_by_user: dict[str, dict[str, None]] = {}
    for team in map(as_object, raw):
        name = text(team.get("name"))
        for member in as_list(team.get("users")) if name else []:
            if (user_id := identifier(as_object(member).get("id"))) is not None:
                names_by_user.setdefault(user_id, {})[name or ""] = None
    return {user_id: tuple(names) for user_id, names in names_by_user.items()}


def _role(user_type: str | None) -> UserRole | None:
    if user_type is None:
        return None
    lowered = user_type.casefold()
    return next((role for word, role in _ROLE_WORDS if word in lowered), UserRole.OTHER)
