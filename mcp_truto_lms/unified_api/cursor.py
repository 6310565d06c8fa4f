"""Cursors: the position at which a page ended, encoded so that any process can continue from it.

The endpoint stores no cursors. A cursor holds the position of the last record of a page, not a number of records, so
a list that changes between two pages neither repeats nor skips a record. It is signed together with the listing that
it belongs to. A changed cursor, or one of another listing, is refused and never read as a position.
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


@dataclass(frozen=True, slots=True)
class Position:
    """The place of a record in a listing, by course, learner and record id; users and courses have the id alone."""

    course_id: str = ""
    user_id: str = ""
    record_id: str = ""

    @property
    def sort_key(self) -> tuple[tuple[int, int, str], ...]:
        """The order of all listings: by course, then by learner, numeric ids as numbers."""
        return tuple(map(natural_sort_key, (self.course_id, self.user_id, self.record_id)))


START = Position()


def natural_sort_key(identifier: str) -> tuple[int, int, str]:
    """Order ids as people do: 9 before 10, words after numbers."""
    if identifier.isascii() and identifier.isdecimal():
        return (0, int(identifier), identifier)
    return (1 if identifier else -1, 0, identifier)


class CursorCodec:
    """Encodes and decodes the cursors of one endpoint; all its replicas use the same key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def encode(self, position: Position, *, listing: str) -> str:
        """Return a position as a cursor.

        Args:
            position: the position of the last record of the page
            listing: identifies the listing, by a text that is the same on every page
        """
        fields = [position.course_id, position.user_id, position.record_id]
        payload = json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()
        return base64.urlsafe_b64encode(self._signature(payload, listing) + payload).decode().rstrip("=")

    def decode(self, cursor: str, *, listing: str) -> Position:
        """Return the position in a cursor.

        Raises:
            ApiError: the cursor is not one of this listing.
        """
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        except (ValueError, binascii.Error):
            raise _invalid_cursor() from None
        signature, payload = raw[:_SIGNATURE_BYTES], raw[_SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._signature(payload, listing)):
            raise _invalid_cursor()
        course_id, user_id, record_id = cast("list[str]", json.loads(payload))
        return Position(course_id, user_id, record_id)

    def _signature(self, payload: bytes, listing: str) -> bytes:
        signed = listing.encode("utf-8", "surrogatepass") + b"\0" + payload
        return hmac.digest(self._key, signed, "sha256")[:_SIGNATURE_BYTES]


def _invalid_cursor() -> ApiError:
    return ApiError(400, "next_cursor does not belong to this listing: start again without it")
