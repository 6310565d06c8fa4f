"""Draws the people: first the staff (administrators and instructors), then the learners, fixed profiles first.

People are drawn as drafts without dates, because the date of an account depends on its first enrollment.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from random import Random

from mcp_truto_lms.sandbox.names import FIRST_NAMES, FIXED_PROFILES, LAST_NAMES, PersonProfile, email_name
from mcp_truto_lms.sandbox.records import CustomField, SamplePerson

LEARNER_TYPE, INSTRUCTOR_TYPE, ADMIN_TYPE = "Learner-Type", "Trainer-Type", "SuperAdmin"
MAIL_DOMAIN = "northgate.example"
SITES = ("Oslo", "Athens", "São Paulo", "Łódź", "Hull", "R&D Lab")
CUSTOM_FIELDS = (
    CustomField("custom_field_1", "Job title"),
    CustomField("custom_field_2", "Site", SITES),
    CustomField("custom_field_3", "Employee number"),
)
BRANCHES = ("North", "South", "Head Office", "R&D Campus")
GROUPS = ("New hires", "Managers", "Drivers & Couriers")

INACTIVE_SHARE = 0.05
UNENROLLED_SHARE = 0.05
COURSES_PER_INSTRUCTOR = 6

_JOB_TITLES = (
    "Account Manager", "Accountant", "Customer Support Agent", "Data Analyst", "Dispatcher", "Driver", "Engineer",
    "Forklift Driver", "HR Business Partner", "IT Administrator", "Planner", "Quality Inspector",
    "Sales Representative", "Shift Lead", "Warehouse Operator",
)  # fmt: skip
_STAFF = (
    ("Grace", "Lindholm", ADMIN_TYPE, "Head of Learning"),
    ("Victor", "Amato", ADMIN_TYPE, "LMS Administrator"),
)


@dataclass(frozen=True, slots=True)
class PersonDraft:
    """A person without dates; `enrolls` is False for people without a course."""

    id: str
    first_name: str
    last_name: str
    email: str
    user_type: str
    active: bool
    enrolls: bool
    bio: str
    custom_fields: tuple[str, ...]
    branch_ids: tuple[str, ...]
    group_ids: tuple[str, ...]

    def with_dates(self, *, created_on: int, updated_on: int) -> SamplePerson:
        """Return the person with dates; an inactive person is deactivated at `updated_on`."""
        return SamplePerson(
            id=self.id,
            login=self.email.partition("@")[0] if int(self.id) % 3 else self.email,
            first_name=self.first_name,
            last_name=self.last_name,
            email=self.email,
            user_type=self.user_type,
            active=self.active,
            created_on=created_on,
            updated_on=updated_on,
            deactivated_on=None if self.active else updated_on,
            bio=self.bio,
            custom_fields=self.custom_fields,
            branch_ids=self.branch_ids,
            group_ids=self.group_ids,
        )


class _PersonFactory:
    """Draws people with consecutive ids and unique addresses."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._addresses: Counter[str] = Counter()
        self._used_addresses: set[str] = set()
        self._last_id = 0

    def draw(self, profile: PersonProfile, user_type: str, *, active: bool = True, enrolls: bool = True) -> PersonDraft:
        rng = self._rng
        self._last_id += 1
        site = rng.choice(SITES) if rng.random() < 0.95 else ""
        employee_number = f"E-{self._last_id:05d}" if rng.random() < 0.9 else ""
        return PersonDraft(
            id=str(self._last_id),
            first_name=profile.first_name,
            last_name=profile.last_name,
            email=self._address(profile),
            user_type=user_type,
            active=active,
            enrolls=enrolls,
            bio=profile.bio,
            custom_fields=(profile.job_title or rng.choice(_JOB_TITLES), site, employee_number),
            branch_ids=(str(rng.randint(1, len(BRANCHES))),) if rng.random() < 0.85 else (),
            group_ids=tuple(str(group_id) for group_id in range(1, len(GROUPS) + 1) if rng.random() < 0.2),
        )

    def _address(self, profile: PersonProfile) -> str:
        name = email_name(profile.first_name, profile.last_name, f"person{self._last_id}")
        address = name
        while address in self._used_addresses:
            self._addresses[name] += 1
            address = f"{name}{self._addresses[name] + 1}"
        self._used_addresses.add(address)
        return f"{address}@{MAIL_DOMAIN}"


def draw_people(learners: int, courses: int, rng: Random) -> tuple[list[PersonDraft], list[PersonDraft]]:
    """Draw the staff, and that many learners."""
    factory = _PersonFactory(rng)
    staff = [factory.draw(PersonProfile(first, last, job), user_type) for first, last, user_type, job in _STAFF]
    for _ in range(max(3, courses // COURSES_PER_INSTRUCTOR)):
        profile = PersonProfile(rng.choice(FIRST_NAMES), rng.choice(LAST_NAMES), "Instructor")
        staff.append(factory.draw(profile, INSTRUCTOR_TYPE))

    drafts = [factory.draw(profile, LEARNER_TYPE) for profile in FIXED_PROFILES[:learners]]
    while len(drafts) < learners:
        profile = PersonProfile(rng.choice(FIRST_NAMES), rng.choice(LAST_NAMES))
        active = rng.random() >= INACTIVE_SHARE
        drafts.append(factory.draw(profile, LEARNER_TYPE, active=active, enrolls=rng.random() >= UNENROLLED_SHARE))
    return staff, drafts
