"""The connection to the LMS that the settings name: opened by the first question, closed with the process.

It belongs to the process, not to a client's session: sessions come and go, and share what was read. Until the first
question, nothing of the store, of HTTP or of the sample portal is imported, so that a client sees the tools at once.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from types import TracebackType
from typing import TYPE_CHECKING, Self

import anyio

from mcp_truto_lms.settings import Clock, Settings

if TYPE_CHECKING:
    from mcp_truto_lms.account import Account
    from mcp_truto_lms.sources.protocol import Source


class Connection:
    """Opens the account when it is first needed.

    Args:
        source: opens another source than the one that the settings name
        clock: another clock than that of the settings
    """

    def __init__(
        self, settings: Settings, *, source: Callable[[], Source] | None = None, clock: Clock | None = None
    ) -> None:
        self.settings = settings
        self._source = source or (lambda: open_source(settings))
        self._clock = clock or settings.clock()
        self._account: Account | None = None
        self._opening = anyio.Lock()

    async def account(self) -> Account:
        """Give the account, opened once."""
        async with self._opening:
            if self._account is None:
                self._account = self._open()
            return self._account

    def _open(self) -> Account:
        from mcp_truto_lms.account import Account
        from mcp_truto_lms.store.database import Database

        return Account(self._source(), Database(), self.settings, clock=self._clock)

    async def aclose(self) -> None:
        """Close the account, where it was opened."""
        account, self._account = self._account, None
        if account is not None:
            await account.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with anyio.CancelScope(shield=True):
            await self.aclose()


def open_source(settings: Settings) -> Source:
    """Make the source that the settings name; the sample portal runs inside this process."""
    if settings.source == "truto":
        from mcp_truto_lms.sources.truto import TrutoSource

        return TrutoSource.connect(
            settings.truto_base_url, settings.truto_api_token, settings.truto_account_id, zone=settings.zone or UTC
        )
    from mcp_truto_lms.sources.talentlms import TalentLmsSource

    if settings.source == "talentlms":
        return TalentLmsSource.connect(base_url=settings.talentlms_base_url, api_key=settings.talentlms_api_key)
    import httpx

    from mcp_truto_lms.sandbox.organisation import generate
    from mcp_truto_lms.sandbox.portal import SAMPLE_API_KEY, SAMPLE_BASE_URL, sample_app

    transport = httpx.ASGITransport(app=sample_app(generate(today=settings.clock()().date())))
    return TalentLmsSource.connect(base_url=SAMPLE_BASE_URL, api_key=SAMPLE_API_KEY, transport=transport)
