"""A generated organisation: the sample portal's content, and the truth that answers can be checked against.

The same arguments give the same organisation, on every machine: all chance comes from one seeded generator. All
moments are relative to `today`, which may be any day, so that something is always due next week.

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
MOST_PER_LEARNER = 10
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
    """Generate an organisation with that many learners; the few administrators and instructors come on top.

    `enrollments` is about how many there will be; by default half of the courses for each learner, at most ten.

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
        (plan, build_course(plan, n, day_start=day_start, creator_id=instructors[n % len(instructors)]))
        for n, plan in enumerate(draw_plans(courses, today, rng))
    ]
    if enrollments is None:
        enrollments = round(learners * min(MOST_PER_LEARNER, courses * _SHARE_OF_COURSES))
    everyone = [*staff, *drafts]
    given = tuple(
        draw_enrollments(
            planned,
            [draft.id for draft in everyone if draft.enrolls],
            total=enrollments,
            day_start=day_start,
            rng=rng,
        )
    )
    catalogue = tuple(course for _, course in planned)
    halves = (tuple(course.id for course in catalogue[0::2]), tuple(course.id for course in catalogue[1::2]))
    return Organisation(
        today=today,
        portal=portal or SamplePortal(),
        custom_fields=CUSTOM_FIELDS,
        categories=categories(),
        branches=tuple(
            SampleBranch(str(n), name, f"Branch {n}", halves[n % 2]) for n, name in enumerate(BRANCHES, start=1)
        ),
        groups=tuple(SampleGroup(str(n), name, "", halves[n % 2][:3]) for n, name in enumerate(GROUPS, start=1)),
        people=_date_people(everyone, given, day_start, rng),
        courses=catalogue,
        enrollments=given,
    )


def _date_people(
    drafts: Sequence[PersonDraft], enrollments: Sequence[SampleEnrollment], day_start: int, rng: Random
) -> tuple[SamplePerson, ...]:
    """Open each account before its first enrollment, and touch it last after its latest one."""
    first = {draft.id: day_start - 400 * DAY_SECONDS for draft in drafts if not draft.enrolls}
    for one in enrollments:
        begun = one.enrolled_on if one.completed_on is None else min(one.enrolled_on, one.completed_on)
        if begun < first.get(one.user_id, day_start):
            first[one.user_id] = begun
    people: list[SamplePerson] = []
    for draft in drafts:
        created_on = first.get(draft.id, day_start - 90 * DAY_SECONDS) - rng.randint(1, 200) * DAY_SECONDS
        updated_on = day_start - rng.randint(3_600, 20 * DAY_SECONDS)
        people.append(draft.dated(created_on=created_on, updated_on=max(created_on, updated_on)))
    return tuple(people)
