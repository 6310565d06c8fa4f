"""The gate before an account that has turned everybody away.

Once an account's authorisation has lapsed, every further call is another refusal, and one that an LMS may count against
the account. So the refusal is remembered. Background work looks at it and stays away. A question that a person asks is
let through, but as one call alone: everything else that the question would have read waits for what becomes of it, and
is refused with it, or goes on where the account has been reconnected.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from mcp_truto_lms.domain.errors import AccessDenied
from mcp_truto_lms.providers.truto.errors import AccountBlocked, AccountUnknown, ReconnectAccount, TokenRefused

Result = TypeVar("Result")

_OF_EVERYTHING = (ReconnectAccount, TokenRefused, AccountBlocked, AccountUnknown)


class AuthGate:
    """Lets calls through, and remembers the refusal of the last one that was turned away altogether."""

    def __init__(self) -> None:
        self.refusal: AccessDenied | None = None
        self._probing = anyio.Lock()

    async def through(self, call: Callable[[], Awaitable[Result]]) -> Result:
        """Make a call, or wait for the one that finds out whether calls are allowed again.

        Raises:
            AccessDenied: they are not.
        """
        before = self.refusal
        if before is None:
            return await self._noted(call)
        async with self._probing:
            if self.refusal is before:
                return await self._noted(call)
        self.check(before)
        return await self._noted(call)

    def check(self, before: AccessDenied | None) -> None:
        """Say that another call was turned away, since the refusal was this one.

        Raises:
            AccessDenied: it was.
        """
        if self.refusal is not None and self.refusal is not before:
            raise AccessDenied(str(self.refusal))

    async def _noted(self, call: Callable[[], Awaitable[Result]]) -> Result:
        try:
            result = await call()
        except _OF_EVERYTHING as error:
            self.refusal = error
            raise
        self.refusal = None
        return result
