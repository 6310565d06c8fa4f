"""Records as they are written: the four formats, excluded fields, keys.

- `unified` and `stream`: what the provider does not tell is absent, as "when available" reads.
- `normalized`: every field of the model is there, null where the provider does not tell, so that rows line up.
- `raw`: what the provider sent for this record, its secrets removed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, cast

from mcp_truto_lms.domain.model import UnifiedModel
from mcp_truto_lms.unified_api.errors import ApiError
from mcp_truto_lms.unified_api.parameters import GetRequest, ResponseFormat

Json = dict[str, Any]
REMOTE_DATA = "remote_data"


def serialize(record: UnifiedModel, asked: GetRequest) -> Any:
    """Write one record, before any field is excluded.

    Raises:
        ApiError: the provider's own data is asked for and was not kept.
    """
    if asked.response_format is ResponseFormat.RAW:
        remote: object = getattr(record, REMOTE_DATA, None)
        if remote is None:
            raise ApiError(400, "truto_response_format=raw: the provider's own data is not kept for this account")
        return remote
    full = asked.response_format is ResponseFormat.NORMALIZED
    exclude = None if asked.remote_data else {REMOTE_DATA}
    return record.model_dump(mode="json", exclude_none=not full, exclude=exclude)


def exclude_fields(value: Any, paths: Sequence[str]) -> Any:
    """Give a record without the fields at some dotted paths; lists on the way are gone through."""
    value = deepcopy(value) if paths else value
    for path in paths:
        _remove(value, path.split("."))
    return value


def key_of(item: Any, field: str) -> str:
    """Give the value at a dotted path of a record, as a key.

    Raises:
        ApiError: there is none, or it cannot be a key.
    """
    value = item
    for part in field.split("."):
        value = cast("Mapping[str, Any]", value).get(part) if isinstance(value, Mapping) else None
    if value is None or isinstance(value, dict | list):
        raise ApiError(400, f"truto_key_by={field[:60]}: not every record has a single value there")
    return _as_key(cast("object", value))


def _as_key(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _remove(value: Any, parts: list[str]) -> None:
    if isinstance(value, list):
        for one in cast("list[Any]", value):
            _remove(one, parts)
    elif isinstance(value, dict):
        entries = cast("Json", value)
        first, *rest = parts
        if rest:
            _remove(entries.get(first), rest)
        else:
            entries.pop(first, None)
