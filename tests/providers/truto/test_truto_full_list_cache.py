"""A list that ignores its filter is cached and used as the full list."""

import pytest

from mcp_truto_lms.domain.errors import (
    RouteClosed,
)
from mcp_truto_lms.domain.source import FetchRoute, Scope
from tests.providers.truto.account_answers import COURSE, EVERYTHING, LEARNER, PAIR, enrollment, enrollment_ids, read
from tests.providers.truto.scripted_truto import envelope

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("scope", [COURSE, LEARNER])
async def test_a_list_that_ignores_a_filter_is_used_as_the_whole_list(source_over, scope):
    source, truto = source_over({"/course-enrollments": envelope(enrollment(7, 12), enrollment(8, 13))})
    with pytest.raises(RouteClosed, match="lists everything"):
        await read(source, scope)
    assert source.capabilities.calls(FetchRoute.LIST) == 0
    assert enrollment_ids(await read(source, scope)) == ["7_12"]
    assert enrollment_ids(await read(source, EVERYTHING)) == ["7_12", "8_13"]
    assert len(truto.requests) == 1
    assert source.capabilities.calls(FetchRoute.LIST) == 1
    await read(source, EVERYTHING)
    assert len(truto.requests) == 2


async def test_a_cached_list_expires(source_over, fake_time):
    source, truto = source_over({"/course-enrollments": envelope(enrollment(7, 12), enrollment(8, 13))})
    assert enrollment_ids(await read(source, PAIR)) == ["7_12"]
    assert enrollment_ids(await read(source, Scope(user_id="8", course_id="13"))) == ["8_13"]
    assert len(truto.requests) == 1
    fake_time.seconds = 10
    assert enrollment_ids(await read(source, PAIR)) == ["7_12"]
    assert len(truto.requests) == 2
