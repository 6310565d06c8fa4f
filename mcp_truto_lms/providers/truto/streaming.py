"""Parses a streamed list item by item, without holding the whole list.

Truto does not document how it frames a stream, so every framing of a stream of objects is accepted: one object a line
(NDJSON); objects in sequence, with or without separators (record separators, commas, `data:` of server-sent events);
one array; or the usual envelope, whose `result` items are returned as they arrive. The first bytes show which it is.
The other members of an envelope, such as `next_cursor`, are stored as `rest`.

A stream that ends inside a value was cut off. That is an error, never a shorter list.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any, cast

from mcp_truto_lms.domain.errors import UnexpectedAnswer
from mcp_truto_lms.providers.http_client import MAX_BODY_BYTES
from mcp_truto_lms.providers.http_response import whole_number
from mcp_truto_lms.providers.truto.page import JsonObject

_BETWEEN_OBJECTS = re.compile(r"(?:[\s,\x1e\ufeff]|data:|(?:event|id|retry):[^\n]*\n)*")
_EVENT_FIELD_INITIALS = frozenset("deir")  # a line of server-sent events may begin so, and no JSON value does
_SPACE = re.compile(r"[\s,]*")
_COLON = re.compile(r"\s*:\s*")
_SELF_DELIMITING = frozenset({dict, list, str})  # a number may continue in the next chunk
_ENVELOPE_MEMBERS = frozenset({"result", "next_cursor"})
_LONGEST_TOKEN = len("-Infinity")
_DECODER = json.JSONDecoder(parse_int=whole_number)


class _NeedsMoreText(Exception):
    """The text so far ends inside a value."""


class ItemStreamParser:
    """Parses a body in chunks and returns its items.

    >>> parser = ItemStreamParser()
    >>> [*parser.feed(b'[{"id":"1"},{"i'), *parser.feed(b'd":"2"}]')]
    [{'id': '1'}, {'id': '2'}]
    >>> parser.finish()
    """

    def __init__(self) -> None:
        self.rest: JsonObject = {}
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._text = ""
        self._open_containers: list[str] = []  # "[" of items, "{" of an envelope
        self._envelope_checked = False

    def feed(self, chunk: bytes) -> Iterator[JsonObject]:
        """Add a chunk and return the items that it completes.

        Raises:
            UnexpectedAnswer: the text is not JSON, or one value is too large.
        """
        self._text += self._decoder.decode(chunk)
        position = 0
        try:
            while True:
                position, items = self._next_items(position)
                yield from items
        except _NeedsMoreText:
            self._text = self._text[position:]
        if len(self._text) > MAX_BODY_BYTES:
            raise UnexpectedAnswer("Truto streamed a single value that is too large to read.")

    def finish(self) -> None:
        """Declare the end of the body.

        Raises:
            UnexpectedAnswer: the body was cut off.
        """
        self._text += " "
        late_items = [*self.feed(b"")]
        if self._open_containers or late_items or self._text.strip():
            raise UnexpectedAnswer("Truto's stream ended in the middle. Ask again.")

    def _next_items(self, position: int) -> tuple[int, list[JsonObject]]:
        """Read the next token or value; return the position after it, and its items."""
        container = self._open_containers[-1] if self._open_containers else ""
        blank = _SPACE if container else _BETWEEN_OBJECTS
        position = cast("re.Match[str]", blank.match(self._text, position)).end()
        character = self._text[position : position + 1]
        if not character:
            raise _NeedsMoreText
        if not container and character in _EVENT_FIELD_INITIALS and "\n" not in self._text[position:]:
            raise _NeedsMoreText
        if container and character == {"[": "]", "{": "}"}[container]:
            self._open_containers.pop()
            return position + 1, []
        if container == "{":
            return self._read_member(position)
        if not container and character == "[":
            self._open_containers.append("[")
            return position + 1, []
        if not container and character == "{" and not self._envelope_checked:
            self._envelope_checked = True
            if self._is_envelope(position):
                self._open_containers.append("{")
                return position + 1, []
        value, position = self._read_value(position)
        return position, self._items_in(value)

    def _is_envelope(self, position: int) -> bool:
        """Return whether the first object is an envelope: `result` is among its members, and no `id` precedes it."""
        position += 1
        try:
            while True:
                position = cast("re.Match[str]", _SPACE.match(self._text, position)).end()
                if self._text[position : position + 1] == "}":
                    return False
                name, position = self._read_value(position)
                colon = _COLON.match(self._text, position)
                if name == "result" or name == "id" or colon is None:
                    return name == "result"
                _, position = self._read_value(colon.end())
        except _NeedsMoreText:
            self._envelope_checked = False
            raise

    def _read_member(self, position: int) -> tuple[int, list[JsonObject]]:
        """Read one member of the envelope; return the position after it, and its items."""
        name, position = self._read_value(position)
        colon = _COLON.match(self._text, position)
        if colon is None and self._text[position:].strip():
            raise _not_json()
        if colon is None or colon.end() == len(self._text):
            raise _NeedsMoreText
        if name == "result" and self._text[colon.end()] == "[":
            self._open_containers.append("[")
            return colon.end() + 1, []
        value, position = self._read_value(colon.end())
        if name == "result":
            return position, self._items_in({"result": value})
        self.rest[str(name)] = value
        return position, []

    def _items_in(self, value: object) -> list[JsonObject]:
        """Return an object as one item, or an envelope as its items; null and the like have none."""
        if isinstance(value, list):
            return [item for element in cast("list[object]", value) for item in self._items_in(element)]
        if not isinstance(value, dict):
            return []
        fields = cast("JsonObject", value)
        if "id" in fields or not _ENVELOPE_MEMBERS & fields.keys():
            return [fields]
        result: Any = fields.pop("result", None)
        self.rest.update(fields)
        return self._items_in(list(cast("JsonObject", result).values()) if isinstance(result, dict) else result)

    def _read_value(self, position: int) -> tuple[Any, int]:
        """Decode the value at a position; return it, and the position after it."""
        try:
            value, end = _DECODER.raw_decode(self._text, position)
        except json.JSONDecodeError as error:
            # a value that is cut off fails at the end of the text, or at the quote that opens its last string
            fails_at_the_end = error.pos >= len(self._text) - _LONGEST_TOKEN
            if fails_at_the_end or error.msg.startswith("Unterminated string"):
                raise _NeedsMoreText from None
            raise _not_json() from None
        except RecursionError:
            raise _not_json() from None
        if end < len(self._text) or type(value) in _SELF_DELIMITING:
            return value, end
        raise _NeedsMoreText


async def stream_items(chunks: AsyncIterator[bytes], parser: ItemStreamParser) -> AsyncIterator[JsonObject]:
    """Yield the items of a body as it arrives.

    Raises:
        UnexpectedAnswer: the body is not JSON, or was cut off.
    """
    async for chunk in chunks:
        for item in parser.feed(chunk):
            yield item
    parser.finish()


def _not_json() -> UnexpectedAnswer:
    return UnexpectedAnswer("Truto's stream is not JSON: check TRUTO_BASE_URL.")
