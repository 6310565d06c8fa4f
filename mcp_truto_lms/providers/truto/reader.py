"""Reading one integrated account: the client's calls, past the account's gate, and what they show on the side.

Pages are asked for as large as they come: a limit above the largest is commonly cut down in silence, and where it is
refused instead, no limit is sent from then on.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from mcp_truto_lms.providers.truto import talentlms_payload
from mcp_truto_lms.providers.truto.auth_gate import AuthGate
from mcp_truto_lms.providers.truto.client import TrutoClient
from mcp_truto_lms.providers.truto.errors import RequestRefused
from mcp_truto_lms.providers.truto.page import JsonObject, Page

PAGE_SIZE = 1000

_OF_THE_LIMIT = re.compile(r"\blimit\b", re.IGNORECASE)


@dataclass(slots=True)
class Observations:
    """What calls have shown on the side.

    Args:
        payloads: records carry the provider's own
        partial: the lists of which the provider gave only a part
    """

    payloads: bool
    partial: set[str]


class AccountReader:
    """Reads the pages and records of one account."""

    def __init__(self, client: TrutoClient, integrated_account_id: str) -> None:
        self.client = client
        self.gate = AuthGate()
        self.noticed = Observations(payloads=False, partial=set())
        self._account_id = integrated_account_id
        self._page_size: int | None = PAGE_SIZE

    async def list(self, endpoint: str) -> AsyncGenerator[Page]:
        """Read a list to its end, and notice whether the provider gave all of it."""
        partial, page = False, Page([])
        async with aclosing(self.pages(endpoint, {})) as pages:
            async for page in pages:
                partial = partial or page.is_partial_response
                self._notice(*page.items)
                yield page
        partial = partial or page.next_cursor is not None  # it broke off at a cursor that leads nowhere new
        (self.noticed.partial.add if partial else self.noticed.partial.discard)(endpoint)

    async def pages(self, endpoint: str, asked: Mapping[str, Any]) -> AsyncGenerator[Page]:
        """Read the pages of a list."""
        size = self._page_size
        limited = asked if size is None else {**asked, "limit": size}
        given = 0
        try:
            async for page in self._gated(endpoint, limited):
                given += 1
                yield page
        except RequestRefused as error:
            if size is None or given or not _OF_THE_LIMIT.search(error.message):
                raise
        else:
            return
        self._page_size = None
        async for page in self._gated(endpoint, asked):
            yield page

    async def user(self, user_id: str) -> JsonObject:
        """Read a person in full."""
        raw = await self.gate.through(lambda: self.client.get_user(self._account_id, user_id))
        self._notice(raw)
        return raw

    async def course(self, course_id: str) -> JsonObject:
        """Read a course in full."""
        raw = await self.gate.through(lambda: self.client.get_course(self._account_id, course_id))
        self._notice(raw)
        return raw

    async def proxied(self, resource: str, key: str) -> object:
        """Read a record as the provider answers for it."""
        return await self.gate.through(lambda: self.client.get_proxied(self._account_id, resource, key))

    async def _gated(self, endpoint: str, asked: Mapping[str, Any]) -> AsyncGenerator[Page]:
        async with aclosing(self.client.pages(endpoint, self._account_id, asked)) as pages:
            while (page := await self.gate.through(lambda: anext(pages, None))) is not None:
                yield page

    def _notice(self, *items: JsonObject) -> None:
        self.noticed.payloads = self.noticed.payloads or any(map(talentlms_payload.has_payload, items))
