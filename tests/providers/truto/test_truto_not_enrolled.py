"""Which errors of a pair mean that the learner is not enrolled."""

import pytest

from mcp_truto_lms.domain.errors import NotFound, RouteClosed, SourceError, UnexpectedAnswer
from mcp_truto_lms.domain.model import Course, User
from mcp_truto_lms.domain.source import FetchRoute
from mcp_truto_lms.providers.truto.errors import Forbidden, MissingParameters, RequestRefused
from tests.providers.truto.account_answers import PAIR, read
from tests.providers.truto.scripted_truto import envelope, error_response, missing_parameters

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "answer",
    [
        envelope(),
        error_response(404, "The requested user is not enrolled in this course", truto_is_remote_error=True),
        error_response(400, "The requested user is not enrolled in this course", truto_is_remote_error=True),
        error_response(422, "User 7 isn't enrolled in course 12", truto_is_remote_error=True),
        error_response(409, "The user is not a learner of this course", truto_is_remote_error=True),
        error_response(404, "No enrollment found", truto_is_remote_error=True),
        error_response(
            422,
            "Bad Request",
            truto_is_remote_error=True,
            raw_response={"error": {"message": "The requested user is not enrolled in this course"}},
        ),
        error_response(
            400, "", truto_is_remote_error=True, details='{"error":{"message":"not enrolled in this course"}}'
        ),
    ],
)
async def test_a_pair_that_is_not_enrolled_is_an_empty_reading(source_over, answer):
    source, truto = source_over({"/course-enrollments": answer})
    reading = await read(source, PAIR)
    assert (reading.records, reading.complete, len(truto.requests)) == ((), True, 1)


@pytest.mark.parametrize(
    ("answer", "error_class"),
    [
        (error_response(403, truto_is_remote_error=True), Forbidden),
        (error_response(422), RequestRefused),
        (error_response(422, "The user is not enrolled in this course"), RequestRefused),
        (error_response(400, "", truto_is_remote_error=True), RequestRefused),
        (error_response(400, "Invalid arguments provided", truto_is_remote_error=True), RequestRefused),
        (error_response(404, "", truto_is_remote_error=True), RequestRefused),
        (error_response(404, "Not Found", truto_is_remote_error=True), RequestRefused),
        (error_response(409, "Conflict", truto_is_remote_error=True), RequestRefused),
        (error_response(422, "Malformed response", truto_is_remote_error=True), RequestRefused),
        (error_response(422, "This application is not registered", truto_is_remote_error=True), RequestRefused),
        (error_response(404, "The requested user does not exist", truto_is_remote_error=True), NotFound),
        (error_response(404), RouteClosed),
        (missing_parameters("course"), MissingParameters),
        (error_response(400, "Rate limit exceeded", truto_is_remote_error=True), SourceError),
    ],
)
async def test_any_other_refusal_of_a_pair_is_an_error(source_over, answer, error_class):
    source, truto = source_over({"/course-enrollments": answer})
    with pytest.raises(error_class):
        await read(source, PAIR)
    assert len(truto.requests) == 1
    assert source.capabilities.calls(FetchRoute.PAIR) == 1


async def test_an_action_that_the_lms_lacks_does_not_mean_not_enrolled(source_over):
    answer = error_response(400, "The requested API action does not exist", truto_is_remote_error=True)
    source, _ = source_over({"/course-enrollments": answer})
    with pytest.raises(RouteClosed):
        await read(source, PAIR)


async def test_a_learner_and_a_course_that_the_lms_lists_exist_whatever_a_pair_says(source_over):
    answer = error_response(400, "The requested user does not exist", truto_is_remote_error=True)
    source, _ = source_over({"/course-enrollments": answer})
    with pytest.raises(UnexpectedAnswer, match="lists a learner and a course"):
        await read(source, PAIR, courses={"12": Course(id="12")}, learners={"7": User(id="7")})
    with pytest.raises(NotFound):
        await read(source, PAIR, courses={"12": Course(id="12")})
