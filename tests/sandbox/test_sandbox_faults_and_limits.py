"""The limits and the faults of the TalentLMS sandbox."""

from collections.abc import Callable
from typing import Literal

import httpx
import pytest

from mcp_truto_lms.sandbox.faults import CUT_CONNECTION, HTML_BODY, MALFORMED_BODY, WRONG_KEY, Fault
from mcp_truto_lms.sandbox.portal import sample_app
from mcp_truto_lms.sandbox.records import Organisation
from mcp_truto_lms.sandbox.variations import Variations
from tests.sandbox.fake_clock import FakeClock

pytestmark = pytest.mark.anyio
ClientOf = Callable[..., httpx.AsyncClient]
NOW = 1_795_435_200.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


async def statuses(client: httpx.AsyncClient, count: int, path: str = "siteinfo") -> list[int]:
    return [(await client.get(path)).status_code for _ in range(count)]


async def test_the_201st_call_within_5_seconds_is_refused(
    organisation: Organisation, client_of: ClientOf, clock: FakeClock
):
    app = sample_app(organisation, monotonic=clock)
    async with client_of(app) as client:
        assert await statuses(client, 200) == [200] * 200
        refused = await client.get("siteinfo")
        assert refused.status_code == 429
        assert "retry-after" not in refused.headers
        clock.seconds += 5
        assert await statuses(client, 1) == [200]
    assert app.limits.remaining_calls().remaining == 2_000 - 201


async def test_the_burst_window_slides(organisation: Organisation, client_of: ClientOf, clock: FakeClock):
    app = sample_app(organisation, monotonic=clock, variations=Variations(burst_limit=2))
    async with client_of(app) as client:
        assert await statuses(client, 1) == [200]
        clock.seconds += 3
        assert await statuses(client, 2) == [200, 429]
        clock.seconds += 2
        assert await statuses(client, 2) == [200, 429]


@pytest.mark.parametrize("status", [429, 400, 403])
async def test_a_used_up_hour_is_refused_with_the_portals_status_and_ends(
    organisation: Organisation, client_of: ClientOf, clock: FakeClock, status: Literal[429, 400, 403]
):
    variations = Variations(hourly_limit=3, exhausted_status=status, errors_with_200=True)
    async with client_of(sample_app(organisation, monotonic=clock, variations=variations)) as client:
        assert await statuses(client, 3) == [200] * 3
        refused = await client.get("courses")
        assert refused.status_code == status
        assert "limit" in refused.json()["error"]["message"]
        clock.seconds += 3_600
        assert await statuses(client, 1) == [200]


async def test_ratelimit_reports_the_remaining_calls_and_is_not_counted(
    organisation: Organisation, client_of: ClientOf, clock: FakeClock
):
    app = sample_app(organisation, monotonic=clock, now=lambda: NOW)
    async with client_of(app) as client:
        assert (await client.get("ratelimit")).json()["remaining"] == "2000"
        await client.get("courses")
        clock.seconds += 600
        for _ in range(2):
            rate_limit = (await client.get("ratelimit")).json()
        assert rate_limit == {
            "limit": "2000",
            "remaining": "1999",
            "reset": str(int(NOW) + 3_000),
            "formatted_reset": "23/11/2026, 14:50:00",
        }


async def test_other_clients_can_use_up_the_hour(organisation: Organisation, client_of: ClientOf, clock: FakeClock):
    app = sample_app(organisation, monotonic=clock, variations=Variations(numbers_as_numbers=True))
    app.limits.use_up(remaining=1)
    async with client_of(app) as client:
        assert await statuses(client, 2) == [200, 429]
        assert (await client.get("ratelimit")).json()["remaining"] == 0
        app.limits.use_up()
        clock.seconds += 3_600
        assert await statuses(client, 1) == [200]


async def test_a_call_without_the_key_is_not_counted(organisation: Organisation, client_of: ClientOf):
    app = sample_app(organisation)
    async with client_of(app, key="wrong") as client:
        await client.get("courses")
    assert app.limits.remaining_calls().remaining == 2_000


async def test_a_fault_ends_after_its_number_of_requests(organisation: Organisation, client_of: ClientOf):
    app = sample_app(organisation)
    app.faults.add(Fault(status=503), times=2)
    async with client_of(app) as client:
        assert await statuses(client, 3) == [503, 503, 200]


async def test_a_fault_can_start_after_some_requests(organisation: Organisation, client_of: ClientOf):
    app = sample_app(organisation)
    app.faults.add(Fault(status=500), after=2)
    async with client_of(app) as client:
        assert await statuses(client, 4) == [200, 200, 500, 200]


async def test_a_fault_can_be_limited_to_an_endpoint_and_its_arguments(organisation: Organisation, client_of: ClientOf):
    app = sample_app(organisation)
    app.faults.add(Fault(status=502), times=None, endpoint="courses/id", arguments={"id": "102"})
    async with client_of(app) as client:
        assert await statuses(client, 2, "courses/id:102") == [502, 502]
        assert await statuses(client, 1, "courses/id:101") == [200]
        assert await statuses(client, 1, "courses") == [200]
        app.faults.clear()
        assert await statuses(client, 1, "courses/id:102") == [200]


async def test_faults_are_used_in_the_order_in_which_they_were_added(organisation: Organisation, client_of: ClientOf):
    app = sample_app(organisation)
    app.faults.add(Fault(status=500))
    app.faults.add(Fault(status=503))
    async with client_of(app) as client:
        assert await statuses(client, 3) == [500, 503, 200]


@pytest.mark.parametrize("retry_after", ["7", "Mon, 23 Nov 2026 12:00:07 GMT", None])
async def test_a_429_can_have_a_retry_after_header(
    organisation: Organisation, client_of: ClientOf, retry_after: str | None
):
    app = sample_app(organisation)
    app.faults.add(Fault(status=429, retry_after=retry_after))
    async with client_of(app) as client:
        response = await client.get("courses")
    assert response.status_code == 429
    assert response.headers.get("retry-after") == retry_after
    assert response.json()["error"]["type"] == "api_error"


async def test_a_delay_precedes_the_response(organisation: Organisation, client_of: ClientOf, clock: FakeClock):
    app = sample_app(organisation, sleep=clock.sleep)
    app.faults.add(Fault(delay_seconds=30))
    async with client_of(app) as client:
        assert await statuses(client, 2) == [200, 200]
    assert clock.slept == [30]


@pytest.mark.parametrize(
    ("fault", "status", "content_type", "start"),
    [
        (MALFORMED_BODY, 200, "application/json", '[{"id"'),
        (HTML_BODY, 200, "text/html", "<!DOCTYPE"),
        (WRONG_KEY, 401, "text/html", "<!DOCTYPE"),
        (Fault(status=503, body="plain"), 503, "text/plain", "Service"),
    ],
)
async def test_bodies_can_be_something_other_than_json(
    organisation: Organisation, client_of: ClientOf, fault: Fault, status: int, content_type: str, start: str
):
    app = sample_app(organisation)
    app.faults.add(fault)
    async with client_of(app) as client:
        response = await client.get("courses")
    assert response.status_code == status
    assert response.headers["content-type"].startswith(content_type)
    assert response.text.startswith(start)
    with pytest.raises(ValueError):
        response.json()


async def test_a_cut_connection_is_a_transport_error_in_process(organisation: Organisation, client_of: ClientOf):
    app = sample_app(organisation)
    app.faults.add(CUT_CONNECTION)
    async with client_of(app) as client:
        with pytest.raises(httpx.TransportError):
            await client.get("courses")
        assert await statuses(client, 1) == [200]


async def test_the_log_includes_failed_requests(organisation: Organisation, client_of: ClientOf):
    app = sample_app(organisation)
    app.faults.add(Fault(status=500))
    async with client_of(app) as client:
        await statuses(client, 2, "courses")
    assert app.log.counts() == {"courses": 2}
