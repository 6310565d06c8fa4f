"""A client of Truto's Unified LMS API, for any Python program.

    async with TrutoClient("<token>") as truto:
        page = await truto.list_course_enrollments("<account>", user={"id": "7"}, course={"id": "12"})
        async for enrollment in truto.course_enrollments("<account>", truto_exclude_fields=["urls"]):
            print(enrollment["id"], enrollment["status"])
        async for enrollment in truto.stream_course_enrollments("<account>"):
            ...

The client sends the given parameters and returns Truto's JSON objects unchanged, under Truto's own names. `remote_data`
holds whatever the provider sent, one-click logins included. Truto silently ignores filters that a provider lacks, so
check that the result is what you asked for.

The client stays within both rate limits: 500 calls in 10 seconds for the token, 50 for each integrated account. It
retries 408, 425, 429, 500, 502, 504, 52x, a 503 of the LMS, and cut connections. It does not retry Truto's own 503,
which means that the account is blocked, or any other 4xx. Errors are those of `truto.errors`. The token appears in no
repr, log line or error.
"""

from __future__ import annotations

import random as random_module
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from types import MappingProxyType, TracebackType
from typing import Any, Self, Unpack, cast
from urllib.parse import quote

import anyio
import httpx

from mcp_truto_lms.domain.errors import ConfigurationError, UnexpectedAnswer
from mcp_truto_lms.domain.rate_limits import Acquire, RateLimit, Sleep
from mcp_truto_lms.providers.http_client import HttpClient, Service
from mcp_truto_lms.providers.http_response import HttpResponse
from mcp_truto_lms.providers.rate_limiter import Clock
from mcp_truto_lms.providers.retry_policy import RetryPolicy
from mcp_truto_lms.providers.truto.error_mapping import is_error, is_remote_error, map_error
from mcp_truto_lms.providers.truto.errors import TrutoError
from mcp_truto_lms.providers.truto.page import JsonObject, Page, parse_cursor, parse_page
from mcp_truto_lms.providers.truto.parameters import (
    EnrollmentParameters,
    GetParameters,
    ListParameters,
    check_parameters,
)
from mcp_truto_lms.providers.truto.query_string import encode_parameters
from mcp_truto_lms.providers.truto.streaming import ItemStreamParser, stream_items

DEFAULT_BASE_URL = "https://api.truto.one"
MAX_EMPTY_PAGES = 100
ACCOUNT_LIMIT = RateLimit(calls=50, seconds=10)
BLOCKED = 503
"""Truto's status for an integrated account that it has blocked; the same status of an LMS passes."""
TRANSIT_SECONDS = 0.5
"""Added to the account limit: Truto counts calls on arrival, and one that arrives too early costs a whole window."""
TRUTO = Service(
    name="Truto",
    key_setting="TRUTO_API_TOKEN",
    address_setting="TRUTO_BASE_URL",
    limits=(RateLimit(calls=500, seconds=10),),
    account_limits=(replace(ACCOUNT_LIMIT, seconds=ACCOUNT_LIMIT.seconds + TRANSIT_SECONDS),),
    retries=RetryPolicy(
        tries=MappingProxyType(
            {500: 3} | dict.fromkeys((408, 425, 429, 502, 503, 504, *range(520, 528), 530), 4)  # 52x: Cloudflare's
        ),
        refused_for_seconds=10.0,
        is_final=lambda response: response.status == BLOCKED and not is_remote_error(_parse_body(response)[0]),
    ),
)

_UNIFIED = "unified/lms"


class TrutoClient:
    """Reads users, courses and course enrollments of integrated accounts.

    Args:
        token: the API token, sent as a bearer token and never shown
        base_url: Truto's address
        transport: an httpx transport, such as one to an app in the same process
        clock: a monotonic clock, in seconds
        sleep: waits for the given seconds
        random: returns a number from 0 to 1, for jitter
        now: the wall clock, in epoch seconds
        acquire: acquires calls from rate limits that processes share

    Raises:
        ConfigurationError: the address or the token is invalid.
    """

    def __init__(
        self,
        token: str,
        *,
        base_url: str = DEFAULT_BASE_URL,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Clock = time.monotonic,
        sleep: Sleep = anyio.sleep,
        random: Callable[[], float] = random_module.random,
        now: Callable[[], float] = time.time,
        acquire: Acquire | None = None,
    ) -> None:
        self._token = token.strip()
        if not self._token or not self._token.isascii() or not self._token.isprintable() or " " in self._token:
            raise ConfigurationError("TRUTO_API_TOKEN is not a token: set it to the API token from Truto.")
        self._http = HttpClient(
            base_url,
            TRUTO,
            authorization=f"Bearer {self._token}",
            transport=transport,
            clock=clock,
            sleep=sleep,
            random=random,
            now=now,
            acquire=acquire,
        )

    def __repr__(self) -> str:
        return f"<TrutoClient at {self._http.host}, {self._http.calls} calls>"

    @property
    def calls(self) -> int:
        """The number of calls so far, retries included."""
        return self._http.calls

    async def list_course_enrollments(
        self, integrated_account_id: str, **parameters: Unpack[EnrollmentParameters]
    ) -> Page:
        """Get one page of course enrollments.

        For TalentLMS, Truto requires both `user={"id": …}` and `course={"id": …}`.

        Raises:
            TrutoError: see `truto.errors`; `MissingParameters` names the parameters that the account requires.
        """
        return await self._page(
            "course-enrollments", integrated_account_id, check_parameters(EnrollmentParameters, parameters)
        )

    async def list_users(self, integrated_account_id: str, **parameters: Unpack[ListParameters]) -> Page:
        """Get one page of users; a list may have fewer fields than `get_user`."""
        return await self._page("users", integrated_account_id, check_parameters(ListParameters, parameters))

    async def list_courses(self, integrated_account_id: str, **parameters: Unpack[ListParameters]) -> Page:
        """Get one page of courses; a list may have fewer fields than `get_course`."""
        return await self._page("courses", integrated_account_id, check_parameters(ListParameters, parameters))

    def course_enrollments(
        self, integrated_account_id: str, **parameters: Unpack[EnrollmentParameters]
    ) -> AsyncGenerator[JsonObject]:
        """Yield every course enrollment, page by page."""
        return _items(
            self.pages("course-enrollments", integrated_account_id, check_parameters(EnrollmentParameters, parameters))
        )

    def users(self, integrated_account_id: str, **parameters: Unpack[ListParameters]) -> AsyncGenerator[JsonObject]:
        """Yield every user, page by page."""
        return _items(self.pages("users", integrated_account_id, check_parameters(ListParameters, parameters)))

    def courses(self, integrated_account_id: str, **parameters: Unpack[ListParameters]) -> AsyncGenerator[JsonObject]:
        """Yield every course, page by page."""
        return _items(self.pages("courses", integrated_account_id, check_parameters(ListParameters, parameters)))

    async def get_user(
        self, integrated_account_id: str, user_id: str, **parameters: Unpack[GetParameters]
    ) -> JsonObject:
        """Get one user, in full."""
        return await self._record("users", user_id, integrated_account_id, check_parameters(GetParameters, parameters))

    async def get_course(
        self, integrated_account_id: str, course_id: str, **parameters: Unpack[GetParameters]
    ) -> JsonObject:
        """Get one course, in full."""
        return await self._record(
            "courses", course_id, integrated_account_id, check_parameters(GetParameters, parameters)
        )

    async def get_proxied(self, integrated_account_id: str, resource: str, record_id: str) -> Any:
        """Get one record as the provider itself returns it, through Truto's proxy API.

        >>> transcript = await truto.get_proxied("<account>", "users", "7")  # doctest: +SKIP
        """
        path = f"proxy/{_path_segment(resource)}/{_path_segment(record_id)}"
        return await self._read(path, f"proxy/{resource}/id", integrated_account_id, {})

    async def pages(
        self, endpoint: str, integrated_account_id: str, parameters: Mapping[str, object]
    ) -> AsyncGenerator[Page]:
        """Yield the pages of a list until a page has no cursor, or a cursor that was used before.

        An empty page with a cursor is not the end, up to `MAX_EMPTY_PAGES` in sequence. If the last page still has a
        `next_cursor`, the list may be incomplete.
        """
        seen_cursors: set[str] = set()
        empty_pages = 0
        while True:
            page = await self._page(endpoint, integrated_account_id, parameters)
            yield page
            empty_pages = 0 if page.result else empty_pages + 1
            if page.next_cursor is None or page.next_cursor in seen_cursors or empty_pages > MAX_EMPTY_PAGES:
                return
            seen_cursors.add(page.next_cursor)
            parameters = {**parameters, "next_cursor": page.next_cursor}

    async def stream_course_enrollments(
        self, integrated_account_id: str, **parameters: Unpack[EnrollmentParameters]
    ) -> AsyncGenerator[JsonObject]:
        """Yield course enrollments as they arrive, one at a time, whatever the framing of the stream.

        The call stays open until the iterator ends. Close it (`contextlib.aclosing`) if you stop before the end.

        Raises:
            TrutoError: as for a page.
            Unavailable: the connection broke; the enrollments so far are valid.
            UnexpectedAnswer: the stream is not JSON, or ends in the middle.
        """
        sent: dict[str, object] = {
            **check_parameters(EnrollmentParameters, parameters),
            "truto_response_format": "stream",
        }
        seen_cursors: set[str] = set()
        while True:
            parser = ItemStreamParser()
            async with aclosing(self._stream("course-enrollments", integrated_account_id, sent, parser)) as items:
                async for item in items:
                    if is_error(item):
                        raise self._error(HttpResponse(200, {}, b""), item, "course-enrollments")
                    yield item
            next_cursor = parse_cursor(parser.rest, "next_cursor")
            if next_cursor is None or next_cursor in seen_cursors:
                return
            seen_cursors.add(next_cursor)
            sent["next_cursor"] = next_cursor

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _page(self, endpoint: str, account_id: str, parameters: Mapping[str, object]) -> Page:
        if parameters.get("truto_response_format") == "stream":
            raise ValueError("a stream has no pages: use stream_course_enrollments")
        page = parse_page(await self._read(f"{_UNIFIED}/{endpoint}", endpoint, account_id, parameters))
        if page is None:
            raise UnexpectedAnswer(f"Truto answered `{endpoint}` with something that is not a list.")
        return page

    async def _record(
        self, resource: str, record_id: str, account_id: str, parameters: Mapping[str, object]
    ) -> JsonObject:
        endpoint = f"{resource}/id"
        path = f"{_UNIFIED}/{resource}/{_path_segment(record_id)}"
        body = await self._read(path, endpoint, account_id, parameters)
        if not isinstance(body, dict):
            raise UnexpectedAnswer(f"Truto answered `{endpoint}` with something that is not a record.")
        return cast("JsonObject", body)

    async def _read(self, path: str, endpoint: str, account_id: str, parameters: Mapping[str, object]) -> Any:
        response = await self._http.get(
            path,
            endpoint=endpoint,
            params=encode_parameters({"integrated_account_id": account_id, **parameters}),
            account=account_id,
        )
        body, is_json = _parse_body(response)
        if response.status != 200 or is_error(body):
            raise self._error(response, body, endpoint)
        if not is_json:
            raise UnexpectedAnswer(
                f"Truto answered `{endpoint}` with something that is not JSON: check TRUTO_BASE_URL."
            )
        return body

    async def _stream(
        self, endpoint: str, account_id: str, parameters: Mapping[str, object], parser: ItemStreamParser
    ) -> AsyncGenerator[JsonObject]:
        params = encode_parameters({"integrated_account_id": account_id, **parameters})
        path = f"{_UNIFIED}/{endpoint}"
        async with self._http.stream(path, endpoint=endpoint, params=params, account=account_id) as response:
            if isinstance(response, HttpResponse):
                raise self._error(response, _parse_body(response)[0], endpoint)
            async for item in stream_items(response.pieces, parser):
                yield item

    def _error(self, response: HttpResponse, body: object, endpoint: str) -> TrutoError:
        return map_error(response, body, endpoint=endpoint, token=self._token, error_of_status=self._http.status_error)


async def _items(pages: AsyncGenerator[Page]) -> AsyncGenerator[JsonObject]:
    async with aclosing(pages):
        async for page in pages:
            for item in page.items:
                yield item


def _path_segment(value: str) -> str:
    if value in ("", ".", ".."):
        raise ValueError(f"{value!r} is not an id")
    return quote(value, safe="")


def _parse_body(response: HttpResponse) -> tuple[Any, bool]:
    """Return the body as JSON, and whether it is JSON."""
    try:
        return response.json(), True
    except ValueError:
        return None, False
