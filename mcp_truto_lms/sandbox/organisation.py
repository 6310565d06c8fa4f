"""Generates an organisation: the content of the sample portal, from which tests compute the expected answers.

The same arguments give the same organisation on every machine: all random values come from one seeded generator. All
moments are relative to `today`, which may be any day, so that some enrollment is always due next week.

    >>> from datetime import date
    >>> organisation = generate(today=date(2026, 11, 23))
    >>> organisation.courses[0].name
    'Security Awareness 2026'
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from random import Random

from mcp_truto_lms.sandbox.courses import DAY_SECONDS, build_course, categories, draw_plans
from mcp_truto_lms.sandbox.enrollments import draw_enrollments
from mcp_truto_lms.sandbox.people import BRANCHES, CUSTOM_FIELDS, GROUPS, INSTRUCTOR_TYPE, PersonDraft, draw_people
from mcp_truto_lms.sandbox.records import (
    Organisation,
    SampleBranch,
    SampleEnrollment,
    SampleGroup,
    SamplePerson,
    SamplePortal,
)

DEFAULT_SEED = 2026
MAX_ENROLLMENTS_PER_LEARNER = 10
_SHARE_OF_COURSES = 0.48  # a learner is in about half of a small company's courses


def generate(
    *,
    learners: int = 240,
    courses: int = 18,
    seed: int = DEFAULT_SEED,
    today: date,
    enrollments: int | None = None,
    portal: SamplePortal | None = None,
) -> Organisation:
    """Generate an organisation.

    Args:
        learners: the number of learners, without administrators and instructors
        courses: the number of courses
        seed: of the random generator
        today: the day that all moments are relative to
        enrollments: the approximate number; by default half of the courses for each learner, at most ten
        portal: the settings of the portal

    Raises:
        ValueError: there is no learner or no course.
    """
    if learners < 1 or courses < 1:
        raise ValueError(f"an organisation has learners and courses, not {learners} and {courses}")
    rng = Random(seed)  # noqa: S311 - sample data, not a secret
    day_start = int(datetime.combine(today, time(), UTC).timestamp())
    staff, drafts = draw_people(learners, courses, rng)
    instructors = [draft.id for draft in staff if draft.user_type == INSTRUCTOR_TYPE]
    planned = [
        (plan, build_course(plan, index, day_start=day_start, creator_id=instructors[index % len(instructors)]))
        for index, plan in enumerate(draw_plans(courses, today, rng))
    ]
    if enrollments is None:
        enrollments = round(learners * min(MAX_ENROLLMENTS_PER_LEARNER, courses * _SHARE_OF_COURSES))
    everyone = [*staff, *drafts]
    drawn_enrollments = tuple(
        draw_enrollments(
            planned,
            [draft.id for draft in everyone if draft.enrolls],
            total=enrollments,
            day_start=day_start,
            rng=rng,
        )
    )
    all_courses = tuple(course for _, course in planned)
    halves = (tuple(course.id for course in all_courses[0::2]), tuple(course.id for course in all_courses[1::2]))
    return Organisation(
        today=today,
        portal=portal or SamplePortal(),
        custom_fields=CUSTOM_FIELDS,
        categories=categories(),
        branches=tuple(
            SampleBranch(str(number), name, f"Branch {number}", halves[number % 2])
            for number, name in enumerate(BRANCHES, start=1)
        ),
        groups=tuple(
            SampleGroup(str(number), name, "", halves[number % 2][:3]) for number, name in enumerate(GROUPS, start=1)
        ),
        people=_date_people(everyone, drawn_enrollments, day_start, rng),
        courses=all_courses,
        enrollments=drawn_enrollments,
    )


def _date_people(
    drafts: Sequence[PersonDraft], enrollments: Sequence[SampleEnrollment], day_start: int, rng: Random
) -> tuple[SamplePerson, ...]:
    """Return the people; each account is created before its first enrollment."""
    first_event_on = {draft.id: day_start - 400 * DAY_SECONDS for draft in drafts if not draft.enrolls}
    for enrollment in enrollments:
        event_on = enrollment.enrolled_on
        if enrollment.completed_on is not None:
            event_on = min(event_on, enrollment.completed_on)
        if event_on < first_event_on.get(enrollment.user_id, day_start):
            first_event_on[enrollment.user_id] = event_on
    people: list[SamplePerson] = []
    for draft in drafts:
        created_on = first_event_on.get(draft.id, day_start - 90 * DAY_SECONDS) - rng.randint(1, 200) * DAY_SECONDS
        updated_on = day_start - rng.randint(3_600, 20 * DAY_SECONDS)
        people.append(draft.with_dates(created_on=created_on, updated_on=max(created_on, updated_on)))
    return tuple(people)
