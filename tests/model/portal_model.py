"""The model portal: an organisation as plain values that the test owns and changes.

Every change is what a portal's administrator or a learner does. Moments are epoch seconds. Names and ids are never used
twice, so that a printed name stands for one person or course, whenever it was printed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from zoneinfo import ZoneInfo

from mcp_truto_lms.sandbox.records import (
    CourseRole,
    CourseUnit,
    CustomField,
    Organisation,
    Outcome,
    SampleBranch,
    SampleCourse,
    SampleEnrollment,
    SampleGroup,
    SamplePerson,
    SamplePortal,
)

DAY = 86_400
ZONE = ZoneInfo("Europe/Athens")
LEARNER, INSTRUCTOR, ADMIN = "Learner-Type", "Trainer-Type", "SuperAdmin"
BRANCHES = {"1": "North", "2": "South"}
GROUPS = {"1": "Drivers", "2": "New hires"}
SITES = ("Oslo", "Hull", "")
_FIRST = ("Ada", "Ben", "Cleo", "Dov", "Eda", "Fay", "Gus", "Hana", "Ivo", "Jun", "Kim", "Lou", "Mia", "Noa", "Oto")
_LAST = ("Quill", "Reed", "Stone", "Thorn", "Umber", "Vale", "Wick", "Yarrow", "Zander", "Birch", "Cedar", "Dune")
_SUBJECTS = ("Safety", "Ethics", "Privacy", "Forklift", "Excel", "Sales", "Coaching", "Hygiene", "Contracts", "Fraud")
_KINDS = ("Basics", "Refresher", "Workshop", "Intro")


@dataclass(slots=True)
class Person:
    id: str
    first: str
    last: str
    kind: str = LEARNER
    active: bool = True
    branches: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    site: str = ""

    @property
    def name(self) -> str:
        return f"{self.first} {self.last}"

    @property
    def email(self) -> str:
        return f"p{self.id}@model.example"


@dataclass(slots=True)
class Course:
    id: str
    title: str
    status: str = "active"
    limit_days: int = 0
    expires_on: int | None = None
    opens_on: int | None = None

    @property
    def code(self) -> str:
        return f"C-{self.id}"


@dataclass(slots=True)
class Enrollment:
    """One person in one course; `ends_on` is when the portal ends this person's access, None where it names no end."""

    user_id: str
    course_id: str
    enrolled_on: int
    role: CourseRole = CourseRole.LEARNER
    outcome: Outcome = Outcome.NOT_ATTEMPTED
    percent: int = 0
    seconds: int = 0
    completed_on: int | None = None
    failed_on: int | None = None
    ends_on: int | None = None

    @property
    def pair(self) -> tuple[str, str]:
        return self.user_id, self.course_id


@dataclass(slots=True)
class PortalModel:
    """The portal.

    Args:
        random: decides what happens
        one_end: whether an enrollment is due when access to it ends, and is started with its first minute, as where a
            provider tells the end of access by a status that hides the LMS's own word
        changed_at: the moment of the last change
        courses_changed_at: the moment of the last change of a course
        version: counts the changes
    """

    random: Random
    one_end: bool = False
    people: dict[str, Person] = field(default_factory=dict)
    courses: dict[str, Course] = field(default_factory=dict)
    enrollments: dict[tuple[str, str], Enrollment] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)
    changed_at: float = 0.0
    courses_changed_at: float = 0.0
    version: int = 0
    _last_id: int = 10

    @classmethod
    def generate(cls, seed: int, *, people: int, courses: int, now: int, one_end: bool = False) -> PortalModel:
        """Generate a portal in which something is about to happen: deadlines pass, courses open, people fail."""
        model = cls(Random(seed), one_end)
        for _ in range(courses):
            model.add_course(now)
        for _ in range(people):
            model.add_person()
        for course in model.courses.values():
            staff = [person.id for person in model.people.values() if person.kind != LEARNER]
            if staff:
                model.enroll(model.random.choice(staff), course.id, now - 200 * DAY, role=CourseRole.INSTRUCTOR)
            for user_id in model.people:
                if (user_id, course.id) not in model.enrollments and model.random.random() < 0.6:
                    days = model.random.choice((1, 3, 10, 20, 29, 31, 45, 90))
                    model.enroll(user_id, course.id, now - days * DAY - model.random.randrange(3600, 70_000))
        for enrollment in model.learning():
            for _ in range(model.random.randrange(3)):
                model.study(enrollment, now)
        return model

    def add_person(self) -> Person:
        """Add a person: mostly active learners."""
        random = self.random
        key = self._new_id()
        first, last = _unused(random, _FIRST, _LAST, self.names)
        person = Person(
            id=key,
            first=first,
            last=last,
            kind=random.choices((LEARNER, INSTRUCTOR, ADMIN), (8, 2, 1))[0],
            active=random.random() < 0.85,
            branches=tuple(branch for branch in BRANCHES if random.random() < 0.45),
            groups=tuple(group for group in GROUPS if random.random() < 0.3),
            site=random.choice(SITES),
        )
        self.people[key] = person
        self.names[person.name] = key
        return person

    def add_course(self, now: int) -> Course:
        """Add a course: with a time limit, an end, a start later on, or without any date."""
        random = self.random
        key = self._new_id()
        subject, kind = _unused(random, _SUBJECTS, _KINDS, self.titles)
        rule = random.choice(("none", "none", "limit", "limit", "end", "opens"))
        course = Course(
            id=key,
            title=f"{subject} {kind}",
            status=random.choices(("active", "archived", "inactive"), (8, 1, 1))[0],
            limit_days=random.choice((7, 30, 45)) if rule == "limit" else 0,
            expires_on=now + random.choice((-20, -2, 5, 12, 40)) * DAY + 7 if rule == "end" else None,
            opens_on=now + random.choice((-5, 2, 20)) * DAY + 11 if rule == "opens" else None,
        )
        self.courses[key] = course
        self.titles[course.title] = key
        return course

    def enroll(self, user_id: str, course_id: str, now: int, *, role: CourseRole = CourseRole.LEARNER) -> Enrollment:
        """Enroll a person; sometimes the portal names the end of their access itself."""
        enrollment = Enrollment(user_id, course_id, enrolled_on=now, role=role)
        course = self.courses[course_id]
        draw = self.random.random()
        if role is not CourseRole.LEARNER or (self.one_end and course.expires_on is not None):
            draw = 1
        if draw < 0.2:
            enrollment.ends_on = now + self.random.choice((15, 35, 60)) * DAY + 13
        elif draw < 0.6 and course.limit_days:
            enrollment.ends_on = now + course.limit_days * DAY
        self.enrollments[enrollment.pair] = enrollment
        return enrollment

    def end_course(self, course: Course, moment: int) -> None:
        """Give a course an end for everyone."""
        course.expires_on = moment
        for enrollment in self.enrollments.values():
            if self.one_end and enrollment.course_id == course.id:
                enrollment.ends_on = None

    def learning(self) -> list[Enrollment]:
        """List the enrollments of learners."""
        return [each for each in self.enrollments.values() if each.role is CourseRole.LEARNER]

    def study(self, enrollment: Enrollment, now: int) -> str:
        """Let a learner do something that fits how far they are, and say what."""
        open_steps = ("start", "begin_without_time", "progress", "finish", "fail", "fail_at_same_percent", "touch")
        steps = {
            Outcome.COMPLETED: ("fail_again", "touch"),
            Outcome.FAILED: ("pass_again", "retry", "touch"),
        }.get(enrollment.outcome, open_steps)
        step = self.random.choice(steps)
        self.apply(step, enrollment, now)
        return step

    def apply(self, step: str, enrollment: Enrollment, now: int) -> None:
        """Let a learner do one thing; whatever takes time adds to the time spent."""
        random = self.random
        hides_a_start = step == "begin_without_time" or (
            enrollment.outcome is Outcome.NOT_ATTEMPTED and step == "touch"
        )
        if self.one_end and hides_a_start:
            step = "start"
        moment = max(now - random.randrange(0, 40), enrollment.enrolled_on + 1)
        spent = random.randrange(20, 900)
        if step == "begin_without_time":
            enrollment.outcome = Outcome.INCOMPLETE
            return
        enrollment.seconds += spent
        if step == "start":
            enrollment.outcome, enrollment.percent = Outcome.INCOMPLETE, max(enrollment.percent, 1)
        elif step == "progress":
            enrollment.outcome = Outcome.INCOMPLETE
            enrollment.percent = min(95, enrollment.percent + random.randrange(1, 60))
        elif step in ("finish", "pass_again"):
            enrollment.outcome, enrollment.completed_on, enrollment.failed_on = Outcome.COMPLETED, moment, None
            enrollment.percent = random.choice((enrollment.percent, 100))
        elif step == "fail":
            enrollment.outcome, enrollment.failed_on, enrollment.completed_on = Outcome.FAILED, moment, None
            enrollment.percent = random.choice((75, 100))
        elif step in ("fail_at_same_percent", "fail_again"):
            enrollment.outcome, enrollment.failed_on, enrollment.completed_on = Outcome.FAILED, moment, None
        elif step == "retry":
            enrollment.outcome, enrollment.failed_on = Outcome.INCOMPLETE, None

    def unenroll(self, pair: tuple[str, str]) -> Enrollment:
        """Remove an enrollment; return what it was."""
        return self.enrollments.pop(pair)

    def enroll_again(self, left: Enrollment, now: int) -> None:
        """Enroll somebody again: the time limit begins anew, the progress stays."""
        left.enrolled_on, left.ends_on = now, None
        self.enrollments[left.pair] = left

    def rename(self, person: Person) -> None:
        """Give a person a name that nobody had."""
        person.first, person.last = _unused(self.random, _FIRST, _LAST, self.names)
        self.names[person.name] = person.id

    def delete_person(self, user_id: str) -> None:
        """Delete a person with their enrollments."""
        del self.people[user_id]
        self.enrollments = {pair: each for pair, each in self.enrollments.items() if pair[0] != user_id}

    def delete_course(self, course_id: str) -> None:
        """Delete a course with its enrollments."""
        del self.courses[course_id]
        self.enrollments = {pair: each for pair, each in self.enrollments.items() if pair[1] != course_id}

    def changed(self, now: float, *, courses: bool) -> None:
        """Note that the portal has changed."""
        self.changed_at = now
        self.courses_changed_at = now if courses else self.courses_changed_at
        self.version += 1

    def organisation(self) -> Organisation:
        """Return the portal as the emulators serve it."""
        return Organisation(
            today=datetime(2026, 11, 23, tzinfo=UTC).date(),
            portal=SamplePortal(),
            custom_fields=(CustomField("custom_field_1", "Site", ("Oslo", "Hull")),),
            categories=(),
            branches=tuple(SampleBranch(key, name, "", ()) for key, name in BRANCHES.items()),
            groups=tuple(SampleGroup(key, name, "", ()) for key, name in GROUPS.items()),
            people=tuple(_sample_person(person) for person in self.people.values()),
            courses=tuple(_sample_course(course) for course in self.courses.values()),
            enrollments=tuple(_sample_enrollment(each) for each in self.enrollments.values()),
        )

    def _new_id(self) -> str:
        self._last_id += self.random.randrange(1, 4)
        return str(self._last_id)


def _unused(random: Random, first: tuple[str, ...], last: tuple[str, ...], used: dict[str, str]) -> tuple[str, str]:
    free = [(left, right) for left in first for right in last if f"{left} {right}" not in used]
    return random.choice(free)


def _sample_person(person: Person) -> SamplePerson:
    return SamplePerson(
        id=person.id,
        login=f"login{person.id}",
        first_name=person.first,
        last_name=person.last,
        email=person.email,
        user_type=person.kind,
        active=person.active,
        created_on=1_600_000_000,
        updated_on=1_600_000_000,
        deactivated_on=None if person.active else 1_700_000_000,
        bio="",
        custom_fields=(person.site,),
        branch_ids=person.branches,
        group_ids=person.groups,
    )


def _sample_course(course: Course) -> SampleCourse:
    return SampleCourse(
        id=course.id,
        name=course.title,
        code=course.code,
        category_id="1",
        description="",
        status=course.status,
        created_on=1_500_000_000,
        updated_on=1_500_000_000,
        creator_id="1",
        time_limit_days=course.limit_days,
        expires_on=course.expires_on,
        certificate=False,
        units=(CourseUnit(f"{course.id}1", "Test", "Test"),),
        opens_on=course.opens_on,
    )


def _sample_enrollment(enrollment: Enrollment) -> SampleEnrollment:
    return SampleEnrollment(
        user_id=enrollment.user_id,
        course_id=enrollment.course_id,
        role=enrollment.role,
        outcome=enrollment.outcome,
        percent=enrollment.percent,
        enrolled_on=enrollment.enrolled_on,
        completed_on=enrollment.completed_on,
        failed_on=enrollment.failed_on,
        expired_on=enrollment.ends_on,
        seconds_spent=enrollment.seconds,
        score=None,
    )
