"""How a source chooses a read method for a scope, and what it learns from the outcome."""

import anyio
import pytest

from mcp_truto_lms.domain.errors import (
    AccessDenied,
    NotFound,
    RouteClosed,
    SourceError,
    Unavailable,
)
from mcp_truto_lms.domain.source import FetchRoute, Scope
from mcp_truto_lms.providers.truto.capabilities import DOUBT_SECONDS
from mcp_truto_lms.providers.truto.errors import RequestRefused
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
from tests.providers.truto.scripted_truto import WAIT_SECONDS, envelope, error_response, missing_parameters

pytestmark = pytest.mark.anyio

DAY_SECONDS = 24 * 3600


async def test_a_full_list_takes_one_call_a_page(source_over):
    pages = [envelope(enrollment(7, 12), cursor="a"), envelope(enrollment(8, 12))]
    source, truto = source_over({"/course-enrollments": pages})
    reading = await read(source, EVERYTHING)
    assert enrollment_ids(reading) == ["7_12", "8_12"]
    assert {record.route for record in reading.records} == {FetchRoute.LIST}
    assert reading.complete
    assert truto.asked == ["/course-enrollments", "/course-enrollments?next_cursor=a"]
    assert truto.requests[0].url.params["truto_ignore_remote_data"] == "true"
    assert costs(source) == [2, 1, 1, 1]


async def test_a_list_of_a_course_or_a_learner_takes_one_call(source_over):
    source, truto = source_over(
        {
            "/course-enrollments": lambda request: (
                envelope(enrollment(7, 12)) if len(request.url.params) > 2 else error_response(500)
            )
        }
    )
    assert enrollment_ids(await read(source, COURSE)) == ["7_12"]
    assert enrollment_ids(await read(source, LEARNER)) == ["7_12"]
    assert truto.asked == ["/course-enrollments?course[id]=12", "/course-enrollments?user[id]=7"]


async def test_a_refusal_that_names_parameters_rules_out_every_method_that_lacks_them(source_over):
    source, truto = source_over({"/course-enrollments": answer_pairs_only})
    assert costs(source) == [2, 2, 2, 1]
    with pytest.raises(RouteClosed):
        await read(source, EVERYTHING)
    assert costs(source) == [None, 2, 2, 1]
    with pytest.raises(RouteClosed, match="by course"):
        await read(source, COURSE)
    with pytest.raises(RouteClosed, match="by learner"):
        await read(source, LEARNER)
    assert costs(source) == [None, None, None, 1]
    assert truto.asked == ["/course-enrollments", "/courses/12", "/proxy/courses/12", "/users/7", "/proxy/users/7"]
    assert enrollment_ids(await read(source, PAIR)) == ["7_12"]
    assert truto.asked[5:] == ["/course-enrollments?user[id]=7&course[id]=12"]


async def test_a_method_that_worked_is_used_again(source_over):
    def answer(request):
        return envelope(enrollment(7, 12)) if "user[id]" in request.url.params else missing_parameters("user")

    source, truto = source_over({"/course-enrollments": answer, "/courses/12": course_with_roster(7)})
    with pytest.raises(RouteClosed):
        await read(source, EVERYTHING)
    assert enrollment_ids(await read(source, LEARNER)) == ["7_12"]
    assert enrollment_ids(await read(source, COURSE)) == ["7_12"]
    assert truto.asked == ["/course-enrollments", "/course-enrollments?user[id]=7", "/courses/12"]


async def test_payloads_are_tried_first_after_they_were_seen(source_over):
    source, truto = source_over(
        {
            "/courses": envelope(course_with_roster()),
            "/courses/12": course_with_roster(7),
            "/users/7": user_with_transcript(12),
        }
    )
    await source.courses()
    assert costs(source) == [2, 1, 1, 1]
    await read(source, COURSE)
    await read(source, LEARNER)
    assert truto.asked == ["/courses", "/courses/12", "/users/7"]


async def test_one_call_tries_a_method_while_the_others_wait(source_over):
    source, truto = source_over({"/course-enrollments": answer_pairs_only})

    async def expect_refusal(number):
        with pytest.raises(RouteClosed):
            await read(source, Scope(course_id=str(number)))

    with anyio.fail_after(WAIT_SECONDS):
        async with anyio.create_task_group() as group:
            for number in range(8):
                group.start_soon(expect_refusal, number)
    assert len(truto.requests) == 3


async def test_learned_capabilities_are_stored_for_a_day(source_over, fake_time):
    source, truto = source_over({"/course-enrollments": answer_pairs_only, "/courses/12": course_with_roster(7)})
    await read(source, COURSE)
    fake_time.seconds = DAY_SECONDS - 1
    await read(source, COURSE)
    assert truto.asked[2:] == ["/courses/12"]
    assert source.capabilities.calls(FetchRoute.LIST) is None
    fake_time.seconds = DAY_SECONDS
    assert source.capabilities.calls(FetchRoute.LIST) == 2
    truto.answers["/course-enrollments"] = envelope(enrollment(7, 12))
    assert {record.route for record in (await read(source, EVERYTHING)).records} == {FetchRoute.LIST}


@pytest.mark.parametrize("status", [400, 409, 422])
async def test_a_refusal_that_may_pass_rules_a_method_out_for_minutes(source_over, fake_time, status):
    refusal = error_response(status, "Malformed response", truto_is_remote_error=True)
    source, truto = source_over({"/course-enrollments": refusal, "/courses/12": refusal, "/proxy/courses/12": refusal})
    for scope in (EVERYTHING, COURSE):
        with pytest.raises(RouteClosed):
            await read(source, scope)
    assert costs(source) == [None, None, 2, 1]
    fake_time.seconds = DOUBT_SECONDS - 1
    assert costs(source) == [None, None, 2, 1]
    fake_time.seconds = DOUBT_SECONDS
    assert costs(source) == [2, 2, 2, 1]
    truto.answers["/course-enrollments"] = envelope(enrollment(7, 12))
    assert enrollment_ids(await read(source, EVERYTHING)) == ["7_12"]


@pytest.mark.parametrize("refusal", [missing_parameters("user"), error_response(405), error_response(403)])
async def test_a_refusal_of_the_method_itself_rules_it_out_for_a_day(source_over, fake_time, refusal):
    source, _ = source_over({"/course-enrollments": refusal})
    with pytest.raises(RouteClosed):
        await read(source, EVERYTHING)
    fake_time.seconds = DAY_SECONDS - 1
    assert source.capabilities.calls(FetchRoute.LIST) is None


async def test_the_list_of_a_pair_is_never_ruled_out(source_over):
    source, truto = source_over({"/course-enrollments": error_response(422, truto_is_remote_error=True)})
    for _ in range(2):
        with pytest.raises(RequestRefused):
            await read(source, PAIR)
    assert (source.capabilities.calls(FetchRoute.PAIR), len(truto.requests)) == (1, 2)


async def test_a_method_that_stops_working_is_no_longer_used(source_over):
    source, truto = source_over(
        {"/course-enrollments": envelope(enrollment(7, 12)), "/courses/12": course_with_roster(7)}
    )
    await read(source, COURSE)
    truto.answers["/course-enrollments"] = answer_pairs_only
    assert [record.route for record in (await read(source, COURSE)).records] == [FetchRoute.COURSE]


async def test_a_deleted_course_is_not_found_and_rules_out_no_method(source_over):
    answers = {
        "/course-enrollments": answer_pairs_only,
        "/courses/12": error_response(404, truto_is_remote_error=True),
        "/courses/13": course_with_roster(7, course="13"),
    }
    source, _ = source_over(answers)
    with pytest.raises(NotFound):
        await read(source, COURSE)
    assert enrollment_ids(await read(source, Scope(course_id="13"))) == ["7_13"]


async def test_a_list_that_the_lms_lacks_is_unavailable_and_not_empty(source_over):
    for message in ("The requested API action does not exist", "The user does not exist"):
        source, _ = source_over({"/course-enrollments": error_response(400, message, truto_is_remote_error=True)})
        with pytest.raises(RouteClosed):
            await read(source, EVERYTHING)
        assert source.capabilities.calls(FetchRoute.LIST) is None


async def test_a_forbidden_course_does_not_rule_out_the_method(source_over):
    answers = {
        "/course-enrollments": answer_pairs_only,
        "/courses/12": course_with_roster(7),
        "/courses/13": error_response(403, truto_is_remote_error=True),
    }
    source, _ = source_over(answers)
    await read(source, COURSE)
    with pytest.raises(SourceError) as caught:
        await read(source, Scope(course_id="13"))
    assert not isinstance(caught.value, AccessDenied)
    assert source.capabilities.calls(FetchRoute.COURSE) == 1


async def test_a_server_error_rules_out_no_method(source_over):
    source, _ = source_over({"/course-enrollments": error_response(500)})
    with pytest.raises(Unavailable):
        await read(source, EVERYTHING)
    assert costs(source) == [2, 2, 2, 1]
