"""Draws the enrollments of each course from its plan, in days before today.

The draws do not depend on the date, so an organisation has the same shape on any day. Nothing happens after the start
of today, and no deadline falls on today (UTC), so who is late does not depend on the hour. A roster's data of an
enrollment agrees with its outcome, except for a failure, which a roster does not report: an enrollment is not attempted
exactly if it has no progress and no time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from mcp_truto_lms.sandbox.courses import DAY_SECONDS, CoursePlan
from mcp_truto_lms.sandbox.records import CourseRole, Outcome, SampleCourse, SampleEnrollment

_FAILING = 0.1
_NOT_STARTING = 0.4
_RE_ENROLLING = 0.03
_RAMP_DAYS = 40  # most learners who finish do so within this time
_PASS_MARK = 70


def _draw_enrollment(plan: CoursePlan, course_id: str, user_id: str, day_start: int, rng: Random) -> SampleEnrollment:
    age = rng.randint(*plan.ages)
    if age in (plan.time_limit_days, plan.access_days):
        age += 1
    enrolled_on = day_start - age * DAY_SECONDS + rng.randint(21_600, 64_800)
    expired_on = enrolled_on + plan.access_days * DAY_SECONDS if plan.access_days else None

    last_day = age - 1
    if plan.access_days:
        last_day = min(last_day, plan.access_days - 1)
    if plan.expires_in_days is not None:
        last_day = min(last_day, age + plan.expires_in_days - 1)
    ended_on = enrolled_on + int(last_day * rng.random() ** 2) * DAY_SECONDS + rng.randint(900, 20_000)

    outcome = Outcome.INCOMPLETE
    draw = rng.random()
    finishing = plan.finishing * min(1.0, age / _RAMP_DAYS)
    if draw < finishing:
        outcome = Outcome.COMPLETED
    elif draw < finishing + (1 - finishing) * _FAILING:
        outcome = Outcome.FAILED
    elif rng.random() < _NOT_STARTING:
        outcome = Outcome.NOT_ATTEMPTED

    completed_on = failed_on = score = None
    percent = seconds_spent = 0
    if outcome is Outcome.COMPLETED:
        completed_on = ended_on
        percent = 100 if rng.random() < 0.96 else rng.randint(80, 99)
        seconds_spent = rng.randint(300, 9_000)
        score = rng.randint(_PASS_MARK, 100)
        if rng.random() < _RE_ENROLLING:
            completed_on = enrolled_on - rng.randint(30, 300) * DAY_SECONDS
    elif outcome is Outcome.FAILED:
        failed_on = ended_on
        percent = rng.choice((75, 100))
        seconds_spent = rng.randint(300, 6_000)
        score = rng.randint(10, _PASS_MARK - 1)
    elif outcome is Outcome.INCOMPLETE:
        percent = rng.randint(1, 95)
        seconds_spent = rng.randint(30, 4_000)

    return SampleEnrollment(
        user_id=user_id,
        course_id=course_id,
        role=CourseRole.LEARNER,
        outcome=outcome,
        percent=percent,
        enrolled_on=enrolled_on,
        completed_on=completed_on,
        failed_on=failed_on,
        expired_on=expired_on,
        seconds_spent=seconds_spent,
        score=score,
    )


def _instructor_enrollment(course: SampleCourse) -> SampleEnrollment:
    return SampleEnrollment(
        user_id=course.creator_id,
        course_id=course.id,
        role=CourseRole.INSTRUCTOR,
        outcome=Outcome.NOT_ATTEMPTED,
        percent=0,
        enrolled_on=course.created_on,
        completed_on=None,
        failed_on=None,
        expired_on=None,
        seconds_spent=0,
        score=None,
    )


def draw_enrollments(
    courses: Sequence[tuple[CoursePlan, SampleCourse]],
    user_ids: Sequence[str],
    *,
    total: int,
    day_start: int,
    rng: Random,
) -> Iterator[SampleEnrollment]:
    """Draw about `total` enrollments by the shares of the courses, and an instructor for each course.

    Args:
        courses: the courses with their plans
        user_ids: the people who may be enrolled
        total: the approximate number of enrollments
        day_start: the start of today, in epoch seconds
        rng: the random generator
    """
    shares = sum(plan.share for plan, _ in courses)
    for plan, course in courses:
        if not plan.share:
            continue
        yield _instructor_enrollment(course)
        candidates = [user_id for user_id in user_ids if user_id != course.creator_id]
        count = min(len(candidates), round(total * plan.share / shares))
        for index in sorted(rng.sample(range(len(candidates)), count)):
            yield _draw_enrollment(plan, course.id, candidates[index], day_start, rng)
