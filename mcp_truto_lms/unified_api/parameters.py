"""The parameters of a get and of a list, parsed into frozen values.

Unknown parameters are ignored, and so are filters that no provider here has (`user[email]`, `created_at[gte]`): that is
Truto's own rule, and clients filter again. An invalid value is refused, with the values that are valid.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mcp_truto_lms.unified_api.errors import ApiError
from mcp_truto_lms.unified_api.query_string import QueryString

OBJECT_PARAMETERS = ("user", "course")
_WORDS_FOR_OBJECTS = {"user": "user", "users": "user", "learner": "user", "course": "course", "courses": "course"}
_BOOLEAN_WORDS = {"true": True, "1": True, "false": False, "0": False}
_MAX_LIMIT_DIGITS = 9


class ResponseFormat(StrEnum):
    """The values of `truto_response_format`."""

    UNIFIED = "unified"
    RAW = "raw"
    NORMALIZED = "normalized"
    STREAM = "stream"


@dataclass(frozen=True, slots=True)
class GetRequest:
    """The parameters of a request for one record.

    Args:
        account_id: the integrated account
        response_format: the format of records
        exclude_fields: dotted paths of fields that records omit
        remote_data: whether records carry the provider's payload
    """

    account_id: str
    response_format: ResponseFormat
    exclude_fields: tuple[str, ...]
    remote_data: bool


@dataclass(frozen=True, slots=True)
class ListRequest(GetRequest):
    """The parameters of a request for a list.

    Args:
        key_by: the field that keys `result`; None for an array
        limit: the requested number of records; None for the default
        cursor: where the page before ended; None for the first page
        user_id: only this learner's enrollments
        course_id: only this course's enrollments
    """

    key_by: str | None
    limit: int | None
    cursor: str | None
    user_id: str | None
    course_id: str | None


def parse_get_request(query: QueryString) -> GetRequest:
    """Parse the parameters of a get.

    Raises:
        ApiError: a parameter is missing or invalid.
    """
    account_id = query.value("integrated_account_id")
    if account_id is None:
        raise ApiError(400, "integrated_account_id is required: name the integrated account to read from")
    for name in OBJECT_PARAMETERS:
        query.require_object(name)
    query.require_object("remote_query", arrays=True)
    return GetRequest(
        account_id=account_id,
        response_format=_parse_response_format(query.value("truto_response_format")),
        exclude_fields=query.array("truto_exclude_fields"),
        remote_data=not _parse_bool(query, "truto_ignore_remote_data"),
    )


def parse_list_request(query: QueryString) -> ListRequest:
    """Parse the parameters of a list.

    Raises:
        ApiError: a parameter is missing or invalid.
    """
    get_request = parse_get_request(query)
    query.require_ids_as(_WORDS_FOR_OBJECTS)
    return ListRequest(
        account_id=get_request.account_id,
        response_format=get_request.response_format,
        exclude_fields=get_request.exclude_fields,
        remote_data=get_request.remote_data,
        key_by=query.value("truto_key_by"),
        limit=None if _parse_bool(query, "truto_ignore_limit") else _parse_limit(query.value("limit")),
        cursor=query.value("next_cursor"),
        user_id=query.value("user", "id"),
        course_id=query.value("course", "id"),
    )


def _parse_response_format(value: str | None) -> ResponseFormat:
    try:
        return ResponseFormat(value or ResponseFormat.UNIFIED)
    except ValueError:
        raise ApiError(400, f"truto_response_format takes {', '.join(ResponseFormat)}") from None


def _parse_bool(query: QueryString, name: str) -> bool:
    value = query.value(name)
    if value is not None and value.lower() not in _BOOLEAN_WORDS:
        raise ApiError(400, f"{name} takes true or false")
    return value is not None and _BOOLEAN_WORDS[value.lower()]


def _parse_limit(value: str | None) -> int | None:
    if value is None:
        return None
    if not (value.isascii() and value.isdecimal() and len(value) <= _MAX_LIMIT_DIGITS and int(value)):
        raise ApiError(400, "limit takes a whole number from 1 up")
    return int(value)
