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
from tests.providers.truto.scripted_truto import ACCOUNT, TOKEN, error_response, missing_parameters

pytestmark = pytest.mark.anyio

SCOPES = {"forbidden_error": {"description": "x", "value": {"missing_scopes": ["courses.read", "users.read"]}}}


CONDITIONALLY_REQUIRED = {
    "conditionally_required_query_parameters": {
        "description": "Needed where the other is given",
        "value": [{"name": "user[id]"}, {"name": "course[id]"}],
    }
}


async def error_from(client_over, response, method="list_course_enrollments", *arguments):
    client, _ = client_over(lambda request: response)
    with pytest.raises(TrutoError) as caught:
        await getattr(client, method)(ACCOUNT, *arguments)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    return caught.value, client.calls


@pytest.mark.parametrize(
    ("response", "error_class", "base_class", "text", "calls"),
    [
        (
            error_response(400, "Bad"),
            RequestRefused,
            UnexpectedAnswer,
            "refused the request to `course-enrollments`",
            1,
        ),
        (error_response(401, "Unauthorized"), TokenRefused, AccessDenied, "TRUTO_API_TOKEN", 1),
        (error_response(401, truto_is_remote_error=True), ReconnectAccount, AccessDenied, "reconnect the account", 1),
        (error_response(403, "No"), Forbidden, AccessDenied, "TRUTO_API_TOKEN", 1),
        (
            error_response(403, truto_is_remote_error=True),
            Forbidden,
            AccessDenied,
            "Grant the permissions that it needs",
            1,
        ),
        (error_response(403, truto_error_insight=SCOPES), Forbidden, AccessDenied, "Grant courses.read, users.read", 1),
        (error_response(404, "Not found"), NotOffered, RouteClosed, "does not offer", 1),
        (
            error_response(404, "Integrated account not found"),
            AccountUnknown,
            AccessDenied,
            "TRUTO_INTEGRATED_ACCOUNT_ID",
            1,
        ),
        (error_response(400, "integrated_account_id is required"), AccountUnknown, AccessDenied, "ACCOUNT_ID", 1),
        (error_response(404, truto_is_remote_error=True), RequestRefused, UnexpectedAnswer, "HTTP 404", 1),
        (
            error_response(404, "The requested course does not exist", truto_is_remote_error=True),
            RecordNotFound,
            NotFound,
            "no such record",
            1,
        ),
        (error_response(405), NotOffered, RouteClosed, "does not offer", 1),
        (error_response(409), RequestRefused, UnexpectedAnswer, "HTTP 409", 1),
        (
            error_response(422, truto_is_remote_error=True),
            RequestRefused,
            UnexpectedAnswer,
            "LMS behind Truto refused",
            1,
        ),
        (
            error_response(400, "The user does not exist", truto_is_remote_error=True),
            RecordNotFound,
            NotFound,
            "no such",
            1,
        ),
        (error_response(429), TooManyRequests, RateLimited, "Truto refuses more calls", 4),
        (
            error_response(400, "Rate limit reached", truto_is_remote_error=True),
            TooManyRequests,
            RateLimited,
            "LMS behind",
            1,
        ),
        (error_response(403, truto_error_insight={"rate_limit_error": {}}), TooManyRequests, RateLimited, "limit", 1),
        (error_response(500, ""), RequestFailed, Unavailable, "failed on its side", 3),
        (error_response(502, truto_is_remote_error=True), RequestFailed, Unavailable, "LMS behind Truto failed", 4),
        (error_response(504), RequestFailed, Unavailable, "HTTP 504", 4),
        (error_response(503), AccountBlocked, AccessDenied, "blocked", 1),
        (error_response(503, truto_is_remote_error=True), RequestFailed, Unavailable, "HTTP 503", 4),
        (error_response(408), RequestFailed, Unavailable, "HTTP 408", 4),
        (error_response(425), RequestFailed, Unavailable, "HTTP 425", 4),
        (error_response(521), RequestFailed, Unavailable, "HTTP 521", 4),
        (httpx.Response(530, text="<html>origin</html>"), RequestFailed, Unavailable, "HTTP 530", 4),
        (httpx.Response(503, text="<html>maintenance</html>"), AccountBlocked, AccessDenied, "blocked", 1),
        (error_response(501), NotOffered, RouteClosed, "does not offer", 1),
        (httpx.Response(502, text="<html>Bad gateway</html>"), RequestFailed, Unavailable, "HTTP 502", 4),
        (httpx.Response(418, text="teapot"), RequestRefused, UnexpectedAnswer, "HTTP 418", 1),
        (httpx.Response(302, headers={"location": "https://evil.example"}), RequestRefused, UnexpectedAnswer, "302", 1),
    ],
)
async def test_a_status_maps_to_its_error_and_only_temporary_failures_are_retried(
    client_over, response, error_class, base_class, text, calls
):
    error, calls_made = await error_from(client_over, response)
    assert type(error) is error_class
    assert isinstance(error, base_class)
    assert isinstance(error, SourceError)
    assert text in str(error)
    assert calls_made == calls


async def test_a_missing_record_and_a_missing_path_are_different_errors(client_over):
    error, _ = await error_from(client_over, error_response(404, "Record not found"), "get_user", "7")
    assert type(error) is RecordNotFound
    error, _ = await error_from(client_over, error_response(404, "Cannot GET this"), "get_user", "7")
    assert type(error) is NotOffered


async def test_an_error_has_the_details_that_truto_reported(client_over):
    response = error_response(
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
    ("response", "parameters"),
    [
        (missing_parameters("user", "course"), {"user", "course"}),
        (missing_parameters("course"), {"course"}),
        (error_response(400, "user[id] and course[id] are required for TalentLMS"), {"user", "course"}),
        (error_response(400, "Missing query parameter: user_id"), {"user"}),
        (
            error_response(400, truto_error_insight={"missing_required_query_parameters": {"value": "course"}}),
            {"course"},
        ),
    ],
)
async def test_missing_parameters_are_named(client_over, response, parameters):
    error, calls = await error_from(client_over, response)
    assert type(error) is MissingParameters
    assert error.parameters == parameters
    assert calls == 1
    assert all(f"{name}[id]" in str(error) for name in parameters)


@pytest.mark.parametrize(
    "response",
    [
        error_response(400, "The course could not be listed for this user"),
        error_response(400, truto_error_insight="odd"),
        error_response(400, truto_error_insight={"missing_required_query_parameters": {"value": ["limit"]}}),
        error_response(400, truto_error_insight=CONDITIONALLY_REQUIRED),
        error_response(422, "user_id is invalid", truto_is_remote_error=True),
        error_response(400, "Missing argument: user_id", truto_is_remote_error=True),
    ],
)
async def test_a_400_that_names_no_parameter_is_a_plain_refusal(client_over, response):
    error, _ = await error_from(client_over, response)
    assert type(error) is RequestRefused


@pytest.mark.parametrize(
    ("status", "is_remote", "error_class"),
    [
        (401, True, ReconnectAccount),
        (403, True, Forbidden),
        (404, False, NotOffered),
        (422, True, RequestRefused),
        (429, True, TooManyRequests),
        (500, False, RequestFailed),
    ],
)
async def test_conditionally_required_parameters_change_no_error(client_over, status, is_remote, error_class):
    response = error_response(status, truto_is_remote_error=is_remote, truto_error_insight=CONDITIONALLY_REQUIRED)
    error, _ = await error_from(client_over, response)
    assert type(error) is error_class


@pytest.mark.parametrize(
    ("fields", "raw_response"),
    [
        ({"details": {"error": {"message": "odd"}}}, '{"error": {"message": "odd"}}'),
        ({"details": "odd", "raw_response": "odd"}, "odd"),
        ({"details": "odd", "raw_response": "strange"}, "strange\nodd"),
        ({"details": {"login_key": "https://lms.example/autologin/key:s3cr3t"}}, "{}"),
    ],
)
async def test_details_are_read_like_the_raw_response(client_over, fields, raw_response):
    error, _ = await error_from(client_over, error_response(422, truto_is_remote_error=True, **fields))
    assert error.raw_response == raw_response


async def test_the_details_of_an_error_are_clipped(client_over):
    error, _ = await error_from(client_over, error_response(422, "m" * 9000, raw_response=["r" * 90] * 900))
    assert len(error.message) == 500
    assert len(error.raw_response) == 2000
    error, _ = await error_from(client_over, error_response(422, raw_response="<html>no</html>"))
    assert error.raw_response == "<html>no</html>"


async def test_an_error_never_contains_the_token(client_over):
    response = error_response(
        400,
        f"{TOKEN} is bad",
        raw_response={"headers": {"x": 1}, "request": f"Authorization: Bearer {TOKEN}", TOKEN: f"Basic {'QUJD' * 9}"},
        truto_error_insight={"remote_error": {"value": {f"a {TOKEN}": [f"bearer {TOKEN}"]}}, "context": {"k": "v"}},
    )
    error, _ = await error_from(client_over, response)
    error_text = (
        f"{error!r} {error} {error.message} {error.raw_response} {dict(error.truto_error_insight)} {error.details!r}"
    )
    assert TOKEN not in error_text
    assert "QUJD" not in error_text
    assert "headers" not in error_text
    assert "context" not in error.truto_error_insight
