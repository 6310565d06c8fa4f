"""The faults and the limits of the Truto sandbox."""

from dataclasses import replace

import anyio
import httpx
import pytest

from mcp_truto_lms.sandbox.faults import Fault
from mcp_truto_lms.sandbox.payloads import LOGIN_KEY_MARK
from mcp_truto_lms.sandbox.portal import serve
from mcp_truto_lms.sandbox.truto import SAMPLE_ACCOUNT_ID, SAMPLE_TRUTO_TOKEN, SAMPLE_TRUTO_URL, truto_app
from mcp_truto_lms.sandbox.truto_faults import (
    BLOCKED_ACCOUNT,
    CUT_CONNECTION,
    EMPTY_MESSAGE,
    FORBIDDEN,
    NOT_JSON,
    RATE_LIMITED,
    RATE_LIMITED_WITHOUT_RETRY_AFTER,
    REMOTE_UNAUTHORIZED,
    REMOTE_UNAVAILABLE,
    ResponseChange,
    TrutoFault,
)
from mcp_truto_lms.sandbox.truto_options import PERMISSIVE, STRICT
from tests.sandbox.fake_clock import WAIT_SECONDS, FakeClock

pytestmark = pytest.mark.anyio
ENROLLMENTS, COURSES = "/unified/lms/course-enrollments", "/unified/lms/courses"


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def app(organisation, clock):
    return truto_app(organisation, options=PERMISSIVE, monotonic=clock, sleep=clock.sleep)


@pytest.fixture
def client(app):
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app),
        base_url=SAMPLE_TRUTO_URL,
        headers={"Authorization": f"Bearer {SAMPLE_TRUTO_TOKEN}"},
        params={"integrated_account_id": SAMPLE_ACCOUNT_ID},
    )


async def statuses(client, count, path=COURSES):
    return [(await client.get(path)).status_code for _ in range(count)]


async def get_page(client, path=ENROLLMENTS, **params):
    response = await client.get(path, params=params)
    assert response.status_code == 200, response.text
    return response.json()


async def test_the_account_limit_is_50_requests_in_10_seconds(client, clock):
    assert await statuses(client, 50) == [200] * 50
    refused = await client.get(COURSES)
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "10"
    assert "truto_is_remote_error" not in refused.json()
    assert "rate_limit_error" in refused.json()["truto_error_insight"]
    clock.seconds += 9.9
    assert await statuses(client, 1) == [429]
    clock.seconds += 0.1
    assert await statuses(client, 2) == [200, 200]


async def test_the_token_limit_is_500_requests_in_10_seconds(app, client):
    app.options = replace(STRICT, account_limit=10**6)
    assert await statuses(client, 501, f"/integrated-account/{SAMPLE_ACCOUNT_ID}/capabilities") == [200] * 500 + [429]


async def test_responses_report_the_remaining_requests(app, client, clock):
    headers = (await client.get(COURSES)).headers
    limit_headers = (headers["ratelimit-limit"], headers["ratelimit-remaining"], headers["ratelimit-reset"])
    assert limit_headers == ("50;w=10", "49", "10")
    clock.seconds += 4
    assert (await client.get(COURSES)).headers["ratelimit-reset"] == "6"
    app.options = replace(PERMISSIVE, rate_headers=False)
    assert "ratelimit-limit" not in (await client.get(COURSES)).headers
    app.options = replace(PERMISSIVE, rate_limits=False)
    assert await statuses(client, 60) == [200] * 60
    assert "ratelimit-limit" not in (await client.get(COURSES)).headers


async def test_a_request_without_the_token_is_not_counted(app, client):
    client.headers["Authorization"] = "Bearer wrong"
    assert await statuses(client, 60) == [401] * 60
    assert app.limits.remaining(app.options).remaining == 50
    assert app.limits.remaining(app.options).resets_in_seconds == 0


@pytest.mark.parametrize(
    ("fault", "status", "remote", "retry_after"),
    [
        (REMOTE_UNAUTHORIZED, 401, True, None),
        (FORBIDDEN, 403, True, None),
        (RATE_LIMITED, 429, True, "10"),
        (RATE_LIMITED_WITHOUT_RETRY_AFTER, 429, True, None),
        (
            TrutoFault(status=429, retry_after="Mon, 23 Nov 2026 12:00:07 GMT"),
            429,
            False,
            "Mon, 23 Nov 2026 12:00:07 GMT",
        ),
        (TrutoFault(status=500, remote=True), 500, True, None),
        (TrutoFault(status=502, remote=True), 502, True, None),
        (TrutoFault(status=504, remote=True), 504, True, None),
        (BLOCKED_ACCOUNT, 503, False, None),
        (REMOTE_UNAVAILABLE, 503, True, None),
        (TrutoFault(status=425), 425, False, None),
        (TrutoFault(status=521), 521, False, None),
        (EMPTY_MESSAGE, 500, False, None),
        (Fault(status=500), 500, False, None),
    ],
)
async def test_a_fault_responds_in_the_form_of_truto(app, client, fault, status, remote, retry_after):
    app.faults.add(fault)
    response = await client.get(ENROLLMENTS)
    assert response.status_code == status
    body = response.json()
    assert body["statusCode"] == status
    assert body.get("truto_is_remote_error", False) is remote
    assert ("raw_response" in body) is remote
    assert response.headers.get("retry-after") == retry_after
    assert (await client.get(ENROLLMENTS)).status_code == 200


async def test_a_403_names_the_missing_scopes(app, client):
    app.faults.add(FORBIDDEN)
    insight = (await client.get(COURSES)).json()["truto_error_insight"]
    assert insight["forbidden_error"]["value"]["missing_scopes"] == ["courses.read", "users.read"]


async def test_the_providers_body_holds_a_secret_unless_that_is_switched_off(app, client):
    app.faults.add(REMOTE_UNAUTHORIZED, times=2)
    assert LOGIN_KEY_MARK in (await client.get(COURSES)).text
    app.options = replace(STRICT, remote_secrets=False)
    assert LOGIN_KEY_MARK not in (await client.get(COURSES)).text


async def test_a_message_can_be_empty(app, client):
    app.faults.add(EMPTY_MESSAGE)
    assert (await client.get(COURSES)).json()["message"] == ""


@pytest.mark.parametrize("fault", [NOT_JSON, Fault(status=502, body="plain"), Fault(status=200, body="malformed")])
async def test_a_body_can_be_something_other_than_json(app, client, fault):
    app.faults.add(fault)
    response = await client.get(COURSES)
    assert response.status_code == fault.status
    with pytest.raises(ValueError):
        response.json()


async def test_a_response_can_be_slow(app, client, clock):
    app.faults.add(TrutoFault(delay_seconds=30))
    assert (await client.get(COURSES)).status_code == 200
    assert clock.slept == [30]


async def test_a_cut_connection_is_a_transport_error(app, client):
    app.faults.add(CUT_CONNECTION)
    with pytest.raises(httpx.ReadError):
        await client.get(COURSES)
    with anyio.fail_after(WAIT_SECONDS):
        async with anyio.create_task_group() as group:
            port = await group.start(serve, app, "127.0.0.1", 0)
            app.faults.add(CUT_CONNECTION)
            async with httpx.AsyncClient() as on_a_port:
                with pytest.raises(httpx.RemoteProtocolError):
                    await on_a_port.get(f"http://127.0.0.1:{port}{COURSES}")
            group.cancel_scope.cancel()


async def test_a_fault_can_be_limited_to_an_endpoint_and_its_parameters(app, client):
    app.faults.add(TrutoFault(status=500), times=None, endpoint="course-enrollments", arguments={"user[id]": "8"})
    app.faults.add(TrutoFault(status=502), times=None, endpoint="courses/id", arguments={"id": "101"})
    assert (await client.get(ENROLLMENTS, params={"user[id]": "8"})).status_code == 500
    assert (await client.get(ENROLLMENTS, params={"user[id]": "9"})).status_code == 200
    assert (await client.get(f"{COURSES}/101")).status_code == 502
    assert await statuses(client, 1, f"{COURSES}/102") == [200]


def change(*changes, **options):
    return TrutoFault(changes=frozenset(changes), **options)


async def test_a_repeated_cursor_returns_the_same_page_again(app, client):
    app.faults.add(change(ResponseChange.REPEATED_CURSOR), times=None)
    first = await get_page(client, limit=2)
    second = await get_page(client, limit=2, next_cursor=first["next_cursor"])
    assert second == first


async def test_the_cursor_of_an_empty_page_continues_with_the_same_records(app, client):
    expected = await get_page(client, limit=2)
    app.faults.add(change(ResponseChange.EMPTY_PAGE_WITH_CURSOR), times=2)
    first = await get_page(client, limit=2)
    assert (first["result"], first["result_count"]) == ([], 0)
    second = await get_page(client, limit=2, next_cursor=first["next_cursor"])
    assert second["result"] == []
    assert await get_page(client, limit=2, next_cursor=second["next_cursor"]) == expected
    app.faults.add(change(ResponseChange.EMPTY_PAGE_WITH_CURSOR))
    third = await get_page(client, limit=2, next_cursor=expected["next_cursor"])
    following = await get_page(client, limit=2, next_cursor=third["next_cursor"])
    assert following == await get_page(client, limit=2, next_cursor=expected["next_cursor"])


async def test_a_cursor_can_be_absent_or_null_before_the_last_page(app, client):
    app.faults.add(change(ResponseChange.ABSENT_CURSOR))
    app.faults.add(change(ResponseChange.NULL_CURSOR))
    assert "next_cursor" not in await get_page(client, limit=2)
    assert (await get_page(client, limit=2))["next_cursor"] is None


async def test_a_response_can_be_partial(app, client):
    app.faults.add(change(ResponseChange.PARTIAL))
    assert (await get_page(client))["is_partial_response"] is True


async def test_several_changes_apply_to_a_response_and_envelope_changes_skip_a_bare_record(app, client):
    app.faults.add(change(*ResponseChange), times=2)
    course = await get_page(client, f"{COURSES}/101")
    assert course["status"] == "on_sabbatical"
    assert "next_cursor" not in course
    body = await get_page(client, COURSES)
    assert body["result"] == []


async def test_values_can_be_unknown_and_records_can_have_custom_fields(app, client):
    app.faults.add(change(ResponseChange.UNKNOWN_VALUES), times=None)
    (enrollment,) = (await get_page(client, limit=1))["result"]
    assert enrollment["status"] == "on_sabbatical"
    assert enrollment["field_of_this_customer"]
    user = await get_page(client, "/unified/lms/users/8")
    assert (user["status"], user["role"]) == ("on_sabbatical", "time_traveller")


async def test_optional_fields_can_be_missing(app, client):
    app.faults.add(change(ResponseChange.MISSING_FIELDS))
    for enrollment in (await get_page(client))["result"]:
        assert set(enrollment) == {"id", "user", "course", "status", "remote_data"}


async def test_numbers_can_be_strings_and_ids_numbers(app, client):
    app.faults.add(change(ResponseChange.NUMBERS_AS_STRINGS))
    keyed = await get_page(client, limit=3, truto_key_by="id", truto_exclude_fields="course")
    for enrollment in keyed["result"].values():
        assert isinstance(enrollment["progress_percent"], str)
        assert isinstance(enrollment["time_spent_seconds"], str)
        assert isinstance(enrollment["user"]["id"], int)


async def test_a_list_can_have_a_record_without_an_id_and_records_twice(app, client):
    expected = (await get_page(client, COURSES))["result"]
    app.faults.add(change(ResponseChange.MISSING_IDS))
    app.faults.add(change(ResponseChange.REPEATED_RECORDS))
    ids = [course["id"] for course in (await get_page(client, COURSES))["result"]]
    assert ids == ["", *[course["id"] for course in expected[1:]]]
    body = await get_page(client, COURSES)
    assert body["result"] == expected + expected
    assert body["result_count"] == 2 * len(expected)


async def test_an_error_is_not_changed(app, client):
    app.faults.add(change(*ResponseChange))
    response = await client.get(ENROLLMENTS, params={"limit": "many"})
    assert response.status_code == 400
    assert set(response.json()) == {"statusCode", "error", "message"}
