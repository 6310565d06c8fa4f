"""Days and periods as people write them: `2026-11-01`, `Nov 1 2026`, `2026-10`, `Q3 2026`, `+14d`, `last_month`.

A period stands for its first day where a filter begins, and for its last day where it ends. What has two readings, such
as `01/11/2026` or `14d`, is refused with both: a wrong guess would change an answer unnoticed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import date, timedelta

_NEAR_DAYS = {"today": 0, "now": 0, "tomorrow": 1, "yesterday": -1}
_STEPS = {"this": 0, "current": 0, "last": -1, "previous": -1, "next": 1}
_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NUMBER = r"(?P<number>\d{1,4}|an?|one)"
_DIGITS = r"(?P<number>\d{1,4})"
_UNIT = r"(?P<unit>d|days?|w|weeks?|m|months?|y|years?)"
_YEAR, _MONTH, _DAY = r"(?P<year>\d{4})", r"(?P<month>\d{1,2})", r"(?P<day>\d{1,2})"
_MONTH_NAME = (
    r"(?P<month>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_DAY_OF_MONTH = rf"{_DAY}(?:st|nd|rd|th)?"
_QUARTER = "q(?P<quarter>[1-4])"
_TIME = r"(?:[t ]\d{1,2}(?::?\d{2}){0,2}(?:\.\d+)? ?(?:z|utc|[+-]\d{2}:?\d{2})?)?"

Period = tuple[date, date]
"""The first and the last day, both included."""


def parse_day(value: object) -> str:
    """Parse a day or a period; what depends on today stays as it is written until the question has a moment.

    Raises:
        ValueError: the text is neither, or has two readings.
    """
    text = _plain(str(value))
    first, last = resolve_period(text, date(2000, 6, 15))
    is_fixed = first == last == resolve_day(text, date(2010, 1, 1))
    return first.isoformat() if is_fixed else text


def resolve_day(text: str, today: date, *, last: bool = False) -> date:
    """Resolve a text to a day; a period to its first day, or to its last one.

    Raises:
        ValueError: the text is neither, or has two readings.
    """
    return resolve_period(text, today)[last]


def resolve_period(text: str, today: date) -> Period:
    """Resolve a text to its first and its last day.

    Weeks begin on Monday, and a step by months stays within the month. `last 30 days` ends today.

    Raises:
        ValueError: the text is neither, or has two readings.
    """
    plain = _plain(text)
    for pattern, resolve in _FORMS:
        if (match := pattern.fullmatch(plain)) is not None:
            try:
                return resolve(match, today)
            except _TwoReadings:
                raise
            except (ValueError, OverflowError):
                break
    raise ValueError(f"{plain[:30]!r} is not a date: write 2026-11-30, 2026-11, today, +14d, -3m or last_month")


def first_of_month(number: int) -> date:
    """Return the first day of a month, counted from January of the year 0."""
    return date(number // 12, number % 12 + 1, 1)


class _TwoReadings(ValueError):
    """A text that stands for two days."""


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[\s_,]+", " ", text.lower()).split())


def _span(first_month: int, months: int) -> Period:
    return first_of_month(first_month), first_of_month(first_month + months) - timedelta(days=1)


def _near_day(match: re.Match[str], today: date) -> Period:
    day = today + timedelta(days=_NEAR_DAYS[match[0]])
    return day, day


def _period(match: re.Match[str], today: date) -> Period:
    steps, unit = _STEPS[match["which"]], match["unit"]
    if unit == "week":
        monday = today + timedelta(days=7 * steps - today.weekday())
        return monday, monday + timedelta(days=6)
    size = _MONTHS[unit]
    return _span(((today.year * 12 + today.month - 1) // size + steps) * size, size)


def _step(match: re.Match[str], today: date, sign: int) -> date:
    number, unit = match["number"], match["unit"][0]
    count = sign * (int(number) if number.isdigit() else 1)
    if unit in "dw":
        return today + timedelta(days=count * (7 if unit == "w" else 1))
    months = today.year * 12 + today.month - 1 + count * (12 if unit == "y" else 1)
    first = first_of_month(months)
    return first + timedelta(days=min(today.day, (first_of_month(months + 1) - first).days) - 1)


def _ago(match: re.Match[str], today: date) -> Period:
    day = _step(match, today, -1)
    return day, day


def _ahead(match: re.Match[str], today: date) -> Period:
    day = _step(match, today, 1)
    return day, day


def _until_today(match: re.Match[str], today: date) -> Period:
    return _step(match, today, -1), today


def _from_today(match: re.Match[str], today: date) -> Period:
    return today, _step(match, today, 1)


def _unsigned(match: re.Match[str], _: date) -> Period:
    distance = f"{match['number']}{match['unit'][0]}"
    raise _TwoReadings(f"{match[0]!r} has two readings: write +{distance} or -{distance}")


def _month_number(month: str) -> int:
    return int(month) if month.isdigit() else _MONTH_NAMES.index(month[:3]) + 1


def _single_day(match: re.Match[str], _: date) -> Period:
    day = date(int(match["year"]), _month_number(match["month"]), int(match["day"]))
    return day, day


def _month(match: re.Match[str], _: date) -> Period:
    first = date(int(match["year"]), _month_number(match["month"]), 1)
    return _span(first.year * 12 + first.month - 1, 1)


def _quarter(match: re.Match[str], _: date) -> Period:
    return _span(int(match["year"]) * 12 + 3 * int(match["quarter"]) - 3, 3)


def _year(match: re.Match[str], _: date) -> Period:
    return _span(int(match["year"]) * 12, 12)


def _by_numbers(match: re.Match[str], _: date) -> Period:
    """Resolve `13/11/2026`, if only one order of day and month is possible."""
    days: set[date] = set()
    for day, month in ((match["day"], match["month"]), (match["month"], match["day"])):
        with suppress(ValueError):
            days.add(date(int(match["year"]), int(month), int(day)))
    if len(days) > 1:
        raise _TwoReadings(f"{match[0]!r} has two readings: write {' or '.join(map(str, sorted(days)))}")
    (single,) = days
    return single, single


_FORMS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], date], Period]], ...] = tuple(
    (re.compile(pattern), resolve)
    for pattern, resolve in (
        ("today|now|tomorrow|yesterday", _near_day),
        (r"(?P<which>this|current|last|previous|next)[ -]?(?P<unit>week|month|quarter|year)", _period),
        (rf"(?:last|past|previous)[ -]{_NUMBER}[ -]?{_UNIT}", _until_today),
        (rf"next[ -]{_NUMBER}[ -]?{_UNIT}", _from_today),
        (rf"{_NUMBER}[ -]?{_UNIT}[ -]ago", _ago),
        (rf"in[ -]{_NUMBER}[ -]?{_UNIT}", _ahead),
        (rf"-{_DIGITS} ?{_UNIT}", _ago),
        (rf"\+{_DIGITS} ?{_UNIT}", _ahead),
        (rf"{_DIGITS} ?{_UNIT}", _unsigned),
        (rf"{_YEAR}-{_MONTH}-{_DAY}{_TIME}", _single_day),
        (rf"{_YEAR}[/.]{_MONTH}[/.]{_DAY}", _single_day),
        (r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})", _single_day),
        (rf"{_MONTH_NAME}[ -]{_DAY_OF_MONTH}[ -]{_YEAR}", _single_day),
        (rf"{_DAY_OF_MONTH}[ -](?:of )?{_MONTH_NAME}[ -]{_YEAR}", _single_day),
        (rf"{_DAY}[/.-]{_MONTH}[/.-]{_YEAR}", _by_numbers),
        (rf"{_YEAR}[-/]{_MONTH}", _month),
        (rf"{_MONTH_NAME}[ -]{_YEAR}", _month),
        (rf"{_QUARTER}[ /-]?{_YEAR}", _quarter),
        (rf"{_YEAR}[ /-]?{_QUARTER}", _quarter),
        (r"(?P<year>(?:19|20)\d{2})", _year),
    )
)
"""How a day or a period may be written, and what each form stands for."""
