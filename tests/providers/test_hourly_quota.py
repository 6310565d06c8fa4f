import pytest
from scripted_portal import NOW

from mcp_truto_lms.domain.call_counter import CALL_COUNTER, CallCounter
from mcp_truto_lms.domain.errors import RateLimited
from mcp_truto_lms.providers.hourly_quota import HourlyQuota, parse_quota_report

pytestmark = pytest.mark.anyio


class QuotaReports:
    """The portal's reports of the hourly limit, and the calls that were made and reported."""

    def __init__(self, limit, remaining, reset=NOW + 600):
        self.raw = {"limit": str(limit), "remaining": remaining, "reset": str(int(reset)) if reset else None}
        self.calls = self.asked = 0

    async def ask(self):
        self.asked += 1
        return parse_quota_report(self.raw)

    def quota(self, fake_time):
        return HourlyQuota(self.ask, calls=lambda: self.calls, queued=lambda: 0, now=fake_time.now)


async def spend(reports, quota, calls):
    for _ in range(calls):
        await quota.acquire()
        reports.calls += 1
        reports.raw["remaining"] = int(reports.raw["remaining"]) - 1


async def test_the_report_is_read_at_the_start_and_again_after_some_calls(fake_time):
    reports = QuotaReports(2000, "1999")
    await spend(reports, reports.quota(fake_time), 101)
    assert reports.asked == 3


async def test_the_last_tenth_is_reserved_and_the_error_has_the_reset_time(fake_time):
    reports = QuotaReports(100, 100)
    quota = reports.quota(fake_time)
    await spend(reports, quota, 90)
    with pytest.raises(RateLimited, match=r"limit of 100 calls is nearly used up.*UTC, in 10 min") as caught:
        await quota.acquire()
    assert caught.value.retry_after_seconds == 600
    asked_before = reports.asked
    with pytest.raises(RateLimited):
        await quota.acquire()
    assert reports.asked == asked_before


async def test_calls_are_allowed_again_after_the_reset(fake_time):
    reports = QuotaReports(100, 5)
    quota = reports.quota(fake_time)
    with pytest.raises(RateLimited):
        await quota.acquire()
    fake_time.seconds = 601
    reports.raw["remaining"] = 100
    await quota.acquire()


async def test_the_report_is_read_again_before_a_call_is_refused(fake_time):
    reports = QuotaReports(40, 20)
    quota = reports.quota(fake_time)
    await spend(reports, quota, 10)
    reports.raw["remaining"] = 40
    await spend(reports, quota, 10)


async def test_an_unknown_reset_time_is_reported_as_within_the_hour(fake_time):
    reports = QuotaReports(100, 5, reset=None)
    quota = reports.quota(fake_time)
    for _ in range(2):
        with pytest.raises(RateLimited, match="within the hour") as caught:
            await quota.acquire()
    assert caught.value.retry_after_seconds is None
    assert reports.asked == 2


async def test_a_reset_time_is_at_most_an_hour_away(fake_time):
    quota = QuotaReports(100, 5, reset=NOW + 10**6).quota(fake_time)
    with pytest.raises(RateLimited) as caught:
        await quota.acquire()
    assert caught.value.retry_after_seconds == 3600


@pytest.mark.parametrize("raw", [None, [], {"limit": "0", "remaining": 0}, {"limit": "x"}, {"limit": "100"}])
def test_a_report_without_usable_numbers_is_none(raw):
    assert parse_quota_report(raw) is None


async def test_a_refusal_is_confirmed_by_the_report(fake_time):
    assert await QuotaReports(100, 50).quota(fake_time).confirm_refusal() is None
    assert "nearly used up" in str(await QuotaReports(100, 0).quota(fake_time).confirm_refusal())


async def test_background_calls_use_at_most_a_quarter_of_the_hourly_limit_and_questions_more(fake_time):
    reports = QuotaReports(100, 100)
    quota = reports.quota(fake_time)
    question, background = CallCounter(), CallCounter(background=True)
    CALL_COUNTER.set(background)
    await spend(reports, quota, 25)
    with pytest.raises(RateLimited, match="quarter of the hourly limit") as refused:
        await quota.acquire()
    assert refused.value.retry_after_seconds == 3600
    CALL_COUNTER.set(question)
    await spend(reports, quota, 25)
    CALL_COUNTER.set(background)
    with pytest.raises(RateLimited, match="quarter of the hourly limit"):
        await quota.acquire()
    fake_time.seconds = 3600
    await spend(reports, quota, 25)
