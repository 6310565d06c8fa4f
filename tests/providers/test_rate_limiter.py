from itertools import pairwise

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_portal import FakeTime

from mcp_truto_lms.domain.rate_limits import RateLimit
from mcp_truto_lms.providers.rate_limiter import RateLimiter
from tests.conftest import WAIT_SECONDS

pytestmark = pytest.mark.anyio


async def moments_of_calls(fake_time, limits, calls):
    limiter = RateLimiter(limits, clock=fake_time.clock, sleep=fake_time.sleep)
    moments = []

    async def call():
        await limiter.acquire()
        moments.append(fake_time.seconds)

    with anyio.fail_after(WAIT_SECONDS):
        async with anyio.create_task_group() as group:
            for _ in range(calls):
                group.start_soon(call)
    return moments


async def test_calls_within_the_limit_pass_at_once_and_the_others_wait_for_the_window(fake_time):
    moments = await moments_of_calls(fake_time, (RateLimit(200, 5),), 450)
    assert [moments.count(0.0), moments.count(5.0), moments.count(10.0)] == [200, 200, 50]


async def test_the_strictest_of_several_limits_decides(fake_time):
    moments = await moments_of_calls(fake_time, (RateLimit(50, 10), RateLimit(120, 60)), 140)
    assert [moments.count(second) for second in (0.0, 10.0, 20.0, 60.0)] == [50, 50, 20, 20]


async def test_without_limits_no_call_waits(fake_time):
    assert await moments_of_calls(fake_time, (), 3) == [0.0, 0.0, 0.0]


async def test_a_call_that_is_cancelled_while_it_waits_is_not_counted(fake_time):
    async def sleep(seconds):
        if not fake_time.slept:
            fake_time.slept.append(seconds)
            await anyio.sleep_forever()
        await fake_time.sleep(seconds)

    limiter = RateLimiter((RateLimit(1, 5),), clock=fake_time.clock, sleep=sleep)
    with anyio.fail_after(WAIT_SECONDS):
        await limiter.acquire()
        async with anyio.create_task_group() as group:
            group.start_soon(limiter.acquire)
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()
        await limiter.acquire()
    assert fake_time.seconds == 5.0


async def test_a_pause_stops_every_call_and_a_shorter_pause_does_not_shorten_it(fake_time):
    limiter = RateLimiter((RateLimit(10, 5),), clock=fake_time.clock, sleep=fake_time.sleep)
    limiter.pause(30)
    limiter.pause(3)
    await limiter.acquire()
    assert fake_time.seconds == 30


@pytest.mark.parametrize(("calls", "seconds"), [(0, 5), (5, 0)])
def test_a_limit_of_no_calls_or_no_seconds_is_refused(calls, seconds):
    with pytest.raises(ValueError, match="above zero"):
        RateLimit(calls, seconds)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 20), st.floats(0.5, 60), st.integers(1, 60), st.lists(st.floats(0, 10), max_size=60))
def test_no_window_contains_more_calls_than_the_limit(most, seconds, calls, pauses):
    fake_time = FakeTime()
    moments = []

    async def run():
        limiter = RateLimiter((RateLimit(most, seconds),), clock=fake_time.clock, sleep=fake_time.sleep)
        for index in range(calls):
            fake_time.seconds += pauses[index] if index < len(pauses) else 0
            await limiter.acquire()
            moments.append(fake_time.seconds)

    anyio.run(run)
    assert all(earlier <= later for earlier, later in pairwise(moments))
    for index in range(len(moments) - most):
        assert moments[index + most] - moments[index] >= seconds * (1 - 1e-9)
