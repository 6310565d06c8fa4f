"""What an organisation is made of: plain values that say what is true, before any API has printed it.

Identifiers are texts as in every answer of the portal; moments are epoch seconds in UTC, or None where there is none.
Names are what people typed, unescaped, with whatever they hid in them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class Outcome(StrEnum):
    """The machine codes of an enrollment's completion status."""

    NOT_ATTEMPTED = "not_attempted"
    INCOMPLETE = "incomplete"
    COMPLETED = "completed"
    FAILED = "failed"


class CourseRole(StrEnum):
    """What a person is in a course."""

    LEARNER = "learner"
    INSTRUCTOR = "instructor"


@dataclass(frozen=True, slots=True)
class SamplePortal:
    """The portal's own settings.

    Args:
        zone: the IANA name of the zone in which dates are printed
        zone_label: the same zone as TalentLMS names it
        date_format: DDMMYYYY, MMDDYYYY or YYYYMMDD
    """

    name: str = "Northgate"
    host: str = "northgate.talentlms.example"
    zone: str = "Europe/Athens"
    zone_label: str = "(GMT +02:00) Athens, Istanbul, Minsk"
    language: str = "English"
    date_format: str = "DDMMYYYY"


@dataclass(frozen=True, slots=True)
class CustomField:
    """A field that the portal asks of everyone who registers; no choices means free text."""

    key: str
    name: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SampleCategory:
    """A category of courses."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class SampleBranch:
    """A part of the organisation with its own page, and the courses that it offers."""

    id: str
    name: str
    description: str
    course_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SampleGroup:
    """People who get the same courses."""

    id: str
    name: str
    description: str
    course_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SamplePerson:
    """Somebody with an account; `custom_fields` are the values in the order of the organisation's fields."""

    id: str
    login: str
    first_name: str
    last_name: str
    email: str
    user_type: str
    active: bool
    created_on: int
    updated_on: int
    deactivated_on: int | None
    bio: str
    custom_fields: tuple[str, ...]
    branch_ids: tuple[str, ...]
    group_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CourseUnit:
    """A part of a course. Only a test has a score."""

    id: str
    name: str
    type: str

    @property
    def is_test(self) -> bool:
        """Whether the unit is scored."""
        return self.type == "Test"


@dataclass(frozen=True, slots=True)
class SampleCourse:
    """A course; `status` is active, inactive or archived, `time_limit_days` is 0 where there is none."""

    id: str
    name: str
    code: str
    category_id: str
    description: str
    status: str
    created_on: int
    updated_on: int
    creator_id: str
    time_limit_days: int
    expires_on: int | None
    certificate: bool
    units: tuple[CourseUnit, ...]


@dataclass(frozen=True, slots=True)
class SampleEnrollment:
    """One person in one course.

    Args:
        expired_on: when access ends or ended, where the portal closes it for this person
        failed_on: when a failed one was judged; the API may or may not show that as its completion
        score: of the course's test, where it was taken
    """

    user_id: str
    course_id: str
    role: CourseRole
    outcome: Outcome
    percent: int
    enrolled_on: int
    completed_on: int | None
    failed_on: int | None
    expired_on: int | None
    seconds_spent: int
    score: int | None


@dataclass(frozen=True, slots=True)
class Organisation:
    """Everything that the portal knows, as of the start (UTC) of `today`."""

    today: date
    portal: SamplePortal
    custom_fields: tuple[CustomField, ...]
    categories: tuple[SampleCategory, ...]
    branches: tuple[SampleBranch, ...]
    groups: tuple[SampleGroup, ...]
    people: tuple[SamplePerson, ...]
    courses: tuple[SampleCourse, ...]
    enrollments: tuple[SampleEnrollment, ...]
