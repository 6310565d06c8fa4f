"""The endpoint as an ASGI application.

    app = unified_app({"acme": source}, token="…")

Only GET is served, and only on the paths below. A request parameter never becomes part of an endpoint's name at the
provider, so no request can reach an endpoint that changes data.
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
from starlette.routing import Route
from starlette.types import ASGIApp

from mcp_truto_lms.domain.columns import ALL_COLUMNS, Columns
from mcp_truto_lms.domain.errors import SourceError
from mcp_truto_lms.domain.source import Scope, Source
from mcp_truto_lms.unified_api.bearer_auth import BearerTokenGuard
from mcp_truto_lms.unified_api.cursor import START, CursorCodec, Position
from mcp_truto_lms.unified_api.errors import ApiError, provider_timed_out, to_api_error
from mcp_truto_lms.unified_api.listing import Listing
from mcp_truto_lms.unified_api.listing_reader import ListingReader
from mcp_truto_lms.unified_api.parameters import (
    GetRequest,
    ListRequest,
    ResponseFormat,
    parse_get_request,
    parse_list_request,
)
from mcp_truto_lms.unified_api.query_string import QueryString
from mcp_truto_lms.unified_api.responses import error_response, json_response, read_page, record_body, stream_response

ROOT = "/unified/lms"
DEFAULT_PAGE_SIZE = 100
MAX_PAGE_SIZE = 1000
DEADLINE_SECONDS = 120.0

Result = TypeVar("Result")
Handler = Callable[[Request], Awaitable[Response]]
OpenListing = Callable[[ListingReader, ListRequest, Position, bool], Listing]
"""Opens a listing after a position; the last argument is whether it is read in pages."""


def unified_app(
    accounts: Mapping[str, Source],
    *,
    token: str | None = None,
    remote_data: bool = True,
    columns: Columns = ALL_COLUMNS,
    default_page_size: int = DEFAULT_PAGE_SIZE,
    max_page_size: int = MAX_PAGE_SIZE,
    deadline_seconds: float = DEADLINE_SECONDS,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    monotonic: Callable[[], float] = time.monotonic,
) -> ASGIApp:
    """Make the application for some integrated accounts; the caller closes their sources.

    Args:
        accounts: sources by integrated account id, made with `remote_data=True` if records shall carry it
        token: the bearer token that every request must carry; without one, bind the application to loopback only
        remote_data: whether records may carry the provider's payload; False also disables `raw`
        columns: the visible columns; others appear in no record. With pseudonyms no record is served
        default_page_size: the size of a page if no limit is given
        max_page_size: the largest size of a page
        deadline_seconds: the time limit of one page
        now: the clock by which access to a course ends
        monotonic: a clock that never goes back, in seconds
    """
    endpoint = _Endpoint(
        {account_id: ListingReader(source, now=now, monotonic=monotonic) for account_id, source in accounts.items()},
        CursorCodec(hashlib.sha256(f"cursors:{token or ''}".encode()).digest()),
        remote_data=remote_data,
        columns=columns,
        default_page_size=default_page_size,
        max_page_size=max_page_size,
        deadline_seconds=deadline_seconds,
    )
    app = Starlette(
        routes=[
            _get_route("/course-enrollments", endpoint.list_handler(_enrollments)),
            _get_route("/courseenrollments", endpoint.list_handler(_enrollments)),
            _get_route("/users", endpoint.list_handler(_users)),
            _get_route("/users/{id}", endpoint.user),
            _get_route("/courses", endpoint.list_handler(_courses)),
            _get_route("/courses/{id}", endpoint.course),
        ],
        exception_handlers=dict.fromkeys((HTTPException, ApiError, SourceError, Exception), _handle_error),
    )
    app.router.redirect_slashes = False
    return BearerTokenGuard(app, token=token)


class _Endpoint:
    """The handlers of all paths."""

    def __init__(
        self,
        readers: Mapping[str, ListingReader],
        cursors: CursorCodec,
        *,
        remote_data: bool,
        columns: Columns,
        default_page_size: int,
        max_page_size: int,
        deadline_seconds: float,
    ) -> None:
        self._readers = readers
        self._cursors = cursors
        self._remote_data = remote_data
        self._pseudonyms = columns.aliases
        names = {name for path in columns.removed for name in (path, path.removeprefix("user."))}
        self._hidden_fields = tuple(sorted(names))
        self._default_page_size = default_page_size
        self._max_page_size = max_page_size
        self._deadline_seconds = deadline_seconds

    def list_handler(self, open_listing: OpenListing) -> Handler:
        async def handle(http_request: Request) -> Response:
            request = parse_list_request(QueryString(http_request.url.query))
            request = replace(
                request, remote_data=self._shows_remote_data(request), exclude_fields=self._excluded_fields(request)
            )
            self._check_key(request.key_by)
            reader = self._reader(request.account_id)
            name = repr((open_listing.__name__, request.account_id, request.user_id, request.course_id))
            after = START if request.cursor is None else self._cursors.decode(request.cursor, listing=name)
            if request.response_format is ResponseFormat.STREAM:
                return await stream_response(open_listing(reader, request, after, False), request)
            limit = min(request.limit or self._default_page_size, self._max_page_size)
            page = read_page(open_listing(reader, request, after, True), request, limit=limit)
            body, last = await self._before_deadline(page)
            if last is not None:
                body["next_cursor"] = self._cursors.encode(last, listing=name)
            return json_response(body)

        return handle

    async def user(self, http_request: Request) -> Response:
        request = self._parse_get(http_request)
        record = self._reader(request.account_id).user(http_request.path_params["id"])
        return json_response(record_body(await self._before_deadline(record), request))

    async def course(self, http_request: Request) -> Response:
        request = self._parse_get(http_request)
        record = self._reader(request.account_id).course(http_request.path_params["id"])
        return json_response(record_body(await self._before_deadline(record), request))

    def _parse_get(self, http_request: Request) -> GetRequest:
        request = parse_get_request(QueryString(http_request.url.query))
        return replace(
            request, remote_data=self._shows_remote_data(request), exclude_fields=self._excluded_fields(request)
        )

    def _excluded_fields(self, request: GetRequest) -> tuple[str, ...]:
        return (*request.exclude_fields, *self._hidden_fields)

    def _check_key(self, key_by: str | None) -> None:
        """Refuse a key that is hidden from every caller.

        Raises:
            ApiError: the key is a hidden field, or inside one.
        """
        if key_by and any(f"{key_by}.".startswith(f"{path}.") for path in self._hidden_fields):
            raise ApiError(400, f"truto_key_by={key_by}: this endpoint excludes this field from every record")

    def _shows_remote_data(self, request: GetRequest) -> bool:
        """Return whether records carry remote data.

        Raises:
            ApiError: the request is for remote data alone, and this endpoint shows none.
        """
        if request.response_format is ResponseFormat.RAW and not self._remote_data:
            raise ApiError(400, "truto_response_format=raw is not available: remote data is switched off here")
        return request.remote_data and self._remote_data

    def _reader(self, account_id: str) -> ListingReader:
        if self._pseudonyms:
            raise ApiError(
                404, "This endpoint is closed: pseudonyms are on, and it would show names, addresses and ids"
            )
        if account_id not in self._readers:
            raise ApiError(404, "There is no integrated account with this integrated_account_id")
        return self._readers[account_id]

    async def _before_deadline(self, work: Awaitable[Result]) -> Result:
        try:
            with anyio.fail_after(self._deadline_seconds):
                return await work
        except TimeoutError:
            raise provider_timed_out(self._deadline_seconds) from None


def _get_route(path: str, handler: Handler) -> Route:
    route = Route(ROOT + path, handler, methods=["GET"])
    route.methods = {"GET"}  # Starlette adds HEAD, whose response would read the provider for nothing
    return route


def _enrollments(reader: ListingReader, request: ListRequest, after: Position, paged: bool) -> Listing:
    return reader.enrollments(Scope(user_id=request.user_id, course_id=request.course_id), after, paged=paged)


def _users(reader: ListingReader, request: ListRequest, after: Position, paged: bool) -> Listing:  # noqa: ARG001
    return reader.users(after, paged=paged)


def _courses(reader: ListingReader, request: ListRequest, after: Position, paged: bool) -> Listing:  # noqa: ARG001
    return reader.courses(after, paged=paged)


async def _handle_error(request: Request, error: Exception) -> Response:  # noqa: ARG001
    """Return the response of an error. Starlette also logs an unexpected error, which it raises again."""
    if isinstance(error, ApiError):
        return error_response(error)
    if isinstance(error, SourceError):
        return error_response(to_api_error(error))
    if not isinstance(error, HTTPException):
        return error_response(ApiError(500, "This endpoint failed; its log has the reason"))
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return error_response(ApiError(405, "Only GET is supported here", headers={"allow": "GET"}))
    paths = f"{ROOT}/course-enrollments, /users, /courses"
    return error_response(ApiError(error.status_code, f"This path does not exist; the paths are {paths}"))
