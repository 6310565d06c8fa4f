import pytest

from mcp_truto_lms.sandbox.display import ValueFormatter, escape, total_time
from mcp_truto_lms.sandbox.records import SamplePortal
from mcp_truto_lms.sandbox.variations import Variations

VENDOR_EPOCH = 1378463092  # printed by the vendor as 06/09/2013, 13:24:52


@pytest.mark.parametrize(
    ("variations", "printed"),
    [
        (Variations(), "06/09/2013, 13:24:52"),
        (Variations(date_format="MMDDYYYY"), "09/06/2013, 13:24:52"),
        (Variations(date_format="YYYYMMDD"), "2013/09/06, 13:24:52"),
        (Variations(am_pm=True), "06/09/2013, 01:24:52 PM"),
        (Variations(date_format="MMDDYYYY", am_pm=True), "09/06/2013, 01:24:52 PM"),
    ],
)
def test_dates_are_formatted_in_the_portals_zone_and_order(variations: Variations, printed: str):
    assert ValueFormatter.for_portal(SamplePortal(), variations).date(VENDOR_EPOCH) == printed


def test_the_zone_has_summer_and_winter_time():
    assert ValueFormatter.for_portal(SamplePortal(), Variations()).date(1519743871) == "27/02/2018, 17:04:31"


@pytest.mark.parametrize(("epoch", "printed"), [(0, "12:00:00 AM"), (43_200, "12:00:00 PM"), (46_800, "01:00:00 PM")])
def test_a_12_hour_clock_has_no_hour_zero(epoch: int, printed: str):
    formatter = ValueFormatter.for_portal(SamplePortal(zone="UTC"), Variations(am_pm=True))
    assert formatter.date(epoch) == f"01/01/1970, {printed}"


@pytest.mark.parametrize(
    ("variations", "empty_date"),
    [(Variations(), ""), (Variations(null_instead_of_empty=True), None), (Variations(no_date="Never"), "Never")],
)
def test_an_empty_date_is_formatted_as_the_portal_does(variations: Variations, empty_date: str | None):
    assert ValueFormatter.for_portal(SamplePortal(), variations).moment("expired_on", None) == {
        "expired_on": empty_date,
        "expired_on_timestamp": empty_date,
    }


@pytest.mark.parametrize(
    ("seconds", "printed"), [(0, "0s"), (451, "7m 31s"), (3_723, "1h 2m 3s"), (7_200, "2h"), (3_605, "1h 5s")]
)
def test_durations_omit_parts_that_are_zero(seconds: int, printed: str):
    assert total_time(seconds) == printed


def test_text_is_escaped_as_php_does():
    assert escape("""<b>"O'Brien" & Sons</b>""") == "&lt;b&gt;&quot;O&#039;Brien&quot; &amp; Sons&lt;/b&gt;"


@pytest.mark.parametrize("variations", [Variations(language="Klingon"), Variations(date_format="YYMMDD")])
def test_an_unknown_language_or_date_format_is_refused(variations: Variations):
    with pytest.raises(ValueError, match=r"Klingon|YYMMDD"):
        ValueFormatter.for_portal(SamplePortal(), variations)
