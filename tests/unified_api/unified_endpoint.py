"""An endpoint over the sample portal, and a client of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
from anyio.from_thread import start_blocking_portal

from mcp_truto_lms.providers.talentlms.source import TalentLmsSource
from mcp_truto_lms.sandbox.portal import SAMPLE_API_KEY, SAMPLE_BASE_URL, sample_app, serve
from mcp_truto_lms.sandbox.records import Organisation
from mcp_truto_lms.sandbox.talentlms import TalentLmsSandbox
from mcp_truto_lms.sandbox.variations import Variations

ACCOUNT_ID, TOKEN = "acme", "a-token-of-ours"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ENROLLMENTS = "/unified/lms/course-enrollments"
WAIT_SECONDS = 60
"""How long a test waits at most for a client or a server, however busy the machine is."""


async def no_sleep(seconds: float) -> None:
    """Return at once."""


def portal_of(organisation: Organisation) -> TalentLmsSandbox:
    return sample_app(organisation, variations=Variations(burst_limit=10**6, hourly_limit=10**6))


def source_over(portal: TalentLmsSandbox, *, remote_data: bool = True) -> TalentLmsSource:
    transport = httpx.ASGITransport(app=portal)
    return TalentLmsSource.connect(
        SAMPLE_BASE_URL, SAMPLE_API_KEY, transport=transport, sleep=no_sleep, remote_data=remote_data
    )


@contextmanager
def serve_on_a_port(app: Any) -> Iterator[str]:
    """Serve an application on a free loopback port; yield its address."""
    with start_blocking_portal() as thread:
        future, port = thread.start_task(serve, app, "127.0.0.1", 0)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            future.cancel()


@dataclass(frozen=True, slots=True)
class EndpointClient:
    """Sends requests to an endpoint on a port."""

    client: httpx.Client

    def send(self, path: str, query: str = "") -> httpx.Response:
        """Send a query string unchanged."""
        return self.client.get(f"{path}?integrated_account_id={ACCOUNT_ID}&{query}")

    def ask(self, path: str = ENROLLMENTS, query: str = "") -> Any:
        """Send a query string and return the JSON of the response, which must not be an error."""
        response = self.send(path, query)
        assert response.status_code == 200, response.text
        return response.json()

    def refused(self, path: str = ENROLLMENTS, query: str = "", *, status: int = 400) -> Any:
        response = self.send(path, query)
        assert response.status_code == status, response.text
        body = response.json()
        assert body["statusCode"] == status
        assert body["error"]
        return body
