"""The days of a filter are whole days in the zone of the portal."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_truto_lms.domain.days import resolve_day
from mcp_truto_lms.domain.errors import QueryError
from mcp_truto_lms.reports.results import ResolvedQuery
from tests.query.parsed_queries import list_query

ZONES = [
    "UTC",
    "Europe/Athens",
    "Africa/Cairo",
    "America/Havana",
    "America/Santiago",
    "Pacific/Chatham",
    "Asia/Kolkata",
]


def question(now: datetime, zone: ZoneInfo, **arguments: object) -> ResolvedQuery:
    """Resolve a query of a list at a moment in a zone."""
    return ResolvedQuery(list_query(**arguments), "default", int(now.timestamp()), zone, None, None)


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("this week", date(2026, 11, 23), date(2026, 11, 29)),
        ("last_week", date(2026, 11, 16), date(2026, 11, 22)),
        ("this month", date(2026, 11, 1), date(2026, 11, 30)),
        ("last month", date(2026, 10, 1), date(2026, 10, 31)),
        ("next-month", date(2026, 12, 1), date(2026, 12, 31)),
        ("this_quarter", date(2026, 10, 1), date(2026, 12, 31)),
        ("next_quarter", date(2027, 1, 1), date(2027, 3, 31)),
        ("previous year", date(2025, 1, 1), date(2025, 12, 31)),
    ],
)
def test_a_period_starts_on_its_first_day_and_ends_after_its_last_day(text: str, first: date, last: date):
    moment = datetime(2026, 11, 23, tzinfo=UTC)
    assert resolve_day(text, moment.date()) == first
    assert resolve_day(text, moment.date(), last=True) == last
    selection = question(moment, ZoneInfo("UTC"), completed_from=text, completed_to=text).selection()
    assert selection.completed_from == datetime(first.year, first.month, first.day, tzinfo=UTC).timestamp()
    assert selection.completed_before == datetime(last.year, last.month, last.day, tzinfo=UTC).timestamp() + 86_400


@pytest.mark.parametrize("name", ["due", "completed", "enrolled"])
def test_a_last_day_before_the_first_day_is_rejected(name: str):
    moment = datetime(2026, 11, 23, tzinfo=UTC)
    days = {f"{name}_from": "today", f"{name}_to": "-1d"}
    with pytest.raises(QueryError, match=f"{name}_to is before {name}_from: no day lies between them"):
        question(moment, ZoneInfo("UTC"), **days).selection().check()


@given(
    st.sampled_from(ZONES),
    st.datetimes(datetime(2024, 1, 1), datetime(2027, 12, 31)),  # noqa: DTZ001  the test adds the zone
    st.dates(date(2024, 1, 2), date(2027, 12, 30)),
)
def test_days_of_a_filter_are_whole_days_in_the_zone_also_when_clocks_change(zone: str, moment: datetime, day: date):
    due, zone_info = moment.replace(tzinfo=UTC), ZoneInfo(zone)
    selection = question(due, zone_info, due_from=day.isoformat(), due_to=day.isoformat()).selection()
    assert selection.due_from is not None
    assert selection.due_before is not None
    inside = selection.due_from <= due.timestamp() < selection.due_before
    assert inside == (due.astimezone(zone_info).date() == day)


def test_today_is_the_current_day_in_the_zone():
    late = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)
    for zone, day in (("UTC", 23), ("Europe/Athens", 24), ("America/Havana", 23)):
        zone_info = ZoneInfo(zone)
        selection = question(late, zone_info, due_from="today").selection()
        assert selection.due_from == datetime(2026, 11, day, tzinfo=zone_info).timestamp()
        assert question(late, zone_info).day("today") == date(2026, 11, day)


@pytest.mark.parametrize("far", ["9999-12-31", "0001-01-01", "+7973y", "-1026y"])
@pytest.mark.parametrize("zone", ["UTC", "Pacific/Chatham", "America/Havana"])
def test_days_at_the_ends_of_the_calendar_are_valid_bounds(far: str, zone: str):
    selection = question(datetime(2026, 11, 23, tzinfo=UTC), ZoneInfo(zone), due_from=far, due_to=far).selection()
    assert selection.due_from is not None
    assert selection.due_before is not None
    assert selection.due_from < selection.due_before
