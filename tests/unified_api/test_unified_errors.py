"""Errors in Truto's form."""

import json

import anyio
import httpx
import pytest
from scripted_source import ScriptedSource, enrolled
from unified_endpoint import ACCOUNT_ID, WAIT_SECONDS, serve_on_a_port

from mcp_truto_lms.domain.errors import (
    AccessDenied,
    NotFound,
    RateLimited,
    SourceError,
    Unavailable,
    UnexpectedAnswer,
)
from mcp_truto_lms.unified_api.app import unified_app

pytestmark = pytest.mark.anyio
ENROLLMENTS = "/unified/lms/course-enrollments"


def failing_source(error, failing_call="course:1"):
    def fail(call):
        if call == failing_call:
            raise error

    rosters = {course_id: [enrolled(str(user_id), course_id) for user_id in range(600)] for course_id in ("0", "1")}
    return ScriptedSource(rosters, fail=fail)


@pytest.mark.parametrize(
    ("error", "status", "phrase"),
    [
        (AccessDenied("the key was refused"), 401, "Unauthorized"),
        (NotFound("nobody"), 404, "Not Found"),
        (RateLimited("too many"), 429, "Too Many Requests"),
        (Unavailable("no answer"), 502, "Bad Gateway"),
        (UnexpectedAnswer("gibberish"), 502, "Bad Gateway"),
        (SourceError("something"), 502, "Bad Gateway"),
    ],
)
async def test_an_error_of_the_provider_is_marked_as_remote(in_process, error, status, phrase):
    async with in_process(failing_source(error)) as client:
        response = await client.get(ENROLLMENTS, params={"course[id]": "1"})
    assert response.status_code == status
    body = response.json()
    assert body["statusCode"] == status
    assert body["error"] == phrase
    assert body["message"] == str(error)
    assert body["truto_is_remote_error"] is True
    (entry,) = body["truto_error_insight"].values()
    assert set(entry) == {"description", "value"}


@pytest.mark.parametrize(("retry_after_seconds", "header"), [(None, "10"), (0.2, "1"), (17.5, "18")])
async def test_a_rate_limit_reports_when_to_retry(in_process, retry_after_seconds, header):
    async with in_process(failing_source(RateLimited("too many", retry_after_seconds=retry_after_seconds))) as client:
        response = await client.get(ENROLLMENTS, params={"course[id]": "1"})
    assert response.headers["retry-after"] == header
    assert response.json()["truto_error_insight"]["rate_limit_error"]["value"] == {"retry_after": int(header)}


async def test_a_page_that_takes_too_long_is_a_gateway_timeout(in_process):
    class SlowSource(ScriptedSource):
        async def courses(self):
            await anyio.sleep_forever()

    with anyio.fail_after(WAIT_SECONDS):
        async with in_process(SlowSource({}), deadline_seconds=0.01) as client:
            for path in (ENROLLMENTS, "/unified/lms/courses/1"):
                response = await client.get(path)
                assert response.status_code == 504
                assert response.json()["truto_is_remote_error"] is True


async def test_an_unexpected_error_is_a_500_without_details(in_process):
    async with in_process(failing_source(ZeroDivisionError("secret"))) as client:
        response = await client.get(ENROLLMENTS, params={"course[id]": "1"})
    assert response.status_code == 500
    assert response.json() == {
        "statusCode": 500,
        "error": "Internal Server Error",
        "message": "This endpoint failed; its log has the reason",
    }


async def test_a_stream_that_fails_before_its_first_record_is_an_ordinary_error(in_process):
    async with in_process(failing_source(AccessDenied("no"), failing_call="courses")) as client:
        response = await client.get(ENROLLMENTS, params={"truto_response_format": "stream"})
    assert response.status_code == 401


def read_stream(source):
    """Read a stream over a port; return its lines, and whether it has a proper end."""
    received = b""
    with serve_on_a_port(unified_app({ACCOUNT_ID: source})) as address:
        params = {"integrated_account_id": ACCOUNT_ID, "truto_response_format": "stream"}
        try:
            with httpx.stream("GET", address + ENROLLMENTS, params=params) as response:
                for chunk in response.iter_raw():
                    received += chunk
        except httpx.RemoteProtocolError:
            return received.splitlines(), False
    return received.splitlines(), True


def test_a_stream_that_fails_later_ends_with_the_error_and_is_cut_off():
    lines, is_whole = read_stream(failing_source(Unavailable("gone")))
    assert not is_whole
    assert len(lines) == 601
    assert json.loads(lines[-1])["message"] == "gone"
    assert json.loads(lines[-1])["statusCode"] == 502


def test_raw_records_without_raw_data_are_refused():
    rosters = {"1": [enrolled("1", "1", remote_data={"n": 1}), enrolled("2", "1")]}
    with serve_on_a_port(unified_app({ACCOUNT_ID: ScriptedSource(rosters)})) as address:
        params = {"integrated_account_id": ACCOUNT_ID, "truto_response_format": "raw"}
        assert httpx.get(address + ENROLLMENTS, params=params).status_code == 400


def test_a_stream_of_a_partial_reading_sends_its_records_and_is_cut_off():
    source = ScriptedSource({"1": [enrolled("1", "1"), enrolled("2", "1")]}, complete=False)
    lines, is_whole = read_stream(source)
    assert len(lines) == 2
    assert not is_whole


def test_a_stream_with_a_proper_end_is_whole():
    lines, is_whole = read_stream(
        ScriptedSource({"1": [enrolled(str(user_id), "1") for user_id in range(600)], "2": []})
    )
    assert is_whole
    assert len({json.loads(line)["id"] for line in lines}) == 600
    assert read_stream(ScriptedSource({})) == ([], True)
