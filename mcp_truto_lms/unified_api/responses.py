"""HTTP responses: a page in its envelope, one record, a stream of lines, an error.

A stream is one record a line, sent as it is read. Its status is sent before the first line, so a later failure cannot
change it. A failure ends the stream with a line in the form of an error, and an incomplete reading without such a line.
In both cases the body has no proper end. So a stream with a proper end is whole.
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
from mcp_truto_lms.unified_api.errors import ApiError, to_api_error
from mcp_truto_lms.unified_api.listing import Listing
from mcp_truto_lms.unified_api.parameters import GetRequest, ListRequest
from mcp_truto_lms.unified_api.serialization import exclude_fields, key_of, serialize

CHUNK_BYTES = 32_768
STREAM_TYPE = "application/octet-stream"
"""Of lines of JSON. Truto's own SDKs parse any body whole whose content type has "json" in it."""
_Records = AsyncGenerator[tuple[Position, UnifiedModel]]


def encode_json(body: Any) -> bytes:
    """Encode a body as compact JSON in UTF-8."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8", "replace")


def json_response(body: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return a JSON response."""
    return Response(encode_json(body), status, headers, media_type="application/json")


def error_response(error: ApiError) -> Response:
    """Return the response of an error."""
    return json_response(error.body, status=error.status, headers=error.headers)


def record_body(record: UnifiedModel, request: GetRequest) -> Any:
    """Return the bare object of a get."""
    return exclude_fields(serialize(record, request), request.exclude_fields)


async def read_page(listing: Listing, request: ListRequest, *, limit: int) -> tuple[dict[str, Any], Position | None]:
    """Read a page; return its envelope and the position after which the next page starts, None at the end."""
    items: list[Any] = []
    last, following = START, None
    async with aclosing(listing.records()) as records:
        async for position, record in records:
            if len(items) == limit:
                following = position
                break
            items.append(serialize(record, request))
            last = position
    result: Any = [exclude_fields(item, request.exclude_fields) for item in items]
    if request.key_by is not None:
        result = dict(zip([key_of(item, request.key_by) for item in items], result, strict=True))
    body = {"result": result, "next_cursor": None, "prev_cursor": None, "result_count": len(items)}
    if not listing.complete:
        body["is_partial_response"] = True
    if following is not None and following.course_id != last.course_id:
        last = Position(following.course_id)  # the roster before is finished, so the next page need not read it again
    return body, None if following is None else last


async def stream_response(listing: Listing, request: ListRequest) -> Response:
    """Start a stream; a failure before the first record is an ordinary error.

    Raises:
        ApiError: the stream cannot be written as requested.
        SourceError: the provider failed.
    """
    records = listing.records()
    try:
        first = await anext(records, None)
        first_line = b"" if first is None else _line(first[1], request)
    except BaseException:
        await records.aclose()
        raise
    return _RecordStream(_chunks(first_line, records, listing, request), media_type=STREAM_TYPE)


class _StreamAborted(Exception):
    """The stream cannot be continued."""


class _RecordStream(StreamingResponse):
    """A streaming response that sends no end after `_StreamAborted`, so that the server closes the connection."""

    async def stream_response(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        chunks = cast("AsyncGenerator[bytes]", self.body_iterator)
        try:
            async with aclosing(chunks):
                async for chunk in chunks:
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
        except _StreamAborted:
            return
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _chunks(
    first_line: bytes, records: _Records, listing: Listing, request: ListRequest
) -> AsyncGenerator[bytes]:
    """Yield lines in chunks; the first line is sent alone, so that the client sees data at once."""
    lines_left = request.limit
    async with aclosing(records):
        if first_line:
            yield first_line
            lines_left = None if lines_left is None else lines_left - 1
        chunk = bytearray()
        try:
            while lines_left != 0 and (following := await anext(records, None)) is not None:
                chunk += _line(following[1], request)
                lines_left = None if lines_left is None else lines_left - 1
                if len(chunk) >= CHUNK_BYTES:
                    yield bytes(chunk)
                    chunk.clear()
        except (SourceError, ApiError) as error:
            api_error = error if isinstance(error, ApiError) else to_api_error(error)
            yield bytes(chunk) + encode_json(api_error.body) + b"\n"
            raise _StreamAborted from None
        if chunk:
            yield bytes(chunk)
        if not listing.complete:
            raise _StreamAborted


def _line(record: UnifiedModel, request: GetRequest) -> bytes:
    return encode_json(record_body(record, request)) + b"\n"
