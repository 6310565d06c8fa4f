"""What a good answer of the endpoint becomes at this Truto: by its options, and by the twists of a fault.

Everything here takes and gives the JSON of an answer: an envelope with `result`, or one bare record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from mcp_truto_lms.sandbox.payloads import LOGIN_KEY_MARK, SIGNATURE_MARK
from mcp_truto_lms.sandbox.truto_faults import Twist
from mcp_truto_lms.sandbox.truto_options import TrutoOptions

Json = dict[str, Any]

REPEATED_CURSOR = "the-same-cursor-again"
AGAIN = "again:"
_ENUMS = {"status": "on_sabbatical", "role": "time_traveller", "type": "hologram", "level": "legendary"}
_ALWAYS_THERE = frozenset({"id", "user", "course", "status", "remote_data"})


def records_of(body: Json) -> list[Json]:
    """Give the records of an envelope, keyed or not, or the one bare record."""
    if "result" not in body:
        return [body]
    result: object = body["result"]
    found = cast("Json", result).values() if isinstance(result, dict) else cast("list[Any]", result)
    return [cast("Json", one) for one in found if isinstance(one, dict)]


def by_options(body: Json, options: TrutoOptions, resource: str) -> Json:
    """Make an answer what the options say."""
    if options.remote_secrets and resource.startswith("users"):
        for one in records_of(body):
            _with_secrets(one)
    if not options.names and resource == "course-enrollments":
        for one in records_of(body):
            for part in ("user", "course"):
                if isinstance(one.get(part), dict):
                    one[part] = {"id": one[part].get("id")}
    if "result" in body and body.get("next_cursor") is None:
        if options.last_cursor == "absent":
            body.pop("next_cursor", None)
        else:
            body["next_cursor"] = None if options.last_cursor == "null" else ""
    return body


def cursor_meant(cursor: str) -> str:
    """Give the cursor that a made-up one stands for."""
    while cursor.startswith(AGAIN):
        cursor = cursor.removeprefix(AGAIN)
    return "" if cursor == REPEATED_CURSOR else cursor


def twisted(body: Json, twists: Iterable[Twist], cursor: str) -> Json:
    """Do to an answer what a fault says; twists of an envelope leave a bare record as it is.

    Args:
        body: the answer
        twists: what is done to it
        cursor: the one that was asked with, empty for a first page
    """
    for twist in sorted(twists):
        if twist in _OF_RECORDS:
            for one in records_of(body):
                _OF_RECORDS[twist](one)
        elif "result" in body and twist is Twist.EMPTY_PAGE_WITH_CURSOR:
            body.update(result=[], result_count=0, next_cursor=AGAIN + cursor)
        elif "result" in body:
            _OF_ENVELOPES[twist](body)
    return body


def _with_secrets(user: Json) -> None:
    """Put back what the provider sent and a real Truto would pass on."""
    remote: object = user.get("remote_data", user)
    if isinstance(remote, dict) and "login" in remote:
        found = cast("Json", remote)
        found["login_key"] = f"https://sample.example/index/autologin/key:{LOGIN_KEY_MARK}{found.get('id')}"
        for one in cast("list[Any]", found.get("certifications") or []):
            signed = f"https://sample.example/certificates/1?Signature={SIGNATURE_MARK}{found.get('id')}"
            cast("Json", one).update(download_url=signed, public_url=signed)


def _unknown_values(one: Json) -> None:
    one.update((name, word) for name, word in _ENUMS.items() if name in one)
    one["field_of_this_customer"] = {"mapped": "by hand"}


def _missing_fields(one: Json) -> None:
    for name in [name for name in one if name not in _ALWAYS_THERE]:
        del one[name]


def _numbers_as_strings(one: Json) -> None:
    for name, value in one.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            one[name] = f"{value:g}"
    for part in ("user", "course"):
        found: object = one.get(part)
        if isinstance(found, dict):
            identifier = str(cast("Json", found).get("id"))
            one[part]["id"] = int(identifier) if identifier.isdecimal() else identifier


_OF_RECORDS: Mapping[Twist, Callable[[Json], None]] = {
    Twist.UNKNOWN_VALUES: _unknown_values,
    Twist.MISSING_FIELDS: _missing_fields,
    Twist.NUMBERS_AS_STRINGS: _numbers_as_strings,
}
_OF_ENVELOPES: Mapping[Twist, Callable[[Json], object]] = {
    Twist.REPEATED_CURSOR: lambda body: body.update(next_cursor=REPEATED_CURSOR),
    Twist.ABSENT_CURSOR: lambda body: body.pop("next_cursor", None),
    Twist.NULL_CURSOR: lambda body: body.update(next_cursor=None),
    Twist.PARTIAL: lambda body: body.update(is_partial_response=True),
}
