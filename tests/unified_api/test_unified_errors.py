"""What goes wrong, in the shape in which Truto says it."""

import json

import anyio
import httpx
import pytest
from played_source import PlayedSource, enrolled
from unified_endpoint import ACCOUNT_ID, on_a_port

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


def failing(error, at="course:1"):
    def fail(what):
        if what == at:
            raise error

    rosters = {course: [enrolled(str(n), course) for n in range(600)] for course in ("0", "1")}
    return PlayedSource(rosters, fail=fail)


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
    async with in_process(failing(error)) as client:
        response = await client.get(ENROLLMENTS, params={"course[id]": "1"})
    assert response.status_code == status
    body = response.json()
    assert body["statusCode"] == status
    assert body["error"] == phrase
    assert body["message"] == str(error)
    assert body["truto_is_remote_error"] is True
    (entry,) = body["truto_error_insight"].values()
    assert set(entry) == {"description", "value"}


@pytest.mark.parametrize(("told", "header"), [(None, "10"), (0.2, "1"), (17.5, "18")])
async def test_a_rate_limit_says_when_to_come_back(in_process, told, header):
    async with in_process(failing(RateLimited("too many", retry_after_seconds=told))) as client:
        response = await client.get(ENROLLMENTS, params={"course[id]": "1"})
    assert response.headers["retry-after"] == header
    assert response.json()["truto_error_insight"]["rate_limit_error"]["value"] == {"retry_after": int(header)}


async def test_a_page_that_takes_too_long_is_a_gateway_timeout(in_process):
    class Slow(PlayedSource):
        async def courses(self):
            await anyio.sleep_forever()

    async with in_process(Slow({}), deadline_seconds=0.01) as client:
        for path in (ENROLLMENTS, "/unified/lms/courses/1"):
            response = await client.get(path)
            assert response.status_code == 504
            assert response.json()["truto_is_remote_error"] is True


async def test_what_nobody_foresaw_is_a_500_that_tells_nothing(in_process):
    async with in_process(failing(ZeroDivisionError("secret"))) as client:
        response = await client.get(ENROLLMENTS, params={"course[id]": "1"})
    assert response.status_code == 500
    assert response.json() == {
        "statusCode": 500,
        "error": "Internal Server Error",
        "message": "This endpoint failed; its log has the reason",
    }


async def test_a_stream_that_fails_before_its_first_record_is_a_refusal(in_process):
    async with in_process(failing(AccessDenied("no"), at="courses")) as client:
        response = await client.get(ENROLLMENTS, params={"truto_response_format": "stream"})
    assert response.status_code == 401


def streamed(source):
    """Read a stream over a port; its lines, and whether it ended properly."""
    received = b""
    with on_a_port(unified_app({ACCOUNT_ID: source})) as address:
        params = {"integrated_account_id": ACCOUNT_ID, "truto_response_format": "stream"}
        try:
            with httpx.stream("GET", address + ENROLLMENTS, params=params) as response:
                for chunk in response.iter_raw():
                    received += chunk
        except httpx.RemoteProtocolError:
            return received.splitlines(), False
    return received.splitlines(), True


def test_a_stream_that_fails_on_the_way_says_why_and_is_broken_off():
    lines, ended = streamed(failing(Unavailable("gone")))
    assert not ended
    assert len(lines) == 601
    assert json.loads(lines[-1])["message"] == "gone"
    assert json.loads(lines[-1])["statusCode"] == 502


def test_a_stream_whose_records_stop_having_raw_data_is_broken_off():
    rosters = {"1": [enrolled("1", "1", remote_data={"n": 1}), enrolled("2", "1")]}
    with on_a_port(unified_app({ACCOUNT_ID: PlayedSource(rosters)})) as address:
        params = {"integrated_account_id": ACCOUNT_ID, "truto_response_format": "raw"}
        assert httpx.get(address + ENROLLMENTS, params=params).status_code == 400


def test_a_stream_of_a_partial_reading_gives_what_there_is_and_is_broken_off():
    source = PlayedSource({"1": [enrolled("1", "1"), enrolled("2", "1")]}, complete=False)
    lines, ended = streamed(source)
    assert len(lines) == 2
    assert not ended


def test_a_stream_that_ends_properly_is_whole():
    lines, ended = streamed(PlayedSource({"1": [enrolled(str(n), "1") for n in range(600)], "2": []}))
    assert ended
    assert len({json.loads(line)["id"] for line in lines}) == 600
    assert streamed(PlayedSource({})) == ([], True)
