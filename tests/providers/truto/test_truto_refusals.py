import httpx
import pytest

from mcp_truto_lms.domain.errors import (
    AccessDenied,
    NotFound,
    RateLimited,
    RouteClosed,
    SourceError,
    Unavailable,
    UnexpectedAnswer,
)
from mcp_truto_lms.providers.truto.errors import (
    AccountBlocked,
    AccountUnknown,
    Forbidden,
    MissingParameters,
    NotOffered,
    ReconnectAccount,
    RecordNotFound,
    RequestFailed,
    RequestRefused,
    TokenRefused,
    TooManyRequests,
    TrutoError,
)
from tests.providers.truto.scripted_truto import ACCOUNT, TOKEN, missing, problem

pytestmark = pytest.mark.anyio

SCOPES = {"forbidden_error": {"description": "x", "value": {"missing_scopes": ["courses.read", "users.read"]}}}


async def error_from(client_over, response, read="list_course_enrollments", *arguments):
    client, _ = client_over(lambda request: response)
    with pytest.raises(TrutoError) as caught:
        await getattr(client, read)(ACCOUNT, *arguments)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    return caught.value, client.calls


@pytest.mark.parametrize(
    ("response", "kind", "of", "says", "calls"),
    [
        (problem(400, "Bad"), RequestRefused, UnexpectedAnswer, "refused the request to `course-enrollments`", 1),
        (problem(401, "Unauthorized"), TokenRefused, AccessDenied, "TRUTO_API_TOKEN", 1),
        (problem(401, truto_is_remote_error=True), ReconnectAccount, AccessDenied, "reconnect the account", 1),
        (problem(403, "No"), Forbidden, AccessDenied, "TRUTO_API_TOKEN", 1),
        (problem(403, truto_is_remote_error=True), Forbidden, AccessDenied, "Grant the permissions that it needs", 1),
        (problem(403, truto_error_insight=SCOPES), Forbidden, AccessDenied, "Grant courses.read, users.read", 1),
        (problem(404, "Not found"), NotOffered, RouteClosed, "does not offer", 1),
        (problem(404, "Integrated account not found"), AccountUnknown, AccessDenied, "TRUTO_INTEGRATED_ACCOUNT_ID", 1),
        (problem(400, "integrated_account_id is required"), AccountUnknown, AccessDenied, "ACCOUNT_ID", 1),
        (problem(404, truto_is_remote_error=True), RecordNotFound, NotFound, "no such record", 1),
        (problem(405), NotOffered, RouteClosed, "does not offer", 1),
        (problem(409), RequestRefused, UnexpectedAnswer, "HTTP 409", 1),
        (problem(422, truto_is_remote_error=True), RequestRefused, UnexpectedAnswer, "LMS behind Truto refused", 1),
        (problem(400, "The user does not exist", truto_is_remote_error=True), RecordNotFound, NotFound, "no such", 1),
        (problem(429), TooManyRequests, RateLimited, "Truto refuses more calls", 4),
        (problem(400, "Rate limit reached", truto_is_remote_error=True), TooManyRequests, RateLimited, "LMS behind", 1),
        (problem(403, truto_error_insight={"rate_limit_error": {}}), TooManyRequests, RateLimited, "limit", 1),
        (problem(500, ""), RequestFailed, Unavailable, "failed on its side", 3),
        (problem(502, truto_is_remote_error=True), RequestFailed, Unavailable, "LMS behind Truto failed", 4),
        (problem(504), RequestFailed, Unavailable, "HTTP 504", 4),
        (problem(503), AccountBlocked, AccessDenied, "blocked", 1),
        (problem(503, truto_is_remote_error=True), RequestFailed, Unavailable, "HTTP 503", 1),
        (problem(501), NotOffered, RouteClosed, "does not offer", 1),
        (httpx.Response(502, text="<html>Bad gateway</html>"), RequestFailed, Unavailable, "HTTP 502", 4),
        (httpx.Response(418, text="teapot"), RequestRefused, UnexpectedAnswer, "HTTP 418", 1),
        (httpx.Response(302, headers={"location": "https://evil.example"}), RequestRefused, UnexpectedAnswer, "302", 1),
    ],
)
async def test_a_status_is_its_error_and_only_what_can_pass_is_tried_again(
    client_over, response, kind, of, says, calls
):
    error, made = await error_from(client_over, response)
    assert type(error) is kind
    assert isinstance(error, of)
    assert isinstance(error, SourceError)
    assert says in str(error)
    assert made == calls


async def test_a_missing_record_is_told_from_a_missing_path(client_over):
    error, _ = await error_from(client_over, problem(404, "Record not found"), "get_user", "7")
    assert type(error) is RecordNotFound
    error, _ = await error_from(client_over, problem(404, "Cannot GET this"), "get_user", "7")
    assert type(error) is NotOffered


async def test_an_error_carries_what_truto_said(client_over):
    response = problem(
        422,
        "Nope",
        truto_is_remote_error=True,
        raw_response={"error": {"message": "odd"}},
        truto_error_insight={"remote_error": {"description": "d", "value": [1, "two"]}},
    )
    error, _ = await error_from(client_over, response)
    assert (error.status_code, error.message, error.truto_is_remote_error) == (422, "Nope", True)
    assert error.raw_response == '{"error": {"message": "odd"}}'
    assert error.truto_error_insight == {"remote_error": {"description": "d", "value": [1, "two"]}}
    assert "Nope" not in str(error)


@pytest.mark.parametrize(
    ("response", "names"),
    [
        (missing("user", "course"), {"user", "course"}),
        (missing("course"), {"course"}),
        (problem(400, "user[id] and course[id] are required for TalentLMS"), {"user", "course"}),
        (problem(400, "Missing query parameter: user_id"), {"user"}),
        (problem(400, truto_error_insight={"missing_required_query_parameters": {"value": "course"}}), {"course"}),
        (
            problem(
                400,
                truto_error_insight={
                    "conditionally_required_query_parameters": {
                        "description": "course",
                        "value": [{"name": "user.id", "when": "always"}],
                    }
                },
            ),
            {"user"},
        ),
    ],
)
async def test_the_parameters_that_are_missing_are_named(client_over, response, names):
    error, calls = await error_from(client_over, response)
    assert type(error) is MissingParameters
    assert error.parameters == names
    assert calls == 1
    assert all(f"{name}[id]" in str(error) for name in names)


@pytest.mark.parametrize(
    "response",
    [
        problem(400, "The course could not be listed for this user"),
        problem(400, truto_error_insight="odd"),
        problem(400, truto_error_insight={"missing_required_query_parameters": {"value": ["limit"]}}),
    ],
)
async def test_a_400_that_names_none_of_them_is_a_plain_refusal(client_over, response):
    error, _ = await error_from(client_over, response)
    assert type(error) is RequestRefused


async def test_what_truto_said_is_clipped(client_over):
    error, _ = await error_from(client_over, problem(422, "m" * 9000, raw_response=["r" * 90] * 900))
    assert len(error.message) == 500
    assert len(error.raw_response) == 2000
    error, _ = await error_from(client_over, problem(422, raw_response="<html>no</html>"))
    assert error.raw_response == "<html>no</html>"


async def test_the_token_of_a_caller_is_nowhere_in_an_error(client_over):
    response = problem(
        400,
        f"{TOKEN} is bad",
        raw_response={"headers": {"x": 1}, "request": f"Authorization: Bearer {TOKEN}", TOKEN: f"Basic {'QUJD' * 9}"},
        truto_error_insight={"remote_error": {"value": {f"a {TOKEN}": [f"bearer {TOKEN}"]}}, "context": {"k": "v"}},
    )
    error, _ = await error_from(client_over, response)
    shown = (
        f"{error!r} {error} {error.message} {error.raw_response} {dict(error.truto_error_insight)} {error.details!r}"
    )
    assert TOKEN not in shown
    assert "QUJD" not in shown
    assert "headers" not in shown
    assert "context" not in error.truto_error_insight
