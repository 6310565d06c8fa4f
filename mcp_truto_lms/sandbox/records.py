"""The records of an organisation, as plain values before an API formats them.

Ids are texts, as in every response of the portal. Moments are epoch seconds in UTC, or None. Names are unescaped, with
any markup and control characters that people typed.
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
    """The role of a person in a course."""

    LEARNER = "learner"
    INSTRUCTOR = "instructor"


@dataclass(frozen=True, slots=True)
class SamplePortal:
    """The portal's own settings.

    Args:
        zone: the IANA name of the zone of printed dates
        zone_label: TalentLMS's name of the same zone
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
    """A registration field of the portal; without choices it is free text."""

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
    """A part of the organisation with its own page and courses."""

    id: str
    name: str
    description: str
    course_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SampleGroup:
    """A set of people with the same courses."""

    id: str
    name: str
    description: str
    course_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SamplePerson:
    """A person with an account; `custom_fields` has the values in the order of the organisation's fields."""

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
    """A unit of a course. Only a test has a score."""

    id: str
    name: str
    type: str

    @property
    def is_test(self) -> bool:
        """Whether the unit is scored."""
        return self.type == "Test"


@dataclass(frozen=True, slots=True)
class SampleCourse:
    """A course; `status` is active, inactive or archived, `time_limit_days` is 0 without a limit."""

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
    opens_on: int | None = None


@dataclass(frozen=True, slots=True)
class SampleEnrollment:
    """One person in one course.

    Args:
        expired_on: when access ends for this person
        failed_on: when the learner failed; the API may report it as the completion date
        score: the score of the course's test, if it was taken
        certificates: when each was issued and when it expires; one for the completion is there without
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
    certificates: tuple[tuple[int, int | None], ...] = ()


@dataclass(frozen=True, slots=True)
class Organisation:
    """The content of the portal, as of the start (UTC) of `today`."""

    today: date
    portal: SamplePortal
    custom_fields: tuple[CustomField, ...]
    categories: tuple[SampleCategory, ...]
    branches: tuple[SampleBranch, ...]
    groups: tuple[SampleGroup, ...]
    people: tuple[SamplePerson, ...]
    courses: tuple[SampleCourse, ...]
    enrollments: tuple[SampleEnrollment, ...]
