import pytest
from scripted_portal import NOW

from mcp_truto_lms.domain.call_counter import CALL_COUNTER, CallCounter
from mcp_truto_lms.domain.errors import RateLimited
from mcp_truto_lms.providers.hourly_quota import HourlyQuota, parse_quota_report

pytestmark = pytest.mark.anyio


class Account:
    def __init__(self, limit, remaining, reset=NOW + 600):
        self.raw = {"limit": str(limit), "remaining": remaining, "reset": str(int(reset)) if reset else None}
        self.calls = self.asked = 0

    async def ask(self):
        self.asked += 1
        return parse_quota_report(self.raw)

    def quota(self, fake_time):
        return HourlyQuota(self.ask, calls=lambda: self.calls, queued=lambda: 0, now=fake_time.now)


async def spend(account, quota, calls):
    for _ in range(calls):
        await quota.acquire()
        account.calls += 1
        account.raw["remaining"] = int(account.raw["remaining"]) - 1


async def test_the_portal_is_asked_at_the_start_and_now_and_then(fake_time):
    account = Account(2000, "1999")
    await spend(account, account.quota(fake_time), 101)
    assert account.asked == 3


async def test_the_last_tenth_is_left_and_the_refusal_says_until_when(fake_time):
    account = Account(100, 100)
    quota = account.quota(fake_time)
    await spend(account, quota, 90)
    with pytest.raises(RateLimited, match=r"limit of 100 calls is nearly used up.*UTC, in 10 min") as caught:
        await quota.acquire()
    assert caught.value.retry_after_seconds == 600
    asked = account.asked
    with pytest.raises(RateLimited):
        await quota.acquire()
    assert account.asked == asked


async def test_after_the_hour_it_goes_on(fake_time):
    account = Account(100, 5)
    quota = account.quota(fake_time)
    with pytest.raises(RateLimited):
        await quota.acquire()
    fake_time.seconds = 601
    account.raw["remaining"] = 100
    await quota.acquire()


async def test_a_quota_that_others_did_not_use_up_is_looked_at_before_it_is_refused(fake_time):
    account = Account(40, 20)
    quota = account.quota(fake_time)
    await spend(account, quota, 10)
    account.raw["remaining"] = 40
    await spend(account, quota, 10)


async def test_a_reset_that_is_unknown_is_within_the_hour(fake_time):
    account = Account(100, 5, reset=None)
    quota = account.quota(fake_time)
    for _ in range(2):
        with pytest.raises(RateLimited, match="within the hour") as caught:
            await quota.acquire()
    assert caught.value.retry_after_seconds is None
    assert account.asked == 2


async def test_a_reset_in_the_far_future_is_an_hour_at_most(fake_time):
    quota = Account(100, 5, reset=NOW + 10**6).quota(fake_time)
    with pytest.raises(RateLimited) as caught:
        await quota.acquire()
    assert caught.value.retry_after_seconds == 3600


@pytest.mark.parametrize("raw", [None, [], {"limit": "0", "remaining": 0}, {"limit": "x"}, {"limit": "100"}])
def test_an_answer_that_does_not_tell_is_no_allowance(raw):
    assert parse_quota_report(raw) is None


async def test_a_refusal_of_the_portal_is_looked_into(fake_time):
    assert await Account(100, 50).quota(fake_time).confirm_refusal() is None
    assert "nearly used up" in str(await Account(100, 0).quota(fake_time).confirm_refusal())


async def test_background_calls_end_at_a_quarter_of_the_hour_and_questions_go_on(fake_time):
    account = Account(100, 100)
    quota = account.quota(fake_time)
    question, background = CallCounter(), CallCounter(background=True)
    CALL_COUNTER.set(background)
    await spend(account, quota, 25)
    with pytest.raises(RateLimited, match="quarter of the hourly limit") as refused:
        await quota.acquire()
    assert refused.value.retry_after_seconds == 3600
    CALL_COUNTER.set(question)
    await spend(account, quota, 25)
    CALL_COUNTER.set(background)
    with pytest.raises(RateLimited, match="quarter of the hourly limit"):
        await quota.acquire()
    fake_time.seconds = 3600
    await spend(account, quota, 25)
