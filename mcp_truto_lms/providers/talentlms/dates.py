"""Dates as a portal prints them: in its own zone, in one of three orders, some with AM or PM.

A timestamp takes precedence. The text is parsed only where a field has no timestamp, and only where both the portal's
zone and its order are known or inferred: "06/09/2013" may be one of two days, and a wrong guess would look right.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from enum import StrEnum

from mcp_truto_lms.providers.payload_values import Raw, as_object, epoch, text
from mcp_truto_lms.providers.talentlms.zones import resolve_zone

_FORMATTED = re.compile(
    r"(\d{1,4})[/.\-](\d{1,2})[/.\-](\d{1,4})(?:,?\s*(\d{1,2}):(\d{2})(?::(\d{2}))?\s*([ap]\.?m\.?|[πμ]\.?μ\.?)?)?",
    re.ASCII | re.IGNORECASE,
)


class DateOrder(StrEnum):
    """The order of day, month and year in a portal's dates."""

    DMY = "dmy"
    MDY = "mdy"
    YMD = "ymd"


@dataclass(frozen=True, slots=True)
class PortalDates:
    """How a portal prints dates. Where zone or order is unknown, printed dates are not parsed."""

    zone: tzinfo | None = None
    order: DateOrder | None = None

    def parse(self, printed: object) -> datetime | None:
        """Parse a printed date as UTC."""
        if self.zone is None or self.order is None:
            return None
        local = parse_local(printed, self.order)
        try:
            return local and local.replace(tzinfo=self.zone).astimezone(UTC)
        except OverflowError:
            return None

    def moment(self, raw: Raw, name: str) -> datetime | None:
        """Parse the date field `name` of an item: its timestamp, else its text."""
        timestamp = raw.get(f"{name}_timestamp")
        moment = epoch(timestamp) if timestamp else None
        if moment is not None:
            return moment
        printed = raw.get(name)
        return self.parse(printed) if printed else None


UNKNOWN_DATES = PortalDates()


def parse_local(printed: object, order: DateOrder) -> datetime | None:
    """Parse a printed date as the portal's local time, without a zone."""
    match = _FORMATTED.fullmatch(text(printed) or "")
    if match is None:
        return None
    first, second, third = (int(match[index]) for index in (1, 2, 3))
    year, month, day = {
        DateOrder.DMY: (third, second, first),
        DateOrder.MDY: (third, first, second),
        DateOrder.YMD: (first, second, third),
    }[order]
    hour, minute, seconds = (int(match[index] or 0) for index in (4, 5, 6))
    day_half = (match[7] or "").lower()[:1]
    if day_half and not 1 <= hour <= 12:
        return None
    if day_half:
        hour = hour % 12 + (12 if day_half in "pμ" else 0)
    if not 1900 <= year <= 9000:
        return None
    try:
        return datetime(year, month, day, hour, minute, seconds)  # noqa: DTZ001  the portal's local time
    except ValueError:
        return None


def portal_dates(siteinfo: object) -> PortalDates:
    """Parse a portal's zone and date order from `siteinfo`."""
    raw = as_object(siteinfo)
    letters = re.sub(r"(.)\1+", r"\1", re.sub(r"[^dmy]", "", (text(raw.get("date_format")) or "").lower()))
    order = DateOrder(letters) if letters in frozenset(DateOrder) else None
    return PortalDates(zone=resolve_zone(text(raw.get("timezone"))), order=order)
