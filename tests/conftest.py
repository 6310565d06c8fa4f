"""Fixtures for every test: the sample organisation on a fixed day, its portal, and the server over it.

It also marks the tests that `make test-fast` leaves out.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

import anyio
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

# a busy machine takes long for an example, and for the first use of hypothesis' tables of characters
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")

TODAY = date(2026, 11, 23)
LIST, SUMMARIZE = "list_course_enrollments", "summarize_learner_progress"
WAIT_SECONDS = 120
"""How long a test waits before it fails, far above what a busy machine takes."""

_SLOW_FOLDERS = {"e2e", "hosts"}
_SLOW_FILES = {
    "test_answers.py",
    "test_any_sequence_of_replacements.py",
    "test_counts.py",
    "test_deadlines.py",
    "test_excluded_columns.py",
    "test_export_download.py",
    "test_processes.py",
    "test_pseudonyms.py",
    "test_question_passes.py",
    "test_questions.py",
    "test_truto_over_sandbox.py",
}
_SLOW_ENGINES = {"file", "postgres"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what needs processes, Node or PostgreSQL, tries many examples, or answers dozens of questions."""
    for item in items:
        if _is_slow(item):
            item.add_marker(pytest.mark.slow)


def _is_slow(item: pytest.Item) -> bool:
    callspec = getattr(item, "callspec", None)
    return (
        item.path.parent.name in _SLOW_FOLDERS
        or item.path.name in _SLOW_FILES
        or item.get_closest_marker("node") is not None
        or getattr(getattr(item, "obj", None), "is_hypothesis_test", False)
        or "new_address" in getattr(item, "fixturenames", ())
        or (callspec is not None and callspec.params.get("engine") in _SLOW_ENGINES)
    )


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def new_address() -> Iterator[NewAddress]:
    """Makes empty databases on a PostgreSQL server."""
    with running() as new_address:
        yield new_address


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
        """Call a tool, and return its text, which must not be an error."""
        text, is_error = await self.call(tool, arguments)
        assert not is_error, text
        return text

    async def refused(self, tool: str, **arguments: Any) -> str:
        """Call a tool, and return the text of its error."""
        text, is_error = await self.call(tool, arguments)
        assert is_error, text
        return text

    async def call(self, tool: str, arguments: dict[str, Any]) -> tuple[str, bool]:
        """Call a tool, and return its text, and whether it is an error."""
        with anyio.fail_after(WAIT_SECONDS):
            result = await self.client.call_tool(tool, arguments)
        return "".join(block.text for block in result.content if isinstance(block, TextContent)), result.is_error

    async def list(self, **arguments: Any) -> str:
        return await self.ask(LIST, **arguments)

    async def summarize(self, **arguments: Any) -> str:
        return await self.ask(SUMMARIZE, **arguments)


OpenDesk = Callable[..., AbstractAsyncContextManager[Desk]]


async def no_sleep(seconds: float) -> None:
    """Return at once: rate limits and retries wait by an injected sleep."""


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
        **overrides: Any,
    ) -> AsyncGenerator[Desk]:
        portal = sample_app(
            of or organisation, variations=variations or Variations(burst_limit=100_000, hourly_limit=100_000)
        )

        def source(_: Any) -> TalentLmsSource:
            transport = httpx.ASGITransport(app=portal)
            return TalentLmsSource.connect(SAMPLE_BASE_URL, key, transport=transport, sleep=no_sleep)

        app_settings = Settings(**{"source": "talentlms", "today": TODAY, **overrides})
        async with (
            AppContext(app_settings, source=source, clock=clock) as app_context,
            Client(create_server(app_context), raise_exceptions=True) as client,
        ):
            yield Desk(client, await app_context.account(), portal)

    return opened
