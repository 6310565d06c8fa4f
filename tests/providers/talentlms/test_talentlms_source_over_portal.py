from datetime import UTC, datetime
from functools import partial

import anyio
import pytest

from mcp_truto_lms.domain.errors import AccessDenied, NotFound, RateLimited, Unavailable
from mcp_truto_lms.domain.model import CourseStatus, UserStatus
from mcp_truto_lms.domain.source import Scope
from mcp_truto_lms.sandbox.faults import CUT_CONNECTION, MALFORMED_BODY, Fault
from mcp_truto_lms.sandbox.organisation import generate
from mcp_truto_lms.sandbox.variations import Variations
from tests.conftest import TODAY, WAIT_SECONDS

pytestmark = pytest.mark.anyio

UNUSUAL_PORTAL = Variations(
    date_format="MMDDYYYY",
    am_pm=True,
    null_instead_of_empty=True,
    numbers_as_numbers=True,
    without_total_time_seconds=True,
    lists_as_objects=True,
    failed_sets_completed_on=True,
    errors_with_200=True,
    max_page_size=25,
)


@pytest.fixture(scope="module")
def organisation():
    return generate(learners=40, courses=9, today=TODAY)


@pytest.fixture
def portal_source(organisation, open_portal):
    return partial(open_portal, organisation)


async def courses_and_learners(source):
    """Read both lists, by id."""
    courses, learners = await source.courses(), await source.learners()
    return {course.id: course for course in courses}, {learner.id: learner for learner in learners}


@pytest.mark.parametrize("language", ["English", "Greek", "German"])
@pytest.mark.parametrize("failed_sets_completed_on", [False, True])
async def test_a_pair_has_the_same_status_as_the_transcript(
    portal_source, organisation, language, failed_sets_completed_on
):
    variations = Variations(
        language=language, failed_sets_completed_on=failed_sets_completed_on, hourly_limit=100_000, percent_missing=True
    )
    by_transcript, _ = portal_source(variations)
    courses, learners = await courses_and_learners(by_transcript)
    expected = {}
    for user_id in {enrollment.user_id for enrollment in organisation.enrollments}:
        reading = await by_transcript.enrollments(Scope(user_id=user_id), courses=courses, learners=learners)
        expected |= {record.enrollment.id: record for record in reading.records}
    assert len(expected) == len(organisation.enrollments)

    by_pair, app = portal_source(variations)
    columns = ("status", "due_at", "enrolled_at", "completed_at", "progress_percent", "time_spent_seconds", "course")
    for true_enrollment in organisation.enrollments:
        scope = Scope(true_enrollment.user_id, true_enrollment.course_id)
        reading = await by_pair.enrollments(scope, courses=courses, learners=learners)
        (pair,) = reading.records
        transcript = expected[pair.enrollment.id]
        for column in columns:
            assert getattr(pair.enrollment, column) == getattr(transcript.enrollment, column)
        assert (pair.access_ends_at, pair.is_learner) == (transcript.access_ends_at, transcript.is_learner)
        assert (pair.enrollment.status == "failed") == (true_enrollment.outcome == "failed")
    assert app.log.counts()["users/id"] <= (0 if language == "English" else 4)


@pytest.mark.parametrize(
    "variations", [Variations(), UNUSUAL_PORTAL, Variations(no_date="0"), Variations(no_date="Never")]
)
async def test_courses_people_and_rosters_match_the_organisation(portal_source, organisation, variations):
    source, app = portal_source(variations)
    portal = await source.portal()
    assert str(portal.zone) == "Europe/Athens"
    courses, learners = await courses_and_learners(source)
    assert set(courses) == {course.id for course in organisation.courses}
    assert {course.title for course in courses.values()} == {course.name.strip() for course in organisation.courses}
    assert set(learners) == {person.id for person in organisation.people}
    archived = {course.id for course in courses.values() if course.status is CourseStatus.ARCHIVED}
    assert archived == {course.id for course in organisation.courses if course.status == "archived"}
    inactive = {learner.id for learner in learners.values() if learner.status is UserStatus.INACTIVE}
    assert inactive == {person.id for person in organisation.people if not person.active}

    calls_before = source.calls
    records = {}

    async def read_roster(course_id):
        reading = await source.enrollments(Scope(course_id=course_id), courses=courses, learners=learners)
        records.update({record.enrollment.id: record for record in reading.records})

    with anyio.fail_after(WAIT_SECONDS):
        async with anyio.create_task_group() as group:
            for course_id in courses:
                group.start_soon(read_roster, course_id)
    assert source.calls - calls_before == len(courses)
    true_enrollments = {
        f"{enrollment.user_id}_{enrollment.course_id}": enrollment for enrollment in organisation.enrollments
    }
    assert set(records) == set(true_enrollments)
    for enrollment_id, record in records.items():
        true_enrollment = true_enrollments[enrollment_id]
        assert record.is_learner == (true_enrollment.role == "learner")
        assert record.enrollment.enrolled_at == datetime.fromtimestamp(true_enrollment.enrolled_on, UTC)
        assert record.enrollment.time_spent_seconds == true_enrollment.seconds_spent
        assert record.enrollment.user.emails == learners[true_enrollment.user_id].emails
    assert not app.log.refused()


async def test_no_record_contains_a_secret_of_the_portal(portal_source):
    source, _ = portal_source()
    courses, learners = await courses_and_learners(source)
    reading = await source.enrollments(Scope(user_id=next(iter(learners))), courses=courses, learners=learners)
    shown = repr((courses, learners, reading))
    assert "login_key" not in shown
    assert "autologin" not in shown


@pytest.mark.parametrize("variations", [Variations(), UNUSUAL_PORTAL])
async def test_unknown_people_and_courses_are_not_the_same_as_not_enrolled(portal_source, organisation, variations):
    source, _ = portal_source(variations)
    for scope in (Scope(user_id="99999"), Scope(course_id="99999"), Scope("99999", "1"), Scope("1", "99999")):
        with pytest.raises(NotFound):
            await source.enrollments(scope, courses={}, learners={})
    assert await source.find_learner(email="nobody@x.example") is None
    person = organisation.people[3]
    assert (await source.find_learner(email=person.email)).id == person.id
    enrolled = {(enrollment.user_id, enrollment.course_id) for enrollment in organisation.enrollments}
    pairs = [(person.id, course.id) for person in organisation.people for course in organisation.courses]
    not_enrolled = next(pair for pair in pairs if pair not in enrolled)
    assert (await source.enrollments(Scope(*not_enrolled), courses={}, learners={})).records == ()


async def test_a_wrong_key_is_refused(portal_source):
    source, app = portal_source(key="wrong")
    with pytest.raises(AccessDenied, match="TALENTLMS_API_KEY"):
        await source.courses()
    assert len(app.log) == 1


@pytest.mark.parametrize("status", [429, 400, 403])
async def test_a_tenth_of_the_hourly_limit_is_reserved(portal_source, organisation, status):
    source, app = portal_source(Variations(hourly_limit=30, exhausted_status=status))
    await source.portal()
    for _ in range(25):
        await source.find_learner(user_id="1")
    with pytest.raises(RateLimited, match="hourly limit of 30"):
        await source.courses()
    assert app.limits.remaining_calls().remaining == 3


async def test_waiting_calls_count_towards_the_hourly_limit(portal_source):
    source, app = portal_source(Variations(hourly_limit=40))
    outcomes = []

    async def look_up():
        try:
            outcomes.append(await source.find_learner(email="nobody@x.example"))
        except RateLimited as error:
            outcomes.append(error)

    with anyio.fail_after(WAIT_SECONDS):
        async with anyio.create_task_group() as group:
            for _ in range(60):
                group.start_soon(look_up)
    assert outcomes.count(None) == 36
    assert app.limits.remaining_calls().remaining == 4


@pytest.mark.parametrize("status", [429, 400, 403])
async def test_an_hourly_limit_that_other_clients_used_up_is_reported(portal_source, status):
    source, app = portal_source(Variations(hourly_limit=40, exhausted_status=status))
    await source.portal()
    while app.limits.remaining_calls().remaining:
        app.limits.charge()
    with pytest.raises(RateLimited, match="hourly limit of 40"):
        await source.courses()


@pytest.mark.parametrize("fault", [CUT_CONNECTION, Fault(status=503, body="html"), Fault(status=429, retry_after="7")])
async def test_temporary_failures_are_retried(portal_source, organisation, fault):
    source, app = portal_source()
    app.faults.add(fault, times=2, endpoint="courses")
    assert len(await source.courses()) == len(organisation.courses)


async def test_malformed_and_cut_responses_are_errors(portal_source):
    source, app = portal_source()
    app.faults.add(MALFORMED_BODY, endpoint="courses")
    with pytest.raises(Exception, match="not JSON"):
        await source.courses()
    app.faults.add(CUT_CONNECTION, times=None, endpoint="courses")
    with pytest.raises(Unavailable, match="broke off"):
        await source.courses()
