"""A streamed list, item by item, without ever holding the whole of it.

How Truto frames a stream is nowhere to be read, so every framing is taken that a stream of objects can have: one object
a line (NDJSON), objects one after the other with or without separators (record separators, commas, `data:` of server-
sent events), one array, or the usual envelope, of which the items of `result` come as they arrive. Whichever it is
shows in the first bytes. What follows the items of an envelope, such as `next_cursor`, is kept as its `rest`.

A stream that ends inside a value was cut off: that is an error, never a shorter list.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any, cast

from mcp_truto_lms.domain.errors import UnexpectedAnswer
from mcp_truto_lms.providers.http_client import MAX_BODY_BYTES, whole_number
from mcp_truto_lms.providers.truto.page import JsonObject

_BETWEEN = re.compile(r"(?:[\s,\x1e\ufeff]|data:|(?:event|id|retry):[^\n]*\n)*")
_EVENT_FIELDS = frozenset("deir")  # how a line of server-sent events begins, and no JSON value does
_SPACE = re.compile(r"[\s,]*")
_COLON = re.compile(r"\s*:\s*")
_CLOSED = frozenset({dict, list, str})  # a number may go on in the next piece
_OF_AN_ENVELOPE = frozenset({"result", "next_cursor"})
_LONGEST_TOKEN = len("-Infinity")
_DECODER = json.JSONDecoder(parse_int=whole_number)


class _More(Exception):
    """What has come so far ends inside a value."""


class ItemStreamParser:
    """Takes a body in pieces and gives its items.

    >>> stream = ItemStream()
    >>> [*stream.feed(b'[{"id":"1"},{"i'), *stream.feed(b'd":"2"}]')]
    [{'id': '1'}, {'id': '2'}]
    >>> stream.finish()
    """

    def __init__(self) -> None:
        self.rest: JsonObject = {}
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._text = ""
        self._inside: list[str] = []  # the containers that are open: "[" of items, "{" of an envelope
        self._looked_at = False

    def feed(self, piece: bytes) -> Iterator[JsonObject]:
        """Take a piece; give the items that it completes.

        Raises:
            UnexpectedAnswer: this is no JSON, or one value is too big.
        """
        self._text += self._decoder.decode(piece)
        position = 0
        try:
            while True:
                position, items = self._step(position)
                yield from items
        except _More:
            self._text = self._text[position:]
        if len(self._text) > MAX_BODY_BYTES:
            raise UnexpectedAnswer("Truto streamed a single value that is too big to be read.")

    def finish(self) -> None:
        """Say that the body has ended.

        Raises:
            UnexpectedAnswer: it was cut off.
        """
        self._text += " "
        left = [*self.feed(b"")]
        if self._inside or left or self._text.strip():
            raise UnexpectedAnswer("Truto's stream ended in the middle. Ask again.")

    def _step(self, position: int) -> tuple[int, list[JsonObject]]:
        """Read the next token or value from a position; give the position after it, and the items it was."""
        where = self._inside[-1] if self._inside else ""
        position = cast("re.Match[str]", (_SPACE if where else _BETWEEN).match(self._text, position)).end()
        character = self._text[position : position + 1]
        if not character or (not where and character in _EVENT_FIELDS and "\n" not in self._text[position:]):
            raise _More
        if where and character == {"[": "]", "{": "}"}[where]:
            self._inside.pop()
            return position + 1, []
        if where == "{":
            return self._member(position)
        if not where and character == "[":
            self._inside.append("[")
            return position + 1, []
        if not where and character == "{" and not self._looked_at:
            self._looked_at = True
            if self._is_envelope(position):
                self._inside.append("{")
                return position + 1, []
        value, position = self._value(position)
        return position, self._items(value)

    def _is_envelope(self, position: int) -> bool:
        """Tell whether the first object is an envelope: its members, as far as they are there, come to a `result`."""
        position += 1
        try:
            while True:
                position = cast("re.Match[str]", _SPACE.match(self._text, position)).end()
                if self._text[position : position + 1] == "}":
                    return False
                name, position = self._value(position)
                colon = _COLON.match(self._text, position)
                if name == "result" or name == "id" or colon is None:
                    return name == "result"
                _, position = self._value(colon.end())
        except _More:
            self._looked_at = False
            raise

    def _member(self, position: int) -> tuple[int, list[JsonObject]]:
        name, position = self._value(position)
        colon = _COLON.match(self._text, position)
        if colon is None and self._text[position:].strip():
            raise _not_json()
        if colon is None or colon.end() == len(self._text):
            raise _More
        if name == "result" and self._text[colon.end()] == "[":
            self._inside.append("[")
            return colon.end() + 1, []
        value, position = self._value(colon.end())
        if name == "result":
            return position, self._items({"result": value})
        self.rest[str(name)] = value
        return position, []

    def _items(self, value: object) -> list[JsonObject]:
        """Take an object as an item, or as an envelope of items; null and the like are none."""
        if isinstance(value, list):
            return [item for one in cast("list[object]", value) for item in self._items(one)]
        if not isinstance(value, dict):
            return []
        found = cast("JsonObject", value)
        if "id" in found or not _OF_AN_ENVELOPE & found.keys():
            return [found]
        result: Any = found.pop("result", None)
        self.rest.update(found)
        return self._items(list(cast("JsonObject", result).values()) if isinstance(result, dict) else result)

    def _value(self, position: int) -> tuple[Any, int]:
        try:
            value, end = _DECODER.raw_decode(self._text, position)
        except json.JSONDecodeError as error:
            found = error
        except RecursionError:
            raise _not_json() from None
        else:
            if end < len(self._text) or type(value) in _CLOSED:
                return value, end
            raise _More
        # a value that is cut off fails at the end of the text, or at the quote that opens its last string
        if found.pos >= len(self._text) - _LONGEST_TOKEN or found.msg.startswith("Unterminated string"):
            raise _More
        raise _not_json()


async def items_of(pieces: AsyncIterator[bytes], stream: ItemStreamParser) -> AsyncIterator[JsonObject]:
    """Give the items of a body as it arrives.

    Raises:
        UnexpectedAnswer: this is no JSON, or it was cut off.
    """
    async for piece in pieces:
        for item in stream.feed(piece):
            yield item
    stream.finish()


def _not_json() -> UnexpectedAnswer:
    return UnexpectedAnswer("Truto's stream is not JSON: check TRUTO_BASE_URL.")
