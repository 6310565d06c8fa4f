"""Answers: a page in its envelope, one record, a stream of lines, a refusal.

A stream is one record a line, sent as it is read. Its status can only be sent before anything went wrong, so what goes
wrong later breaks it off: a line in the shape of a refusal, and no proper end. What a provider has only in part breaks
off as well. So a stream that ends properly is whole.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, cast

from starlette.responses import Response, StreamingResponse
from starlette.types import Send

from mcp_truto_lms.domain.errors import SourceError
from mcp_truto_lms.domain.model import UnifiedModel
from mcp_truto_lms.unified_api.cursor import START, Position
from mcp_truto_lms.unified_api.errors import ApiError, api_error
from mcp_truto_lms.unified_api.listing import Listing
from mcp_truto_lms.unified_api.parameters import GetRequest, ListRequest
from mcp_truto_lms.unified_api.serialization import exclude_fields, key_of, serialize

CHUNK_BYTES = 32_768
NDJSON = "application/x-ndjson"
_Records = AsyncGenerator[tuple[Position, UnifiedModel]]


def as_json(body: Any) -> bytes:
    """Write JSON as it is sent."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8", "replace")


def answer(body: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Answer with JSON."""
    return Response(as_json(body), status, headers, media_type="application/json")


def refusal(error: ApiError) -> Response:
    """Answer with a refusal."""
    return answer(error.body, status=error.status, headers=error.headers)


def one_record(record: UnifiedModel, asked: GetRequest) -> Any:
    """Write the bare object that a get answers."""
    return exclude_fields(serialize(record, asked), asked.exclude_fields)


async def page(walk: Listing, asked: ListRequest, *, limit: int) -> tuple[dict[str, Any], Position | None]:
    """Write a page, and tell the position from which the next one goes on; None is the end."""
    items: list[Any] = []
    last, following = START, None
    async with aclosing(walk.records()) as records:
        async for position, record in records:
            if len(items) == limit:
                following = position
                break
            items.append(serialize(record, asked))
            last = position
    result: Any = [exclude_fields(one, asked.exclude_fields) for one in items]
    if asked.key_by is not None:
        result = dict(zip([key_of(one, asked.key_by) for one in items], result, strict=True))
    body = {"result": result, "next_cursor": None, "prev_cursor": None, "result_count": len(items)}
    if not walk.complete:
        body["is_partial_response"] = True
    if following is not None and following.course_id != last.course_id:
        last = Position(following.course_id)  # the roster before is done with, and need not be read again
    return body, None if following is None else last


async def stream(walk: Listing, asked: ListRequest) -> Response:
    """Begin a stream; what goes wrong before the first record is still a refusal.

    Raises:
        ApiError: it cannot be had as it is asked for.
        SourceError: the provider failed.
    """
    records = walk.records()
    try:
        first = await anext(records, None)
        begun = b"" if first is None else _line(first[1], asked)
    except BaseException:
        await records.aclose()
        raise
    return _Stream(_lines(begun, records, walk, asked), media_type=NDJSON)


class _BrokenOff(Exception):
    """A stream that cannot go on."""


class _Stream(StreamingResponse):
    """A stream that, once broken off, is left without its end: the server then closes the connection."""

    async def stream_response(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        lines = cast("AsyncGenerator[bytes]", self.body_iterator)
        try:
            async with aclosing(lines):
                async for chunk in lines:
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
        except _BrokenOff:
            return
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _lines(begun: bytes, records: _Records, walk: Listing, asked: ListRequest) -> AsyncGenerator[bytes]:
    """Give lines in chunks; the first line goes out alone, so that a reader sees at once that there is something."""
    left = asked.limit
    async with aclosing(records):
        if begun:
            yield begun
            left = None if left is None else left - 1
        chunk = bytearray()
        try:
            while left != 0 and (found := await anext(records, None)) is not None:
                chunk += _line(found[1], asked)
                left = None if left is None else left - 1
                if len(chunk) >= CHUNK_BYTES:
                    yield bytes(chunk)
                    chunk.clear()
        except (SourceError, ApiError) as error:
            told = error if isinstance(error, ApiError) else api_error(error)
            yield bytes(chunk) + as_json(told.body) + b"\n"
            raise _BrokenOff from None
        if chunk:
            yield bytes(chunk)
        if not walk.complete:
            raise _BrokenOff


def _line(record: UnifiedModel, asked: ListRequest) -> bytes:
    return as_json(exclude_fields(serialize(record, asked), asked.exclude_fields)) + b"\n"
