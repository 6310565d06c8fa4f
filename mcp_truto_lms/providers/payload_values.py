"""Scalars and containers of a provider's JSON, parsed and cleaned once.

The TalentLMS API is written in PHP: numbers are mostly strings, empty is `""`, null, `"0"`, `0`, `"-"` or `"Never"`, an
empty map prints as `[]`, and a filtered list as an object. Nothing here raises: what cannot be parsed is None, so that
an odd field never costs a record. Texts are unescaped, trimmed, and free of secrets and of what databases cannot store:
every text of every record passes through here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from html import unescape
from math import isfinite
from typing import Any, Generic, TypeVar, cast

from mcp_truto_lms.domain.redaction import SHORTEST_SECRET, scrub, storable

Raw = Mapping[str, Any]
T = TypeVar("T")

MAX_EPOCH_SECONDS = 253_402_128_000  # 9999-12-30: a day short of the end, so that any zone can show it
MAX_DURATION_SECONDS = 2**31 - 1  # what a database's integer holds
MAX_NUMBER = 10**15

_IDENTIFIER = re.compile(r"[0-9A-Za-z.\-]{1,64}")
_DURATION = re.compile(r"(?=.)(?:(\d{1,9})d)? ?(?:(\d{1,9})h)? ?(?:(\d{1,9})m)? ?(?:(\d{1,9})s)?", re.ASCII)
_NO_DATE = frozenset({"", "0", "-", "never", "none", "null"})


@dataclass(frozen=True, slots=True)
class Mapped(Generic[T]):
    """The records of a list, and how many items were skipped because they have no usable id."""

    items: tuple[T, ...]
    skipped: int = 0


def as_object(value: object) -> Raw:
    """Return an object; anything else, `[]` included, is an empty one."""
    return cast("Raw", value) if isinstance(value, dict) else {}


def as_list(value: object) -> list[object]:
    """Return a list, the values of an object that stands for a list, or a single item as a list."""
    if isinstance(value, list):
        return cast("list[object]", value)
    if isinstance(value, dict):
        entries = cast("dict[str, object]", value)
        return [entries] if "id" in entries else list(entries.values())
    return []


def text(value: object) -> str | None:
    """Parse a text, unescaped, trimmed and without secrets; empty is None."""
    if not isinstance(value, str):
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < MAX_NUMBER:
            return None
        value = str(value)
    if "&" in value:
        value = unescape(value)
    if len(value) >= SHORTEST_SECRET or not value.isprintable():
        value = scrub(storable(value))
    return value.strip() or None


def identifier(value: object) -> str | None:
    """Parse an id: a whole number or a short word."""
    if isinstance(value, float):
        value = int(value) if isfinite(value) and value.is_integer() else None
    word = text(value)
    return word if word is not None and _IDENTIFIER.fullmatch(word) else None


def number(value: object) -> float | None:
    """Parse a finite number of a sensible size, from a number or a text."""
    if isinstance(value, str):
        if not value or "_" in value:
            return None
        try:
            value = float(value)
        except ValueError:
            return None
    elif isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if abs(value) < MAX_NUMBER else None


def percent(value: object) -> float | None:
    """Parse a percentage of 0 to 100."""
    if isinstance(value, str):
        value = value.strip().removesuffix("%")
    percentage = number(value)
    return percentage if percentage is not None and 0 <= percentage <= 100 else None


def to_int(value: object, *, most: int) -> int | None:
    """Parse a whole number of 0 to `most`; a fraction is cut off."""
    parsed = number(value)
    return int(parsed) if parsed is not None and 0 <= parsed <= most else None


def epoch(value: object) -> datetime | None:
    """Parse epoch seconds as UTC; zero, negative and impossible ones are None."""
    if not value or value == "0":
        return None
    seconds = number(value)
    return datetime.fromtimestamp(seconds, UTC) if seconds is not None and 1 <= seconds <= MAX_EPOCH_SECONDS else None


def has_value(value: object) -> bool:
    """Return whether a date field holds anything, readable or not."""
    word = text(value)
    return word is not None and word.lower() not in _NO_DATE


def duration_seconds(seconds: object, formatted: object) -> int | None:
    """Parse a duration from its seconds, else from a text such as `1h 2m 3s`."""
    whole_seconds = to_int(seconds, most=MAX_DURATION_SECONDS)
    if whole_seconds is not None:
        return whole_seconds
    match = _DURATION.fullmatch(" ".join((text(formatted) or "").split()))
    if match is None:
        return None
    days, hours, minutes, rest = (int(part or 0) for part in match.groups())
    total = ((days * 24 + hours) * 60 + minutes) * 60 + rest
    return total if total <= MAX_DURATION_SECONDS else None
