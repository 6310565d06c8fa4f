"""What the process shares: the accounts that the settings name, their store, and the background work.

The context belongs to the process, not to a client's session: sessions come and go, and share stored data and running
fetches. The first question opens the accounts. Until then nothing of the store, of HTTP or of the sample portal is
imported, so that a client sees the tools at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self, cast

import anyio
import anyio.to_thread

from mcp_truto_lms.domain.errors import QueryError
from mcp_truto_lms.domain.rate_limits import Sleep
from mcp_truto_lms.ingest.background import Background
from mcp_truto_lms.provider_registry import AccountName
from mcp_truto_lms.settings import Clock, Settings

if TYPE_CHECKING:
    from mcp_truto_lms.domain.source import Source
    from mcp_truto_lms.server.account import Account
    from mcp_truto_lms.store.database import Database


class AppContext:
    """Opens all accounts when the first one is needed.

    Args:
        source: opens other sources than those that the settings name
        clock: another clock than that of the settings
        sleep: how reading in the background waits for a limit
    """

    def __init__(
        self,
        settings: Settings,
        *,
        source: Callable[[AccountName], Source] | None = None,
        clock: Clock | None = None,
        sleep: Sleep = anyio.sleep,
    ) -> None:
        self.settings = settings
        self.names = {account.name: account for account in settings.accounts()}
        self._open_source = source
        self._clock = clock or settings.clock()
        self._sleep = sleep
        self._background = Background()
        self._database: Database | None = None
        self._accounts: Mapping[str, Account] = {}
        self._opening = anyio.Lock()

    async def account(self, name: str | None = None) -> Account:
        """Give an account by its name, or the only account without a name.

        Raises:
            QueryError: there is no such account, or there are several and no name was given.
        """
        wanted = next(iter(self.names)) if name is None and len(self.names) == 1 else name
        if wanted not in self.names:
            problem = f"there is no {str(name)[:40]!r}" if name is not None else "several are connected, name one"
            raise QueryError(f"account: {problem}; known: {', '.join(self.names)}.")
        async with self._opening:
            if not self._accounts:
                self._accounts = await self._open()
            return self._accounts[wanted]

    async def database(self) -> Database:
        """Give the store of all accounts."""
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
        acquire = database.acquire if database.shared else None
        open_source = self._open_source or self.settings.provider.connect(self.settings, acquire)
        return {
            account.name: Account(
                self._redacted(open_source(account), account),
                database,
                self.settings,
                key=account.key,
                background=self._background,
                clock=self._clock,
                pseudonymizer=account.pseudonymizer,
                sleep=self._sleep,
            )
            for account in self.names.values()
        }

    def _redacted(self, source: Source, account: AccountName) -> Source:
        if account.pseudonymizer is None:
            return source
        from mcp_truto_lms.providers.redacting_source import Redactor, redacted

        return redacted(source, Redactor(self.settings.columns, account.pseudonymizer))

    async def aclose(self) -> None:
        """Cancel running fetches, and close the accounts where they are open."""
        self._background.cancel()
        accounts, self._accounts = self._accounts, {}
        for account in accounts.values():
            await account.source.aclose()
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
