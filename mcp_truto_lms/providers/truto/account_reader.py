"""Calls for one integrated account: every call passes its auth gate, and records the payloads and gaps it shows.

A list is read in the largest pages available: Truto commonly reduces a limit above its maximum without an error. If it
refuses the limit instead, later calls send none.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from mcp_truto_lms.providers.truto import talentlms_payload
from mcp_truto_lms.providers.truto.auth_gate import AuthGate
from mcp_truto_lms.providers.truto.client import TrutoClient
from mcp_truto_lms.providers.truto.errors import RequestRefused
from mcp_truto_lms.providers.truto.page import JsonObject, Page

PAGE_SIZE = 1000

_NAMES_THE_LIMIT = re.compile(r"\blimit\b", re.IGNORECASE)


@dataclass(slots=True)
class Observations:
    """What the calls so far have shown; updated by `AccountReader`.

    Args:
        payloads_seen: some record carried the provider's payload
        partial_lists: the endpoints whose last list was incomplete
    """

    payloads_seen: bool = False
    partial_lists: set[str] = field(default_factory=lambda: set[str]())


class AccountReader:
    """Reads the pages and records of one account."""

    def __init__(self, client: TrutoClient, integrated_account_id: str) -> None:
        self.client = client
        self.auth_gate = AuthGate()
        self.observations = Observations()
        self._account_id = integrated_account_id
        self._page_size: int | None = PAGE_SIZE

    async def full_list(self, endpoint: str) -> AsyncGenerator[Page]:
        """Read all pages of a list, and record whether the list was complete."""
        partial, page = False, Page([])
        async with aclosing(self.pages(endpoint, {})) as pages:
            async for page in pages:
                partial = partial or page.is_partial_response
                self._observe(*page.items)
                yield page
        partial = partial or page.next_cursor is not None  # the last cursor led to a page that was read before
        partial_lists = self.observations.partial_lists
        (partial_lists.add if partial else partial_lists.discard)(endpoint)

    async def pages(self, endpoint: str, parameters: Mapping[str, Any]) -> AsyncGenerator[Page]:
        """Read the pages of a list with the given parameters."""
        page_size = self._page_size
        limited = parameters if page_size is None else {**parameters, "limit": page_size}
        pages_read = 0
        try:
            async for page in self._gated_pages(endpoint, limited):
                pages_read += 1
                yield page
        except RequestRefused as error:
            if page_size is None or pages_read or not _NAMES_THE_LIMIT.search(error.message):
                raise
        else:
            return
        self._page_size = None
        async for page in self._gated_pages(endpoint, parameters):
            yield page

    async def user(self, user_id: str) -> JsonObject:
        """Read one user in full."""
        raw_user = await self.auth_gate.call(lambda: self.client.get_user(self._account_id, user_id))
        self._observe(raw_user)
        return raw_user

    async def course(self, course_id: str) -> JsonObject:
        """Read one course in full."""
        raw_course = await self.auth_gate.call(lambda: self.client.get_course(self._account_id, course_id))
        self._observe(raw_course)
        return raw_course

    async def proxied(self, resource: str, record_id: str) -> object:
        """Read one record as the provider itself returns it."""
        return await self.auth_gate.call(lambda: self.client.get_proxied(self._account_id, resource, record_id))

    async def _gated_pages(self, endpoint: str, parameters: Mapping[str, Any]) -> AsyncGenerator[Page]:
        async with aclosing(self.client.pages(endpoint, self._account_id, parameters)) as pages:
            while (page := await self.auth_gate.call(lambda: anext(pages, None))) is not None:
                yield page

    def _observe(self, *raw_records: JsonObject) -> None:
        observations = self.observations
        observations.payloads_seen = observations.payloads_seen or any(map(talentlms_payload.has_payload, raw_records))
