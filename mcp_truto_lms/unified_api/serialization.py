"""Serializes records: the response formats, excluded fields, and the value that keys a record.

- `unified` and `stream`: fields that the provider does not report are absent.
- `normalized`: every field of the model is present, null if the provider does not report it, so that rows line up.
- `raw`: the provider's own data of the record, secrets removed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, cast

from mcp_truto_lms.domain.model import UnifiedModel
from mcp_truto_lms.unified_api.errors import ApiError
from mcp_truto_lms.unified_api.parameters import GetRequest, ResponseFormat

REMOTE_DATA = "remote_data"
TERMS = "terms"
"""A field of courses that the unified API does not have."""


def serialize(record: UnifiedModel, request: GetRequest) -> Any:
    """Return one record in the requested format, before fields are excluded.

    Raises:
        ApiError: `raw` is requested, and the source does not store the provider's data.
    """
    if request.response_format is ResponseFormat.RAW:
        remote_data: object = getattr(record, REMOTE_DATA, None)
        if remote_data is None:
            raise ApiError(400, "truto_response_format=raw: the provider's own data is not stored for this account")
        return remote_data
    include_none = request.response_format is ResponseFormat.NORMALIZED
    exclude = {TERMS} if request.remote_data else {TERMS, REMOTE_DATA}
    return record.model_dump(mode="json", exclude_none=not include_none, exclude=exclude)


def exclude_fields(record: Any, paths: Sequence[str]) -> Any:
    """Return a record without the fields at the dotted paths, which also apply to the items of lists."""
    record = deepcopy(record) if paths else record
    for path in paths:
        _remove(record, path.split("."))
    return record


def key_of(record: Any, path: str) -> str:
    """Return the value at a dotted path of a record, as a key.

    Raises:
        ApiError: the record has no single value there.
    """
    value = record
    for name in path.split("."):
        value = cast("Mapping[str, Any]", value).get(name) if isinstance(value, Mapping) else None
    if value is None or isinstance(value, dict | list):
        raise ApiError(400, f"truto_key_by={path[:60]}: not every record has a single value there")
    return _as_key(cast("object", value))


def _as_key(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _remove(value: Any, names: list[str]) -> None:
    if isinstance(value, list):
        for item in cast("list[Any]", value):
            _remove(item, names)
    elif isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        name, *inner_names = names
        if inner_names:
            _remove(fields.get(name), inner_names)
        else:
            fields.pop(name, None)
