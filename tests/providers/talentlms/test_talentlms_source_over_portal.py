from datetime import UTC, date, datetime
from functools import partial

import anyio
import pytest

from mcp_truto_lms.domain.errors import AccessDenied, NotFound, RateLimited, Unavailable
from mcp_truto_lms.domain.model import CourseStatus, UserStatus
from mcp_truto_lms.domain.source import Scope
from mcp_truto_lms.sandbox.faults import CUT_CONNECTION, MALFORMED_BODY, Fault
from mcp_truto_lms.sandbox.organisation import generate
from mcp_truto_lms.sandbox.variations import Variations

pytestmark = pytest.mark.anyio

NEXT_DOOR = Variations(
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
    return generate(learners=40, courses=9, today=date(2026, 11, 23))


@pytest.fixture
def portal_source(organisation, open_portal):
    return partial(open_portal, organisation)


async def maps_of(source):
    return {one.id: one for one in await source.courses()}, {one.id: one for one in await source.learners()}


@pytest.mark.parametrize("language", ["English", "Greek", "German"])
@pytest.mark.parametrize("failed_sets_completed_on", [False, True])
async def test_a_status_by_pair_is_the_status_by_transcript(
    portal_source, organisation, language, failed_sets_completed_on
):
    variations = Variations(
        language=language, failed_sets_completed_on=failed_sets_completed_on, hourly_limit=100_000, percent_missing=True
    )
    by_transcript, _ = portal_source(variations)
    courses, learners = await maps_of(by_transcript)
    expected = {}
    for user_id in {one.user_id for one in organisation.enrollments}:
        found = await by_transcript.enrollments(Scope(user_id=user_id), courses=courses, learners=learners)
        expected |= {one.enrollment.id: one for one in found.records}
    assert len(expected) == len(organisation.enrollments)

    by_pair, app = portal_source(variations)
    for one in organisation.enrollments:
        found = await by_pair.enrollments(Scope(one.user_id, one.course_id), courses=courses, learners=learners)
        (pair,) = found.records
        transcript = expected[pair.enrollment.id]
        same = ("status", "due_at", "enrolled_at", "completed_at", "progress_percent", "time_spent_seconds", "course")
        for name in same:
            assert getattr(pair.enrollment, name) == getattr(transcript.enrollment, name)
        assert (pair.access_ends_at, pair.is_learner) == (transcript.access_ends_at, transcript.is_learner)
        assert (pair.enrollment.status == "failed") == (one.outcome == "failed")
    assert app.log.counts()["users/id"] <= (0 if language == "English" else 4)


@pytest.mark.parametrize("variations", [Variations(), NEXT_DOOR, Variations(no_date="0"), Variations(no_date="Never")])
async def test_rosters_hold_what_the_organisation_holds(portal_source, organisation, variations):
    source, app = portal_source(variations)
    portal = await source.portal()
    assert str(portal.zone) == "Europe/Athens"
    courses, learners = await maps_of(source)
    assert set(courses) == {one.id for one in organisation.courses}
    assert {one.title for one in courses.values()} == {one.name.strip() for one in organisation.courses}
    assert set(learners) == {one.id for one in organisation.people}
    archived = {one.id for one in courses.values() if one.status is CourseStatus.ARCHIVED}
    assert archived == {one.id for one in organisation.courses if one.status == "archived"}
    inactive = {one.id for one in learners.values() if one.status is UserStatus.INACTIVE}
    assert inactive == {one.id for one in organisation.people if not one.active}

    before = source.calls
    found = {}
    async with anyio.create_task_group() as group:

        async def read(course_id):
            reading = await source.enrollments(Scope(course_id=course_id), courses=courses, learners=learners)
            found.update({one.enrollment.id: one for one in reading.records})

        for course_id in courses:
            group.start_soon(read, course_id)
    assert source.calls - before == len(courses)
    truth = {f"{one.user_id}_{one.course_id}": one for one in organisation.enrollments}
    assert set(found) == set(truth)
    for enrollment_id, one in found.items():
        true = truth[enrollment_id]
        assert one.is_learner == (true.role == "learner")
        assert one.enrollment.enrolled_at == datetime.fromtimestamp(true.enrolled_on, UTC)
        assert one.enrollment.time_spent_seconds == true.seconds_spent
        assert one.enrollment.user.emails == learners[true.user_id].emails
    assert not app.log.refused()


async def test_no_secret_of_the_portal_is_in_any_record(portal_source):
    source, _ = portal_source()
    courses, learners = await maps_of(source)
    reading = await source.enrollments(Scope(user_id=next(iter(learners))), courses=courses, learners=learners)
    shown = repr((courses, learners, reading))
    assert "login_key" not in shown
    assert "autologin" not in shown


@pytest.mark.parametrize("variations", [Variations(), NEXT_DOOR])
async def test_what_the_portal_does_not_have_is_told_apart(portal_source, organisation, variations):
    source, _ = portal_source(variations)
    for scope in (Scope(user_id="99999"), Scope(course_id="99999"), Scope("99999", "1"), Scope("1", "99999")):
        with pytest.raises(NotFound):
            await source.enrollments(scope, courses={}, learners={})
    assert await source.find_learner(email="nobody@x.example") is None
    known = organisation.people[3]
    assert (await source.find_learner(email=known.email)).id == known.id
    taken = {(one.user_id, one.course_id) for one in organisation.enrollments}
    free = next((a.id, b.id) for a in organisation.people for b in organisation.courses if (a.id, b.id) not in taken)
    assert (await source.enrollments(Scope(*free), courses={}, learners={})).records == ()


async def test_a_wrong_key_is_refused(portal_source):
    source, app = portal_source(key="wrong")
    with pytest.raises(AccessDenied, match="TALENTLMS_API_KEY"):
        await source.courses()
    assert len(app.log) == 1


@pytest.mark.parametrize("status", [429, 400, 403])
async def test_the_hour_is_never_used_up_to_its_end(portal_source, organisation, status):
    source, app = portal_source(Variations(hourly_limit=30, exhausted_status=status))
    await source.portal()
    for _ in range(25):
        await source.find_learner(user_id="1")
    with pytest.raises(RateLimited, match="hourly limit of 30"):
        await source.courses()
    assert app.limits.remaining_calls().remaining == 3


async def test_calls_that_wait_for_their_turn_count_too(portal_source):
    source, app = portal_source(Variations(hourly_limit=40))
    outcomes = []

    async def read():
        try:
            outcomes.append(await source.find_learner(email="nobody@x.example"))
        except RateLimited as error:
            outcomes.append(error)

    async with anyio.create_task_group() as group:
        for _ in range(60):
            group.start_soon(read)
    assert outcomes.count(None) == 36
    assert app.limits.remaining_calls().remaining == 4


@pytest.mark.parametrize("status", [429, 400, 403])
async def test_an_hour_that_others_used_up_is_named(portal_source, status):
    source, app = portal_source(Variations(hourly_limit=40, exhausted_status=status))
    await source.portal()
    while app.limits.remaining_calls().remaining:
        app.limits.charge()
    with pytest.raises(RateLimited, match="hourly limit of 40"):
        await source.courses()


@pytest.mark.parametrize("fault", [CUT_CONNECTION, Fault(status=503, body="html"), Fault(status=429, retry_after="7")])
async def test_what_passes_by_itself_is_tried_again(portal_source, organisation, fault):
    source, app = portal_source()
    app.faults.add(fault, times=2, endpoint="courses")
    assert len(await source.courses()) == len(organisation.courses)


async def test_a_broken_answer_is_told(portal_source):
    source, app = portal_source()
    app.faults.add(MALFORMED_BODY, endpoint="courses")
    with pytest.raises(Exception, match="not JSON"):
        await source.courses()
    app.faults.add(CUT_CONNECTION, times=None, endpoint="courses")
    with pytest.raises(Unavailable, match="broke off"):
        await source.courses()
