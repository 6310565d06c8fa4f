"""Changes successful responses of the endpoint, by the options of the sandbox and by the changes of a fault.

The functions take and return the JSON of a response: an envelope with `result`, or a bare record.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast
from urllib.parse import parse_qsl, urlencode

from starlette.types import Scope

from mcp_truto_lms.sandbox.payloads import LOGIN_KEY_MARK, SIGNATURE_MARK
from mcp_truto_lms.sandbox.truto_faults import ResponseChange
from mcp_truto_lms.sandbox.truto_options import TrutoOptions

Json = dict[str, Any]

_SWAPPED_PATH = re.compile(r"/(users|courses)/([^/]+)$")
_SWAPPED_FILTERS = {"user[id]": "users", "course[id]": "courses"}
REPEATED_CURSOR = "the-same-cursor-again"
CURSOR_AFTER_EMPTY_PAGE = "again:"
_UNKNOWN_WORDS = {"status": "on_sabbatical", "role": "time_traveller", "type": "hologram", "level": "legendary"}
_REQUIRED_FIELDS = frozenset({"id", "user", "course", "status", "remote_data"})


def records_in(body: Json) -> list[Json]:
    """Return the records of an envelope, keyed or not, or the bare record."""
    if "result" not in body:
        return [body]
    result: object = body["result"]
    items = cast("Json", result).values() if isinstance(result, dict) else cast("list[Any]", result)
    return [cast("Json", item) for item in items if isinstance(item, dict)]


def apply_options(body: Json, options: TrutoOptions, resource: str) -> Json:
    """Change a response as the options require."""
    if options.remote_secrets and resource.startswith("users"):
        for user in records_in(body):
            _add_secrets(user)
    if not options.roles and resource == "course-enrollments":
        for enrollment in records_in(body):
            cast("Json", enrollment.get("custom_fields") or {}).pop("role", None)
    if not options.names and resource == "course-enrollments":
        for enrollment in records_in(body):
            for name in ("user", "course"):
                if isinstance(enrollment.get(name), dict):
                    enrollment[name] = {"id": enrollment[name].get("id")}
    if "result" in body and body.get("next_cursor") is None:
        if options.last_cursor == "absent":
            body.pop("next_cursor", None)
        else:
            body["next_cursor"] = None if options.last_cursor == "null" else ""
    return body


def ask_for_another(scope: Scope, wrong_records: Mapping[str, str]) -> Scope:
    """Return a request as one for the record that is answered in place of the one asked for."""

    def other(resource: str, record_id: str) -> str:
        return wrong_records.get(f"{resource}:{record_id}", record_id)

    path = _SWAPPED_PATH.sub(lambda match: f"/{match[1]}/{other(match[1], match[2])}", str(scope["path"]))
    pairs = parse_qsl(scope["query_string"].decode("ascii", "replace"), keep_blank_values=True)
    query = [(name, other(_SWAPPED_FILTERS.get(name, ""), value)) for name, value in pairs]
    return {**scope, "path": path, "raw_path": path.encode(), "query_string": urlencode(query).encode()}


def resolve_cursor(cursor: str) -> str:
    """Return the endpoint's cursor for a cursor that `apply_changes` made."""
    while cursor.startswith(CURSOR_AFTER_EMPTY_PAGE):
        cursor = cursor.removeprefix(CURSOR_AFTER_EMPTY_PAGE)
    return "" if cursor == REPEATED_CURSOR else cursor


def apply_changes(body: Json, changes: Iterable[ResponseChange], cursor: str) -> Json:
    """Change a response as a fault requires; changes of an envelope do not apply to a bare record.

    Args:
        body: the response
        changes: the changes
        cursor: the cursor of the request, empty for a first page
    """
    for change in sorted(changes):
        if change in _RECORD_CHANGES:
            for record in records_in(body):
                _RECORD_CHANGES[change](record)
        elif "result" in body and change is ResponseChange.EMPTY_PAGE_WITH_CURSOR:
            body.update(result=[], result_count=0, next_cursor=CURSOR_AFTER_EMPTY_PAGE + cursor)
        elif "result" in body:
            _ENVELOPE_CHANGES[change](body)
    return body


def _add_secrets(user: Json) -> None:
    """Add the secrets that the provider sends and a real Truto passes on."""
    payload: object = user.get("remote_data", user)
    if isinstance(payload, dict) and "login" in payload:
        fields = cast("Json", payload)
        fields["login_key"] = f"https://sample.example/index/autologin/key:{LOGIN_KEY_MARK}{fields.get('id')}"
        for certification in cast("list[Any]", fields.get("certifications") or []):
            signed_url = f"https://sample.example/certificates/1?Signature={SIGNATURE_MARK}{fields.get('id')}"
            cast("Json", certification).update(download_url=signed_url, public_url=signed_url)


def _set_unknown_values(record: Json) -> None:
    record.update((name, word) for name, word in _UNKNOWN_WORDS.items() if name in record)
    record["field_of_this_customer"] = {"mapped": "by hand"}


def _remove_optional_fields(record: Json) -> None:
    for name in [name for name in record if name not in _REQUIRED_FIELDS]:
        del record[name]


def _write_numbers_as_strings(record: Json) -> None:
    for name, value in record.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            record[name] = f"{value:g}"
    for name in ("user", "course"):
        nested: object = record.get(name)
        if isinstance(nested, dict):
            identifier = str(cast("Json", nested).get("id"))
            record[name]["id"] = int(identifier) if identifier.isdecimal() else identifier


_RECORD_CHANGES: Mapping[ResponseChange, Callable[[Json], None]] = {
    ResponseChange.UNKNOWN_VALUES: _set_unknown_values,
    ResponseChange.MISSING_FIELDS: _remove_optional_fields,
    ResponseChange.NUMBERS_AS_STRINGS: _write_numbers_as_strings,
}


def _remove_an_id(body: Json) -> None:
    for record in records_in(body)[:1]:
        record["id"] = ""


def _repeat_records(body: Json) -> None:
    if isinstance(body["result"], list):
        body["result"] = [*records_in(body), *records_in(body)]
        body["result_count"] = len(body["result"])


_ENVELOPE_CHANGES: Mapping[ResponseChange, Callable[[Json], object]] = {
    ResponseChange.REPEATED_CURSOR: lambda body: body.update(next_cursor=REPEATED_CURSOR),
    ResponseChange.ABSENT_CURSOR: lambda body: body.pop("next_cursor", None),
    ResponseChange.NULL_CURSOR: lambda body: body.update(next_cursor=None),
    ResponseChange.MISSING_IDS: _remove_an_id,
    ResponseChange.REPEATED_RECORDS: _repeat_records,
    ResponseChange.PARTIAL: lambda body: body.update(is_partial_response=True),
}
