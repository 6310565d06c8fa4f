"""The auth gate of one integrated account: it stores a refusal of the whole account and limits calls after it.

After an account's authorization lapses, every further call is refused, and an LMS may count refused calls against the
account. So while a refusal is stored, one call at a time probes the account. The other calls of that time wait for the
probe: they fail with its refusal, or go on if the probe succeeds.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from mcp_truto_lms.domain.errors import AccessDenied
from mcp_truto_lms.providers.truto.errors import AccountBlocked, AccountUnknown, ReconnectAccount, TokenRefused

Result = TypeVar("Result")

RefusalOfTheAccount = ReconnectAccount | TokenRefused | AccountBlocked | AccountUnknown


class AuthGate:
    """Makes calls and stores the refusal of the last one, if the whole account was refused."""

    def __init__(self) -> None:
        self.refusal: RefusalOfTheAccount | None = None
        self._probe_lock = anyio.Lock()

    async def call(self, send: Callable[[], Awaitable[Result]]) -> Result:
        """Make a call; while a refusal is stored, one call probes the account and the others wait for it.

        Raises:
            AccessDenied: the account is refused.
        """
        previous_refusal = self.refusal
        if previous_refusal is None:
            return await self._send(send)
        async with self._probe_lock:
            if self.refusal is previous_refusal:
                return await self._send(send)
        self.raise_if_refused_since(previous_refusal)
        return await self._send(send)

    def raise_if_refused_since(self, previous_refusal: AccessDenied | None) -> None:
        """Raise if another call has been refused since `previous_refusal` was the stored one.

        Raises:
            AccessDenied: a later call was refused.
        """
        if self.refusal is not None and self.refusal is not previous_refusal:
            raise type(self.refusal)(str(self.refusal), self.refusal.details)

    async def _send(self, send: Callable[[], Awaitable[Result]]) -> Result:
        try:
            result = await send()
        except (ReconnectAccount, TokenRefused, AccountBlocked, AccountUnknown) as error:
            self.refusal = error
            raise
        self.refusal = None
        return result
