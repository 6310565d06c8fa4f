"""What every test can ask for: the sample organisation on a fixed day, its portal, and the server over it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, settings
from mcp import Client
from mcp_types import TextContent

from mcp_truto_lms.providers.talentlms.source import TalentLmsSource
from mcp_truto_lms.sandbox.organisation import generate
from mcp_truto_lms.sandbox.portal import SAMPLE_API_KEY, SAMPLE_BASE_URL, sample_app
from mcp_truto_lms.sandbox.records import Organisation
from mcp_truto_lms.sandbox.talentlms import TalentLmsSandbox
from mcp_truto_lms.sandbox.variations import Variations
from mcp_truto_lms.server.account import Account
from mcp_truto_lms.server.app_context import AppContext
from mcp_truto_lms.server.mcp_server import create_server
from mcp_truto_lms.settings import Clock, Settings
from tests.postgres import NewAddress, running

# how long an example takes, or the first use of its tables of characters, is no behaviour
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")

TODAY = date(2026, 11, 23)
LIST, SUMMARIZE = "list_course_enrollments", "summarize_learner_progress"


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def new_address() -> Iterator[NewAddress]:
    """Makes empty databases on a PostgreSQL server."""
    with running() as made:
        yield made


@pytest.fixture(scope="session")
def organisation() -> Organisation:
    return generate(today=TODAY)


@dataclass(frozen=True, slots=True)
class Desk:
    """A client of the server, and the portal behind it."""

    client: Client
    account: Account
    portal: TalentLmsSandbox

    async def ask(self, tool: str, **arguments: Any) -> str:
        """Call a tool; its text, which must be no error."""
        result = await self.client.call_tool(tool, arguments)
        text = "".join(block.text for block in result.content if isinstance(block, TextContent))
        assert not result.is_error, text
        return text

    async def refused(self, tool: str, **arguments: Any) -> str:
        """Call a tool; the text of its error."""
        result = await self.client.call_tool(tool, arguments)
        assert result.is_error
        return "".join(block.text for block in result.content if isinstance(block, TextContent))

    async def list(self, **arguments: Any) -> str:
        return await self.ask(LIST, **arguments)

    async def summarize(self, **arguments: Any) -> str:
        return await self.ask(SUMMARIZE, **arguments)


OpenDesk = Callable[..., AbstractAsyncContextManager[Desk]]


async def no_sleep(seconds: float) -> None:
    """Wait for nothing: pacing and retries are injected."""


@pytest.fixture(scope="module")
def open_desk(organisation: Organisation) -> OpenDesk:
    """Open the server over a portal in this process, through the official client."""

    @asynccontextmanager
    async def opened(
        *,
        variations: Variations | None = None,
        of: Organisation | None = None,
        key: str = SAMPLE_API_KEY,
        clock: Clock | None = None,
        **settings: Any,
    ) -> AsyncGenerator[Desk]:
        wanted = Variations(burst_limit=100_000, hourly_limit=100_000) if variations is None else variations
        portal = sample_app(of or organisation, variations=wanted)
        chosen = Settings(**{"source": "talentlms", "today": TODAY, **settings})

        def source(_: Any) -> TalentLmsSource:
            transport = httpx.ASGITransport(app=portal)
            return TalentLmsSource.connect(SAMPLE_BASE_URL, key, transport=transport, sleep=no_sleep)

        async with AppContext(chosen, source=source, clock=clock) as connection:
            server = create_server(connection)
            async with Client(server, raise_exceptions=True) as client:
                yield Desk(client, await connection.account(), portal)

    return opened
