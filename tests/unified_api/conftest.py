"""The endpoint over the sample portal: on a port, and in process for an injected clock or a scripted provider."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import httpx
import pytest
from unified_endpoint import ACCOUNT_ID, NOW, TOKEN, EndpointClient, portal_of, serve_on_a_port, source_over

from mcp_truto_lms.sandbox.organisation import generate
from mcp_truto_lms.sandbox.records import Organisation
from mcp_truto_lms.unified_api.app import unified_app


@pytest.fixture(scope="session")
def small() -> Organisation:
    return generate(learners=12, courses=4, today=date(2026, 11, 23))


@pytest.fixture(scope="session")
def address(small: Organisation) -> Iterator[str]:
    """The address of the endpoint over the small organisation; it requires the token."""
    app = unified_app({ACCOUNT_ID: source_over(portal_of(small))}, token=TOKEN, now=lambda: NOW)
    with serve_on_a_port(app) as address:
        yield address


@pytest.fixture
def endpoint(address: str) -> Iterator[EndpointClient]:
    with httpx.Client(base_url=address, headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        yield EndpointClient(client)


@pytest.fixture
def in_process() -> Callable[..., httpx.AsyncClient]:
    """Make a client of an endpoint in this process, over one source."""

    def make(source: Any, **options: Any) -> httpx.AsyncClient:
        app = unified_app({ACCOUNT_ID: source}, now=lambda: NOW, **options)
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        params = {"integrated_account_id": ACCOUNT_ID}
        return httpx.AsyncClient(transport=transport, base_url="http://endpoint.test", params=params)

    return make
