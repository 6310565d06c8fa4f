"""Enrollments, by three routes: a learner's transcript, a course's roster, a pair.

Every route returns the same enrollment with the fields that the route has: only a transcript and a pair report a
failure, only a pair has scores, only a transcript has an address and certificates. `enrollment.status` does not depend
on the time: an answer changes the status to `expired` if the enrollment is neither finished nor failed and its
`access_ends_at` is past. Instructors are included with `is_learner=False`.

An enrollment is unique per person and course, so its id consists of both ids. The portal may list a pair twice: the
later enrollment counts, and a learner's row counts before an instructor's. This is decided here for every route and
every provider that reads such payloads; the store and the unified API rely on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from statistics import fmean
from typing import Any

from mcp_truto_lms.domain.model import (
    Course,
    CourseEnrollment,
    CourseTerms,
    EnrolledCourse,
    EnrolledUser,
    Url,
    User,
    iso_utc,
)
from mcp_truto_lms.domain.person_fields import ACCOUNT_FIELDS
from mcp_truto_lms.domain.redaction import REMOVED, without_secrets
from mcp_truto_lms.domain.source import EnrollmentRecord, FetchRoute, in_parts
from mcp_truto_lms.providers.payload_values import (
    Raw,
    as_list,
    as_object,
    duration_seconds,
    has_value,
    identifier,
    number,
    percent,
    text,
)
from mcp_truto_lms.providers.talentlms.courses import access_ends_at, course, course_terms, due_at
from mcp_truto_lms.providers.talentlms.dates import UNKNOWN_DATES, PortalDates
from mcp_truto_lms.providers.talentlms.people import CERTIFICATE_FIELDS, NO_LABELS, user
from mcp_truto_lms.providers.talentlms.status import FINISHED_OR_FAILED, Vocabulary, status_of

INSTRUCTORS = frozenset({"instructor", "trainer"})
"""Roles in a course that are not a learner's."""
_NEVER, _FOREVER = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Transcript:
    """A learner and all their enrollments."""

    user: User
    records: tuple[EnrollmentRecord, ...]
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class Roster:
    """A course and all its enrollments."""

    course: Course
    records: tuple[EnrollmentRecord, ...]
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class _Certificate:
    """When a certificate was issued, and when it expires; None if it does not, or is unknown."""

    issued_at: datetime | None = None
    expires_at: datetime | None = None

    @property
    def rank(self) -> tuple[datetime, datetime]:
        return self.issued_at or _NEVER, self.expires_at or _FOREVER


NO_CERTIFICATE = _Certificate()


@dataclass(frozen=True, slots=True)
class _MappingContext:
    """How the items of a payload are mapped."""

    route: FetchRoute
    dates: PortalDates
    remote_data: bool


def transcript(
    raw: object,
    *,
    courses: Mapping[str, Course],
    labels: Mapping[str, str] = NO_LABELS,
    dates: PortalDates = UNKNOWN_DATES,
    remote_data: bool = False,
) -> Transcript | None:
    """Map `users/id`; None where the person has no usable id."""
    person = user(raw, labels=labels, dates=dates, remote_data=remote_data)
    if person is None:
        return None
    enrolled, fields, english = _enrolled(person.id, person, None), _fields_of(person), Vocabulary()
    context = _MappingContext(FetchRoute.LEARNER, dates, remote_data)
    items, skipped = _unique_items(as_object(raw).get("courses"), dates)
    certificates = _certificates(as_object(raw).get("certifications"), dates)
    records: list[EnrollmentRecord] = []
    for course_id, item in items:
        known_course = courses.get(course_id)
        word = text(item.get("completion_status_formatted"))
        title = text(item.get("name")) or (known_course and known_course.title)
        record = _record(
            context,
            item,
            user=enrolled,
            course=EnrolledCourse.trusted(id=course_id, title=title),
            terms=course_terms(known_course),
            fields=fields,
            code=text(item.get("completion_status")) or english.code(word),
            word=word,
            certificate=certificates.get(course_id, NO_CERTIFICATE),
        )
        records.append(record)
    return Transcript(person, tuple(records), skipped)


def _certificates(raw: object, dates: PortalDates) -> dict[str, _Certificate]:
    """Map a person's certificates by course; of several for one course the latest counts."""
    certificates: dict[str, _Certificate] = {}
    for item in map(as_object, as_list(raw)):
        course_id = identifier(item.get("course_id"))
        certificate = _Certificate(dates.moment(item, "issued_date"), dates.moment(item, "expiration_date"))
        if course_id is not None and certificate.rank >= certificates.get(course_id, NO_CERTIFICATE).rank:
            certificates[course_id] = certificate
    return certificates


def roster(
    raw: object,
    *,
    learners: Mapping[str, User],
    dates: PortalDates = UNKNOWN_DATES,
    remote_data: bool = False,
) -> Roster | None:
    """Map `courses/id`, joined with the people directory; None where the course has no usable id."""
    parts = [*roster_parts(raw, learners=learners, dates=dates, remote_data=remote_data)]
    if not parts:
        return None
    records = tuple(record for part in parts for record in part.records)
    return Roster(parts[0].course, records, sum(part.skipped for part in parts))


def roster_parts(
    raw: object,
    *,
    learners: Mapping[str, User],
    dates: PortalDates = UNKNOWN_DATES,
    remote_data: bool = False,
) -> Iterator[Roster]:
    """Map `courses/id` a few hundred people at a time; the first part counts the skipped items."""
    roster_course = course(raw, dates=dates)  # without the payload, which contains the whole roster
    if roster_course is None:
        return
    enrolled_course = EnrolledCourse.trusted(id=roster_course.id, title=roster_course.title)
    terms = course_terms(roster_course)
    context = _MappingContext(FetchRoute.COURSE, dates, remote_data)
    items, skipped = _unique_items(as_object(raw).get("users"), dates)
    for part in in_parts(items):
        records: list[EnrollmentRecord] = []
        for user_id, item in part:
            person = learners.get(user_id)
            enrolled = _enrolled(user_id, person, text(item.get("name")) if person is None else None)
            fields = _fields_of(person)
            records.append(_record(context, item, user=enrolled, course=enrolled_course, terms=terms, fields=fields))
        yield Roster(roster_course, tuple(records), skipped)
        skipped = 0


def _unique_items(raw: object, dates: PortalDates) -> tuple[list[tuple[str, Raw]], int]:
    """List the items of a roster or transcript by their id, each id once; count those without a usable id.

    Of several items with the same id a learner's counts before an instructor's, then the later enrollment.
    """
    items: dict[str, Raw] = {}
    skipped = 0
    for item in map(as_object, as_list(raw)):
        item_id = identifier(item.get("id"))
        if item_id is None:
            skipped += 1
        elif item_id not in items or _precedence(item, dates) > _precedence(items[item_id], dates):
            items[item_id] = item
    return [*items.items()], skipped


def _precedence(item: Raw, dates: PortalDates) -> tuple[bool, datetime, datetime, float]:
    """Rank the rows of one pair; whatever their order, the same row counts."""
    enrolled_at, completed_at = dates.moment(item, "enrolled_on"), dates.moment(item, "completed_on")
    progress = percent(item.get("completion_percentage"))
    return _is_learner(item), enrolled_at or _NEVER, completed_at or _NEVER, -1.0 if progress is None else progress


def _is_learner(item: Raw) -> bool:
    role = text(item.get("role"))
    return role is None or role.lower() not in INSTRUCTORS


def pair(
    raw: object,
    *,
    user_id: str,
    course_id: str,
    learner: User | None,
    course: Course | None,
    code: str | None,
    dates: PortalDates = UNKNOWN_DATES,
    remote_data: bool = False,
) -> EnrollmentRecord | None:
    """Map `getuserstatusincourse`; None where it is empty, which means not enrolled.

    Args:
        raw: the response, which names neither the person nor the course
        user_id: the id of the person
        course_id: the id of the course
        learner: the person, if known
        course: the course, if known
        code: the machine code of the response's display word, None if unknown
        dates: how the portal prints dates
        remote_data: whether the record carries the raw response, secrets removed
    """
    item = as_object(raw)
    if not item:
        return None
    scores = [
        score
        for score in (number(as_object(unit).get("score")) for unit in as_list(item.get("units")))
        if score is not None
    ]
    return _record(
        _MappingContext(FetchRoute.PAIR, dates, remote_data),
        item,
        user=_enrolled(user_id, learner, None),
        course=EnrolledCourse.trusted(id=course_id, title=course and course.title),
        terms=course_terms(course),
        fields=_fields_of(learner),
        code=code,
        word=text(item.get("completion_status")),
        score=fmean(scores) if scores else None,
    )


def code_in(raw: object, course_id: str) -> str | None:
    """Return the machine code that a learner's transcript has for a course."""
    for item in map(as_object, as_list(as_object(raw).get("courses"))):
        if identifier(item.get("id")) == course_id:
            return text(item.get("completion_status"))
    return None


def _record(
    context: _MappingContext,
    item: Raw,
    *,
    user: EnrolledUser,
    course: EnrolledCourse,
    terms: CourseTerms,
    fields: Mapping[str, Any],
    code: str | None = None,
    word: str | None = None,
    score: float | None = None,
    certificate: _Certificate = NO_CERTIFICATE,
) -> EnrollmentRecord:
    """Map an item and the values that its route adds."""
    moment = context.dates.moment
    progress = percent(item.get("completion_percentage"))
    enrolled_at, completed_at, expired_on = (
        moment(item, "enrolled_on"),
        moment(item, "completed_on"),
        moment(item, "expired_on"),
    )
    completed = completed_at is not None or has_value(item.get("completed_on"))
    seconds = duration_seconds(item.get("total_time_seconds"), item.get("total_time"))
    status = status_of(code, completed=completed, percent=progress)
    role = text(item.get("role"))
    own_fields = (
        ("role", role),
        ("completion_status", code),
        ("completion_status_formatted", word),
        *zip(CERTIFICATE_FIELDS, map(_iso, (certificate.issued_at, certificate.expires_at)), strict=True),
    )
    shown = {**fields, **{name: value for name, value in own_fields if value is not None}}
    enrollment = CourseEnrollment.trusted(
        id=f"{user.id}_{course.id}",
        user=user,
        course=course,
        status=status,
        due_at=due_at(terms, expired_on=expired_on, enrolled_at=enrolled_at),
        enrolled_at=enrolled_at,
        completed_at=completed_at if status in FINISHED_OR_FAILED else None,
        progress_percent=progress,
        time_spent_seconds=seconds,
        score=score,
        urls=_addresses(item),
        custom_fields=shown or None,
        remote_data=without_secrets(item) if context.remote_data else None,
    )
    return EnrollmentRecord(
        enrollment,
        context.route,
        access_ends_at=access_ends_at(terms, expired_on=expired_on, enrolled_at=enrolled_at),
        is_learner=role is None or role.lower() not in INSTRUCTORS,
        opens_at=terms.opens_at,
        certificate_issued_at=certificate.issued_at,
        certificate_expires_at=certificate.expires_at,
        evidence=_digest(enrolled_at, completed_at or completed, progress, expired_on, seconds),
    )


def _iso(moment: datetime | None) -> str | None:
    return moment and iso_utc(moment)


def _digest(*values: datetime | float | None) -> int:
    """Digest what every route reports alike."""
    return int.from_bytes(blake2b(repr(values).encode(), digest_size=7).digest())


def _addresses(item: Raw) -> list[Url] | None:
    address = text(item.get("last_accessed_unit_url"))
    if address is None or not address.startswith(("https://", "http://")) or REMOVED in address:
        return None
    return [Url(url=address, type="last_accessed_unit")]


def _enrolled(user_id: str, person: User | None, short_name: str | None) -> EnrolledUser:
    if person is None:
        return EnrolledUser.trusted(id=user_id, name=short_name)
    return EnrolledUser.trusted(id=user_id, name=person.name, emails=person.emails)


def _fields_of(person: User | None) -> dict[str, Any]:
    if person is None or not person.custom_fields:
        return {}
    return {name: value for name, value in person.custom_fields.items() if name not in ACCOUNT_FIELDS}
