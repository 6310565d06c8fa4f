"""People: `users` and `users/id` become unified users.

Custom registration fields arrive as `custom_field_N` and leave under their label, which is what people ask by. A label
that would hide another field, or another label, stays `custom_field_N`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from mcp_truto_lms.domain.model import Email, User, UserRole
from mcp_truto_lms.domain.person_fields import ACCOUNT_FIELDS, GROUP_FIELD, TEAM_FIELD
from mcp_truto_lms.domain.redaction import REMOVED, without_secrets
from mcp_truto_lms.providers.payload_values import Mapped, Raw, as_list, as_object, epoch, identifier, text
from mcp_truto_lms.providers.talentlms.dates import UNKNOWN_DATES, PortalDates
from mcp_truto_lms.providers.talentlms.zones import resolve_zone

NO_LABELS: Mapping[str, str] = MappingProxyType({})

_CUSTOM_FIELD = re.compile(r"custom_field_\d{1,6}", re.ASCII)
_RESERVED = frozenset(
    {"role", "completion_status", "completion_status_formatted", GROUP_FIELD, TEAM_FIELD, *ACCOUNT_FIELDS}
)
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
    """Read the labels of `custom_field_N` from `getcustomregistrationfields`."""
    labels: dict[str, str] = {}
    taken = set(_RESERVED)
    for item in as_list(raw):
        key, label = text(as_object(item).get("key")), text(as_object(item).get("name"))
        if key is None or label is None or not _CUSTOM_FIELD.fullmatch(key):
            continue
        folded = label.casefold().replace(" ", "_")
        if folded not in taken and not _CUSTOM_FIELD.fullmatch(folded):
            taken.add(folded)
            labels[key] = label
    return MappingProxyType(labels)


def custom_fields(raw: Raw, labels: Mapping[str, str]) -> dict[str, Any]:
    """Read the custom fields of an item, by label; values that look like secrets are left out."""
    found: dict[str, Any] = {}
    for name in raw:
        if name.startswith("custom_field_") and _CUSTOM_FIELD.fullmatch(name):
            value = _field_value(raw[name])
            if value is not None and REMOVED not in value:
                found[labels.get(name, name)] = value
    return found


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
    for place in ("branches", "groups"):
        names = [name for name in (text(as_object(one).get("name")) for one in as_list(item.get(place))) if name]
        if names:
            fields[place] = names
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
    return _mapped(user(one, labels=labels, dates=dates, remote_data=remote_data) for one in as_list(raw))


def teams(raw: Iterable[object]) -> dict[str, tuple[str, ...]]:
    """Read whose branches or groups these are: their names, in their order, by the person's id."""
    found: dict[str, dict[str, None]] = {}
    for place in raw:
        name = text(as_object(place).get("name"))
        for member in as_list(as_object(place).get("users")) if name else []:
            if (user_id := identifier(as_object(member).get("id"))) is not None:
                found.setdefault(user_id, {})[name or ""] = None
    return {user_id: tuple(names) for user_id, names in found.items()}


def _mapped(found: Iterable[User | None]) -> Mapped[User]:
    every = tuple(found)
    kept = {one.id: one for one in every if one is not None}
    return Mapped(tuple(kept.values()), skipped=every.count(None))


def _role(user_type: str | None) -> UserRole | None:
    if user_type is None:
        return None
    folded = user_type.casefold()
    return next((role for word, role in _ROLE_WORDS if word in folded), UserRole.OTHER)
