"""Calls for one integrated account: every call passes its auth gate, and records the payloads and gaps it shows.

A list is read in the largest pages available. Truto passes the limit on, without a documented maximum: an LMS reduces a
limit above its own maximum, or refuses the call in words of its own. So a refused first page is read again with a
smaller limit and then with none, whatever the words. A size that worked is used for later calls of the endpoint. If
every size is refused, the size is not the reason.

An answer of another record than the one that was asked for is an error, as a cache on the way may return one.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from mcp_truto_lms.domain.errors import UnexpectedAnswer
from mcp_truto_lms.providers.payload_values import as_object
from mcp_truto_lms.providers.truto import records, talentlms_payload
from mcp_truto_lms.providers.truto.auth_gate import AuthGate
from mcp_truto_lms.providers.truto.client import TrutoClient
from mcp_truto_lms.providers.truto.errors import RequestRefused, TooManyRequests
from mcp_truto_lms.providers.truto.page import JsonObject, Page

PAGE_SIZES: tuple[int | None, ...] = (1000, 100, None)
"""The limits that are tried, in this order; None sends no limit."""
_STATUSES_OF_A_REFUSED_LIMIT = frozenset({400, 422})


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
        self._page_sizes: dict[str, int | None] = {}

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
        """Read the pages of a list with the given parameters, in the largest pages that the account allows."""
        is_size_known = endpoint in self._page_sizes
        sizes = (self._page_sizes[endpoint],) if is_size_known else PAGE_SIZES
        for page_size in sizes:
            pages_read = 0
            try:
                async with aclosing(self.pages_of_size(endpoint, parameters, page_size)) as pages:
                    async for page in pages:
                        pages_read += 1
                        self._page_sizes[endpoint] = page_size
                        yield page
            except (RequestRefused, TooManyRequests) as error:
                if pages_read or error.status_code not in _STATUSES_OF_A_REFUSED_LIMIT:
                    raise
                self._page_sizes.pop(endpoint, None)
                if page_size == sizes[-1]:
                    raise
            else:
                return

    async def pages_of_size(
        self, endpoint: str, parameters: Mapping[str, Any], page_size: int | None
    ) -> AsyncGenerator[Page]:
        """Read the pages of a list with the given parameters and limit; None sends no limit."""
        limited = parameters if page_size is None else {**parameters, "limit": page_size}
        async with aclosing(self.client.pages(endpoint, self._account_id, limited)) as pages:
            while (page := await self.auth_gate.call(lambda: anext(pages, None))) is not None:
                yield page

    async def user(self, user_id: str) -> JsonObject:
        """Read one user in full.

        Raises:
            UnexpectedAnswer: the answer is another user's.
        """
        raw_user = await self.auth_gate.call(lambda: self.client.get_user(self._account_id, user_id))
        check_identity(raw_user, user_id, "users/id")
        self._observe(raw_user)
        return raw_user

    async def course(self, course_id: str) -> JsonObject:
        """Read one course in full.

        Raises:
            UnexpectedAnswer: the answer is another course's.
        """
        raw_course = await self.auth_gate.call(lambda: self.client.get_course(self._account_id, course_id))
        check_identity(raw_course, course_id, "courses/id")
        self._observe(raw_course)
        return raw_course

    async def proxied(self, resource: str, record_id: str) -> object:
        """Read one record as the provider itself returns it."""
        return await self.auth_gate.call(lambda: self.client.get_proxied(self._account_id, resource, record_id))

    def _observe(self, *raw_records: JsonObject) -> None:
        observations = self.observations
        observations.payloads_seen = observations.payloads_seen or any(map(talentlms_payload.has_payload, raw_records))


def check_identity(raw_record: object, record_id: str, endpoint: str) -> None:
    """Refuse a record whose id is not the one that was asked for.

    Raises:
        UnexpectedAnswer: it is another record, or has no usable id.
    """
    if records.parse_identifier(as_object(raw_record).get("id")) != record_id:
        raise UnexpectedAnswer(f"Truto answered `{endpoint}` with another record than the one that was asked for.")
