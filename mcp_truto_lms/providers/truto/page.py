"""The envelope of a list: one page, as Truto sent it.

Truto reports no total, and `result_count` counts this page alone. The provider's own body, which the `raw` format
returns, may have any shape: a bare list is read as the result, and so is an object without a `result`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

JsonObject = dict[str, Any]

_MAX_COUNT_DIGITS = 15


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list.

    Args:
        result: the objects; keyed, where `truto_key_by` asked for that
        next_cursor: continues the list, None at its end
        prev_cursor: leads back
        result_count: the number of objects on this page, as Truto counts them
        is_partial_response: the provider returned only a part of the list
    """

    result: list[JsonObject] | dict[str, JsonObject] = field(repr=False)
    next_cursor: str | None = None
    prev_cursor: str | None = None
    result_count: int | None = None
    is_partial_response: bool = False

    @property
    def items(self) -> list[JsonObject]:
        """The objects in their order, whether keyed or not."""
        return list(self.result.values()) if isinstance(self.result, dict) else self.result


def parse_page(body: object) -> Page | None:
    """Parse the body of a list; None if it is not a list."""
    if isinstance(body, list):
        return Page(_objects(cast("list[object]", body)))
    if not isinstance(body, dict):
        return None
    envelope = cast("JsonObject", body)
    if "result" not in envelope:
        return Page([envelope] if envelope else [])
    result = _parse_result(envelope["result"])
    if result is None:
        return None
    return Page(
        result,
        next_cursor=parse_cursor(envelope, "next_cursor"),
        prev_cursor=parse_cursor(envelope, "prev_cursor"),
        result_count=_parse_count(envelope.get("result_count")),
        is_partial_response=envelope.get("is_partial_response") in (True, "true"),
    )


def parse_cursor(envelope: Mapping[str, object], name: str) -> str | None:
    """Read a cursor, which is sent back unchanged; null, absent and empty mean the end of the list."""
    value = envelope.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) and value else None


def _parse_result(value: object) -> list[JsonObject] | dict[str, JsonObject] | None:
    if value is None:
        return []
    if isinstance(value, list):
        return _objects(cast("list[object]", value))
    if isinstance(value, dict):
        keyed = cast("dict[str, object]", value)
        return {key: cast("JsonObject", item) for key, item in keyed.items() if isinstance(item, dict)}
    return None


def _objects(items: list[object]) -> list[JsonObject]:
    return [cast("JsonObject", item) for item in items if isinstance(item, dict)]


def _parse_count(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _MAX_COUNT_DIGITS:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
