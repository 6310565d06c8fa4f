"""Rosters and transcripts that are read from the provider's payload, or through the proxy."""

import pytest

from mcp_truto_lms.domain.errors import RouteClosed, UnexpectedAnswer
from mcp_truto_lms.domain.source import FetchRoute, Scope
from tests.providers.truto.account_answers import (
    COURSE,
    EVERYTHING,
    LEARNER,
    PAIR,
    answer_pairs_only,
    costs,
    course_with_roster,
    enrollment,
    enrollment_ids,
    read,
    user_with_transcript,
)
from tests.providers.truto.scripted_truto import envelope

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


ANOTHER_ROSTER, ANOTHER_TRANSCRIPT = course_with_roster(7, course="99"), user_with_transcript(12, user="99")


@pytest.mark.parametrize(
    ("scope", "answers"),
    [
        (COURSE, {"/courses/12": ANOTHER_ROSTER}),
        (COURSE, {"/courses/12": {**ANOTHER_ROSTER, "id": "12"}}),
        (COURSE, {"/proxy/courses/12": ANOTHER_ROSTER["remote_data"]}),
        (COURSE, {"/courses/12": {"title": "Law", "remote_data": course_with_roster(7)["remote_data"]}}),
        (LEARNER, {"/users/7": ANOTHER_TRANSCRIPT}),
        (LEARNER, {"/users/7": {**ANOTHER_TRANSCRIPT, "id": "7"}}),
        (LEARNER, {"/proxy/users/7": {"result": ANOTHER_TRANSCRIPT["remote_data"]}}),
    ],
)
async def test_an_answer_of_another_record_is_an_error_and_rules_out_no_method(source_over, scope, answers):
    source, truto = source_over({"/course-enrollments": answer_pairs_only, **answers})
    with pytest.raises(UnexpectedAnswer, match="another record"):
        await read(source, scope)
    assert source.capabilities.calls(scope.route) is not None
    for path in answers:
        record = course_with_roster(7) if "courses" in path else user_with_transcript(12)
        truto.answers[path] = record["remote_data"] if "proxy" in path else record
    assert enrollment_ids(await read(source, scope)) == ["7_12"]


@pytest.mark.parametrize("scope", [COURSE, LEARNER, PAIR])
async def test_a_list_of_another_scope_is_an_error_and_rules_out_no_method(source_over, scope):
    source, truto = source_over({"/course-enrollments": envelope(enrollment(8, 13))})
    with pytest.raises(UnexpectedAnswer, match="of another"):
        await read(source, scope)
    assert costs(source) == [2, 2, 2, 1]
    truto.answers["/course-enrollments"] = envelope(enrollment(7, 12))
    assert enrollment_ids(await read(source, scope)) == ["7_12"]


@pytest.mark.parametrize("scope", [COURSE, LEARNER])
async def test_a_list_that_ignores_its_filter_gives_way_to_the_list_of_everything(source_over, scope):
    source, truto = source_over({"/course-enrollments": envelope(enrollment(7, 12), enrollment(8, 13))})
    with pytest.raises(RouteClosed, match="lists everything"):
        await read(source, scope)
    assert source.capabilities.calls(FetchRoute.LIST) == 1
    assert enrollment_ids(await read(source, EVERYTHING)) == ["7_12", "8_13"]
    assert len(truto.requests) == 2


async def test_a_pair_is_found_in_a_list_that_ignores_a_filter(source_over):
    everything = envelope(enrollment(7, 12), enrollment(7, 13), enrollment(8, 13))
    source, _ = source_over({"/course-enrollments": everything})
    assert enrollment_ids(await read(source, PAIR)) == ["7_12"]
    assert enrollment_ids(await read(source, Scope(user_id="8", course_id="12"))) == []


async def test_a_lookup_that_is_answered_with_another_record_is_an_error(source_over):
    source, _ = source_over({"/users/7": user_with_transcript(user="8"), "/courses/12": course_with_roster(course="")})
    with pytest.raises(UnexpectedAnswer):
        await source.find_learner(user_id="7")
    with pytest.raises(UnexpectedAnswer):
        await source.find_course("12")


async def test_looking_up_a_person_shows_whether_payloads_have_transcripts(source_over):
    source, truto = source_over({"/users/7": user_with_transcript(12), "/course-enrollments": answer_pairs_only})
    assert (await source.find_learner(user_id="7")).name == "Jane"
    assert enrollment_ids(await read(source, LEARNER)) == ["7_12"]
    assert truto.asked == ["/users/7", "/users/7"]
