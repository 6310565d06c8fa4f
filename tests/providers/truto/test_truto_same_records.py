"""An enrollment is the same record by Truto, wherever it carries the payload, and by TalentLMS itself."""

from dataclasses import fields

import httpx
import pytest

from mcp_truto_lms.domain.source import Scope
from mcp_truto_lms.providers.talentlms.source import TalentLmsSource
from mcp_truto_lms.sandbox.portal import SAMPLE_API_KEY, SAMPLE_BASE_URL, sample_app
from tests.conftest import no_sleep
from tests.providers.truto.truto_desk import BY_PROXY, WITH_PAYLOADS
from tests.truth import NOON

pytestmark = pytest.mark.anyio

JUDGED = [
    "status",
    "enrolled_at",
    "completed_at",
    "due_at",
    "progress_percent",
    "time_spent_seconds",
    "score",
]


def judged(reading):
    """Return what answers judge an enrollment by, by id; the names of fields are those of a record."""
    names = [field.name for field in fields(reading.records[0]) if field.name not in ("enrollment", "route")]
    return {
        record.enrollment.id: [getattr(record.enrollment, name) for name in JUDGED]
        + [getattr(record, name) for name in names]
        for record in reading.records
    }


@pytest.fixture
def talentlms(school):
    portal = sample_app(school, now=lambda: NOON, sleep=no_sleep)
    transport = httpx.ASGITransport(app=portal)
    return TalentLmsSource.connect(SAMPLE_BASE_URL, SAMPLE_API_KEY, transport=transport, sleep=no_sleep)


async def lists_of(source):
    courses = {course.id: course for course in await source.courses()}
    return courses, {learner.id: learner for learner in await source.learners()}


@pytest.mark.parametrize("options", [WITH_PAYLOADS, BY_PROXY], ids=["with payloads", "by proxy"])
async def test_rosters_and_transcripts_give_the_same_records(open_truto, school, talentlms, options):
    people = {enrollment.user_id for enrollment in school.enrollments}
    scopes = [Scope(course_id=course.id) for course in school.courses] + [Scope(user_id=user) for user in people]
    expected_courses, expected_learners = await lists_of(talentlms)
    certificates = 0
    async with open_truto(options, of=school) as desk:
        courses, learners = await lists_of(desk.source)
        for scope in scopes:
            expected = judged(await talentlms.enrollments(scope, courses=expected_courses, learners=expected_learners))
            assert judged(await desk.source.enrollments(scope, courses=courses, learners=learners)) == expected
            certificates += sum(record[-3] is not None for record in expected.values())
    assert certificates


async def test_a_pair_with_its_payload_gives_the_same_record(open_truto, school, talentlms):
    pairs = [Scope(enrollment.user_id, enrollment.course_id) for enrollment in school.enrollments]
    expected_courses, expected_learners = await lists_of(talentlms)
    async with open_truto(WITH_PAYLOADS, of=school) as desk:
        courses, learners = await lists_of(desk.source)
        for pair in pairs:
            expected = await talentlms.enrollments(pair, courses=expected_courses, learners=expected_learners)
            if not all(record.is_learner for record in expected.records):
                continue
            reading = await desk.source.enrollments(pair, courses=courses, learners=learners)
            assert judged(reading) == judged(expected)
