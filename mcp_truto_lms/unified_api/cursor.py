"""Cursors: where a page ended, packed so that any process can go on from there.

Nothing is remembered here. A cursor holds the position of the last record that was given, not a number of records, so
that a list that changes between two pages neither repeats a record nor skips one. It is signed together with what was
asked for: one that was altered, or that belongs to another listing, is refused and never read as a position.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from dataclasses import dataclass
from typing import cast

from mcp_truto_lms.unified_api.errors import ApiError

_SIGNATURE_BYTES = 12
_PARTS = 3


@dataclass(frozen=True, slots=True)
class Position:
    """The last record given: in its course, of its learner, by its id; users and courses have the id alone."""

    course_id: str = ""
    user_id: str = ""
    record_id: str = ""

    @property
    def key(self) -> tuple[tuple[int, int, str], ...]:
        """The order of all listings: by course, then by learner; ids that are numbers as numbers."""
        return tuple(map(natural, (self.course_id, self.user_id, self.record_id)))


START = Position()


def natural(identifier: str) -> tuple[int, int, str]:
    """Order ids as people do: 9 before 10, words after numbers."""
    if identifier.isascii() and identifier.isdecimal():
        return (0, int(identifier), identifier)
    return (1 if identifier else -1, 0, identifier)


class CursorCodec:
    """Packs and opens the cursors of one endpoint; all replicas of it have the same key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def pack(self, position: Position, *, listing: str) -> str:
        """Write a position as a cursor.

        Args:
            position: of the last record given
            listing: what was asked for, by any text that is the same from page to page
        """
        parts = [position.course_id, position.user_id, position.record_id]
        packed = json.dumps(parts, separators=(",", ":"), ensure_ascii=False).encode()
        return base64.urlsafe_b64encode(self._signature(packed, listing) + packed).decode().rstrip("=")

    def open(self, cursor: str, *, listing: str) -> Position:
        """Read a cursor back.

        Raises:
            ApiError: it is none of this listing's.
        """
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        except (ValueError, binascii.Error):
            raise _not_ours() from None
        signature, packed = raw[:_SIGNATURE_BYTES], raw[_SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._signature(packed, listing)):
            raise _not_ours()
        parts = cast("list[str]", json.loads(packed))
        return Position(*parts[:_PARTS])

    def _signature(self, packed: bytes, listing: str) -> bytes:
        signed = listing.encode("utf-8", "surrogatepass") + b"\0" + packed
        return hmac.digest(self._key, signed, "sha256")[:_SIGNATURE_BYTES]


def _not_ours() -> ApiError:
    return ApiError(400, "next_cursor is not one that this listing gave: start again without it")
