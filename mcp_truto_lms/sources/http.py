"""The one HTTP client: every call to a provider goes through it.

It only ever GETs, so every call may be tried again. It keeps the provider's limits before the provider has to enforce
them, bounds how many calls run at once, and tries again what can pass by itself: refusals for rate, errors on the way,
and the server errors that the provider's table names. `Retry-After` and `ratelimit-reset` are believed up to a minute;
without them the wait doubles from try to try, with jitter so that processes do not return together.

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
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from math import isfinite
from types import MappingProxyType
from typing import Any

import anyio
import httpx

from mcp_truto_lms import __version__
from mcp_truto_lms.errors import ConfigurationError, RateLimited, SourceError, Unavailable, UnexpectedAnswer
from mcp_truto_lms.sources.pacing import Clock, Pacer, Sleep, Window

CONNECT_TIMEOUT_SECONDS = 10.0
TOTAL_TIMEOUT_SECONDS = 80.0
MAX_RETRY_DELAY_SECONDS = 60.0
FIRST_RETRY_DELAY_SECONDS = 0.5
MAX_BODY_BYTES = 128 * 2**20
TOO_MANY_REQUESTS = 429

Query = Sequence[tuple[str, str]]

logger = logging.getLogger(__name__)
_HOST = re.compile(r"[\w.\-:]+", re.ASCII)
_calling: ContextVar[bool] = ContextVar("calling", default=False)


@dataclass(frozen=True, slots=True)
class Service:
    """How a provider wants to be called.

    Args:
        name: what messages call it
        key_setting: the setting that holds the key
        address_setting: the setting that holds the address
        windows: the provider's rate limits
        tries: how often a call with this status is tried in all; a status not named is final
        network_tries: how often a call without an answer is tried in all
        max_concurrency: how many calls run at once
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


@dataclass(frozen=True, slots=True)
class Answer:
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
            return json.loads(self.content.decode("utf-8", errors="replace"), parse_int=_whole)


@dataclass(frozen=True, slots=True)
class _NoAnswer:
    """Why a call got no answer, and whether another try makes sense."""

    reason: str
    again: bool = True


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
    ) -> None:
        self._service = service
        self._base_url, self.host = _checked_address(base_url, service)
        self._clock = clock
        self._sleep = sleep
        self._random = random
        self._now = now
        self._pacer = Pacer(service.windows, clock=clock, sleep=sleep)
        self._slots = anyio.Semaphore(service.max_concurrency)
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
            limits=httpx.Limits(max_connections=service.max_concurrency),
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

    async def get(self, path: str, *, endpoint: str, params: Query = (), max_tries: int | None = None) -> Answer:
        """Get an answer, whatever its status, after as many tries as make sense.

        Args:
            path: below the base address, already encoded
            endpoint: what log lines and messages call it; no values of arguments
            params: the query string; a name may stand more than once
            max_tries: fewer tries than the provider's table has

        Raises:
            Unavailable: no answer came.
            UnexpectedAnswer: the answer is too big to be read.
        """
        self._open += 1
        try:
            result = await self._last_try(path, endpoint, params, max_tries)
        finally:
            self._open -= 1
        if isinstance(result, Answer):
            return result
        raise Unavailable(f"{self._service.name} at {self.host} {result.reason}")

    def refusal(self, answer: Answer) -> SourceError | None:
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

    async def _last_try(self, path: str, endpoint: str, params: Query, max_tries: int | None) -> Answer | _NoAnswer:
        tries = 0
        while True:
            result = await self._try(path, endpoint, params)
            tries += 1
            if isinstance(result, Answer):
                most = self._service.tries.get(result.status, 1)
            else:
                most = self._service.network_tries if result.again else 1
            if tries >= (most if max_tries is None else min(most, max_tries)):
                return result
            delay_seconds = self._delay_seconds(result, tries)
            if isinstance(result, Answer) and result.status == TOO_MANY_REQUESTS:
                self._pacer.hold(delay_seconds)
            await self._sleep(delay_seconds)

    async def _try(self, path: str, endpoint: str, params: Query) -> Answer | _NoAnswer:
        async with self._slots:
            await self._pacer.wait()
            self._calls += 1
            self._sending += 1
            started = self._clock()
            try:
                result = await self._send(f"{self._base_url}/{path}", params)
            finally:
                self._sending -= 1
        outcome = result.status if isinstance(result, Answer) else "no answer"
        logger.debug("%s %s %d ms", endpoint, outcome, (self._clock() - started) * 1000)
        return result

    async def _send(self, url: str, params: Query) -> Answer | _NoAnswer:
        setting = self._service.address_setting
        try:
            with _quietly(), anyio.fail_after(TOTAL_TIMEOUT_SECONDS):
                async with self._client.stream("GET", url, params=tuple(params) or None) as response:
                    body = bytearray()
                    async for chunk in response.aiter_bytes():
                        body += chunk
                        if len(body) > MAX_BODY_BYTES:
                            break
        except TimeoutError:
            return _NoAnswer(f"did not answer within {TOTAL_TIMEOUT_SECONDS:.0f} s. Ask again later.", again=False)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            return _NoAnswer(f"cannot be called: check {setting}.", again=False)
        except httpx.ConnectError:
            return _NoAnswer(f"cannot be reached: check {setting}, and the network or proxy of this machine.")
        except httpx.TimeoutException:
            return _NoAnswer("did not answer in time. Ask again later.")
        except httpx.HTTPError:
            return _NoAnswer("broke off the connection. Ask again later.")
        if len(body) > MAX_BODY_BYTES:
            raise UnexpectedAnswer(f"{self._service.name} sent an answer of more than {MAX_BODY_BYTES // 2**20} MiB.")
        return Answer(response.status_code, dict(response.headers), bytes(body))

    def _delay_seconds(self, result: Answer | _NoAnswer, tries: int) -> float:
        told = self._told_delay_seconds(result) if isinstance(result, Answer) else None
        if told is not None:
            return min(told, MAX_RETRY_DELAY_SECONDS)
        longest = min(FIRST_RETRY_DELAY_SECONDS * 2 ** (tries - 1), MAX_RETRY_DELAY_SECONDS)
        return longest * (0.5 + self._random() / 2)

    def _told_delay_seconds(self, answer: Answer) -> float | None:
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


def _seconds(value: str | None) -> float | None:
    try:
        found = float(value or "")
    except ValueError:
        return None
    return found if isfinite(found) else None


def _whole(digits: str) -> int | float:
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
