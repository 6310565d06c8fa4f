"""A refusal of the whole account is stored, and one call at a time probes the account after it."""

import anyio
import pytest

from mcp_truto_lms.domain.errors import (
    AccessDenied,
)
from mcp_truto_lms.domain.source import Scope
from tests.providers.truto.account_answers import PAIR, read
from tests.providers.truto.scripted_truto import WAIT_SECONDS, envelope, error_response

pytestmark = pytest.mark.anyio


async def test_a_refused_account_is_probed_by_one_call(source_over):
    refusal = error_response(401, truto_is_remote_error=True)
    source, truto = source_over({"/courses": envelope(), "/course-enrollments": refusal, "/users": refusal})
    assert source.refusal is None
    with pytest.raises(AccessDenied, match="reconnect the account"):
        await read(source, PAIR)
    assert "reconnect the account" in str(source.refusal)
    assert len(truto.requests) == 1

    async def ask_about(number):
        with pytest.raises(AccessDenied, match="reconnect the account"):
            await read(source, Scope(user_id=str(number), course_id="12"))

    with anyio.fail_after(WAIT_SECONDS):
        async with anyio.create_task_group() as group:
            for number in range(8):
                group.start_soon(ask_about, number)
    assert len(truto.requests) == 2
    await source.courses()
    assert source.refusal is None


async def test_a_successful_probe_lets_the_other_calls_continue(source_over):
    source, truto = source_over({"/course-enrollments": [error_response(401, truto_is_remote_error=True), envelope()]})
    with pytest.raises(AccessDenied):
        await read(source, PAIR)
    with anyio.fail_after(WAIT_SECONDS):
        async with anyio.create_task_group() as group:
            for number in range(4):
                group.start_soon(read, source, Scope(user_id=str(number), course_id="12"))
    assert len(truto.requests) == 5
    assert source.refusal is None


@pytest.mark.parametrize("reconnected", [False, True])
async def test_a_known_method_is_probed_by_one_call_too(source_over, reconnected):
    source, truto = source_over({"/course-enrollments": envelope()})
    await read(source, PAIR)
    refusal = error_response(401, truto_is_remote_error=True)
    truto.answers["/course-enrollments"] = [refusal, envelope()] if reconnected else refusal
    with pytest.raises(AccessDenied):
        await read(source, PAIR)
    truto.requests.clear()
    refusals = []

    async def ask_about(number):
        try:
            await read(source, Scope(user_id=str(number), course_id="12"))
        except AccessDenied as error:
            refusals.append(str(error))

    with anyio.fail_after(WAIT_SECONDS):
        async with anyio.create_task_group() as group:
            for number in range(6):
                group.start_soon(ask_about, number)
    assert (len(refusals), len(truto.requests)) == ((0, 6) if reconnected else (6, 1))


@pytest.mark.parametrize(
    "answer", [error_response(503), error_response(401), error_response(404, "No such integrated account")]
)
async def test_a_blocked_account_and_an_invalid_token_are_called_once(source_over, answer):
    source, truto = source_over({"/courses": answer})
    with pytest.raises(AccessDenied):
        await source.courses()
    assert source.refusal is not None
    assert len(truto.requests) == 1
