"""Formats values as TalentLMS prints them: in the portal's zone, date format and language, and escaped for HTML."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from mcp_truto_lms.sandbox.records import Outcome, SamplePortal
from mcp_truto_lms.sandbox.variations import Variations

STATUS_WORDS: dict[str, dict[Outcome, str]] = {
    "English": {
        Outcome.NOT_ATTEMPTED: "Not Started",
        Outcome.INCOMPLETE: "In Progress",
        Outcome.COMPLETED: "Completed",
        Outcome.FAILED: "Failed",
    },
    "Greek": {
        Outcome.NOT_ATTEMPTED: "Δεν ξεκίνησε",
        Outcome.INCOMPLETE: "Σε εξέλιξη",
        Outcome.COMPLETED: "Ολοκληρώθηκε",
        Outcome.FAILED: "Απέτυχε",
    },
    "German": {
        Outcome.NOT_ATTEMPTED: "Nicht begonnen",
        Outcome.INCOMPLETE: "In Bearbeitung",
        Outcome.COMPLETED: "Abgeschlossen",
        Outcome.FAILED: "Nicht bestanden",
    },
}

_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#039;"})
_DATE_ORDERS = {"DDMMYYYY": "{2:02d}/{1:02d}/{0}", "MMDDYYYY": "{1:02d}/{2:02d}/{0}", "YYYYMMDD": "{0}/{1:02d}/{2:02d}"}


def escape(text: str) -> str:
    """Escape a text as PHP's `htmlspecialchars` does."""
    return text.translate(_ESCAPES)


def total_time(seconds: int) -> str:
    """Format a duration such as `1h 2m 3s`, without the parts that are zero."""
    parts = ((seconds // 3600, "h"), (seconds // 60 % 60, "m"), (seconds % 60, "s"))
    return " ".join(f"{count}{unit}" for count, unit in parts if count) or "0s"


@dataclass(frozen=True, slots=True)
class ValueFormatter:
    """Formats values for one portal with its variations.

    Raises:
        ValueError: the portal's language or date format is unknown.
    """

    variations: Variations
    zone: ZoneInfo
    language: str
    date_format: str

    def __post_init__(self) -> None:
        if self.language not in STATUS_WORDS:
            raise ValueError(f"no words for {self.language!r}, only for {', '.join(STATUS_WORDS)}")
        if self.date_format not in _DATE_ORDERS:
            raise ValueError(f"no date format {self.date_format!r}, only {', '.join(_DATE_ORDERS)}")

    @classmethod
    def for_portal(cls, portal: SamplePortal, variations: Variations) -> ValueFormatter:
        """Return the formatter of a portal; variations take precedence over its settings."""
        language = variations.language or portal.language
        return cls(variations, ZoneInfo(portal.zone), language, variations.date_format or portal.date_format)

    @property
    def empty(self) -> str | None:
        """The value of an empty field."""
        return None if self.variations.null_instead_of_empty else ""

    def text(self, text: str) -> str | None:
        """Format a text that a person typed."""
        return escape(text) if text else self.empty

    def number(self, number: int | str) -> str | int:
        """Format an id or a count."""
        return int(number) if self.variations.numbers_as_numbers else str(number)

    def status_word(self, outcome: Outcome) -> str:
        """Return the display word of a status."""
        return STATUS_WORDS[self.language][outcome]

    def date(self, epoch: int | None) -> str | None:
        """Format a moment for display."""
        if epoch is None:
            return None if self.variations.null_instead_of_empty else self.variations.no_date
        local = datetime.fromtimestamp(epoch, self.zone)
        day = _DATE_ORDERS[self.date_format].format(local.year, local.month, local.day)
        if not self.variations.am_pm:
            return f"{day}, {local.hour:02d}:{local.minute:02d}:{local.second:02d}"
        half_day = "AM" if local.hour < 12 else "PM"
        return f"{day}, {local.hour % 12 or 12:02d}:{local.minute:02d}:{local.second:02d} {half_day}"

    def moment(self, name: str, epoch: int | None) -> dict[str, Any]:
        """Return a moment for display, and its timestamp field."""
        printed = self.date(epoch)
        return {name: printed, f"{name}_timestamp": printed if epoch is None else self.number(epoch)}

    def duration(self, seconds: int) -> dict[str, Any]:
        """Return a time spent as text and, in newer portals, in seconds."""
        if self.variations.without_total_time_seconds:
            return {"total_time": total_time(seconds)}
        return {"total_time": total_time(seconds), "total_time_seconds": seconds}
