"""A small organisation, and clients of the portal over it."""

from collections.abc import Callable
from datetime import date

import httpx
import pytest

from mcp_truto_lms.sandbox.organisation import generate
from mcp_truto_lms.sandbox.portal import SAMPLE_API_KEY, SAMPLE_BASE_URL
from mcp_truto_lms.sandbox.records import Organisation
from mcp_truto_lms.sandbox.talentlms import TalentLmsSandbox

TODAY = date(2026, 11, 23)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def organisation() -> Organisation:
    return generate(today=TODAY)


@pytest.fixture
def client_of() -> Callable[..., httpx.AsyncClient]:
    def make(app: TalentLmsSandbox, *, key: str = SAMPLE_API_KEY, password: str = "") -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app=app)
        return httpx.AsyncClient(transport=transport, base_url=SAMPLE_BASE_URL, auth=(key, password))

    return make
