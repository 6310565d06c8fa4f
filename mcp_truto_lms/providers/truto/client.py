"""A client of Truto's Unified LMS API, for any Python program.

    async with TrutoClient("<token>") as truto:
        page = await truto.list_course_enrollments("<account>", user={"id": "7"}, course={"id": "12"})
        async for enrollment in truto.course_enrollments("<account>", truto_exclude_fields=["urls"]):
            print(enrollment["id"], enrollment["status"])
        async for enrollment in truto.stream_course_enrollments("<account>"):
            ...

It sends what it is told and gives what it gets: JSON objects under Truto's own names, nothing judged and nothing taken
out (`remote_data` holds whatever the provider sent, one-click logins included). Filters that a provider does not have
are ignored by Truto without a word, so check that what came is what was asked for.

Both limits are kept before Truto has to enforce them: 500 calls in 10 seconds for the token, 50 for each integrated
account. 429, 500, 502, 504 and cut connections are tried again; 503 is not, because it means that the account is
blocked, and no other 4xx is. Errors are those of `truto.errors`. The token is in no repr, log line or error.
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
from mcp_truto_lms.providers.http_client import HttpClient, HttpResponse, Service
from mcp_truto_lms.providers.rate_limiter import Acquire, Clock, Sleep, Window
from mcp_truto_lms.providers.truto.error_mapping import error_of, is_error
from mcp_truto_lms.providers.truto.errors import TrutoError
from mcp_truto_lms.providers.truto.page import JsonObject, Page, cursor, parse_page
from mcp_truto_lms.providers.truto.parameters import EnrollmentParameters, GetParameters, ListParameters, checked
from mcp_truto_lms.providers.truto.query_string import encoded
from mcp_truto_lms.providers.truto.streaming import ItemStreamParser, items_of

DEFAULT_BASE_URL = "https://api.truto.one"
MAX_EMPTY_PAGES = 100
ACCOUNT_LIMIT = Window(calls=50, seconds=10)
TRANSIT_SECONDS = 0.5
"""Calls count as they arrive, some later than others: one that is too early by a moment costs a whole window."""
TRUTO = Service(
    name="Truto",
    key_setting="TRUTO_API_TOKEN",
    address_setting="TRUTO_BASE_URL",
    windows=(Window(calls=500, seconds=10),),
    account_windows=(replace(ACCOUNT_LIMIT, seconds=ACCOUNT_LIMIT.seconds + TRANSIT_SECONDS),),
    tries=MappingProxyType({429: 4, 500: 3, 502: 4, 504: 4}),
    refused_for_seconds=10.0,
)

_UNIFIED = "unified/lms"


class TrutoClient:
    """Reads users, courses and course enrollments of integrated accounts.

    Args:
        token: the API token; sent as a bearer token, and kept out of everything else
        base_url: where Truto is
        transport: another way to send, such as to an app in the same process
        clock: a monotonic clock, in seconds
        sleep: waits for seconds
        random: a number of 0 to 1, for jitter
        now: the wall clock, in epoch seconds
        admit: counts calls for all processes that share the token's limits

    Raises:
        ConfigurationError: the address or the token cannot be one.
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
        admit: Acquire | None = None,
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
            admit=admit,
        )

    def __repr__(self) -> str:
        return f"<TrutoClient at {self._http.host}, {self._http.calls} calls>"

    @property
    def calls(self) -> int:
        """How many calls were made so far, further tries included."""
        return self._http.calls

    async def list_course_enrollments(
        self, integrated_account_id: str, **parameters: Unpack[EnrollmentParameters]
    ) -> Page:
        """Get one page of course enrollments.

        For TalentLMS, Truto wants both `user={"id": …}` and `course={"id": …}`.

        Raises:
            TrutoError: as `truto.errors` draws them; `MissingParameters` names what must be asked with.
        """
        return await self._page("course-enrollments", integrated_account_id, checked(EnrollmentParameters, parameters))

    async def list_users(self, integrated_account_id: str, **parameters: Unpack[ListParameters]) -> Page:
        """Get one page of users; a list may hold less of each than `get_user`."""
        return await self._page("users", integrated_account_id, checked(ListParameters, parameters))

    async def list_courses(self, integrated_account_id: str, **parameters: Unpack[ListParameters]) -> Page:
        """Get one page of courses; a list may hold less of each than `get_course`."""
        return await self._page("courses", integrated_account_id, checked(ListParameters, parameters))

    def course_enrollments(
        self, integrated_account_id: str, **parameters: Unpack[EnrollmentParameters]
    ) -> AsyncGenerator[JsonObject]:
        """Give every course enrollment, page after page."""
        return _items(
            self.pages("course-enrollments", integrated_account_id, checked(EnrollmentParameters, parameters))
        )

    def users(self, integrated_account_id: str, **parameters: Unpack[ListParameters]) -> AsyncGenerator[JsonObject]:
        """Give every user, page after page."""
        return _items(self.pages("users", integrated_account_id, checked(ListParameters, parameters)))

    def courses(self, integrated_account_id: str, **parameters: Unpack[ListParameters]) -> AsyncGenerator[JsonObject]:
        """Give every course, page after page."""
        return _items(self.pages("courses", integrated_account_id, checked(ListParameters, parameters)))

    async def get_user(
        self, integrated_account_id: str, user_id: str, **parameters: Unpack[GetParameters]
    ) -> JsonObject:
        """Get one user, in full."""
        return await self._record("users", user_id, integrated_account_id, checked(GetParameters, parameters))

    async def get_course(
        self, integrated_account_id: str, course_id: str, **parameters: Unpack[GetParameters]
    ) -> JsonObject:
        """Get one course, in full."""
        return await self._record("courses", course_id, integrated_account_id, checked(GetParameters, parameters))

    async def get_proxied(self, integrated_account_id: str, resource: str, record_id: str) -> Any:
        """Get a record as the provider itself answers for it, through Truto's proxy API.

        >>> transcript = await truto.get_proxied("<account>", "users", "7")  # doctest: +SKIP
        """
        path = f"proxy/{_segment(resource)}/{_segment(record_id)}"
        return await self._read(path, f"proxy/{resource}/id", integrated_account_id, {})

    async def pages(
        self, endpoint: str, integrated_account_id: str, parameters: Mapping[str, object]
    ) -> AsyncGenerator[Page]:
        """Give the pages of a list to its end: no cursor, or one that was there before.

        An empty page that has a cursor is not the end. Where the last page given still has a `next_cursor`, it is
        one that leads nowhere new, and whether that was all is not known.
        """
        seen: set[str] = set()
        empty = 0
        while True:
            page = await self._page(endpoint, integrated_account_id, parameters)
            yield page
            empty = 0 if page.result else empty + 1
            if page.next_cursor is None or page.next_cursor in seen or empty > MAX_EMPTY_PAGES:
                return
            seen.add(page.next_cursor)
            parameters = {**parameters, "next_cursor": page.next_cursor}

    async def stream_course_enrollments(
        self, integrated_account_id: str, **parameters: Unpack[EnrollmentParameters]
    ) -> AsyncGenerator[JsonObject]:
        """Give course enrollments as they arrive, holding one at a time; whatever the framing.

        Close the iterator (`contextlib.aclosing`) where it is left before its end: the call stays open until then.

        Raises:
            TrutoError: as for a page.
            Unavailable: the connection broke; what was given until then is good.
            UnexpectedAnswer: the stream is no JSON, or ends in the middle.
        """
        asked: dict[str, object] = {**checked(EnrollmentParameters, parameters), "truto_response_format": "stream"}
        seen: set[str] = set()
        while True:
            stream = ItemStreamParser()
            async with aclosing(self._streamed("course-enrollments", integrated_account_id, asked, stream)) as items:
                async for item in items:
                    if is_error(item):
                        raise self._error(HttpResponse(200, {}, b""), item, "course-enrollments")
                    yield item
            following = cursor(stream.rest, "next_cursor")
            if following is None or following in seen:
                return
            seen.add(following)
            asked["next_cursor"] = following

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
        path = f"{_UNIFIED}/{resource}/{_segment(record_id)}"
        body = await self._read(path, endpoint, account_id, parameters)
        if not isinstance(body, dict):
            raise UnexpectedAnswer(f"Truto answered `{endpoint}` with something that is not a record.")
        return cast("JsonObject", body)

    async def _read(self, path: str, endpoint: str, account_id: str, parameters: Mapping[str, object]) -> Any:
        answer = await self._http.get(
            path,
            endpoint=endpoint,
            params=encoded({"integrated_account_id": account_id, **parameters}),
            account=account_id,
        )
        body, readable = _opened(answer)
        if answer.status != 200 or is_error(body):
            raise self._error(answer, body, endpoint)
        if not readable:
            raise UnexpectedAnswer(
                f"Truto answered `{endpoint}` with something that is not JSON: check TRUTO_BASE_URL."
            )
        return body

    async def _streamed(
        self, endpoint: str, account_id: str, parameters: Mapping[str, object], stream: ItemStreamParser
    ) -> AsyncGenerator[JsonObject]:
        params = encoded({"integrated_account_id": account_id, **parameters})
        path = f"{_UNIFIED}/{endpoint}"
        async with self._http.stream(path, endpoint=endpoint, params=params, account=account_id) as answer:
            if isinstance(answer, HttpResponse):
                raise self._error(answer, _opened(answer)[0], endpoint)
            async for item in items_of(answer.pieces, stream):
                yield item

    def _error(self, answer: HttpResponse, body: object, endpoint: str) -> TrutoError:
        return error_of(answer, body, endpoint=endpoint, token=self._token, of_status=self._http.refusal)


async def _items(pages: AsyncGenerator[Page]) -> AsyncGenerator[JsonObject]:
    async with aclosing(pages):
        async for page in pages:
            for item in page.items:
                yield item


def _segment(key: str) -> str:
    if key in ("", ".", ".."):
        raise ValueError(f"{key!r} is no id")
    return quote(key, safe="")


def _opened(answer: HttpResponse) -> tuple[Any, bool]:
    """Read a body as JSON, and say whether it is any."""
    try:
        return answer.json(), True
    except ValueError:
        return None, False
