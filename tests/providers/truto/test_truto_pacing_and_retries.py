from email.utils import formatdate

import anyio
import httpx
import pytest

from mcp_truto_lms.domain.errors import Unavailable
from mcp_truto_lms.domain.rate_limits import RateLimit
from mcp_truto_lms.providers.http_response import HttpResponse
from mcp_truto_lms.providers.rate_limiter import RateLimiter
from mcp_truto_lms.providers.truto.client import TRUTO
from mcp_truto_lms.providers.truto.errors import TooManyRequests
from tests.providers.truto.scripted_truto import ACCOUNT, NOW, WAIT_SECONDS, envelope, error_response

pytestmark = pytest.mark.anyio


def rate_limited(**headers):
    return error_response(429, headers={name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize(
    ("response", "waited_seconds"),
    [
        (rate_limited(retry_after="7"), 7),
        (rate_limited(retry_after="3600"), 60),
        (rate_limited(retry_after=formatdate(NOW + 20, usegmt=True)), 20),
        (rate_limited(ratelimit_reset="9"), 9),
        (rate_limited(ratelimit_limit="110;w=10", ratelimit_remaining="0", ratelimit_reset="4"), 4),
        (rate_limited(), 10),
        (error_response(500), 0.5),
        (error_response(502), 0.5),
        (error_response(504), 0.5),
        (error_response(408), 0.5),
        (error_response(425), 0.5),
        (error_response(520), 0.5),
        (error_response(527), 0.5),
        (error_response(530), 0.5),
        (error_response(503, truto_is_remote_error=True), 0.5),
        (httpx.ReadError("cut"), 0.5),
    ],
)
async def test_a_temporary_failure_is_retried_after_a_wait(client_over, fake_time, response, waited_seconds):
    client, _ = client_over({"/users": [response, envelope()]})
    await client.list_users(ACCOUNT)
    assert fake_time.slept == [waited_seconds]
    assert client.calls == 2


async def test_the_retry_delay_doubles_with_jitter(client_over, injected, fake_time):
    injected["random"] = iter([1.0, 0.0, 0.5]).__next__
    client, _ = client_over({"/users": [error_response(502), error_response(502), error_response(502), envelope()]})
    await client.list_users(ACCOUNT)
    assert fake_time.slept == [0.5, 0.5, 1.5]


async def test_a_lasting_rate_limit_reports_when_to_ask_again(client_over):
    client, _ = client_over({"/users": rate_limited(retry_after="300")})
    with pytest.raises(TooManyRequests, match="in 300 s") as caught:
        await client.list_users(ACCOUNT)
    assert (caught.value.retry_after_seconds, client.calls) == (300, 4)


async def start_times(fake_time, call, accounts):
    """Start a call for each account; return the account and the start time of each."""
    moments = []

    async def call_and_record(account):
        await call(account)
        moments.append((account, fake_time.seconds))

    with anyio.fail_after(WAIT_SECONDS):
        async with anyio.create_task_group() as group:
            for account in accounts:
                group.start_soon(call_and_record, account)
    return moments


async def test_an_account_makes_fifty_calls_in_ten_seconds_and_a_margin(client_over, fake_time):
    client, _ = client_over({"/users": envelope()})
    moments = [moment for _, moment in await start_times(fake_time, client.list_users, ["a"] * 120)]
    assert [moments.count(second) for second in (0.0, 10.5, 21.0)] == [50, 50, 20]


async def test_a_token_makes_five_hundred_calls_over_all_accounts(fake_time):
    token_limiter = RateLimiter(TRUTO.limits, clock=fake_time.clock, sleep=fake_time.sleep)
    account_limiters = {name: token_limiter.child(TRUTO.account_limits) for name in map(str, range(12))}
    accounts = [name for name in account_limiters for _ in range(50)]
    moments = await start_times(fake_time, lambda name: account_limiters[name].acquire(), accounts)
    assert [[at for _, at in moments].count(second) for second in (0.0, 10.0)] == [500, 100]


async def test_a_waiting_account_does_not_delay_another(client_over, injected, fake_time):
    waiting = anyio.Event()

    async def sleep(seconds):
        waiting.set()
        await anyio.sleep_forever()

    injected["sleep"] = sleep
    client, _ = client_over({"/users": envelope()})
    await start_times(fake_time, client.list_users, ["a"] * 50)
    with anyio.fail_after(WAIT_SECONDS):
        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(client.list_users, "a")
            await waiting.wait()
            await client.list_users("b")
            assert client.calls == 51
            group.cancel_scope.cancel()


async def test_a_refusal_pauses_only_its_own_account(fake_time):
    token_limiter = RateLimiter((RateLimit(100, 1),), clock=fake_time.clock, sleep=fake_time.sleep)
    first, second = token_limiter.child(()), token_limiter.child(())
    first.pause(7)
    await second.acquire()
    assert fake_time.seconds == 0
    await first.acquire()
    assert fake_time.seconds == 7


async def test_a_stream_is_retried_until_it_starts_and_never_after(client_over):
    async def cut():
        yield b'{"id":"1"}\n'
        raise httpx.ReadError("cut")

    def handler(request):
        return httpx.Response(500) if client.calls == 1 else httpx.Response(200, content=cut())

    client, _ = client_over(handler)
    items = client.stream_course_enrollments(ACCOUNT)
    assert await anext(items) == {"id": "1"}
    with pytest.raises(Unavailable, match="broke off") as caught:
        await anext(items)
    assert caught.value.__context__ is None
    assert client.calls == 2


async def test_a_stream_that_stalls_is_an_error(client_over):
    async def stalled():
        yield b"["
        raise httpx.ReadTimeout("slow")

    client, _ = client_over(lambda request: httpx.Response(200, content=stalled()))
    with pytest.raises(Unavailable, match="stopped answering"):
        await anext(client.stream_course_enrollments(ACCOUNT))


async def test_a_closed_stream_frees_its_connection(client_over):
    client, _ = client_over(lambda request: httpx.Response(200, content=b'{"id":"1"}\n{"id":"2"}\n'))
    for _ in range(TRUTO.max_concurrency + 1):
        items = client.stream_course_enrollments(ACCOUNT)
        await anext(items)
        await items.aclose()
    assert client.calls == TRUTO.max_concurrency + 1


async def test_a_stream_of_the_http_client_says_its_status_and_headers(client_over):
    client, _ = client_over(lambda request: httpx.Response(200, headers={"x-a": "1"}, content=b"body"))
    async with client._http.stream("x", endpoint="x") as answer:
        assert (answer.status, answer.headers["x-a"]) == (200, "1")
        assert b"".join([piece async for piece in answer.pieces]) == b"body"
    client, _ = client_over(lambda request: httpx.Response(404, content=b"no"))
    async with client._http.stream("x", endpoint="x") as answer:
        assert answer == HttpResponse(404, {"content-length": "2"}, b"no")
