"""What can be made to go wrong at Truto, and its limits."""

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
    ResponseChange,
    TrutoFault,
)
from mcp_truto_lms.sandbox.truto_options import PERMISSIVE, STRICT

pytestmark = pytest.mark.anyio
ENROLLMENTS, COURSES = "/unified/lms/course-enrollments", "/unified/lms/courses"


class Clock:
    """Stands still until it is told otherwise, and moves on by what is slept."""

    def __init__(self) -> None:
        self.seconds = 50.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds


@pytest.fixture
def clock():
    return Clock()


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


async def page(client, path=ENROLLMENTS, **params):
    response = await client.get(path, params=params)
    assert response.status_code == 200, response.text
    return response.json()


async def test_the_accounts_tier_is_50_requests_in_10_seconds(client, clock):
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


async def test_the_tokens_tier_is_500_requests_in_10_seconds(app, client):
    app.options = replace(STRICT, account_limit=10**6)
    assert await statuses(client, 501, f"/integrated-account/{SAMPLE_ACCOUNT_ID}/capabilities") == [200] * 500 + [429]


async def test_answers_tell_what_is_left_of_the_tier(app, client, clock):
    first = (await client.get(COURSES)).headers
    told = (first["ratelimit-limit"], first["ratelimit-remaining"], first["ratelimit-reset"])
    assert told == ("50;w=10", "49", "10")
    clock.seconds += 4
    assert (await client.get(COURSES)).headers["ratelimit-reset"] == "6"
    app.options = replace(PERMISSIVE, rate_headers=False)
    assert "ratelimit-limit" not in (await client.get(COURSES)).headers
    app.options = replace(PERMISSIVE, rate_limits=False)
    assert await statuses(client, 60) == [200] * 60
    assert "ratelimit-limit" not in (await client.get(COURSES)).headers


async def test_a_request_without_the_token_counts_nowhere(app, client):
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
        (EMPTY_MESSAGE, 500, False, None),
        (Fault(status=500), 500, False, None),
    ],
)
async def test_a_fault_answers_in_truto_s_shape(app, client, fault, status, remote, retry_after):
    app.faults.add(fault)
    response = await client.get(ENROLLMENTS)
    assert response.status_code == status
    body = response.json()
    assert body["statusCode"] == status
    assert body.get("truto_is_remote_error", False) is remote
    assert ("raw_response" in body) is remote
    assert response.headers.get("retry-after") == retry_after
    assert (await client.get(ENROLLMENTS)).status_code == 200


async def test_a_403_names_the_scopes_that_are_missing(app, client):
    app.faults.add(FORBIDDEN)
    insight = (await client.get(COURSES)).json()["truto_error_insight"]
    assert insight["forbidden_error"]["value"]["missing_scopes"] == ["courses.read", "users.read"]


async def test_the_providers_own_words_hold_a_secret_unless_that_is_switched_off(app, client):
    app.faults.add(REMOTE_UNAUTHORIZED, times=2)
    assert LOGIN_KEY_MARK in (await client.get(COURSES)).text
    app.options = replace(STRICT, remote_secrets=False)
    assert LOGIN_KEY_MARK not in (await client.get(COURSES)).text


async def test_a_message_can_be_empty(app, client):
    app.faults.add(EMPTY_MESSAGE)
    assert (await client.get(COURSES)).json()["message"] == ""


@pytest.mark.parametrize("fault", [NOT_JSON, Fault(status=502, body="plain"), Fault(status=200, body="malformed")])
async def test_a_body_can_be_other_than_json(app, client, fault):
    app.faults.add(fault)
    response = await client.get(COURSES)
    assert response.status_code == fault.status
    with pytest.raises(ValueError):
        response.json()


async def test_an_answer_can_be_slow(app, client, clock):
    app.faults.add(TrutoFault(delay_seconds=30))
    assert (await client.get(COURSES)).status_code == 200
    assert clock.slept == [30]


async def test_a_cut_connection_is_a_transport_error(app, client):
    app.faults.add(CUT_CONNECTION)
    with pytest.raises(httpx.ReadError):
        await client.get(COURSES)
    async with anyio.create_task_group() as group:
        port = await group.start(serve, app, "127.0.0.1", 0)
        app.faults.add(CUT_CONNECTION)
        async with httpx.AsyncClient() as on_a_port:
            with pytest.raises(httpx.RemoteProtocolError):
                await on_a_port.get(f"http://127.0.0.1:{port}{COURSES}")
        group.cancel_scope.cancel()


async def test_a_fault_can_be_bound_to_an_endpoint_and_its_parameters(app, client):
    app.faults.add(TrutoFault(status=500), times=None, endpoint="course-enrollments", arguments={"user[id]": "8"})
    app.faults.add(TrutoFault(status=502), times=None, endpoint="courses/id", arguments={"id": "101"})
    assert (await client.get(ENROLLMENTS, params={"user[id]": "8"})).status_code == 500
    assert (await client.get(ENROLLMENTS, params={"user[id]": "9"})).status_code == 200
    assert (await client.get(f"{COURSES}/101")).status_code == 502
    assert await statuses(client, 1, f"{COURSES}/102") == [200]


def twist(*changes, **options):
    return TrutoFault(changes=frozenset(changes), **options)


async def test_a_repeated_cursor_leads_to_the_same_page_again(app, client):
    app.faults.add(twist(ResponseChange.REPEATED_CURSOR), times=None)
    first = await page(client, limit=2)
    again = await page(client, limit=2, next_cursor=first["next_cursor"])
    assert again == first


async def test_an_empty_page_with_a_cursor_leads_on_to_what_it_left_out(app, client):
    expected = await page(client, limit=2)
    app.faults.add(twist(ResponseChange.EMPTY_PAGE_WITH_CURSOR), times=2)
    first = await page(client, limit=2)
    assert (first["result"], first["result_count"]) == ([], 0)
    second = await page(client, limit=2, next_cursor=first["next_cursor"])
    assert second["result"] == []
    assert await page(client, limit=2, next_cursor=second["next_cursor"]) == expected
    app.faults.add(twist(ResponseChange.EMPTY_PAGE_WITH_CURSOR))
    third = await page(client, limit=2, next_cursor=expected["next_cursor"])
    following = await page(client, limit=2, next_cursor=third["next_cursor"])
    assert following == await page(client, limit=2, next_cursor=expected["next_cursor"])


async def test_a_cursor_can_be_absent_or_null_although_there_is_more(app, client):
    app.faults.add(twist(ResponseChange.ABSENT_CURSOR))
    app.faults.add(twist(ResponseChange.NULL_CURSOR))
    assert "next_cursor" not in await page(client, limit=2)
    assert (await page(client, limit=2))["next_cursor"] is None


async def test_a_response_can_be_partial(app, client):
    app.faults.add(twist(ResponseChange.PARTIAL))
    assert (await page(client))["is_partial_response"] is True


async def test_several_twists_make_one_answer_and_spare_the_envelope_of_a_bare_record(app, client):
    app.faults.add(twist(*ResponseChange), times=2)
    course = await page(client, f"{COURSES}/101")
    assert course["status"] == "on_sabbatical"
    assert "next_cursor" not in course
    body = await page(client, COURSES)
    assert body["result"] == []


async def test_values_can_be_unknown_and_fields_a_customers_own(app, client):
    app.faults.add(twist(ResponseChange.UNKNOWN_VALUES), times=None)
    (one,) = (await page(client, limit=1))["result"]
    assert one["status"] == "on_sabbatical"
    assert one["field_of_this_customer"]
    user = await page(client, "/unified/lms/users/8")
    assert (user["status"], user["role"]) == ("on_sabbatical", "time_traveller")


async def test_optional_fields_can_be_missing(app, client):
    app.faults.add(twist(ResponseChange.MISSING_FIELDS))
    for one in (await page(client))["result"]:
        assert set(one) == {"id", "user", "course", "status", "remote_data"}


async def test_numbers_can_be_strings_and_ids_numbers(app, client):
    app.faults.add(twist(ResponseChange.NUMBERS_AS_STRINGS))
    keyed = await page(client, limit=3, truto_key_by="id", truto_exclude_fields="course")
    for one in keyed["result"].values():
        assert isinstance(one["progress_percent"], str)
        assert isinstance(one["time_spent_seconds"], str)
        assert isinstance(one["user"]["id"], int)


async def test_an_error_is_not_twisted(app, client):
    app.faults.add(twist(*ResponseChange))
    response = await client.get(ENROLLMENTS, params={"limit": "many"})
    assert response.status_code == 400
    assert set(response.json()) == {"statusCode", "error", "message"}
