"""How a portal prints dates, inferred from rows with a printed date beside its timestamp."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from vendor_payloads import COURSE, raw_user

from mcp_truto_lms.domain.source import Scope
from mcp_truto_lms.providers.talentlms.date_inference import DateInference
from mcp_truto_lms.providers.talentlms.dates import DateOrder

WINTER, SUMMER = datetime(2026, 1, 17, 23, 30, tzinfo=UTC), datetime(2026, 7, 18, 23, 30, tzinfo=UTC)
DAY = timedelta(days=1)
FORMATS = {
    DateOrder.DMY: "%d/%m/%Y, %H:%M:%S",
    DateOrder.MDY: "%m/%d/%Y, %I:%M:%S %p",
    DateOrder.YMD: "%Y/%m/%d, %H:%M",
}


def row(moment, zone, order=DateOrder.DMY, **fields):
    zone = ZoneInfo(zone) if isinstance(zone, str) else zone
    printed = moment.astimezone(zone).strftime(FORMATS[order])
    return {"enrolled_on": printed, "enrolled_on_timestamp": str(int(moment.timestamp())), **fields}


def inferred(*payloads, zone=None):
    inference = DateInference()
    if zone is not None:
        inference.assume_zone(zone)
    for payload in payloads:
        inference.observe(payload)
    return inference.known


@pytest.mark.parametrize("order", [*DateOrder])
@pytest.mark.parametrize(
    "zone", ["Europe/Athens", "America/Los_Angeles", "Australia/Sydney", "America/St_Johns", "Asia/Kathmandu"]
)
def test_two_offsets_half_a_year_apart_tell_a_zone_with_summer_time(zone, order):
    dates = inferred([row(WINTER, zone, order), row(SUMMER, zone, order)])
    assert dates.order is order
    for days in range(0, 730, 11):
        moment = datetime(2025, 3, 1, 12, tzinfo=UTC) + days * DAY
        assert moment.astimezone(dates.zone).utcoffset() == moment.astimezone(ZoneInfo(zone)).utcoffset()


@pytest.mark.parametrize("hours", [-7, 0, 5.5])
def test_one_offset_is_a_fixed_zone(hours):
    zone = timezone(timedelta(hours=hours))
    assert inferred([row(WINTER, zone)]).zone == zone


def test_people_with_the_zone_in_their_profiles_decide_between_zones_that_fit():
    inference = DateInference()
    people = [
        {**row(WINTER, "Europe/Athens"), "timezone": zone}
        for zone in ("(GMT +01:00) Paris", "(GMT +01:00) Paris", "(GMT +02:00) Helsinki", None)
    ]
    inference.observe_people(people)
    assert inference.known.zone == ZoneInfo("Europe/Helsinki")


def test_the_zone_stays_until_a_row_contradicts_it():
    first, second = DateInference(), DateInference()
    for inference in (first, second):
        inference.observe([row(WINTER, "Europe/Athens")])
    assert first.known.zone == timezone(timedelta(hours=2))
    first.observe_people([row(WINTER + 9 * DAY, "Europe/Athens", timezone="(GMT +02:00) Helsinki")])
    assert first.known.zone == timezone(timedelta(hours=2))
    second.observe([row(SUMMER, "Europe/Athens")])
    assert second.known.zone == ZoneInfo("Europe/Athens")


def test_a_single_row_that_contradicts_all_others_is_ignored():
    rows = [row(WINTER + days * DAY, "Europe/Athens") for days in range(0, 360, 9)]
    odd = row(WINTER + 3 * DAY, timezone(timedelta(hours=9)))
    assert inferred(rows, [odd], [odd]).zone == ZoneInfo("Europe/Athens")
    assert inferred([odd, *rows]).zone == inferred([*rows, odd]).zone == ZoneInfo("Europe/Athens")


def test_a_portal_that_moves_to_another_zone_is_followed():
    rows, moved = (
        [row(WINTER + days * DAY, zone) for days in range(start, 360, 9)]
        for start, zone in ((0, "Europe/Athens"), (1, "America/New_York"))
    )
    assert inferred(rows, moved).zone == ZoneInfo("America/New_York")


@pytest.mark.parametrize("known", [timezone(timedelta(hours=2)), ZoneInfo("Europe/Helsinki")])
def test_the_zone_of_an_earlier_process_stays_where_rows_agree(known):
    assert inferred([row(WINTER, "Europe/Athens")], zone=known).zone is known


def test_an_offset_of_an_earlier_process_and_another_half_a_year_later_tell_a_zone():
    zone = inferred([row(SUMMER, "Europe/Athens")], zone=timezone(timedelta(hours=2))).zone
    assert zone == ZoneInfo("Europe/Athens")


def test_a_single_row_does_not_change_the_zone_of_an_earlier_process():
    odd = row(WINTER, timezone(timedelta(hours=9)))
    assert inferred([odd], zone=ZoneInfo("Europe/Athens")).zone == ZoneInfo("Europe/Athens")


@pytest.mark.parametrize(
    "pair",
    [("17/01/2026", "1768615200"), ("soon", "1768692600"), ("17/01/2026, 23:37:11", "1768692600"), ("", ""), (None, 5)],
)
def test_rows_without_both_tell_nothing(pair):
    dates = inferred([{"enrolled_on": pair[0], "enrolled_on_timestamp": pair[1]}, None, "x"])
    assert (dates.zone, dates.order) == (None, None)


def test_a_day_that_reads_the_same_in_two_orders_tells_the_zone_but_not_the_order():
    dates = inferred([row(datetime(2026, 5, 5, 12, tzinfo=UTC), "Asia/Tokyo")])
    assert (dates.zone, dates.order) == (timezone(timedelta(hours=9)), None)


@pytest.mark.anyio
@pytest.mark.parametrize("siteinfo", [{}, {"siteinfo": {"date_format": "MMDDYYYY"}}])
async def test_a_printed_date_without_a_timestamp_is_a_moment_of_the_inferred_zone(source_over, siteinfo):
    printed = {"id": "2", "completed_on": "11/02/2026, 10:00:00 AM", "completed_on_timestamp": None}
    moments = {"7": WINTER, "8": SUMMER}
    known = [row(moment, "America/Los_Angeles", DateOrder.MDY, id=number) for number, moment in moments.items()]
    person = raw_user(7, created_on="05/06/2026, 06:00:00 PM", courses=known)
    course = {**COURSE, "users": [printed, *known]}
    source, _ = source_over({**siteinfo, "courses/id:12": course, "users/id:7": person})
    reading = await source.enrollments(Scope(course_id="12"), courses={}, learners={})
    completed_at = {record.enrollment.user.id: record.enrollment.completed_at for record in reading.records}["2"]
    assert completed_at == datetime(2026, 11, 2, 18, tzinfo=UTC)
    learner = await source.find_learner(user_id="7")
    assert learner.created_at == datetime(2026, 5, 7, 1, tzinfo=UTC)
    assert (await source.portal()).zone == ZoneInfo("America/Los_Angeles")
