"""What the payload of TalentLMS adds to a unified record, when TalentLMS is the LMS behind Truto.

A course's payload holds its roster and a learner's holds their transcript: all their enrollments in one call, where
Truto's own list takes one call for each pair. The functions that read TalentLMS itself also read these payloads, so an
enrollment is the same by either provider. A value that Truto has mapped takes precedence. The payload fills the fields
that Truto leaves empty, because a list may omit who is inactive, which courses are archived and when access ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any, TypeVar

from mcp_truto_lms.domain.model import Course, CourseStatus, EnrollmentStatus, User, UserRole, UserStatus
from mcp_truto_lms.domain.person_fields import ACCOUNT_FIELDS
from mcp_truto_lms.domain.source import EnrollmentRecord
from mcp_truto_lms.providers.payload_values import as_object
from mcp_truto_lms.providers.talentlms import courses as talentlms_courses
from mcp_truto_lms.providers.talentlms import enrollments as talentlms_enrollments
from mcp_truto_lms.providers.talentlms import people as talentlms_people
from mcp_truto_lms.providers.truto import records

_UNKNOWN_VALUES = frozenset({UserStatus.UNKNOWN, UserRole.OTHER, CourseStatus.UNKNOWN, EnrollmentStatus.UNKNOWN})
_JUDGED_BY_THE_CLOCK = frozenset({EnrollmentStatus.EXPIRED, EnrollmentStatus.OVERDUE, EnrollmentStatus.UNKNOWN})
"""Mapped statuses that hide how far the learner got, which the payload tells."""
_UNLABELED_FIELD = re.compile(r"custom_field_\d+")
_FIELDS_OF_A_PAIR = ("completion_status", "enrolled_on")
_FILLED_FIELDS_OF_A_PAIR = ("score", "due_at", "enrolled_at", "progress_percent", "time_spent_seconds")

MappedRecord = TypeVar("MappedRecord", User, Course)


def has_payload(raw: Mapping[str, Any]) -> bool:
    """Return whether a record carries the provider's payload."""
    return bool(as_object(raw.get("remote_data")))


def parse_user(raw: object, *, remote_data: bool = False) -> User | None:
    """Parse a unified user, with empty fields filled from its payload."""
    user = records.parse_user(raw, remote_data=remote_data)
    if user is None:
        return None
    return _fill_empty_fields(user, talentlms_people.user(as_object(raw).get("remote_data")))


def parse_course(raw: object, *, remote_data: bool = False) -> Course | None:
    """Parse a unified course, with empty fields filled from its payload."""
    course = records.parse_course(raw, remote_data=remote_data)
    if course is None:
        return None
    course = _fill_empty_fields(course, talentlms_courses.course(as_object(raw).get("remote_data")))
    if course.terms is None and course.custom_fields:
        return course.model_copy(update={"terms": talentlms_courses.parse_terms(course.custom_fields)})
    return course


def parse_roster_batches(
    payload: object, *, learners: Mapping[str, User], remote_data: bool = False
) -> Iterator[talentlms_enrollments.Roster]:
    """Parse the roster in a course's payload, a few hundred people at a time; nothing if it has none."""
    if isinstance(as_object(payload).get("users"), list | dict):
        yield from talentlms_enrollments.roster_parts(payload, learners=learners, remote_data=remote_data)


def parse_transcript(
    payload: object, *, learner: User | None, courses: Mapping[str, Course], remote_data: bool = False
) -> talentlms_enrollments.Transcript | None:
    """Parse the transcript in a learner's payload; None if it has none.

    Args:
        payload: the provider's record of the learner
        learner: the learner as Truto maps them, perhaps with labels for the provider's custom fields
        courses: by id
        remote_data: whether enrollments carry their part of the payload
    """
    if not isinstance(as_object(payload).get("courses"), list | dict):
        return None
    transcript = talentlms_enrollments.transcript(payload, courses=courses, remote_data=remote_data)
    if transcript is None or learner is None or learner.id != transcript.user.id:
        return transcript
    unlabeled, labeled = transcript.user.custom_fields or {}, learner.custom_fields or {}
    learner_fields = {name: value for name, value in labeled.items() if name not in ACCOUNT_FIELDS}
    return replace(
        transcript,
        user=learner,
        records=tuple(_replace_fields(record, unlabeled, learner_fields) for record in transcript.records),
    )


def fill_pair(
    record: EnrollmentRecord, raw: object, *, courses: Mapping[str, Course], learners: Mapping[str, User]
) -> EnrollmentRecord:
    """Fill an enrollment that was read as a pair from its payload, with its score, the end of access and the evidence.

    Args:
        record: the enrollment as Truto maps it
        raw: the unified object that carries the payload
        courses: by id
        learners: by id
    """
    payload = as_object(as_object(raw).get("remote_data"))
    enrollment = record.enrollment
    if enrollment.course is None or enrollment.user is None:
        return record
    if not all(name in payload for name in _FIELDS_OF_A_PAIR):
        return record
    user_id, course_id = enrollment.user.id or "", enrollment.course.id or ""
    payload_record = talentlms_enrollments.pair(
        payload,
        user_id=user_id,
        course_id=course_id,
        learner=learners.get(user_id),
        course=courses.get(course_id),
        code=None,
    )
    if payload_record is None:
        return record
    changes = {
        name: getattr(payload_record.enrollment, name)
        for name in _FILLED_FIELDS_OF_A_PAIR
        if getattr(enrollment, name) is None
    }
    if enrollment.status in _JUDGED_BY_THE_CLOCK:
        changes["status"] = payload_record.enrollment.status
    return replace(
        payload_record,
        enrollment=enrollment.model_copy(update=changes),
        route=record.route,
        is_learner=record.is_learner and payload_record.is_learner,
        certificate_issued_at=record.certificate_issued_at,
        certificate_expires_at=record.certificate_expires_at,
    )


def _replace_fields(
    record: EnrollmentRecord, unlabeled: Mapping[str, Any], labeled: Mapping[str, Any]
) -> EnrollmentRecord:
    """Replace a learner's unlabeled custom fields on an enrollment by the labeled ones."""
    fields = record.enrollment.custom_fields or {}
    enrollment_fields = {name: value for name, value in fields.items() if name not in unlabeled}
    custom_fields = {**labeled, **enrollment_fields} or None
    return replace(record, enrollment=record.enrollment.model_copy(update={"custom_fields": custom_fields}))


def _fill_empty_fields(mapped: MappedRecord, payload: MappedRecord | None) -> MappedRecord:
    if payload is None or payload.id != mapped.id:
        return mapped
    changes: dict[str, Any] = {}
    for name in type(mapped).model_fields:
        payload_value = getattr(payload, name)
        if payload_value is not None and name != "remote_data" and _is_empty(getattr(mapped, name)):
            changes[name] = payload_value
    if mapped.custom_fields and payload.custom_fields:
        fields = payload.custom_fields.items()
        labeled = {name: value for name, value in fields if not _UNLABELED_FIELD.fullmatch(name)}
        changes["custom_fields"] = {**labeled, **mapped.custom_fields}
    return mapped.model_copy(update=changes) if changes else mapped


def _is_empty(value: object) -> bool:
    return value in (None, [], {}) or (isinstance(value, StrEnum) and value in _UNKNOWN_VALUES)
