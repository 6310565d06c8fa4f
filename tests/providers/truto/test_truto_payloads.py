"""Rosters and transcripts that are read from the provider's payload, or through the proxy."""

import pytest

from mcp_truto_lms.domain.errors import (
    RouteClosed,
)
from mcp_truto_lms.domain.source import FetchRoute
from tests.providers.truto.account_answers import (
    COURSE,
    LEARNER,
    answer_pairs_only,
    costs,
    course_with_roster,
    enrollment_ids,
    read,
    user_with_transcript,
)

pytestmark = pytest.mark.anyio


async def test_a_roster_is_read_from_the_payload_of_its_course_and_joined_with_people(source_over):
    source, truto = source_over({"/course-enrollments": answer_pairs_only, "/courses/12": course_with_roster(7, 8)})
    jane = await source_over({"/users/7": user_with_transcript()})[0].find_learner(user_id="7")
    reading = await read(source, COURSE, learners={"7": jane})
    assert [(record.route, record.enrollment.user.name) for record in reading.records] == [
        (FetchRoute.COURSE, "Jane"),
        (FetchRoute.COURSE, "J. Doe"),
    ]
    await read(source, COURSE)
    assert truto.asked == ["/course-enrollments?course[id]=12", "/courses/12", "/courses/12"]
    assert costs(source) == [None, 1, 1, 1]


async def test_a_transcript_is_read_from_the_payload_of_its_learner(source_over):
    source, truto = source_over({"/course-enrollments": answer_pairs_only, "/users/7": user_with_transcript(12, 13)})
    reading = await read(source, LEARNER)
    assert enrollment_ids(reading) == ["7_12", "7_13"]
    assert [record.name for record in reading.learners] == ["Jane"]
    assert {str(record.enrollment.status) for record in reading.records} == {"failed"}
    assert truto.asked == ["/course-enrollments?user[id]=7", "/users/7"]


@pytest.mark.parametrize("wrapped", [False, True])
async def test_the_proxy_is_used_if_records_carry_no_payload(source_over, wrapped):
    roster, transcript = course_with_roster(7)["remote_data"], user_with_transcript(12)["remote_data"]
    source, truto = source_over(
        {
            "/course-enrollments": answer_pairs_only,
            "/courses/12": {"id": "12", "title": "Law"},
            "/users/7": {"id": "7"},
            "/proxy/courses/12": {"result": roster} if wrapped else roster,
            "/proxy/users/7": {"result": transcript} if wrapped else transcript,
        }
    )
    for _ in range(2):
        assert enrollment_ids(await read(source, COURSE)) == ["7_12"]
        reading = await read(source, LEARNER)
        assert enrollment_ids(reading) == ["7_12"]
        assert reading.learners[0].name == "Jane"
    assert truto.asked.count("/course-enrollments?course[id]=12") == 1
    assert [truto.asked.count(path) for path in ("/courses/12", "/users/7")] == [1, 1]
    assert [truto.asked.count(path) for path in ("/proxy/courses/12", "/proxy/users/7")] == [2, 2]


async def test_a_payload_of_another_record_is_not_used(source_over):
    answers = {
        "/course-enrollments": answer_pairs_only,
        "/courses/12": course_with_roster(7, course="99"),
        "/users/7": user_with_transcript(12, user="99"),
    }
    source, _ = source_over(answers)
    for scope in (COURSE, LEARNER):
        with pytest.raises(RouteClosed):
            await read(source, scope)


async def test_looking_up_a_person_shows_whether_payloads_have_transcripts(source_over):
    source, truto = source_over({"/users/7": user_with_transcript(12), "/course-enrollments": answer_pairs_only})
    assert (await source.find_learner(user_id="7")).name == "Jane"
    assert enrollment_ids(await read(source, LEARNER)) == ["7_12"]
    assert truto.asked == ["/users/7", "/users/7"]
