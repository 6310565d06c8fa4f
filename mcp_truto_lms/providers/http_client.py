"""The HTTP client of all providers.

It only sends GETs, so every call may be retried (`retry_policy`). It enforces the provider's rate limits before the
provider has to, and bounds how many calls run at once. A key may open several accounts with limits of their own: an
account that waits for its limit does not delay the others. A response can be streamed: the call is retried like any
other until the body begins, and never after.

A key is only sent by https, or to this machine. Redirects are never followed: an LMS API has none, and one to a login
page or another host would carry the key along. Cookies are not stored: a session would make the server answer one call
after the other. Nothing here logs or reports an address beyond its host, since paths hold e-mail addresses: log lines
have the endpoint's name, status and milliseconds. Errors never chain the library's own, which carries the request and
its key.
"""

from __future__ import annotations

import logging
import random as random_module
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ipaddress import ip_address

import anyio
import httpx

from mcp_truto_lms import __version__
from mcp_truto_lms.domain.call_counter import CALL_COUNTER
from mcp_truto_lms.domain.errors import ConfigurationError, RateLimited, SourceError, Unavailable, UnexpectedAnswer
from mcp_truto_lms.domain.rate_limits import Acquire, RateLimit, Sleep
from mcp_truto_lms.providers.http_logging import install_log_filter, quiet_http_libraries
from mcp_truto_lms.providers.http_response import HttpResponse, HttpStream, TransportFailure
from mcp_truto_lms.providers.rate_limiter import Clock, RateLimiter
from mcp_truto_lms.providers.retry_policy import TOO_MANY_REQUESTS, RetryPolicy, retry_after_seconds

CONNECT_TIMEOUT_SECONDS = 10.0
TOTAL_TIMEOUT_SECONDS = 80.0
MAX_BODY_BYTES = 128 * 2**20
OK = 200

Query = Sequence[tuple[str, str]]

logger = logging.getLogger(__name__)
SPEAKS_OF_A_LIMIT = re.compile(
    r"\b(?:(?:rate|api|call|calls|request|requests|hourly|usage).?limits?|limits?.{0,40}\b(?:exceeded|reached)"
    r"|exceeded.{0,40}\blimits?|reached.{0,40}\blimits?|too many (?:requests|calls)|quota|throttled)\b",
    re.IGNORECASE | re.DOTALL,
)
"""What a provider says where it means 429 and sends another status."""
_HOST = re.compile(r"[\w.\-:]+", re.ASCII)
_STOPPED = "stopped answering before it was done. Ask again later."
_BROKE_OFF = "broke off the connection. Ask again later."


@dataclass(frozen=True, slots=True)
class Service:
    """How a provider wants to be called.

    Args:
        name: what messages call it
        key_setting: the setting that holds the key
        address_setting: the setting that holds the address
        limits: the provider's rate limits for the key
        account_limits: its rate limits for each account behind the key
        retries: which calls are retried, and how often
        max_concurrency: how many calls run at once, for each account where there are several
    """

    name: str
    key_setting: str
    address_setting: str
    limits: tuple[RateLimit, ...]
    account_limits: tuple[RateLimit, ...] = ()
    retries: RetryPolicy = field(default_factory=RetryPolicy)
    max_concurrency: int = 8


@dataclass(frozen=True, slots=True)
class _AccountLimits:
    """What the calls of one account share: their rate limits, and how many of them run at once.

    Args:
        limiter: enforces the limits in this process
        slots: bound the calls that run at once
        shared_limits: the limits that other processes share, by the names under which they are counted
    """

    limiter: RateLimiter
    slots: anyio.Semaphore
    shared_limits: tuple[tuple[str, tuple[RateLimit, ...]], ...]


@dataclass(frozen=True, slots=True)
class _Call:
    path: str
    endpoint: str
    params: Query
    limits: _AccountLimits


class HttpClient:
    """A GET client for one provider, with rate limits, bounded concurrency and retries.

        client = HttpClient("https://acme.talentlms.com/api/v1", service, authorization="Basic …")
        response = await client.get("courses", endpoint="courses")

    Args:
        base_url: the address that paths are added to
        service: how the provider wants to be called
        authorization: the value of the Authorization header
        transport: another way to send, such as to an app in the same process
        clock: a monotonic clock, in seconds
        sleep: waits for seconds
        random: returns a number of 0 to 1, for jitter
        now: the wall clock, in epoch seconds
        acquire: acquires calls from rate limits that processes share
    """

    def __init__(
        self,
        base_url: str,
        service: Service,
        *,
        authorization: str,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Clock = time.monotonic,
        sleep: Sleep = anyio.sleep,
        random: Callable[[], float] = random_module.random,
        now: Callable[[], float] = time.time,
        acquire: Acquire | None = None,
    ) -> None:
        self._service = service
        self._base_url, self.host = _checked_address(base_url, service, over_network=transport is None)
        self._acquire = acquire
        digest = sha256(f"{self.host} {authorization}".encode()).hexdigest()[:16]  # names the key without revealing it
        self._clock = clock
        self._sleep = sleep
        self._random = random
        self._now = now
        limiter = RateLimiter(service.limits, clock=clock, sleep=sleep)
        slots = anyio.Semaphore(service.max_concurrency)
        self._key_limits = _AccountLimits(limiter, slots, ((digest, service.limits),))
        self._limits_by_account: dict[str, _AccountLimits] = {}
        self._calls = self._open = self._sending = 0
        install_log_filter()
        self._client = httpx.AsyncClient(
            headers={
                "Authorization": authorization,
                "Accept": "application/json",
                "User-Agent": f"mcp-truto-lms/{__version__}",
            },
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            timeout=httpx.Timeout(TOTAL_TIMEOUT_SECONDS, connect=CONNECT_TIMEOUT_SECONDS),
            limits=httpx.Limits(max_connections=None),  # the slots bound them
            follow_redirects=False,
            transport=transport,
        )

    def __repr__(self) -> str:
        return f"<HttpClient {self._service.name} at {self.host}, {self._calls} calls>"

    @property
    def calls(self) -> int:
        """How many calls were made so far, retries included."""
        return self._calls

    @property
    def queued(self) -> int:
        """How many calls are open and wait for a rate limit, a slot or a retry."""
        return self._open - self._sending

    async def get(
        self,
        path: str,
        *,
        endpoint: str,
        params: Query = (),
        max_tries: int | None = None,
        account: str | None = None,
    ) -> HttpResponse:
        """Return a response, whatever its status, after as many tries as make sense.

        Args:
            path: below the base address, already encoded
            endpoint: what log lines and messages call it; without values of arguments
            params: the query string; a name may appear more than once
            max_tries: fewer tries than the retry policy has
            account: the call counts against its limits and against those of the key

        Raises:
            Unavailable: there is no response.
            UnexpectedAnswer: the response is too big to be read.
        """
        result = await self._call(_Call(path, endpoint, params, self._limits_of(account)), max_tries=max_tries)
        assert isinstance(result, HttpResponse)  # noqa: S101  only a call that may stream returns anything else
        return result

    @asynccontextmanager
    async def stream(
        self, path: str, *, endpoint: str, params: Query = (), account: str | None = None
    ) -> AsyncGenerator[HttpResponse | HttpStream]:
        """Yield a successful response as a stream, any other one whole; arguments are those of `get`.

        Raises:
            Unavailable: there is no response.
        """
        async with AsyncExitStack() as stream_stack:
            yield await self._call(_Call(path, endpoint, params, self._limits_of(account)), stream_stack=stream_stack)

    def status_error(self, response: HttpResponse) -> SourceError | None:
        """Return the error that a status alone stands for: a rate limit, or a failure of the server."""
        if response.status == TOO_MANY_REQUESTS:
            return self.rate_limited(retry_after_seconds(response, now=self._now()))
        if response.status >= 500:
            name = self._service.name
            return Unavailable(f"{name} failed on its side (HTTP {response.status}). Ask again in a few minutes.")
        return None

    def rate_limited(self, retry_after_seconds: float | None) -> RateLimited:
        """Make the error of a rate limit that is used up; it says when to ask again."""
        when = "in a minute" if retry_after_seconds is None else f"in {max(1, round(retry_after_seconds))} s"
        message = f"{self._service.name} refuses more calls for now (rate limit). Ask again {when}."
        return RateLimited(message, retry_after_seconds=retry_after_seconds)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    def _limits_of(self, account: str | None) -> _AccountLimits:
        if account is None:
            return self._key_limits
        if account not in self._limits_by_account:
            account_limits = self._service.account_limits
            limiter = self._key_limits.limiter.child(account_limits)
            shared_limits = self._key_limits.shared_limits
            if account_limits:
                shared_limits = (*shared_limits, (f"{shared_limits[0][0]} {account}", account_limits))
            slots = anyio.Semaphore(self._service.max_concurrency)
            self._limits_by_account[account] = _AccountLimits(limiter, slots, shared_limits)
        return self._limits_by_account[account]

    async def _call(
        self, call: _Call, *, max_tries: int | None = None, stream_stack: AsyncExitStack | None = None
    ) -> HttpResponse | HttpStream:
        self._open += 1
        try:
            result = await self._with_retries(call, max_tries, stream_stack)
        finally:
            self._open -= 1
        if isinstance(result, TransportFailure):
            raise Unavailable(f"{self._service.name} at {self.host} {result.reason}")
        return result

    async def _with_retries(
        self, call: _Call, max_tries: int | None, stream_stack: AsyncExitStack | None
    ) -> HttpResponse | HttpStream | TransportFailure:
        retries, tries = self._service.retries, 0
        while True:
            result = await self._try(call, stream_stack)
            tries += 1
            allowed = retries.max_tries(result)
            if tries >= (allowed if max_tries is None else min(allowed, max_tries)):
                return result
            delay_seconds = retries.delay_seconds(result, tries, now=self._now(), random=self._random)
            if isinstance(result, HttpResponse) and result.status == TOO_MANY_REQUESTS:
                call.limits.limiter.pause(delay_seconds)
            await self._sleep(delay_seconds)

    async def _try(
        self, call: _Call, stream_stack: AsyncExitStack | None
    ) -> HttpResponse | HttpStream | TransportFailure:
        """Send once, within the limits; a stream hands its slot and its connection to the stack."""
        async with AsyncExitStack() as call_stack:
            await call_stack.enter_async_context(call.limits.slots)
            await call.limits.limiter.acquire()
            if self._acquire is not None:
                for name, limits in call.limits.shared_limits:
                    while (delay_seconds := await self._acquire(name, limits)) > 0:
                        await self._sleep(delay_seconds)
            self._calls += 1
            if (counter := CALL_COUNTER.get()) is not None:
                counter.calls += 1
            self._sending += 1
            started = self._clock()
            try:
                result = await self._send(
                    f"{self._base_url}/{call.path}", call.params, None if stream_stack is None else call_stack
                )
            finally:
                self._sending -= 1
            if stream_stack is not None and isinstance(result, HttpStream):
                stream_stack.push_async_exit(call_stack.pop_all())
        outcome = "no answer" if isinstance(result, TransportFailure) else result.status
        logger.debug("%s %s %d ms", call.endpoint, outcome, (self._clock() - started) * 1000)
        return result

    async def _send(
        self, url: str, params: Query, call_stack: AsyncExitStack | None
    ) -> HttpResponse | HttpStream | TransportFailure:
        """Send once; with a stack to keep it open, a successful response stays unread."""
        setting = self._service.address_setting
        body = bytearray()
        try:
            with quiet_http_libraries(), anyio.fail_after(TOTAL_TIMEOUT_SECONDS):
                async with AsyncExitStack() as response_stack:
                    request = self._client.stream("GET", url, params=tuple(params) or None)
                    response = await response_stack.enter_async_context(request)
                    if call_stack is not None and response.status_code == OK:
                        call_stack.push_async_exit(response_stack.pop_all())
                        return HttpStream(response.status_code, dict(response.headers), self._pieces(response))
                    async for chunk in response.aiter_bytes():
                        body += chunk
                        if len(body) > MAX_BODY_BYTES:
                            break
        except TimeoutError:
            reason = f"did not answer within {TOTAL_TIMEOUT_SECONDS:.0f} s. Ask again later."
            return TransportFailure(reason, is_retryable=False)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            return TransportFailure(f"cannot be called: check {setting}.", is_retryable=False)
        except httpx.ConnectError:
            return TransportFailure(f"cannot be reached: check {setting}, and the network or proxy of this machine.")
        except httpx.TimeoutException:
            return TransportFailure("did not answer in time. Ask again later.")
        except httpx.HTTPError:
            return TransportFailure(_BROKE_OFF)
        if len(body) > MAX_BODY_BYTES:
            raise UnexpectedAnswer(f"{self._service.name} sent an answer of more than {MAX_BODY_BYTES // 2**20} MiB.")
        return HttpResponse(response.status_code, dict(response.headers), bytes(body))

    async def _pieces(self, response: httpx.Response) -> AsyncIterator[bytes]:
        pieces = response.aiter_bytes()
        while True:
            with quiet_http_libraries():
                piece = await _next_piece(pieces)
            if isinstance(piece, TransportFailure):
                raise Unavailable(f"{self._service.name} at {self.host} {piece.reason}")
            if piece is None:
                return
            yield piece


def _checked_address(base_url: str, service: Service, *, over_network: bool) -> tuple[str, str]:
    """Return an address without its last slash, and its host.

    Raises:
        ConfigurationError: it is not an address, it carries a key or a query, or it would send the key unencrypted to
            another machine.
    """
    try:
        url = httpx.URL(base_url.strip())
    except httpx.InvalidURL:
        url = httpx.URL()
    is_address = url.scheme in ("http", "https") and _HOST.fullmatch(url.raw_host.decode("ascii", "replace"))
    if not is_address or url.userinfo or url.query or url.fragment:
        raise ConfigurationError(f"The address of {service.name} is not one: check {service.address_setting}.")
    if over_network and url.scheme == "http" and not _is_loopback(url.host):
        raise ConfigurationError(
            f"The address of {service.name} is http://{url.host}, and would send {service.key_setting} unencrypted: "
            "write it with https://. Only addresses of this machine may be http."
        )
    return str(url).rstrip("/"), url.host


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


async def _next_piece(pieces: AsyncIterator[bytes]) -> bytes | TransportFailure | None:
    """Read the next piece of a body; None at its end."""
    try:
        return await anext(pieces)
    except StopAsyncIteration:
        return None
    except httpx.TimeoutException:
        return TransportFailure(_STOPPED)
    except httpx.HTTPError:
        return TransportFailure(_BROKE_OFF)
