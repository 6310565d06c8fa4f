"""One process of the server over a store: started, asked and ended as often as a test wants."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import anyio

from mcp_truto_lms.server.app_context import AppContext
from mcp_truto_lms.server.mcp_server import EnrollmentServer, create_server
from mcp_truto_lms.settings import Settings
from tests.model.portal_model import ZONE
from tests.model.served_portal import ServedPortal
from tests.model.virtual_time import VirtualTime

QUESTION_SECONDS = 600
"""Virtual seconds after which a question hangs; its own deadline is 45."""


@dataclass(slots=True)
class ServerProcess:
    """The server in virtual time."""

    portal: ServedPortal
    time: VirtualTime
    store: str
    call_budget: int
    _server: EnrollmentServer | None = None
    _task: asyncio.Task[None] | None = None
    _stop: asyncio.Event = field(default_factory=asyncio.Event)

    def start(self) -> None:
        """Open the store, with nothing in the memory of the process."""

        async def start() -> None:
            ready = asyncio.Event()
            self._stop = asyncio.Event()
            self._task = asyncio.create_task(self._serve(ready))
            waiting = asyncio.create_task(ready.wait())
            await asyncio.wait({self._task, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if self._task.done():
                self._task.result()

        self.time.run(start())

    def end(self) -> None:
        """End the process; what it fetched in the background is cancelled."""

        async def end() -> None:
            self._stop.set()
            if self._task is not None:
                await self._task

        self.time.run(end())

    async def _serve(self, ready: asyncio.Event) -> None:
        zone = None if self.portal.provider.options is None else ZONE  # Truto does not tell the portal's
        settings = Settings(source="talentlms", store=self.store, call_budget=self.call_budget, zone=zone)
        async with AppContext(settings, source=self.portal.source, clock=self.time.wall) as app_context:
            self._server = create_server(app_context)
            ready.set()
            await self._stop.wait()

    def ask(self, tool: str, arguments: dict[str, Any]) -> tuple[str, bool]:
        """Call a tool; return its text, and whether it is an error."""

        async def ask() -> tuple[str, bool]:
            assert self._server is not None
            with anyio.fail_after(QUESTION_SECONDS):
                result = await self._server.call_tool(tool, arguments)
            return "".join(getattr(block, "text", "") for block in result.content), bool(result.is_error)

        return self.time.run(ask())

    def wait(self, seconds: float) -> None:
        """Let time pass, with whatever the server does in the background."""
        self.time.run(asyncio.sleep(seconds))
