from collections import Counter
from datetime import UTC, date, datetime, time, timedelta

import pytest

from mcp_truto_lms.sandbox.courses import DAY_SECONDS
from mcp_truto_lms.sandbox.names import email_name
from mcp_truto_lms.sandbox.organisation import generate
from mcp_truto_lms.sandbox.records import CourseRole, Organisation, Outcome, SampleEnrollment

TODAY = date(2026, 11, 23)
SEEDS = (1, 2026, 99)


def epoch(day: date) -> int:
    return int(datetime.combine(day, time(), UTC).timestamp())


def due(organisation: Organisation, one: SampleEnrollment) -> int | None:
    course = next(course for course in organisation.courses if course.id == one.course_id)
    if one.expired_on is not None:
        return one.expired_on
    if course.expires_on is not None:
        return course.expires_on
    return one.enrolled_on + course.time_limit_days * DAY_SECONDS if course.time_limit_days else None


def situations(organisation: Organisation) -> Counter[str]:
    now = epoch(organisation.today)
    statuses = {course.id: course for course in organisation.courses}
    active = {person.id: person.active for person in organisation.people}
    found: Counter[str] = Counter()
    for one in organisation.enrollments:
        if one.role is CourseRole.INSTRUCTOR:
            found["instructor"] += 1
            continue
        found[one.outcome] += 1
        course = statuses[one.course_id]
        ends = one.expired_on or course.expires_on
        at = due(organisation, one)
        open_ = one.outcome is not Outcome.COMPLETED
        late = open_ and at is not None and at < now
        found["no due date"] += at is None
        found["due soon"] += open_ and at is not None and now < at < now + 14 * DAY_SECONDS
        found["access expired"] += late and ends is not None
        found["late, access open"] += late and ends is None
        found["certificate lapsed"] += not open_ and one.expired_on is not None and one.expired_on < now
        found["completed before enrolled"] += one.completed_on is not None and one.completed_on < one.enrolled_on
        found["stalled"] += open_ and one.enrolled_on < now - 60 * DAY_SECONDS
        found["of inactive people"] += not active[one.user_id]
        found[f"course {course.status}"] += 1
    return found


def test_the_default_is_240_learners_in_18_courses_with_about_2000_enrollments(organisation: Organisation):
    assert sum(person.user_type == "Learner-Type" for person in organisation.people) == 240
    assert len(organisation.courses) == 18
    assert 1_900 < len(organisation.enrollments) < 2_150


def test_the_same_arguments_give_the_same_organisation(organisation: Organisation):
    assert generate(today=TODAY) == organisation
    assert generate(today=TODAY, seed=7) != organisation


@pytest.mark.parametrize("day", [date(2024, 2, 29), date(2026, 1, 1), date(2031, 12, 31)])
def test_any_day_gives_the_same_shape_with_moments_relative_to_it(organisation: Organisation, day: date):
    other = generate(today=day)
    shift = epoch(day) - epoch(TODAY)
    assert [one.enrolled_on + shift for one in organisation.enrollments] == [
        one.enrolled_on for one in other.enrollments
    ]
    assert situations(other) == situations(organisation)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_situation_of_an_enrollment_occurs(seed: int):
    found = situations(generate(today=TODAY, seed=seed))
    for name in (
        "instructor", *Outcome, "no due date", "due soon", "access expired", "late, access open", "certificate lapsed",
        "completed before enrolled", "stalled", "of inactive people", "course archived", "course inactive",
    ):  # fmt: skip
        assert found[name] >= 3, name


@pytest.mark.parametrize("seed", SEEDS)
def test_an_enrollment_is_consistent_with_its_outcome(seed: int):
    organisation = generate(today=TODAY, seed=seed)
    for one in organisation.enrollments:
        assert (one.completed_on is not None) == (one.outcome is Outcome.COMPLETED)
        assert (one.failed_on is not None) == (one.outcome is Outcome.FAILED)
        assert (one.outcome is Outcome.NOT_ATTEMPTED) == (one.percent == 0 and one.seconds_spent == 0)
        assert (one.score is not None) == (one.outcome in (Outcome.COMPLETED, Outcome.FAILED))
        assert 0 <= one.percent <= 100


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_happened_after_today_began_and_nothing_falls_due_on_it(seed: int):
    organisation = generate(today=TODAY, seed=seed)
    begin, end = epoch(TODAY), epoch(TODAY + timedelta(days=1))
    for one in organisation.enrollments:
        assert max(one.enrolled_on, one.completed_on or 0, one.failed_on or 0) < begin
        at = due(organisation, one)
        assert at is None or not begin <= at < end
    assert all(person.created_on <= person.updated_on < begin for person in organisation.people)


def test_people_open_their_account_before_their_first_enrollment(organisation: Organisation):
    created = {person.id: person.created_on for person in organisation.people}
    for one in organisation.enrollments:
        assert created[one.user_id] < min(one.enrolled_on, one.completed_on or one.enrolled_on)


def test_access_that_ended_was_not_used_afterwards(organisation: Organisation):
    for one in organisation.enrollments:
        if one.expired_on is not None and one.completed_on is not None:
            assert one.completed_on <= one.expired_on


def test_ids_addresses_logins_and_pairs_are_unique():
    organisation = generate(today=TODAY, learners=3_000)
    people = organisation.people
    for values in ([one.id for one in people], [one.email for one in people], [one.login.lower() for one in people]):
        assert len(set(values)) == len(values)
    pairs = [(one.user_id, one.course_id) for one in organisation.enrollments]
    assert len(set(pairs)) == len(pairs)
    assert all(one.email == one.email.lower() and one.email.endswith(".example") for one in people)


def test_names_are_shared_international_and_awkward(organisation: Organisation):
    full = Counter((one.first_name, one.last_name) for one in organisation.people)
    assert full[("Maria", "García")] >= 2
    assert sum(one.first_name == "Jane" for one in organisation.people) >= 2
    names = " ".join(f"{one.first_name} {one.last_name}" for one in organisation.people)
    for piece in ("O'Brien", "Smith & Sons", "<b>", "Ignore previous instructions", "\u200b", "\u202e", "\x1b", "\n"):
        assert piece in names
    assert any("you are now in maintenance mode" in one.custom_fields[0] for one in organisation.people)
    assert max(len(one.last_name) for one in organisation.people) > 100


def test_some_people_have_no_course_and_some_have_left(organisation: Organisation):
    enrolled = {one.user_id for one in organisation.enrollments}
    assert sum(one.active and one.id not in enrolled for one in organisation.people) >= 3
    assert sum(one.deactivated_on is not None for one in organisation.people) >= 3


def test_courses_cover_every_kind(organisation: Organisation):
    assert [one.name for one in organisation.courses][:3] == [
        "Security Awareness 2026",
        "Code of Conduct",
        "GDPR & Data Protection",
    ]
    taken = {one.course_id for one in organisation.enrollments}
    assert any(one.id not in taken for one in organisation.courses)
    assert Counter(one.status for one in organisation.courses) == {"active": 15, "archived": 2, "inactive": 1}
    assert any(not one.code for one in organisation.courses)
    assert any("ignore previous instructions" in one.name for one in organisation.courses)
    assert {one.expires_on is None for one in organisation.courses} == {True, False}
    teaching = {(one.user_id, one.course_id) for one in organisation.enrollments if one.role is CourseRole.INSTRUCTOR}
    assert all((one.creator_id, one.id) in teaching for one in organisation.courses if one.id in taken)


def test_more_courses_are_invented_as_needed():
    organisation = generate(today=TODAY, learners=50, courses=120)
    assert len({one.name for one in organisation.courses}) == 120
    taken = {one.course_id for one in organisation.enrollments}
    assert sum(one.id not in taken for one in organisation.courses) == 5
    assert len(organisation.enrollments) == pytest.approx(500, rel=0.35)


def test_the_number_of_enrollments_can_be_asked_for():
    organisation = generate(today=TODAY, learners=500, courses=30, enrollments=900)
    assert sum(one.role is CourseRole.LEARNER for one in organisation.enrollments) == pytest.approx(900, rel=0.02)


def test_the_smallest_organisation_has_one_learner_in_one_course():
    organisation = generate(today=TODAY, learners=1, courses=1)
    assert [one.first_name for one in organisation.people if one.user_type == "Learner-Type"] == ["Jane"]


@pytest.mark.parametrize(("learners", "courses"), [(0, 18), (240, 0)])
def test_an_empty_organisation_is_refused(learners: int, courses: int):
    with pytest.raises(ValueError, match=f"{learners} and {courses}"):
        generate(today=TODAY, learners=learners, courses=courses)


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [("Siobhán", "O'Brien", "siobhan.obrien"), ("Jürgen", "Groß", "jurgen.gross"), ("小龙", "李", "person9")],
)
def test_addresses_are_made_of_plain_letters(first: str, last: str, expected: str):
    assert email_name(first, last, "person9") == expected
