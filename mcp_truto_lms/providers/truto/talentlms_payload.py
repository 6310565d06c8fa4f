"""What a provider's own payload adds to a unified record, where it is TalentLMS that is behind Truto.

A course's payload holds its roster and a learner's holds their transcript: all their enrollments in one call, where
Truto's own list takes one call for each pair. Payloads are read by the functions that read TalentLMS itself, so an
enrollment is the same whichever way it came. Truto's mapping of a person or a course has the last word, but where it is
silent the payload fills in, since a list may leave out who is inactive, what is archived and when access ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any, TypeVar

from mcp_truto_lms.domain.model import Course, CourseStatus, EnrollmentStatus, User, UserRole, UserStatus
from mcp_truto_lms.domain.source import EnrollmentRecord
from mcp_truto_lms.providers.payload_values import as_object
from mcp_truto_lms.providers.talentlms import courses, enrollments, people
from mcp_truto_lms.providers.truto import records

_UNTOLD = frozenset({UserStatus.UNKNOWN, UserRole.OTHER, CourseStatus.UNKNOWN, EnrollmentStatus.UNKNOWN})
_UNNAMED = re.compile(r"custom_field_\d+")
_OF_A_PAIR = ("completion_status", "enrolled_on")

Filled = TypeVar("Filled", User, Course)


def roster_parts(
    raw: object, *, learners: Mapping[str, User], remote_data: bool = False
) -> Iterator[enrollments.Roster]:
    """Read the roster in a course's payload, a few hundred people at a time; nothing where it has none."""
    if isinstance(as_object(raw).get("users"), list | dict):
        yield from enrollments.roster_parts(raw, learners=learners, remote_data=remote_data)


def transcript(
    raw: object, *, person: User | None, courses: Mapping[str, Course], remote_data: bool = False
) -> enrollments.Transcript | None:
    """Read the transcript in a person's payload; None where it has none.

    Args:
        raw: the payload
        person: as Truto maps them, who may have names for the provider's custom fields
        courses: by id
        remote_data: whether enrollments keep their part of the payload
    """
    if not isinstance(as_object(raw).get("courses"), list | dict):
        return None
    found = enrollments.transcript(raw, courses=courses, remote_data=remote_data)
    if found is None or person is None or person.id != found.user.id:
        return found
    unnamed, named = found.user.custom_fields or {}, person.custom_fields or {}
    ours = {name: value for name, value in named.items() if name not in people.OF_THE_ACCOUNT}
    return replace(
        found,
        user=person,
        records=tuple(_with_fields(one, without=unnamed, fields=ours) for one in found.records),
    )


def user(raw: object, *, remote_data: bool = False) -> User | None:
    """Read a unified user, filled in from its payload."""
    found = records.user(raw, remote_data=remote_data)
    return found if found is None else _filled(found, people.user(as_object(raw).get("remote_data")))


def course(raw: object, *, remote_data: bool = False) -> Course | None:
    """Read a unified course, filled in from its payload."""
    found = records.course(raw, remote_data=remote_data)
    return found if found is None else _filled(found, courses.course(as_object(raw).get("remote_data")))


def pair(
    found: EnrollmentRecord, raw: object, *, courses: Mapping[str, Course], learners: Mapping[str, User]
) -> EnrollmentRecord:
    """Fill in an enrollment that was asked for alone from its payload: its score, and when access ends."""
    payload = as_object(as_object(raw).get("remote_data"))
    subject, person = found.enrollment.course, found.enrollment.user
    if subject is None or person is None or not all(name in payload for name in _OF_A_PAIR):
        return found
    user_id, course_id = person.id or "", subject.id or ""
    other = enrollments.pair(
        payload,
        user_id=user_id,
        course_id=course_id,
        learner=learners.get(user_id),
        course=courses.get(course_id),
        code=None,
    )
    if other is None:
        return found
    missing = {
        name: getattr(other.enrollment, name)
        for name in ("score", "due_at", "enrolled_at", "progress_percent", "time_spent_seconds")
        if getattr(found.enrollment, name) is None
    }
    enrollment = found.enrollment.model_copy(update=missing)
    return EnrollmentRecord(enrollment, found.route, other.access_ends_at, found.is_learner and other.is_learner)


def has_payload(raw: Mapping[str, Any]) -> bool:
    """Tell whether a record came with the provider's payload."""
    return bool(as_object(raw.get("remote_data")))


def _with_fields(one: EnrollmentRecord, *, without: Mapping[str, Any], fields: Mapping[str, Any]) -> EnrollmentRecord:
    before = one.enrollment.custom_fields or {}
    kept = {name: value for name, value in before.items() if name not in without}
    return replace(one, enrollment=one.enrollment.model_copy(update={"custom_fields": {**fields, **kept} or None}))


def _filled(found: Filled, payload: Filled | None) -> Filled:
    if payload is None or payload.id != found.id:
        return found
    missing: dict[str, Any] = {}
    for name in type(found).model_fields:
        value, other = getattr(found, name), getattr(payload, name)
        if other is not None and name != "remote_data" and _is_silent(value):
            missing[name] = other
    if found.custom_fields and payload.custom_fields:
        named = {name: value for name, value in payload.custom_fields.items() if not _UNNAMED.fullmatch(name)}
        missing["custom_fields"] = {**named, **found.custom_fields}
    return found.model_copy(update=missing) if missing else found


def _is_silent(value: object) -> bool:
    return value in (None, [], {}) or (isinstance(value, StrEnum) and value in _UNTOLD)
