"""The list envelope: one page of a list, as Truto sent it.

There is no total anywhere, and `result_count` counts this page alone. A provider's own body, as `raw` asks for it, has
whatever shape it has: a bare list is the result, and so is an object without a `result`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list.

    Args:
        result: the objects; by key, where `truto_key_by` asked for that
        next_cursor: what continues the list, None at its end
        prev_cursor: what leads back
        result_count: how many objects this page has, as Truto counts them
        is_partial_response: the provider gave only a part of it
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
    """Read a list's answer; None where it is none."""
    if isinstance(body, list):
        return Page(_objects(cast("list[object]", body)))
    if not isinstance(body, dict):
        return None
    envelope = cast("JsonObject", body)
    if "result" not in envelope:
        return Page([envelope] if envelope else [])
    result: Any = envelope["result"]
    if isinstance(result, dict):
        keyed = cast("dict[str, object]", result)
        found: list[JsonObject] | dict[str, JsonObject] = {
            key: cast("JsonObject", item) for key, item in keyed.items() if isinstance(item, dict)
        }
    elif isinstance(result, list):
        found = _objects(cast("list[object]", result))
    elif result is None:
        found = []
    else:
        return None
    return Page(
        found,
        next_cursor=cursor(envelope, "next_cursor"),
        prev_cursor=cursor(envelope, "prev_cursor"),
        result_count=_count(envelope.get("result_count")),
        is_partial_response=envelope.get("is_partial_response") in (True, "true"),
    )


def cursor(envelope: Mapping[str, object], name: str) -> str | None:
    """Read a cursor, which is passed back as it came; null, absent and empty end a list."""
    value = envelope.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) and value else None


def _objects(items: list[object]) -> list[JsonObject]:
    return [cast("JsonObject", item) for item in items if isinstance(item, dict)]


def _count(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
