"""Who works there: staff first (administrators and instructors), then the learners, the cast before the rest.

People are drawn as drafts, because an account can only be dated once it is known when its first enrollment was.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from random import Random

from mcp_truto_lms.sandbox.names import CAST, FIRST_NAMES, LAST_NAMES, CastMember, email_name
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
    """A person without dates; `enrolls` is False for those who were never given a course."""

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

    def dated(self, *, created_on: int, updated_on: int) -> SamplePerson:
        """Open the account at a moment, and close it at the other where the person has left."""
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


class _Desk:
    """Hires people one after the other, with ids and addresses of their own."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._addresses: Counter[str] = Counter()
        self._taken: set[str] = set()
        self._last_id = 0

    def hire(self, member: CastMember, user_type: str, *, active: bool = True, enrolls: bool = True) -> PersonDraft:
        rng = self._rng
        self._last_id += 1
        site = rng.choice(SITES) if rng.random() < 0.95 else ""
        number = f"E-{self._last_id:05d}" if rng.random() < 0.9 else ""
        return PersonDraft(
            id=str(self._last_id),
            first_name=member.first_name,
            last_name=member.last_name,
            email=self._address(member),
            user_type=user_type,
            active=active,
            enrolls=enrolls,
            bio=member.bio,
            custom_fields=(member.job_title or rng.choice(_JOB_TITLES), site, number),
            branch_ids=(str(rng.randint(1, len(BRANCHES))),) if rng.random() < 0.85 else (),
            group_ids=tuple(str(n) for n in range(1, len(GROUPS) + 1) if rng.random() < 0.2),
        )

    def _address(self, member: CastMember) -> str:
        name = email_name(member.first_name, member.last_name, f"person{self._last_id}")
        address = name
        while address in self._taken:
            self._addresses[name] += 1
            address = f"{name}{self._addresses[name] + 1}"
        self._taken.add(address)
        return f"{address}@{MAIL_DOMAIN}"


def draw_people(learners: int, courses: int, rng: Random) -> tuple[list[PersonDraft], list[PersonDraft]]:
    """Draw the staff and, apart from them, that many learners."""
    desk = _Desk(rng)
    staff = [desk.hire(CastMember(first, last, job), user_type) for first, last, user_type, job in _STAFF]
    for _ in range(max(3, courses // COURSES_PER_INSTRUCTOR)):
        member = CastMember(rng.choice(FIRST_NAMES), rng.choice(LAST_NAMES), "Instructor")
        staff.append(desk.hire(member, INSTRUCTOR_TYPE))

    drafts = [desk.hire(member, LEARNER_TYPE) for member in CAST[:learners]]
    while len(drafts) < learners:
        member = CastMember(rng.choice(FIRST_NAMES), rng.choice(LAST_NAMES))
        active = rng.random() >= INACTIVE_SHARE
        drafts.append(desk.hire(member, LEARNER_TYPE, active=active, enrolls=rng.random() >= UNENROLLED_SHARE))
    return staff, drafts
