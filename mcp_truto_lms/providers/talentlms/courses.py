"""Courses: `courses` and `courses/id` become unified courses.

When access to a course ends and how many days a learner has decide about due dates, and enrollments are mapped with
unified courses in hand, perhaps read back from a database. So both survive as plain values in `custom_fields`:
`expires_at` (ISO text, UTC) and `time_limit_days`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from mcp_truto_lms.domain.model import Course, CourseStatus, CourseType, iso_utc
from mcp_truto_lms.domain.redaction import without_secrets
from mcp_truto_lms.providers.payload_values import Mapped, as_list, as_object, epoch, identifier, text, to_int
from mcp_truto_lms.providers.talentlms.dates import UNKNOWN_DATES, PortalDates
from mcp_truto_lms.providers.talentlms.people import NO_LABELS, custom_fields

EXPIRES_AT = "expires_at"
TIME_LIMIT_DAYS = "time_limit_days"
MAX_TIME_LIMIT_DAYS = 100_000

_STATUS = {"active": CourseStatus.PUBLISHED, "inactive": CourseStatus.DISABLED, "archived": CourseStatus.ARCHIVED}


@dataclass(frozen=True, slots=True)
class CourseTerms:
    """What a course says about when its learners are due."""

    expires_at: datetime | None = None
    time_limit: timedelta | None = None

    def due_at(self, *, expired_on: datetime | None, enrolled_at: datetime | None) -> datetime | None:
        """Tell when an enrollment is due: its own end, else the course's, else so many days after enrolling."""
        if expired_on is not None or self.expires_at is not None:
            return expired_on or self.expires_at
        if enrolled_at is None or self.time_limit is None:
            return None
        try:
            return enrolled_at + self.time_limit
        except OverflowError:
            return None

    def access_ends_at(self, expired_on: datetime | None) -> datetime | None:
        """Tell when access ends: the earlier of the enrollment's own end and the course's."""
        if expired_on is None or self.expires_at is None:
            return expired_on or self.expires_at
        return min(expired_on, self.expires_at)


NO_TERMS = CourseTerms()


def course_terms(found: Course | None) -> CourseTerms:
    """Read the terms of a unified course back from its custom fields."""
    fields = None if found is None else found.custom_fields
    if not fields:
        return NO_TERMS
    days = to_int(fields.get(TIME_LIMIT_DAYS), most=MAX_TIME_LIMIT_DAYS)
    return CourseTerms(_iso(fields.get(EXPIRES_AT)), timedelta(days=days) if days else None)


def _iso(value: object) -> datetime | None:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    try:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:
        return None


def category_names(raw: object) -> Mapping[str, str]:
    """Map what categories are called, by id."""
    items = map(as_object, as_list(raw))
    named = ((identifier(one.get("id")), text(one.get("name"))) for one in items)
    return {key: name for key, name in named if key is not None and name is not None}


def course(
    raw: object,
    *,
    dates: PortalDates = UNKNOWN_DATES,
    categories: Mapping[str, str] = NO_LABELS,
    remote_data: bool = False,
) -> Course | None:
    """Map a course, its category by the name where that is known; None where there is no usable id."""
    item = as_object(raw)
    course_id = identifier(item.get("id"))
    if course_id is None:
        return None
    status, category = text(item.get("status")), identifier(item.get("category_id"))
    fields: dict[str, Any] = custom_fields(item, NO_LABELS)
    for name, source in (("starts_at", "start_datetime"), (EXPIRES_AT, "expiration_datetime")):
        moment = epoch(item.get(source)) or dates.parse(item.get(source))
        if moment is not None:
            fields[name] = iso_utc(moment)
    days = to_int(item.get("time_limit"), most=MAX_TIME_LIMIT_DAYS)
    if days:
        fields[TIME_LIMIT_DAYS] = days
    for name in ("certification", "certification_duration"):
        value = text(item.get(name))
        if value is not None:
            fields[name] = value
    return Course(
        id=course_id,
        title=text(item.get("name")),
        description=text(item.get("description")),
        code=text(item.get("code")),
        type=CourseType.COURSE,
        status=_STATUS.get((status or "").lower(), status),  # pyright: ignore[reportArgumentType] - the model reads the word
        categories=None if category is None else [{"id": category} | _named(categories.get(category))],
        created_at=dates.moment(item, "creation_date"),
        updated_at=dates.moment(item, "last_update_on"),
        custom_fields=fields or None,
        remote_data=without_secrets(raw) if remote_data else None,
    )


def _named(name: str | None) -> dict[str, str]:
    return {} if name is None else {"name": name}


def courses(
    raw: object,
    *,
    dates: PortalDates = UNKNOWN_DATES,
    categories: Mapping[str, str] = NO_LABELS,
    remote_data: bool = False,
) -> Mapped[Course]:
    """Map the course list."""
    every = tuple(course(one, dates=dates, categories=categories, remote_data=remote_data) for one in as_list(raw))
    kept = {one.id: one for one in every if one is not None}
    return Mapped(tuple(kept.values()), skipped=every.count(None))
