"""A day is a date, a word such as `today`, or a distance such as `-3m`."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_truto_lms.domain.days import resolve_day

TODAY = date(2026, 11, 23)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026-11-01", date(2026, 11, 1)),
        ("2026-11-01t23:59:59z", date(2026, 11, 1)),
        ("2026-11-01 10:00", date(2026, 11, 1)),
        ("20261101", date(2026, 11, 1)),
        ("today", TODAY),
        ("now", TODAY),
        ("tomorrow", date(2026, 11, 24)),
        ("yesterday", date(2026, 11, 22)),
        ("+14d", date(2026, 12, 7)),
        ("14d", date(2026, 12, 7)),
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
    ],
)
def test_a_day_is_an_iso_date_or_a_word_or_a_distance(text: str, day: date | None):
    if day is None:
        with pytest.raises(ValueError, match="is not a date"):
            resolve_day(text, TODAY)
    else:
        assert resolve_day(text, TODAY) == day


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
