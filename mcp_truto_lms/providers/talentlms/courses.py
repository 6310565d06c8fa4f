"""Courses: `courses` and `courses/id` become unified courses.

The opening, the end of access and the time limit of a course decide when its enrollments are due. They are typed values
on the course (`Course.terms`), since enrollments are also mapped with courses that come from the store. They are shown
as custom fields too.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from mcp_truto_lms.domain.model import Course, CourseStatus, CourseTerms, CourseType, iso_utc
from mcp_truto_lms.domain.redaction import without_secrets
from mcp_truto_lms.providers.payload_values import Mapped, as_list, as_object, epoch, identifier, text, to_int
from mcp_truto_lms.providers.talentlms.dates import UNKNOWN_DATES, PortalDates
from mcp_truto_lms.providers.talentlms.people import NO_LABELS, custom_fields

OPENS_AT = "starts_at"
EXPIRES_AT = "expires_at"
TIME_LIMIT_DAYS = "time_limit_days"
MAX_TIME_LIMIT_DAYS = 100_000
NO_TERMS = CourseTerms()

_STATUS = {"active": CourseStatus.PUBLISHED, "inactive": CourseStatus.DISABLED, "archived": CourseStatus.ARCHIVED}


def due_at(terms: CourseTerms, *, expired_on: datetime | None, enrolled_at: datetime | None) -> datetime | None:
    """Return when an enrollment is due: at its own end, else the course's end, else after the time limit."""
    return expired_on or terms.expires_at or _time_limit(terms, enrolled_at)


def access_ends_at(terms: CourseTerms, *, expired_on: datetime | None, enrolled_at: datetime | None) -> datetime | None:
    """Return when access ends: the earlier of the course's end and the enrollment's, which the time limit may make."""
    ends = (terms.expires_at, expired_on or _time_limit(terms, enrolled_at))
    return min((end for end in ends if end is not None), default=None)


def _time_limit(terms: CourseTerms, enrolled_at: datetime | None) -> datetime | None:
    if enrolled_at is None or not terms.time_limit_days:
        return None
    try:
        return enrolled_at + timedelta(days=terms.time_limit_days)
    except OverflowError:
        return None


def course_terms(course: Course | None) -> CourseTerms:
    """Return the terms of a course; an unknown course has none."""
    return NO_TERMS if course is None or course.terms is None else course.terms


def parse_terms(fields: Mapping[str, Any]) -> CourseTerms | None:
    """Parse terms out of the custom fields of a course that came over the unified API; None where it has none."""
    days = to_int(fields.get(TIME_LIMIT_DAYS), most=MAX_TIME_LIMIT_DAYS)
    opens_at, expires_at = _parse_iso(fields.get(OPENS_AT)), _parse_iso(fields.get(EXPIRES_AT))
    return _terms(opens_at, expires_at, days)


def _terms(opens_at: datetime | None, expires_at: datetime | None, days: int | None) -> CourseTerms | None:
    if opens_at is None and expires_at is None and not days:
        return None
    return CourseTerms(opens_at=opens_at, expires_at=expires_at, time_limit_days=days or None)


def _parse_iso(value: object) -> datetime | None:
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
    """Map category ids to names."""
    categories = map(as_object, as_list(raw))
    names = ((identifier(category.get("id")), text(category.get("name"))) for category in categories)
    return {key: name for key, name in names if key is not None and name is not None}


def course(
    raw: object,
    *,
    dates: PortalDates = UNKNOWN_DATES,
    categories: Mapping[str, str] = NO_LABELS,
    remote_data: bool = False,
) -> Course | None:
    """Map a course, with its category's name where it is known; None where there is no usable id."""
    item = as_object(raw)
    course_id = identifier(item.get("id"))
    if course_id is None:
        return None
    status, category = text(item.get("status")), identifier(item.get("category_id"))
    opens_at = epoch(item.get("start_datetime")) or dates.parse(item.get("start_datetime"))
    expires_at = epoch(item.get("expiration_datetime")) or dates.parse(item.get("expiration_datetime"))
    days = to_int(item.get("time_limit"), most=MAX_TIME_LIMIT_DAYS) or None
    shown = {
        OPENS_AT: opens_at and iso_utc(opens_at),
        EXPIRES_AT: expires_at and iso_utc(expires_at),
        TIME_LIMIT_DAYS: days,
        "certification": text(item.get("certification")),
        "certification_duration": text(item.get("certification_duration")),
    }
    fields = custom_fields(item, NO_LABELS) | {name: value for name, value in shown.items() if value is not None}
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
        terms=_terms(opens_at, expires_at, days),
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
    mapped = [course(item, dates=dates, categories=categories, remote_data=remote_data) for item in as_list(raw)]
    by_id = {course.id: course for course in mapped if course is not None}
    return Mapped(tuple(by_id.values()), skipped=mapped.count(None))
