"""The endpoint as an ASGI application: routes to readings, readings to answers, errors to refusals.

    app = unified_app({"acme": source}, token="…")

Only GET is answered, and only on the paths below; a parameter of a request never becomes part of a call's name, so that
nothing that a client sends can reach what changes data.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TypeVar

import anyio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as Path
from starlette.types import ASGIApp

from mcp_truto_lms.domain.columns import ALL_COLUMNS, Columns
from mcp_truto_lms.domain.errors import SourceError
from mcp_truto_lms.domain.source import Scope, Source
from mcp_truto_lms.unified_api.bearer_auth import BearerTokenGuard
from mcp_truto_lms.unified_api.cursor import START, CursorCodec, Position
from mcp_truto_lms.unified_api.errors import ApiError, api_error, timed_out
from mcp_truto_lms.unified_api.listing import Listing, ListingReader
from mcp_truto_lms.unified_api.parameters import (
    GetRequest,
    ListRequest,
    ResponseFormat,
    get_parameters,
    list_parameters,
)
from mcp_truto_lms.unified_api.query_string import QueryString
from mcp_truto_lms.unified_api.responses import answer, one_record, page, refusal, stream

ROOT = "/unified/lms"
DEFAULT_PAGE_SIZE = 100
LARGEST_PAGE_SIZE = 1000
DEADLINE_SECONDS = 120.0

T = TypeVar("T")
Handler = Callable[[Request], Awaitable[Response]]
OpenListing = Callable[[ListingReader, ListRequest, Position, bool], Listing]


def unified_app(
    accounts: Mapping[str, Source],
    *,
    token: str | None = None,
    remote_data: bool = True,
    columns: Columns = ALL_COLUMNS,
    default_page_size: int = DEFAULT_PAGE_SIZE,
    largest_page_size: int = LARGEST_PAGE_SIZE,
    deadline_seconds: float = DEADLINE_SECONDS,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    monotonic: Callable[[], float] = time.monotonic,
) -> ASGIApp:
    """Serve some integrated accounts; the sources stay their owner's, who closes them.

    Args:
        accounts: sources by integrated account id, made with `remote_data=True` where records shall carry it
        token: the bearer token that every request must carry; without one the application is for loopback only
        remote_data: whether records may carry what the provider sent; False is for everybody, and ends `raw`
        columns: which there are; others are in no record, and under aliases no record is served
        default_page_size: of a list, where no limit is asked for
        largest_page_size: of a list, whatever limit is asked for
        deadline_seconds: how long one page may take
        now: the clock by which access to a course ends
        monotonic: a clock that never goes back, in seconds
    """
    endpoint = _Endpoint(
        {account_id: ListingReader(source, now=now, monotonic=monotonic) for account_id, source in accounts.items()},
        CursorCodec(hashlib.sha256(f"cursors:{token or ''}".encode()).digest()),
        remote_data=remote_data,
        columns=columns,
        default_page_size=default_page_size,
        largest_page_size=largest_page_size,
        deadline_seconds=deadline_seconds,
    )
    app = Starlette(
        routes=[
            _get("/course-enrollments", endpoint.listing(_enrollments)),
            _get("/courseenrollments", endpoint.listing(_enrollments)),
            _get("/users", endpoint.listing(_users)),
            _get("/users/{id}", endpoint.user),
            _get("/courses", endpoint.listing(_courses)),
            _get("/courses/{id}", endpoint.course),
        ],
        exception_handlers=dict.fromkeys((HTTPException, ApiError, SourceError, Exception), _refused),
    )
    app.router.redirect_slashes = False
    return BearerTokenGuard(app, token=token)


class _Endpoint:
    """The accounts that are served, and how."""

    def __init__(
        self,
        readers: Mapping[str, ListingReader],
        cursors: CursorCodec,
        *,
        remote_data: bool,
        columns: Columns,
        default_page_size: int,
        largest_page_size: int,
        deadline_seconds: float,
    ) -> None:
        self._readers = readers
        self._cursors = cursors
        self._remote_data = remote_data
        self._aliases = columns.aliases
        self._hidden = tuple(sorted({each for path in columns.removed for each in (path, path.removeprefix("user."))}))
        self._default_page_size = default_page_size
        self._largest_page_size = largest_page_size
        self._deadline_seconds = deadline_seconds

    def listing(self, open_listing: OpenListing) -> Handler:
        async def handle(request: Request) -> Response:
            asked = list_parameters(QueryString(request.url.query))
            asked = replace(asked, remote_data=self._may_show(asked), exclude_fields=self._excluded(asked))
            if asked.key_by and any(f"{asked.key_by}.".startswith(f"{path}.") for path in self._hidden):
                raise ApiError(400, f"truto_key_by={asked.key_by}: this field is left out here, for everybody")
            reader = self._reader(asked.account_id)
            name = repr((open_listing.__name__, asked.account_id, asked.user_id, asked.course_id))
            after = START if asked.cursor is None else self._cursors.open(asked.cursor, listing=name)
            if asked.response_format is ResponseFormat.STREAM:
                return await stream(open_listing(reader, asked, after, False), asked)
            limit = min(asked.limit or self._default_page_size, self._largest_page_size)
            body, last = await self._in_time(page(open_listing(reader, asked, after, True), asked, limit=limit))
            if last is not None:
                body["next_cursor"] = self._cursors.pack(last, listing=name)
            return answer(body)

        return handle

    async def user(self, request: Request) -> Response:
        asked = self._get(request)
        record = await self._in_time(self._reader(asked.account_id).user(request.path_params["id"]))
        return answer(one_record(record, asked))

    async def course(self, request: Request) -> Response:
        asked = self._get(request)
        record = await self._in_time(self._reader(asked.account_id).course(request.path_params["id"]))
        return answer(one_record(record, asked))

    def _get(self, request: Request) -> GetRequest:
        asked = get_parameters(QueryString(request.url.query))
        return replace(asked, remote_data=self._may_show(asked), exclude_fields=self._excluded(asked))

    def _excluded(self, asked: GetRequest) -> tuple[str, ...]:
        return (*asked.exclude_fields, *self._hidden)

    def _may_show(self, asked: GetRequest) -> bool:
        """Tell whether records carry remote data.

        Raises:
            ApiError: nothing but remote data is asked for, and this endpoint shows none.
        """
        if asked.response_format is ResponseFormat.RAW and not self._remote_data:
            raise ApiError(400, "truto_response_format=raw is not available: remote data is switched off here")
        return asked.remote_data and self._remote_data

    def _reader(self, account_id: str) -> ListingReader:
        if self._aliases:
            raise ApiError(
                404, "This endpoint is closed: pseudonyms are on, and it would tell names, addresses and ids"
            )
        if account_id not in self._readers:
            raise ApiError(404, "There is no integrated account with this integrated_account_id")
        return self._readers[account_id]

    async def _in_time(self, work: Awaitable[T]) -> T:
        try:
            with anyio.fail_after(self._deadline_seconds):
                return await work
        except TimeoutError:
            raise timed_out(self._deadline_seconds) from None


def _get(path: str, handler: Handler) -> Path:
    route = Path(ROOT + path, handler, methods=["GET"])
    route.methods = {"GET"}  # Starlette adds HEAD, for which a provider would be read in vain
    return route


def _enrollments(reader: ListingReader, asked: ListRequest, after: Position, in_pages: bool) -> Listing:
    return reader.enrollments(Scope(user_id=asked.user_id, course_id=asked.course_id), after, in_pages=in_pages)


def _users(reader: ListingReader, asked: ListRequest, after: Position, in_pages: bool) -> Listing:  # noqa: ARG001
    return reader.users(after, in_pages=in_pages)


def _courses(reader: ListingReader, asked: ListRequest, after: Position, in_pages: bool) -> Listing:  # noqa: ARG001
    return reader.courses(after, in_pages=in_pages)


async def _refused(request: Request, error: Exception) -> Response:  # noqa: ARG001
    """Answer an error; what is none of ours is also raised again, for the log of the server."""
    if isinstance(error, ApiError):
        return refusal(error)
    if isinstance(error, SourceError):
        return refusal(api_error(error))
    if not isinstance(error, HTTPException):
        return refusal(ApiError(500, "This endpoint failed; its log says why"))
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return refusal(ApiError(405, "Only GET is supported here", headers={"allow": "GET"}))
    return refusal(
        ApiError(error.status_code, f"Nothing is here: there are {ROOT}/course-enrollments, /users, /courses")
    )
