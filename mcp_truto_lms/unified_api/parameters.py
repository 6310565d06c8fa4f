"""What a request asks for: the parameters of the reference, read once into frozen values.

Parameters that nobody knows are ignored, and so are filters that no provider here has (`user[email]`,
`created_at[gte]`): that is Truto's own rule, and clients are told to filter again. A value that cannot be one is
refused, and the refusal says what would do.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mcp_truto_lms.unified_api.errors import ApiError
from mcp_truto_lms.unified_api.query_string import QueryString

OBJECTS = ("remote_query", "user", "course")
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


class ResponseFormat(StrEnum):
    """The values of `truto_response_format`."""

    UNIFIED = "unified"
    RAW = "raw"
    NORMALIZED = "normalized"
    STREAM = "stream"


@dataclass(frozen=True, slots=True)
class GetRequest:
    """How one record is asked for.

    Args:
        account_id: the integrated account
        response_format: how records are written
        exclude_fields: dotted paths of fields that are left out
        remote_data: whether records carry what the provider sent
    """

    account_id: str
    response_format: ResponseFormat
    exclude_fields: tuple[str, ...]
    remote_data: bool


@dataclass(frozen=True, slots=True)
class ListRequest(GetRequest):
    """How a list is asked for.

    Args:
        key_by: the field by which `result` is keyed; None is an array
        limit: the number of records that is asked for; None is the default
        cursor: where the page before ended; None is the first page
        user_id: only this learner's
        course_id: only this course's
    """

    key_by: str | None
    limit: int | None
    cursor: str | None
    user_id: str | None
    course_id: str | None


def get_parameters(query: QueryString) -> GetRequest:
    """Read the parameters of a get.

    Raises:
        ApiError: one is missing or wrong.
    """
    account_id = query.one("integrated_account_id")
    if account_id is None:
        raise ApiError(400, "integrated_account_id is required: name the integrated account to read from")
    for name in OBJECTS:
        query.check_object(name)
    return GetRequest(
        account_id=account_id,
        response_format=_response_format(query.one("truto_response_format")),
        exclude_fields=query.several("truto_exclude_fields"),
        remote_data=not _boolean(query, "truto_ignore_remote_data"),
    )


def list_parameters(query: QueryString) -> ListRequest:
    """Read the parameters of a list.

    Raises:
        ApiError: one is missing or wrong.
    """
    common = get_parameters(query)
    return ListRequest(
        account_id=common.account_id,
        response_format=common.response_format,
        exclude_fields=common.exclude_fields,
        remote_data=common.remote_data,
        key_by=query.one("truto_key_by"),
        limit=None if _boolean(query, "truto_ignore_limit") else _limit(query.one("limit")),
        cursor=query.one("next_cursor"),
        user_id=query.one("user", "id"),
        course_id=query.one("course", "id"),
    )


def _response_format(value: str | None) -> ResponseFormat:
    try:
        return ResponseFormat(value or ResponseFormat.UNIFIED)
    except ValueError:
        raise ApiError(400, f"truto_response_format takes {', '.join(ResponseFormat)}") from None


def _boolean(query: QueryString, name: str) -> bool:
    value = query.one(name)
    if value is not None and value.lower() not in _BOOLEANS:
        raise ApiError(400, f"{name} takes true or false")
    return value is not None and _BOOLEANS[value.lower()]


def _limit(value: str | None) -> int | None:
    if value is None:
        return None
    if not (value.isascii() and value.isdecimal() and len(value) <= 9 and int(value)):
        raise ApiError(400, "limit takes a whole number from 1 up")
    return int(value)
