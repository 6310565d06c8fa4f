from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vendor_payloads import ATHENS, COURSE, PAIR, USER

from mcp_truto_lms.providers.talentlms.dates import DateOrder, PortalDates, portal_dates
from mcp_truto_lms.providers.talentlms.zones import resolve_zone

athens = portal_dates(ATHENS)


@pytest.mark.parametrize(
    ("printed", "stamp"),
    [
        ("06/09/2013, 13:24:52", "1378463092"),
        ("27/02/2018, 17:04:31", "1519743871"),
        ("15/04/2013, 12:45:02", "1366019102"),
        ("21/10/2014, 15:21:29", "1413894089"),
        ("22/10/2014, 10:26:15", "1413962775"),
    ],
)
def test_printed_dates_and_timestamps_of_the_vendor_agree_in_athens(printed, stamp):
    assert athens.parse(printed) == datetime.fromtimestamp(int(stamp), UTC)


def test_the_text_and_the_timestamp_of_every_vendor_date_agree():
    for item in (USER["courses"][0], COURSE["users"][0], PAIR):
        without_timestamps = {name: value for name, value in item.items() if not name.endswith("_timestamp")}
        for name in ("enrolled_on", "completed_on"):
            assert athens.moment(without_timestamps, name) == athens.moment(item, name)


@pytest.mark.parametrize(
    ("date_format", "printed"),
    [
        ("DDMMYYYY", "05/03/2026, 21:04:00"),
        ("MMDDYYYY", "03/05/2026, 21:04"),
        ("YYYYMMDD", "2026-03-05 21:04:00"),
        ("MM/DD/YYYY", "3/5/2026, 09:04:00 PM"),
        ("YYYY-MM-DD", "2026/03/05, 9:04 p.m."),
        ("DDMMYYYY", "5.3.2026 9:04:00 μ.μ."),
    ],
)
def test_dates_in_three_orders_and_with_12_or_24_hours_are_parsed(date_format, printed):
    dates = portal_dates({"date_format": date_format, "timezone": "UTC"})
    assert dates.parse(printed) == datetime(2026, 3, 5, 21, 4, tzinfo=UTC)


def test_12_am_is_midnight_and_12_pm_is_noon():
    dates = PortalDates(UTC, DateOrder.DMY)
    assert dates.parse("05/03/2026, 12:00 AM") == datetime(2026, 3, 5, tzinfo=UTC)
    assert dates.parse("05/03/2026, 12:00 π.μ.") == datetime(2026, 3, 5, tzinfo=UTC)
    assert dates.parse("05/03/2026, 12:00 PM") == datetime(2026, 3, 5, 12, tzinfo=UTC)
    assert dates.parse("05/03/2026, 13:00 PM") is None


def test_a_date_without_a_time_is_the_start_of_that_day_in_the_portals_zone():
    assert athens.parse("18/04/2013") == datetime(2013, 4, 17, 21, tzinfo=UTC)


@pytest.mark.parametrize("siteinfo", [{"timezone": "UTC"}, {"date_format": "DDMMYYYY"}, {"date_format": "x"}, [], None])
def test_dates_are_not_parsed_if_the_order_or_the_zone_is_unknown(siteinfo):
    assert portal_dates(siteinfo).parse("06/09/2013, 13:24:52") is None


@pytest.mark.parametrize(
    "printed", ["", "Never", "-", None, "31/02/2020", "1/1/1", "01/01/9999", "x", [], 0, "01/01/20"]
)
def test_a_text_that_is_not_a_date_is_none(printed):
    assert athens.parse(printed) is None


@given(st.text(), st.sampled_from(DateOrder))
def test_no_text_raises_when_parsed_as_a_date(printed, order):
    PortalDates(resolve_zone("Europe/Athens"), order).parse(printed)


@given(st.integers(-600_000_000, 7_000_000_000), st.sampled_from(DateOrder))
def test_a_printed_date_is_parsed_to_the_same_moment(seconds, order):
    layout = {"dmy": "%d/%m/%Y, %H:%M:%S", "mdy": "%m/%d/%Y, %I:%M:%S %p", "ymd": "%Y-%m-%d %H:%M:%S"}[order]
    moment = datetime.fromtimestamp(seconds, UTC)
    assert PortalDates(UTC, order).parse(moment.strftime(layout)) == moment


@pytest.mark.parametrize(
    ("printed", "key"),
    [
        ("(GMT +02:00) Athens, Istanbul, Minsk", "Europe/Athens"),
        ("(GMT +03:00) Baghdad, Istanbul", "Asia/Baghdad"),
        ("(GMT -05:00) Eastern Time (US & Canada)", "America/New_York"),
        ("(GMT -08:00) Pacific Time (US & Canada); Tijuana", "America/Los_Angeles"),
        ("(GMT) Greenwich Mean Time: Dublin, Edinburgh, Lisbon, London", "Europe/Dublin"),
        ("(GMT +05:30) Chennai, Kolkata, Mumbai, New Delhi", "Asia/Kolkata"),
        ("(GMT -03:00) Buenos Aires, Georgetown", "America/Buenos_Aires"),
        ("(GMT +01:00) Amsterdam, Berlin, Bern", "Europe/Amsterdam"),
        ("(GMT +10:00) Canberra, Melbourne, Sydney", "Australia/Sydney"),
        ("(UTC\u221205:00) Bogota", "America/Bogota"),
        ("Europe/Athens", "Europe/Athens"),
        ("America/New York", "America/New_York"),
        ("UTC", "UTC"),
    ],
)
def test_a_printed_zone_is_resolved_to_an_iana_zone(printed, key):
    assert resolve_zone(printed).key == key


@pytest.mark.parametrize(
    ("printed", "hours"),
    [
        ("(GMT +02:00) Nowhere", 2),
        ("(GMT +05:45) Xyzzy", 5.75),
        ("GMT+2", 2),
        ("-03:30", -3.5),
        ("(GMT +04:00) Athens", 4),
    ],
)
def test_an_offset_without_a_city_of_that_offset_is_a_fixed_zone(printed, hours):
    assert resolve_zone(printed).utcoffset(None) == timedelta(hours=hours)


@pytest.mark.parametrize(
    "printed", ["", None, "  ", "Atlantis", "(GMT +99:00) Athens", "../../etc/passwd", "Europe", "\x00"]
)
def test_an_unknown_zone_is_none(printed):
    assert resolve_zone(printed) is None


@given(st.text())
def test_no_text_raises_when_resolved_as_a_zone(printed):
    resolve_zone(printed)
