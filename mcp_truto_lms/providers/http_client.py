"""The one HTTP client: every call to a provider goes through it.

It only ever GETs, so every call may be tried again. It keeps the provider's limits before the provider has to enforce
them, bounds how many calls run at once, and tries again what can pass by itself: refusals for rate, errors on the way,
and the server errors that the provider's table names. `Retry-After` and `ratelimit-reset` are believed up to a minute;
without them the wait doubles from try to try, with jitter so that processes do not return together.

A key may open several accounts with limits of their own: each account then has its own lane, so that one that waits
for its limit does not hold up the others. An answer can be had as a stream: it is tried again like any other until it
begins, and never after.

Redirects are never followed: an LMS API has none, and one to a login page or another host would carry the key along.
Cookies are not kept: a session would make the server answer one call after the other. Nothing here names an address
beyond its host, since paths hold e-mail addresses: log lines have the endpoint's name, status and milliseconds, and the
libraries below are kept from logging more. Errors never chain the library's own, which carries the request and its key.
"""

from __future__ import annotations

import json
import logging
import random as random_module
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from hashlib import sha256
from http.cookiejar import CookieJar, DefaultCookiePolicy
from math import isfinite
from types import MappingProxyType
from typing import Any

import anyio
import httpx

from mcp_truto_lms import __version__
from mcp_truto_lms.domain.call_counter import CALL_COUNTER
from mcp_truto_lms.domain.errors import ConfigurationError, RateLimited, SourceError, Unavailable, UnexpectedAnswer
from mcp_truto_lms.providers.rate_limiter import Acquire, Clock, Pacer, Sleep, Window

CONNECT_TIMEOUT_SECONDS = 10.0
TOTAL_TIMEOUT_SECONDS = 80.0
MAX_RETRY_DELAY_SECONDS = 60.0
FIRST_RETRY_DELAY_SECONDS = 0.5
MAX_BODY_BYTES = 128 * 2**20
OK = 200
TOO_MANY_REQUESTS = 429

Query = Sequence[tuple[str, str]]

logger = logging.getLogger(__name__)
SPEAKS_OF_A_LIMIT = re.compile(
    r"\b(?:(?:rate|api|call|calls|request|requests|hourly|usage).?limits?|limits?.{0,40}\b(?:exceeded|reached)"
    r"|exceeded.{0,40}\blimits?|reached.{0,40}\blimits?|too many (?:requests|calls)|quota|throttled)\b",
    re.IGNORECASE | re.DOTALL,
)
"""What a provider says where it means 429 and sends another status."""
_HOST = re.compile(r"[\w.\-:]+", re.ASCII)
_calling: ContextVar[bool] = ContextVar("calling", default=False)


@dataclass(frozen=True, slots=True)
class Service:
    """How a provider wants to be called.

    Args:
        name: what messages call it
        key_setting: the setting that holds the key
        address_setting: the setting that holds the address
        windows: the provider's rate limits for the key
        account_windows: its rate limits for each account behind the key
        tries: how often a call with this status is tried in all; a status not named is final
        network_tries: how often a call without an answer is tried in all
        max_concurrency: how many calls run at once, for each account where there are several
        refused_for_seconds: how long to wait after a 429 that does not say
    """

    name: str
    key_setting: str
    address_setting: str
    windows: tuple[Window, ...]
    tries: Mapping[int, int] = field(
        default_factory=lambda: MappingProxyType({429: 4, 500: 3, 502: 4, 503: 4, 504: 4}),
    )
    network_tries: int = 4
    max_concurrency: int = 8
    account_windows: tuple[Window, ...] = ()
    refused_for_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A provider's answer, whatever its status."""

    status: int
    headers: Mapping[str, str]
    content: bytes = field(repr=False)

    def json(self) -> Any:
        """Read the body as JSON; a number too long for an integer becomes a float.

        Raises:
            ValueError: it is not JSON.
        """
        try:
            return json.loads(self.content)
        except json.JSONDecodeError:
            raise
        except RecursionError:
            raise ValueError("nested too deeply") from None
        except ValueError:
            return json.loads(self.content.decode("utf-8", errors="replace"), parse_int=whole_number)


@dataclass(frozen=True, slots=True)
class HttpStream:
    """A good answer whose body has not been read yet: its pieces come once, while the call is open.

    Raises:
        Unavailable: while pieces are read, where the provider breaks off.
    """

    status: int
    headers: Mapping[str, str]
    pieces: AsyncIterator[bytes] = field(repr=False)


@dataclass(frozen=True, slots=True)
class _TransportFailure:
    """Why a call got no answer, and whether another try makes sense."""

    reason: str
    again: bool = True


@dataclass(frozen=True, slots=True)
class _AccountLimits:
    """What the calls of one account share: their limits, and how many of them run at once.

    Args:
        shared: the limits that other processes share, by the names under which they are counted
    """

    pacer: Pacer
    slots: anyio.Semaphore
    shared: tuple[tuple[str, tuple[Window, ...]], ...]


@dataclass(frozen=True, slots=True)
class _Call:
    """What is asked."""

    path: str
    endpoint: str
    params: Query
    lane: _AccountLimits


class HttpClient:
    """A paced, bounded, patient GET client for one provider.

        client = HttpClient("https://acme.talentlms.com/api/v1", service, authorization="Basic …")
        answer = await client.get("courses", endpoint="courses")

    Args:
        base_url: the address that paths are added to
        service: how the provider wants to be called
        authorization: the value of the Authorization header
        transport: another way to send, such as to an app in the same process
        clock: a monotonic clock, in seconds
        sleep: waits for seconds
        random: a number of 0 to 1, for jitter
        now: the wall clock, in epoch seconds
        admit: counts calls for all processes that share the key's limits
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
        admit: Acquire | None = None,
    ) -> None:
        self._service = service
        self._base_url, self.host = _checked_address(base_url, service)
        self._admit = admit
        digest = sha256(f"{self.host} {authorization}".encode()).hexdigest()[:16]  # names the key without telling it
        shared = ((digest, service.windows),)
        self._clock = clock
        self._sleep = sleep
        self._random = random
        self._now = now
        pacer = Pacer(service.windows, clock=clock, sleep=sleep)
        self._lane = _AccountLimits(pacer, anyio.Semaphore(service.max_concurrency), shared)
        self._lanes: dict[str, _AccountLimits] = {}
        self._calls = self._open = self._sending = 0
        _keep_libraries_quiet()
        self._client = httpx.AsyncClient(
            headers={
                "Authorization": authorization,
                "Accept": "application/json",
                "User-Agent": f"mcp-truto-lms/{__version__}",
            },
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            timeout=httpx.Timeout(TOTAL_TIMEOUT_SECONDS, connect=CONNECT_TIMEOUT_SECONDS),
            limits=httpx.Limits(max_connections=None),  # the lanes' slots bound them
            follow_redirects=False,
            transport=transport,
        )

    def __repr__(self) -> str:
        return f"<HttpClient {self._service.name} at {self.host}, {self._calls} calls>"

    @property
    def calls(self) -> int:
        """How many calls were made so far, further tries included."""
        return self._calls

    @property
    def queued(self) -> int:
        """How many calls are under way and wait for their turn, or for another try."""
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
        """Get an answer, whatever its status, after as many tries as make sense.

        Args:
            path: below the base address, already encoded
            endpoint: what log lines and messages call it; no values of arguments
            params: the query string; a name may stand more than once
            max_tries: fewer tries than the provider's table has
            account: whose limits the call counts against, beside those of the key

        Raises:
            Unavailable: no answer came.
            UnexpectedAnswer: the answer is too big to be read.
        """
        result = await self._last_try(_Call(path, endpoint, params, self._lane_of(account)), max_tries=max_tries)
        assert isinstance(result, HttpResponse)  # noqa: S101  only a call that may stream gets anything else
        return result

    @asynccontextmanager
    async def stream(
        self, path: str, *, endpoint: str, params: Query = (), account: str | None = None
    ) -> AsyncGenerator[HttpResponse | HttpStream]:
        """Get a good answer as it comes, any other one whole; arguments are those of `get`.

        Raises:
            Unavailable: no answer came.
        """
        async with AsyncExitStack() as opened:
            yield await self._last_try(_Call(path, endpoint, params, self._lane_of(account)), opened=opened)

    def refusal(self, answer: HttpResponse) -> SourceError | None:
        """Tell the error that an answer's status alone stands for: a limit, or a failure on the server's side."""
        if answer.status == TOO_MANY_REQUESTS:
            return self.rate_limited(self._told_delay_seconds(answer))
        if answer.status >= 500:
            name = self._service.name
            return Unavailable(f"{name} failed on its side (HTTP {answer.status}). Ask again in a few minutes.")
        return None

    def rate_limited(self, retry_after_seconds: float | None) -> RateLimited:
        """Say that the provider's limit is used up, and when to ask again."""
        when = "in a minute" if retry_after_seconds is None else f"in {max(1, round(retry_after_seconds))} s"
        message = f"{self._service.name} refuses more calls for now (rate limit). Ask again {when}."
        return RateLimited(message, retry_after_seconds=retry_after_seconds)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    def _lane_of(self, account: str | None) -> _AccountLimits:
        if account is None:
            return self._lane
        if account not in self._lanes:
            pacer = self._lane.pacer.narrower(self._service.account_windows)
            shared = self._lane.shared
            if self._service.account_windows:
                shared = (*shared, (f"{shared[0][0]} {account}", self._service.account_windows))
            self._lanes[account] = _AccountLimits(pacer, anyio.Semaphore(self._service.max_concurrency), shared)
        return self._lanes[account]

    async def _last_try(
        self, call: _Call, *, max_tries: int | None = None, opened: AsyncExitStack | None = None
    ) -> HttpResponse | HttpStream:
        self._open += 1
        try:
            result = await self._tried(call, max_tries, opened)
        finally:
            self._open -= 1
        if isinstance(result, _TransportFailure):
            raise Unavailable(f"{self._service.name} at {self.host} {result.reason}")
        return result

    async def _tried(
        self, call: _Call, max_tries: int | None, opened: AsyncExitStack | None
    ) -> HttpResponse | HttpStream | _TransportFailure:
        tries = 0
        while True:
            result = await self._try(call, opened)
            tries += 1
            if isinstance(result, _TransportFailure):
                most = self._service.network_tries if result.again else 1
            else:
                most = self._service.tries.get(result.status, 1)
            if tries >= (most if max_tries is None else min(most, max_tries)):
                return result
            delay_seconds = self._delay_seconds(result, tries)
            if isinstance(result, HttpResponse) and result.status == TOO_MANY_REQUESTS:
                call.lane.pacer.hold(delay_seconds)
            await self._sleep(delay_seconds)

    async def _try(self, call: _Call, opened: AsyncExitStack | None) -> HttpResponse | HttpStream | _TransportFailure:
        async with AsyncExitStack() as held:
            await held.enter_async_context(call.lane.slots)
            await call.lane.pacer.wait()
            if self._admit is not None:
                for name, windows in call.lane.shared:
                    while (delay_seconds := await self._admit(name, windows)) > 0:
                        await self._sleep(delay_seconds)
            self._calls += 1
            if (tally := CALL_COUNTER.get()) is not None:
                tally.calls += 1
            self._sending += 1
            started = self._clock()
            try:
                result = await self._send(
                    f"{self._base_url}/{call.path}", call.params, None if opened is None else held
                )
            finally:
                self._sending -= 1
            if opened is not None and isinstance(result, HttpStream):
                opened.push_async_exit(held.pop_all())
        outcome = "no answer" if isinstance(result, _TransportFailure) else result.status
        logger.debug("%s %s %d ms", call.endpoint, outcome, (self._clock() - started) * 1000)
        return result

    async def _send(
        self, url: str, params: Query, held: AsyncExitStack | None
    ) -> HttpResponse | HttpStream | _TransportFailure:
        """Send once; a good answer is left unread where it may be held open."""
        setting = self._service.address_setting
        body = bytearray()
        try:
            with _quietly(), anyio.fail_after(TOTAL_TIMEOUT_SECONDS):
                async with AsyncExitStack() as opened:
                    asked = self._client.stream("GET", url, params=tuple(params) or None)
                    response = await opened.enter_async_context(asked)
                    if held is not None and response.status_code == OK:
                        held.push_async_exit(opened.pop_all())
                        return HttpStream(response.status_code, dict(response.headers), self._pieces(response))
                    async for chunk in response.aiter_bytes():
                        body += chunk
                        if len(body) > MAX_BODY_BYTES:
                            break
        except TimeoutError:
            return _TransportFailure(
                f"did not answer within {TOTAL_TIMEOUT_SECONDS:.0f} s. Ask again later.", again=False
            )
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            return _TransportFailure(f"cannot be called: check {setting}.", again=False)
        except httpx.ConnectError:
            return _TransportFailure(f"cannot be reached: check {setting}, and the network or proxy of this machine.")
        except httpx.TimeoutException:
            return _TransportFailure("did not answer in time. Ask again later.")
        except httpx.HTTPError:
            return _TransportFailure("broke off the connection. Ask again later.")
        if len(body) > MAX_BODY_BYTES:
            raise UnexpectedAnswer(f"{self._service.name} sent an answer of more than {MAX_BODY_BYTES // 2**20} MiB.")
        return HttpResponse(response.status_code, dict(response.headers), bytes(body))

    async def _pieces(self, response: httpx.Response) -> AsyncIterator[bytes]:
        pieces = response.aiter_bytes()
        while True:
            with _quietly():
                piece = await _next(pieces)
            if isinstance(piece, _TransportFailure):
                raise Unavailable(f"{self._service.name} at {self.host} {piece.reason}")
            if piece is None:
                return
            yield piece

    def _delay_seconds(self, result: HttpResponse | HttpStream | _TransportFailure, tries: int) -> float:
        told = None
        if isinstance(result, HttpResponse):
            told = self._told_delay_seconds(result)
            if told is None and result.status == TOO_MANY_REQUESTS:
                told = self._service.refused_for_seconds
        if told is not None:
            return min(told, MAX_RETRY_DELAY_SECONDS)
        longest = min(FIRST_RETRY_DELAY_SECONDS * 2 ** (tries - 1), MAX_RETRY_DELAY_SECONDS)
        return longest * (0.5 + self._random() / 2)

    def _told_delay_seconds(self, answer: HttpResponse) -> float | None:
        told = _seconds(answer.headers.get("retry-after"))
        if told is None:
            told = self._seconds_until(answer.headers.get("retry-after"))
        if told is None:
            told = _seconds(answer.headers.get("ratelimit-reset"))
            if told is not None and told > self._now() / 2:  # an epoch time, not a duration
                told -= self._now()
        return None if told is None else max(0.0, told)

    def _seconds_until(self, http_date: str | None) -> float | None:
        try:
            return None if http_date is None else parsedate_to_datetime(http_date).timestamp() - self._now()
        except (ValueError, OverflowError):
            return None


def _checked_address(base_url: str, service: Service) -> tuple[str, str]:
    try:
        url = httpx.URL(base_url.strip())
    except httpx.InvalidURL:
        url = httpx.URL()
    known = url.scheme in ("http", "https") and _HOST.fullmatch(url.raw_host.decode("ascii", "replace"))
    if not known or url.userinfo or url.query or url.fragment:
        raise ConfigurationError(f"The address of {service.name} is not one: check {service.address_setting}.")
    return str(url).rstrip("/"), url.host


async def _next(pieces: AsyncIterator[bytes]) -> bytes | _TransportFailure | None:
    """Read the next piece of a body; None at its end."""
    try:
        return await anext(pieces)
    except StopAsyncIteration:
        return None
    except httpx.TimeoutException:
        return _TransportFailure("stopped answering before it was done. Ask again later.")
    except httpx.HTTPError:
        return _TransportFailure("broke off the connection. Ask again later.")


def _seconds(value: str | None) -> float | None:
    try:
        found = float(value or "")
    except ValueError:
        return None
    return found if isfinite(found) else None


def whole_number(digits: str) -> int | float:
    """Read the digits of a JSON number; too many for an integer make a float."""
    return int(digits) if len(digits) < 100 else float(digits)


@contextmanager
def _quietly() -> Generator[None]:
    token = _calling.set(True)
    try:
        yield
    finally:
        _calling.reset(token)


def _not_ours(_: logging.LogRecord) -> bool:
    return not _calling.get()


def _keep_libraries_quiet() -> None:
    """Keep httpx and httpcore from logging this client's addresses and headers; other clients' lines stay."""
    for name in ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.http2", "httpcore.proxy"):
        logging.getLogger(name).addFilter(_not_ours)
