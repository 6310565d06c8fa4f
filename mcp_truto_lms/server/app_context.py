"""The connection to the LMS that the settings name: opened by the first question, closed with the process.

It belongs to the process, not to a client's session: sessions come and go, and share what was read and what is being
read. Until the first question, nothing of the store, of HTTP or of the sample portal is imported, so that a client sees
the tools at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC
from types import TracebackType
from typing import TYPE_CHECKING, Self, cast

import anyio
import anyio.to_thread

from mcp_truto_lms.domain.errors import QueryError
from mcp_truto_lms.ingest.background import Background
from mcp_truto_lms.settings import AccountName, Clock, Settings

if TYPE_CHECKING:
    from mcp_truto_lms.domain.source import Source
    from mcp_truto_lms.providers.rate_limiter import Acquire
    from mcp_truto_lms.server.account import Account
    from mcp_truto_lms.store.database import Database


class AppContext:
    """Opens the accounts when one is first needed.

    Args:
        source: opens other sources than those that the settings name
        clock: another clock than that of the settings
    """

    def __init__(
        self,
        settings: Settings,
        *,
        source: Callable[[AccountName], Source] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.settings = settings
        self.names = {one.name: one for one in settings.accounts()}
        self._source = source
        self._clock = clock or settings.clock()
        self._background = Background()
        self._database: Database | None = None
        self._accounts: Mapping[str, Account] = {}
        self._opening = anyio.Lock()

    async def account(self, name: str | None = None) -> Account:
        """Give an account by its name, all of them opened once; without a name the only one.

        Raises:
            QueryError: there is no such account, or there are several and none was named.
        """
        found = next(iter(self.names)) if name is None and len(self.names) == 1 else name
        if found not in self.names:
            said = f"there is no {str(name)[:40]!r}" if name is not None else "several are connected, name one"
            raise QueryError(f"account: {said}; known: {', '.join(self.names)}.")
        async with self._opening:
            if not self._accounts:
                self._accounts = await self._open()
            return self._accounts[found]

    async def database(self) -> Database:
        """Give the store of all accounts, opened once."""
        await self.account(next(iter(self.names)))
        return cast("Database", self._database)

    def now(self) -> int:
        """Tell the time, in epoch seconds."""
        return int(self._clock().timestamp())

    async def _open(self) -> Mapping[str, Account]:
        from mcp_truto_lms.server.account import Account
        from mcp_truto_lms.store.database import Database

        database = await anyio.to_thread.run_sync(Database, self.settings.store)
        self._database = database
        open_one = self._source or sources(self.settings, database.acquire if database.shared else None)
        return {
            one.name: Account(
                self._veiled(open_one(one), one),
                database,
                self.settings,
                key=one.key,
                background=self._background,
                clock=self._clock,
                pseudonymizer=one.seal,
            )
            for one in self.names.values()
        }

    def _veiled(self, source: Source, account: AccountName) -> Source:
        if account.seal is None:
            return source
        from mcp_truto_lms.providers.redacting_source import Redactor, redacted

        return redacted(source, Redactor(self.settings.columns, account.seal))

    async def aclose(self) -> None:
        """End what is being read, and close the accounts where they were opened."""
        self._background.cancel()
        accounts, self._accounts = self._accounts, {}
        for one in accounts.values():
            await one.source.aclose()
        database, self._database = self._database, None
        if database is not None:
            database.close()

    async def __aenter__(self) -> Self:
        await self._background.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._background.__aexit__(kind, error, trace)
        finally:
            with anyio.CancelScope(shield=True):
                await self.aclose()


def sources(settings: Settings, admit: Acquire | None = None) -> Callable[[AccountName], Source]:
    """Make the sources that the settings name; the sample portal runs inside this process.

    Args:
        settings: name the provider, its address and its keys
        admit: counts calls for all processes that share a key's limits
    """
    if settings.source == "truto":
        from mcp_truto_lms.providers.truto.client import DEFAULT_BASE_URL, TrutoClient
        from mcp_truto_lms.providers.truto.source import TrutoSource

        client = TrutoClient(
            settings.truto_api_token, base_url=settings.truto_base_url or DEFAULT_BASE_URL, admit=admit
        )
        return lambda one: TrutoSource(client, one.id, zone=settings.zone or UTC)
    from mcp_truto_lms.providers.talentlms.source import TalentLmsSource

    if settings.source == "talentlms":
        return lambda _: TalentLmsSource.connect(
            base_url=settings.talentlms_base_url,
            api_key=settings.talentlms_api_key,
            category_names=bool(settings.mandatory_courses),
            admit=admit,
        )
    import httpx

    from mcp_truto_lms.sandbox.organisation import generate
    from mcp_truto_lms.sandbox.portal import SAMPLE_API_KEY, SAMPLE_BASE_URL, sample_app

    transport = httpx.ASGITransport(app=sample_app(generate(today=settings.clock()().date())))
    return lambda _: TalentLmsSource.connect(
        base_url=SAMPLE_BASE_URL,
        api_key=SAMPLE_API_KEY,
        transport=transport,
        category_names=bool(settings.mandatory_courses),
    )
