"""A day is a date, a word such as `today`, or a distance such as `-3m`."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_truto_lms.domain.days import parse_day, resolve_day

TODAY = date(2026, 11, 23)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026-11-01", date(2026, 11, 1)),
        ("2026-11-01t23:59:59z", date(2026, 11, 1)),
        ("2026-11-01 10:00", date(2026, 11, 1)),
        ("2026-11-01T10:00:00.000+02:00", date(2026, 11, 1)),
        ("2026-11-1", date(2026, 11, 1)),
        ("2026/11/01", date(2026, 11, 1)),
        ("Nov 1 2026", date(2026, 11, 1)),
        ("Nov 1, 2026", date(2026, 11, 1)),
        ("November 1st, 2026", date(2026, 11, 1)),
        ("1 November 2026", date(2026, 11, 1)),
        ("1-Nov-2026", date(2026, 11, 1)),
        ("Sept. 30 2026", date(2026, 9, 30)),
        ("13/11/2026", date(2026, 11, 13)),
        ("11/13/2026", date(2026, 11, 13)),
        ("11.11.2026", date(2026, 11, 11)),
        ("30 days ago", date(2026, 10, 24)),
        ("30_days_ago", date(2026, 10, 24)),
        ("a week ago", date(2026, 11, 16)),
        ("3 months ago", date(2026, 8, 23)),
        ("in 14 days", date(2026, 12, 7)),
        ("+14 days", date(2026, 12, 7)),
        ("-30 days", date(2026, 10, 24)),
        ("20261101", date(2026, 11, 1)),
        ("today", TODAY),
        ("now", TODAY),
        ("tomorrow", date(2026, 11, 24)),
        ("yesterday", date(2026, 11, 22)),
        ("+14d", date(2026, 12, 7)),
        ("+ 14 d", None),
        ("+14 d", date(2026, 12, 7)),
        ("-2w", date(2026, 11, 9)),
        ("-3m", date(2026, 8, 23)),
        ("+2m", date(2027, 1, 23)),
        ("-11m", date(2025, 12, 23)),
        ("+1y", date(2027, 11, 23)),
        ("+0d", TODAY),
        ("soon", None),
        ("2026-13-01", None),
        ("+99999d", None),
        ("-3000y", None),
        ("", None),
        ("last friday", None),
        ("Nov 1", None),
        ("Q3", None),
        ("Feb 30 2026", None),
        ("Q5 2026", None),
        ("31/31/2026", None),
        ("2026-11-01 to 2026-11-30", None),
        ("since 2026-11-01", None),
        ("01/11/26", None),
        ("2026-11-01, 2026-11-02", None),
    ],
)
def test_a_day_is_an_iso_date_or_a_word_or_a_distance(text: str, day: date | None):
    if day is None:
        with pytest.raises(ValueError, match="is not a date"):
            resolve_day(text, TODAY)
    else:
        assert resolve_day(text, TODAY) == day


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2026-10", date(2026, 10, 1), date(2026, 10, 31)),
        ("Oct 2026", date(2026, 10, 1), date(2026, 10, 31)),
        ("february 2024", date(2024, 2, 1), date(2024, 2, 29)),
        ("2025", date(2025, 1, 1), date(2025, 12, 31)),
        ("Q3 2026", date(2026, 7, 1), date(2026, 9, 30)),
        ("2026-Q4", date(2026, 10, 1), date(2026, 12, 31)),
        ("last 30 days", date(2026, 10, 24), TODAY),
        ("last_30_days", date(2026, 10, 24), TODAY),
        ("past 2 weeks", date(2026, 11, 9), TODAY),
        ("last 3 months", date(2026, 8, 23), TODAY),
        ("next 14 days", TODAY, date(2026, 12, 7)),
        ("this week", date(2026, 11, 23), date(2026, 11, 29)),
        ("next month", date(2026, 12, 1), date(2026, 12, 31)),
    ],
)
def test_a_period_is_its_first_day_or_its_last(text: str, first: date, last: date):
    assert resolve_day(text, TODAY) == first
    assert resolve_day(text, TODAY, last=True) == last


@pytest.mark.parametrize(
    ("text", "readings"),
    [
        ("01/11/2026", "2026-01-11 or 2026-11-01"),
        ("1.11.2026", "2026-01-11 or 2026-11-01"),
        ("12-10-2026", "2026-10-12 or 2026-12-10"),
        ("14d", "[+]14d or -14d"),
        ("30 days", "[+]30d or -30d"),
    ],
)
def test_a_text_with_two_readings_is_refused_with_both(text: str, readings: str):
    with pytest.raises(ValueError, match=f"'{text}' has two readings: write {readings}"):
        resolve_day(text, TODAY)


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("Nov 1 2026", "2026-11-01"),
        ("2026-11-01T10:00:00Z", "2026-11-01"),
        ("13/11/2026", "2026-11-13"),
        ("Last Month", "last month"),
        ("2026-10", "2026-10"),
        ("+14d", "+14d"),
        ("Today", "today"),
    ],
)
def test_a_parsed_day_is_a_date_unless_it_depends_on_today_or_is_a_period(text: str, parsed: str):
    assert parse_day(text) == parsed


@pytest.mark.parametrize(
    ("today", "text", "day"),
    [
        (date(2026, 5, 31), "-3m", date(2026, 2, 28)),
        (date(2024, 5, 31), "-3m", date(2024, 2, 29)),
        (date(2026, 8, 31), "+1m", date(2026, 9, 30)),
        (date(2026, 1, 31), "+1m", date(2026, 2, 28)),
        (date(2026, 12, 31), "-1m", date(2026, 11, 30)),
        (date(2026, 1, 15), "-1m", date(2025, 12, 15)),
        (date(2026, 11, 30), "+1m", date(2026, 12, 30)),
        (date(2024, 2, 29), "+1y", date(2025, 2, 28)),
        (date(2024, 2, 29), "-4y", date(2020, 2, 29)),
    ],
)
def test_a_step_by_months_ends_within_the_month(today: date, text: str, day: date):
    assert resolve_day(text, today) == day


@given(st.dates(date(1900, 1, 1), date(2199, 12, 31)), st.integers(-600, 600))
def test_a_step_by_months_changes_the_month_and_never_raises_the_day(today: date, months: int):
    day = resolve_day(f"{months:+d}m", today)
    assert (day.year * 12 + day.month) - (today.year * 12 + today.month) == months
    assert day.day <= today.day
    assert day.day == today.day or (day + timedelta(days=1)).day == 1
