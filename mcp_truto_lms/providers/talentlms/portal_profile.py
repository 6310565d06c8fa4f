"""What a portal reports of itself: how it prints dates, and how long its lists are.

`siteinfo` has the order of printed dates and the numbers of people, courses, branches and groups. It is documented
without a time zone, so the zone is inferred from rows (`date_inference`). A portal without `siteinfo` is read all the
same: its order of dates is inferred too.
"""

from __future__ import annotations

from collections.abc import Mapping

import anyio

from mcp_truto_lms.domain.errors import NotFound, SourceError, UnexpectedAnswer
from mcp_truto_lms.providers.payload_values import MAX_DURATION_SECONDS, as_object, to_int
from mcp_truto_lms.providers.talentlms.api import TalentLmsApi
from mcp_truto_lms.providers.talentlms.date_inference import DateInference
from mcp_truto_lms.providers.talentlms.dates import PortalDates, portal_dates
from mcp_truto_lms.providers.talentlms.pages import read_list

LISTS = ("users", "courses", "categories", "branches", "groups")
"""The lists whose length `siteinfo` reports."""


class PortalProfile:
    """What one portal reports of itself, read once.

    Attributes:
        dates: how the portal prints dates, as far as is known
        totals: the lengths that the portal reports of its lists
    """

    def __init__(self, api: TalentLmsApi) -> None:
        self._api = api
        self._is_read = self._is_refused = False
        self._unlisted: dict[str, int] = {}
        self._lock = anyio.Lock()
        self.dates = DateInference()
        self.totals: Mapping[str, int | None] = {}

    async def read(self, *, again: bool = False) -> PortalDates:
        """Read `siteinfo`, once; return how the portal prints dates, as far as is known.

        Args:
            again: read it again where the portal refused it before
        """
        async with self._lock:
            if not self._is_read and (again or not self._is_refused):
                try:
                    await self._read_siteinfo()
                except (NotFound, UnexpectedAnswer):
                    self._is_refused = True
        return self.dates.known

    async def read_list(self, endpoint: str) -> list[object]:
        """Read a list other than the people's to its end."""
        return await read_list(self._api.read, endpoint, at_least=self._expected(endpoint))

    def unlisted(self, endpoint: str) -> int:
        """How many items the last list lacked."""
        return self._unlisted.get(endpoint, 0)

    async def compare_with_total(self, endpoint: str, count: int, skipped: int) -> None:
        """Count what a list lacks: items without a usable id, and those that only the portal's total includes.

        A list may be longer than the total, which may count active people or courses alone.
        """
        if count < self._expected(endpoint):  # items may have been deleted since the total was read
            try:
                await self._read_siteinfo()
            except SourceError:
                return
        self._unlisted[endpoint] = max(skipped, (self.totals.get(endpoint) or 0) - count)

    def _expected(self, endpoint: str) -> int:
        """How long a list is at least: the portal's total, without the items that the last list lacked."""
        return (self.totals.get(endpoint) or 0) - self.unlisted(endpoint)

    async def _read_siteinfo(self) -> None:
        info = as_object(await self._api.read("siteinfo"))
        self.totals = {name: to_int(info.get(f"total_{name}"), most=MAX_DURATION_SECONDS) for name in LISTS}
        self.dates.accept_siteinfo(portal_dates(info))
        self._is_read = True
