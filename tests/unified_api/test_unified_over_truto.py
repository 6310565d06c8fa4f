"""The endpoint over an account of Truto: what Truto refuses is passed on as what it is."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest
from unified_endpoint import ACCOUNT_ID, NOW, no_sleep

from mcp_truto_lms.domain.errors import SourceError
from mcp_truto_lms.providers.truto.client import TrutoClient
from mcp_truto_lms.providers.truto.errors import (
    AccountBlocked,
    Forbidden,
    MissingParameters,
    NotOffered,
    RequestFailed,
)
from mcp_truto_lms.providers.truto.source import TrutoSource
from mcp_truto_lms.sandbox.truto import SAMPLE_ACCOUNT_ID, SAMPLE_TRUTO_TOKEN, SAMPLE_TRUTO_URL, truto_app
from mcp_truto_lms.sandbox.truto_faults import BLOCKED_ACCOUNT, FORBIDDEN, REMOTE_UNAVAILABLE, Faults, TrutoFault
from mcp_truto_lms.sandbox.truto_options import PERMISSIVE, STRICT
from mcp_truto_lms.unified_api.app import unified_app

pytestmark = pytest.mark.anyio
ENROLLMENTS = "/unified/lms/course-enrollments"
PAIR = {"user[id]": "8", "course[id]": "101"}
NOT_OFFERED = TrutoFault(status=405, message="Method not allowed")


@pytest.fixture
def over_truto(small: Any) -> Callable[..., httpx.ASGITransport]:
    """Make a transport to an endpoint over an account of Truto whose calls all meet a fault."""

    def make(fault: TrutoFault | None, options: Any = STRICT) -> httpx.ASGITransport:
        faults = Faults()
        if fault is not None:
            faults.add(fault, times=None)
        truto = truto_app(small, options=replace(options, rate_limits=False), faults=faults, now=NOW.timestamp)
        source = TrutoSource.connect(
            SAMPLE_TRUTO_URL,
            SAMPLE_TRUTO_TOKEN,
            SAMPLE_ACCOUNT_ID,
            transport=httpx.ASGITransport(app=truto),
            sleep=no_sleep,
        )
        return httpx.ASGITransport(app=unified_app({ACCOUNT_ID: source}, now=lambda: NOW))

    return make


PASSED_ON = [
    (FORBIDDEN, 403, True, Forbidden),
    (BLOCKED_ACCOUNT, 503, False, AccountBlocked),
    (REMOTE_UNAVAILABLE, 503, True, RequestFailed),
    (TrutoFault(status=504), 504, True, RequestFailed),
    (TrutoFault(status=521), 502, True, RequestFailed),
    (NOT_OFFERED, 405, False, NotOffered),
    (TrutoFault(status=501), 501, False, NotOffered),
]


@pytest.mark.parametrize("params", [{}, {"course[id]": "101"}, {"user[id]": "8"}, PAIR])
@pytest.mark.parametrize(("fault", "status", "is_remote", "error_class"), PASSED_ON)
async def test_a_refusal_of_truto_is_passed_on(
    over_truto: Any, fault: TrutoFault, status: int, is_remote: bool, error_class: type[SourceError], params: Any
):
    transport = over_truto(fault, PERMISSIVE)
    async with httpx.AsyncClient(transport=transport, base_url="http://endpoint.test") as client:
        response = await client.get(ENROLLMENTS, params={"integrated_account_id": ACCOUNT_ID, **params})
    assert response.status_code == response.json()["statusCode"] == status
    assert response.json().get("truto_is_remote_error", False) is is_remote
    async with TrutoClient("t", base_url="http://endpoint.test", transport=transport, sleep=no_sleep) as truto:
        with pytest.raises(error_class):
            await truto.list_course_enrollments(ACCOUNT_ID)


async def test_the_missing_scopes_are_passed_on(over_truto: Any):
    async with httpx.AsyncClient(transport=over_truto(FORBIDDEN), base_url="http://endpoint.test") as client:
        response = await client.get(ENROLLMENTS, params={"integrated_account_id": ACCOUNT_ID})
    insight = response.json()["truto_error_insight"]["forbidden_error"]
    assert insight["value"] == {"missing_scopes": ["courses.read", "users.read"]}


@pytest.mark.parametrize(("parameters", "missing"), [({}, {"user", "course"}), ({"course": {"id": "101"}}, {"user"})])
async def test_the_parameters_that_truto_requires_are_passed_on(over_truto: Any, parameters: Any, missing: set[str]):
    transport = over_truto(None, replace(STRICT, remote_data=False, proxy=False))
    async with TrutoClient("t", base_url="http://endpoint.test", transport=transport, sleep=no_sleep) as truto:
        with pytest.raises(MissingParameters) as caught:
            await truto.list_course_enrollments(ACCOUNT_ID, **parameters)
        assert caught.value.parameters == missing
