"""Time zones as portals print them, resolved to IANA zones.

Portals print `(GMT +02:00) Athens, Istanbul, Minsk`: a standard offset and some cities, not all of which still have
that offset. The zone is that of the first city whose standard time has the printed offset, so that summer time is
right. If no city has it, the zone is the fixed offset. Without an offset the zone is unknown, and None.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from types import MappingProxyType
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_PRINTED = re.compile(r"\(?\s*(?:GMT|UTC)?\s*(?:([+\-\u2212])\s*(\d{1,2})(?::?(\d{2}))?)?\s*\)?\s*(.*)", re.IGNORECASE)
_NO_OFFSET = re.compile(r"\(?\s*(?:GMT|UTC)", re.IGNORECASE)
_AREAS = ("Europe", "America", "Asia", "Africa", "Australia", "Pacific", "Atlantic", "Indian")
_MAX_OFFSET = timedelta(hours=15)
_ZONE_BY_PLACE = MappingProxyType(
    {
        "abu dhabi": "Asia/Dubai",
        "alaska": "America/Anchorage",
        "arizona": "America/Phoenix",
        "astana": "Asia/Almaty",
        "atlantic time": "America/Halifax",
        "azores": "Atlantic/Azores",
        "beijing": "Asia/Shanghai",
        "bern": "Europe/Zurich",
        "canberra": "Australia/Sydney",
        "cape verde is.": "Atlantic/Cape_Verde",
        "central america": "America/Guatemala",
        "central time": "America/Chicago",
        "chennai": "Asia/Kolkata",
        "eastern time": "America/New_York",
        "edinburgh": "Europe/London",
        "greenland": "America/Nuuk",
        "hanoi": "Asia/Ho_Chi_Minh",
        "harare": "Africa/Harare",
        "hawaii": "Pacific/Honolulu",
        "indiana": "America/Indiana/Indianapolis",
        "islamabad": "Asia/Karachi",
        "midway island": "Pacific/Midway",
        "mountain time": "America/Denver",
        "mumbai": "Asia/Kolkata",
        "new delhi": "Asia/Kolkata",
        "newfoundland": "America/St_Johns",
        "osaka": "Asia/Tokyo",
        "pacific time": "America/Los_Angeles",
        "pretoria": "Africa/Johannesburg",
        "quito": "America/Guayaquil",
        "samoa": "Pacific/Pago_Pago",
        "sapporo": "Asia/Tokyo",
        "saskatchewan": "America/Regina",
        "sri jayawardenepura": "Asia/Colombo",
        "st. petersburg": "Europe/Moscow",
        "wellington": "Pacific/Auckland",
    }
)


@lru_cache(maxsize=512)
def resolve_zone(printed: str | None) -> tzinfo | None:
    """Resolve an IANA name or a zone as portals print it; None where it is neither."""
    words = " ".join((printed or "").split())
    if not words:
        return None
    zone = _named(words)
    if zone is not None:
        return zone
    match = _PRINTED.fullmatch(words)
    if match is None or not (_NO_OFFSET.match(words) or match[1]):
        return None
    offset = timedelta(hours=int(match[2] or 0), minutes=int(match[3] or 0))
    if offset > _MAX_OFFSET:
        return None
    offset = offset if match[1] in (None, "+") else -offset
    zones = _zones_of_places(match[4])
    return next((zone for zone in zones if _standard_offset(zone) == offset), None) or timezone(offset)


def _named(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name.replace(" ", "_"))
    except (ValueError, ZoneInfoNotFoundError, OSError):
        return None


def _zones_of_places(words: str) -> list[ZoneInfo]:
    zones: list[ZoneInfo] = []
    for part in re.split(r"[,;:/]|\(.*?\)", words):
        place = part.strip().lower()
        if place in _ZONE_BY_PLACE:
            names = [_ZONE_BY_PLACE[place]]
        elif re.fullmatch(r"[a-z][a-z .\-]*", place):
            city = "_".join(word[:1].upper() + word[1:] for word in place.replace(".", "").split())
            names = [f"{area}/{city}" for area in _AREAS]
        else:
            continue
        zones.extend(zone for zone in map(_named, names) if zone is not None)
    return zones


def _standard_offset(zone: tzinfo) -> timedelta:
    """Return the smaller of the offsets in January and July: summer time adds on both hemispheres."""
    winter, summer = (datetime(2024, month, 1, 12, tzinfo=zone).utcoffset() or timedelta() for month in (1, 7))
    return min(winter, summer)
