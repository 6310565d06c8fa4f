"""Background work: what a call set going outlives the call's time, and ends with the process.

A call waits for its work until its time is over, or until the work lets it go; the work then goes on without it. A call
that is cancelled takes its work with it. Everything runs in one task group that belongs to the process, so nothing is
left behind when that ends.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Coroutine
from types import TracebackType
from typing import Any, Self

import anyio
from anyio.abc import TaskGroup

from mcp_truto_lms.domain.call_counter import CALL_COUNTER, CallCounter
from mcp_truto_lms.domain.errors import LmsError

logger = logging.getLogger(__name__)


class BackgroundJob:
    """A piece of work and how it went.

    Args:
        tally: the calls to the provider that it made, and whether anybody still waits for it
        error: what it failed with
    """

    def __init__(self) -> None:
        self.tally = CallCounter()
        self.error: Exception | None = None
        self.done = False
        self.scope = anyio.CancelScope()
        self.released = anyio.Event()

    def let_go(self) -> None:
        """Let the call go that waits; the work is in the background from now on."""
        self.tally.background = True
        self.released.set()


class Background:
    """The task group of the process; entered once, by whoever owns the process."""

    def __init__(self) -> None:
        self._group: TaskGroup | None = None

    async def __aenter__(self) -> Self:
        self._group = await anyio.create_task_group().__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        group, self._group = self._group, None
        if group is not None:
            group.cancel_scope.cancel()
            await group.__aexit__(None, None, None)  # the body's own error goes on as it is, in no group

    def cancel(self) -> None:
        """Cancel all work."""
        if self._group is not None:
            self._group.cancel_scope.cancel()

    def start(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Start what deals with its own errors."""
        assert self._group is not None, "background work needs its process: enter the connection first"  # noqa: S101
        self._group.start_soon(work)

    async def run(self, work: Callable[[BackgroundJob], Awaitable[None]], *, ends_at: float) -> bool:
        """Run work and wait for it; answer whether it was done in time.

        Args:
            work: is given itself, to let the call go before its time is over
            ends_at: in the event loop's seconds; past it, the work goes on alone

        Raises:
            LmsError: the work failed while it was waited for.
        """
        one = BackgroundJob()

        async def guarded() -> None:
            CALL_COUNTER.set(one.tally)
            try:
                with one.scope:
                    await work(one)
                    one.done = True
            except Exception as error:  # noqa: BLE001  an edge: whoever waits gets it, else the log
                one.error = error
                if one.tally.background:
                    what = error if isinstance(error, LmsError) else type(error).__name__
                    logger.warning("Reading in the background ended: %s", what)
            finally:
                one.released.set()

        self.start(guarded)
        try:
            with anyio.CancelScope(deadline=ends_at):
                await one.released.wait()
        except BaseException:
            one.scope.cancel()
            raise
        finally:
            if (tally := CALL_COUNTER.get()) is not None:
                tally.calls += one.tally.calls
        if one.error is not None:
            raise one.error
        if not one.done:
            one.let_go()
        return one.done
