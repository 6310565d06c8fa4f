"""Days as people write them: `2026-11-01`, `today`, `+14d`, `last_month`."""

from __future__ import annotations

import re
from datetime import date, timedelta

_RELATIVE = re.compile(r"([+-]?)(\d{1,4})\s*([dwmy])")
_NEAR_DAYS = {"today": 0, "now": 0, "tomorrow": 1, "yesterday": -1}
_PERIOD = re.compile(r"(this|last|next|previous)[\s_-]*(week|month|quarter|year)")
_STEPS = {"this": 0, "last": -1, "previous": -1, "next": 1}
_MONTHS = {"month": 1, "quarter": 3, "year": 12}


def parse_day(value: object) -> str:
    """Parse a day; it stays as it is written until the question has a moment."""
    text = str(value).strip().lower()
    resolve_day(text, date(2000, 6, 15))
    return text


def resolve_day(text: str, today: date, *, last: bool = False) -> date:
    """Resolve `2026-11-01`, `today`, `+14d` or `-3m` (d, w, m, y) to a day; a step by months stays within the month.

    A period such as `last_month` or `this quarter` is its first day, or its last one; weeks begin on Monday.

    Raises:
        ValueError: the text is not a day.
    """
    if text in _NEAR_DAYS:
        return today + timedelta(days=_NEAR_DAYS[text])
    relative, period = _RELATIVE.fullmatch(text), _PERIOD.fullmatch(text)
    try:
        if period is not None:
            return _day_of_period(_STEPS[period[1]], period[2], today, last=last)
        if relative is None:
            return date.fromisoformat(re.split("[t ]", text)[0])
        sign, number, unit = relative.groups()
        count = -int(number) if sign == "-" else int(number)
        if unit in "dw":
            return today + timedelta(days=count * (7 if unit == "w" else 1))
        months = today.year * 12 + today.month - 1 + count * (12 if unit == "y" else 1)
        first = first_of_month(months)
        return first + timedelta(days=min(today.day, (first_of_month(months + 1) - first).days) - 1)
    except (ValueError, OverflowError):
        raise ValueError(f"{text[:30]!r} is not a date: write 2026-11-30, today, +14d or -3m") from None


def first_of_month(number: int) -> date:
    """Return the first day of a month, counted from January of the year 0."""
    return date(number // 12, number % 12 + 1, 1)


def _day_of_period(steps: int, unit: str, today: date, *, last: bool) -> date:
    if unit == "week":
        return today + timedelta(days=7 * steps - today.weekday() + (6 if last else 0))
    size = _MONTHS[unit]
    number = ((today.year * 12 + today.month - 1) // size + steps) * size
    return first_of_month(number + size) - timedelta(days=1) if last else first_of_month(number)
