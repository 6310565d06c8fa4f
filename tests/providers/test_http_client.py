import logging
from email.utils import formatdate

import anyio
import httpx
import pytest
from scripted_portal import NOW

from mcp_truto_lms.domain.errors import ConfigurationError, RateLimited, Unavailable, UnexpectedAnswer
from mcp_truto_lms.domain.rate_limits import RateLimit
from mcp_truto_lms.providers import http_client as http_client_module
from mcp_truto_lms.providers.http_client import HttpClient, Service
from mcp_truto_lms.providers.http_response import HttpResponse
from mcp_truto_lms.providers.retry_policy import RetryPolicy
from tests.conftest import WAIT_SECONDS

pytestmark = pytest.mark.anyio

SECRET = "Basic c2VjcmV0LXNlY3JldA=="
SERVICE = Service("Acme LMS", "ACME_KEY", "ACME_HOST", limits=(RateLimit(1000, 1),))


@pytest.fixture
def client_over(fake_time):
    def make(handler, service=SERVICE, random=lambda: 1.0):
        return HttpClient(
            "https://acme.example/api/",
            service,
            authorization=SECRET,
            transport=httpx.MockTransport(handler),
            clock=fake_time.clock,
            sleep=fake_time.sleep,
            random=random,
            now=fake_time.now,
        )

    return make


def scripted(*answers):
    """Make a handler that gives the answers in order, and the last one from then on."""
    remaining = list(answers)

    def handler(request):
        answer = remaining.pop(0) if len(remaining) > 1 else remaining[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return handler


def status(code, **headers):
    return httpx.Response(code, headers={name.replace("_", "-"): value for name, value in headers.items()}, text="{}")


async def test_a_response_has_its_status_headers_and_body(client_over):
    def handler(request):
        assert request.method == "GET"
        assert str(request.url) == "https://acme.example/api/users/email:a%2Bb%2C%2F%40x?a%5B%5D=1&a%5B%5D=2"
        assert request.headers["authorization"] == SECRET
        return httpx.Response(200, json=[1], headers={"X-Page": "1"})

    client = client_over(handler)
    response = await client.get("users/email:a%2Bb%2C%2F%40x", endpoint="users", params=[("a[]", "1"), ("a[]", "2")])
    assert (response.status, response.json(), response.headers["x-page"], client.calls) == (200, [1], "1", 1)
    await client.aclose()


@pytest.mark.parametrize("code", [200, 302, 400, 401, 403, 404, 501])
async def test_a_final_status_is_not_retried(client_over, code):
    client = client_over(scripted(status(code, location="https://evil.example/")))
    assert (await client.get("x", endpoint="x")).status == code
    assert client.calls == 1


async def test_temporary_failures_are_retried_with_growing_delays(client_over, fake_time):
    client = client_over(scripted(status(502), status(503), status(504), status(200)))
    assert (await client.get("x", endpoint="x")).status == 200
    assert fake_time.slept == [0.5, 1.0, 2.0]
    assert client.calls == 4


async def test_jitter_at_most_halves_a_delay(client_over, fake_time):
    client = client_over(scripted(status(502), status(200)), random=lambda: 0.0)
    await client.get("x", endpoint="x")
    assert fake_time.slept == [0.25]


async def test_the_retry_policy_of_a_service_decides_what_is_retried_and_how_often(client_over):
    service = Service("Acme", "K", "H", limits=(), retries=RetryPolicy(tries={500: 2}))
    client = client_over(scripted(status(500)), service)
    assert (await client.get("x", endpoint="x")).status == 500
    assert client.calls == 2
    client = client_over(scripted(status(503)), service)
    assert (await client.get("x", endpoint="x")).status == 503
    assert client.calls == 1
    client = client_over(scripted(status(500)), service)
    await client.get("x", endpoint="x", max_tries=1)
    assert client.calls == 1


@pytest.mark.parametrize(
    ("headers", "delay_seconds"),
    [
        ({"retry_after": "7"}, 7),
        ({"retry_after": "3600"}, 60),
        ({"retry_after": "-5"}, 0),
        ({"retry_after": formatdate(NOW + 20, usegmt=True)}, 20),
        ({"retry_after": formatdate(NOW - 20, usegmt=True)}, 0),
        ({"retry_after": "soon", "ratelimit_reset": "9"}, 9),
        ({"ratelimit_reset": "9"}, 9),
        ({"ratelimit_reset": str(NOW + 11)}, 11),
        ({"retry_after": "nan"}, 0.5),
        ({}, 0.5),
    ],
)
async def test_a_429_is_retried_after_the_delay_in_its_headers(client_over, fake_time, headers, delay_seconds):
    client = client_over(scripted(status(429, **headers), status(200)))
    assert (await client.get("x", endpoint="x")).status == 200
    assert fake_time.slept[0] == delay_seconds


async def test_a_429_pauses_every_other_call(client_over, fake_time):
    sent, slept = [], []
    pause_over = anyio.Event()

    async def sleep(seconds):
        slept.append(seconds)
        await pause_over.wait()
        fake_time.seconds = 10.0

    def handler(request):
        sent.append(request.url.path)
        return status(429, retry_after="10") if len(sent) == 1 else status(200)

    fake_time.sleep = sleep
    client = client_over(handler)
    with anyio.fail_after(WAIT_SECONDS):
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: client.get("first", endpoint="first"))
            await anyio.wait_all_tasks_blocked()
            group.start_soon(lambda: client.get("second", endpoint="second"))
            await anyio.wait_all_tasks_blocked()
            assert (sent, slept) == (["/api/first"], [10, 10])
            assert client.queued == 2
            pause_over.set()
    assert sorted(sent) == ["/api/first", "/api/first", "/api/second"]
    assert client.queued == 0


async def test_a_429_after_all_retries_says_when_to_ask_again(client_over):
    client = client_over(scripted(status(429, retry_after="300")))
    error = client.status_error(await client.get("x", endpoint="x"))
    assert isinstance(error, RateLimited)
    assert (error.retry_after_seconds, client.calls) == (300, 4)
    assert "300 s" in str(error)
    error = client.status_error(HttpResponse(429, {}, b""))
    assert "in a minute" in str(error)


async def test_a_status_of_500_is_an_unavailable_error_and_404_is_not(client_over):
    client = client_over(scripted(status(200)))
    assert isinstance(client.status_error(HttpResponse(500, {}, b"")), Unavailable)
    assert client.status_error(HttpResponse(404, {}, b"")) is None


@pytest.mark.parametrize(
    ("error", "message", "calls"),
    [
        (httpx.ConnectError("no route"), "ACME_HOST", 4),
        (httpx.ConnectTimeout("slow"), "in time", 4),
        (httpx.ReadTimeout("slow"), "in time", 4),
        (httpx.ReadError("cut"), "broke off", 4),
        (httpx.RemoteProtocolError("odd"), "broke off", 4),
        (httpx.DecodingError("gzip"), "broke off", 4),
        (httpx.UnsupportedProtocol("ftp"), "ACME_HOST", 1),
    ],
)
async def test_network_errors_are_retried_and_then_explained_without_the_path(client_over, error, message, calls):
    client = client_over(scripted(error))
    with pytest.raises(Unavailable, match=message) as caught:
        await client.get("users/email:zoe%40x.example", endpoint="users")
    assert client.calls == calls
    assert "zoe" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


async def test_a_call_that_exceeds_the_total_timeout_is_not_retried(client_over, monkeypatch):
    monkeypatch.setattr(http_client_module, "TOTAL_TIMEOUT_SECONDS", 0.0)

    async def handler(request):
        await anyio.sleep_forever()

    client = client_over(handler)
    with anyio.fail_after(WAIT_SECONDS), pytest.raises(Unavailable, match="did not answer within"):
        await client.get("x", endpoint="x")
    assert client.calls == 1


async def test_a_response_that_is_too_large_is_an_error(client_over, monkeypatch):
    monkeypatch.setattr(http_client_module, "MAX_BODY_BYTES", 1000)
    sent = []

    async def endless():
        while True:
            sent.append(1)
            yield b"x" * 400

    client = client_over(scripted(httpx.Response(200, content=endless())))
    with anyio.fail_after(WAIT_SECONDS), pytest.raises(UnexpectedAnswer, match="MiB"):
        await client.get("x", endpoint="x")
    assert len(sent) == 3


async def test_at_most_eight_calls_run_at_once(client_over):
    running, running_at_start = [], []
    may_end = anyio.Event()

    async def handler(request):
        running.append(1)
        running_at_start.append(len(running))
        await may_end.wait()
        running.pop()
        return status(200)

    client = client_over(handler)
    with anyio.fail_after(WAIT_SECONDS):
        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(lambda: client.get("x", endpoint="x"))
            await anyio.wait_all_tasks_blocked()
            assert len(running) == 8
            may_end.set()
    assert (max(running_at_start), client.calls) == (8, 20)


async def test_a_cancelled_call_ends_its_request_and_frees_its_slot(client_over):
    running = []

    async def handler(request):
        if request.url.path == "/api/free":
            return status(200)
        running.append(1)
        try:
            await anyio.sleep_forever()
        finally:
            running.pop()

    client = client_over(handler)
    with anyio.fail_after(WAIT_SECONDS):
        async with anyio.create_task_group() as group:
            for _ in range(12):
                group.start_soon(lambda: client.get("x", endpoint="x"))
            await anyio.wait_all_tasks_blocked()
            assert len(running) == 8
            group.cancel_scope.cancel()
        assert running == []
        async with anyio.create_task_group() as group:
            for _ in range(8):
                group.start_soon(lambda: client.get("free", endpoint="x"))
    assert client.calls == 16


async def test_cookies_are_not_sent_back(client_over):
    sent_cookies = []

    def handler(request):
        sent_cookies.append(request.headers.get("cookie"))
        return status(200, set_cookie="PHPSESSID=1; Path=/")

    client = client_over(handler)
    await client.get("x", endpoint="x")
    await client.get("x", endpoint="x")
    assert sent_cookies == [None, None]


async def test_log_lines_have_endpoints_and_numbers_only(client_over, caplog):
    for name in ("", "httpx", "httpcore.http11", "httpcore.connection"):
        caplog.set_level(logging.DEBUG, logger=name)
    client = client_over(scripted(httpx.ReadError("cut"), status(200)))
    await client.get("users/email:zoe%40x.example", endpoint="users")
    lines = [record.getMessage() for record in caplog.records if record.name != "asyncio"]
    assert lines == ["users no answer 0 ms", "users 200 0 ms"]


async def test_other_clients_of_the_process_still_log(client_over, caplog):
    caplog.set_level(logging.INFO, logger="httpx")
    client_over(scripted(status(200)))
    async with httpx.AsyncClient(transport=httpx.MockTransport(scripted(status(200)))) as other_client:
        await other_client.get("https://other.example/")
    assert "other.example" in caplog.text


def test_reprs_show_neither_the_key_nor_a_body(client_over):
    printed = repr(client_over(scripted(status(200)))) + repr(HttpResponse(200, {}, b"private"))
    assert "Acme LMS at acme.example" in printed
    assert SECRET not in printed
    assert "private" not in printed


@pytest.mark.parametrize(
    "address",
    [
        "",
        "acme.example",
        "ftp://acme.example",
        "https://",
        "https://key@acme.example",
        "https://a.example/?x=1",
        "https://[",
        "https://a\x00b",
    ],
)
def test_the_error_of_an_invalid_address_names_its_setting(address):
    with pytest.raises(ConfigurationError, match="ACME_HOST"):
        HttpClient(address, SERVICE, authorization=SECRET)


@pytest.mark.parametrize(
    "address", ["http://lms.acme.example", "http://192.168.0.7:8765/api", "http://localhost.acme.example"]
)
def test_a_key_is_not_sent_unencrypted_to_another_machine(address):
    with pytest.raises(ConfigurationError, match=r"would send ACME_KEY unencrypted: write it with https://"):
        HttpClient(address, SERVICE, authorization=SECRET)


@pytest.mark.parametrize("address", ["http://127.0.0.1:8765/api", "http://localhost", "http://[::1]:80"])
def test_an_address_of_this_machine_may_be_unencrypted(address):
    assert HttpClient(address, SERVICE, authorization=SECRET).calls == 0


def test_json_with_a_byte_order_mark_wrong_bytes_or_huge_numbers_is_parsed():
    assert HttpResponse(200, {}, b"\xef\xbb\xbf[1]").json() == [1]
    assert HttpResponse(200, {}, b'["\xff"]').json() == ["\ufffd"]
    assert HttpResponse(200, {}, b"[7, " + b"9" * 5000 + b"]").json() == [7, float("inf")]


@pytest.mark.parametrize("body", [b"", b"<html>", b'[{"id":', b"[" * 100_000])
def test_a_body_that_is_not_json_is_a_value_error(body):
    with pytest.raises(ValueError):
        HttpResponse(200, {}, body).json()
