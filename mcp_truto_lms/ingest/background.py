"""Background jobs: a job that a question starts may outlive the question, and ends with the process.

A question waits for its job until its time is over or until the job detaches itself; the job then continues alone. A
question that is cancelled cancels its job. All jobs run in one task group that belongs to the process, so nothing is
left behind when the process ends.
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
    """A job and how it went.

    Attributes:
        call_counter: the calls to the provider that it made, and whether a question still waits for it
        error: how it failed
        done: whether it finished
        scope: cancels it
        released: set once the question need not wait any longer
    """

    def __init__(self) -> None:
        self.call_counter = CallCounter()
        self.error: Exception | None = None
        self.done = False
        self.scope = anyio.CancelScope()
        self.released = anyio.Event()

    def detach(self) -> None:
        """Release the question that waits; the job is in the background from now on."""
        self.call_counter.background = True
        self.released.set()


class Background:
    """The task group of the process; the owner of the process enters it once."""

    def __init__(self) -> None:
        self._group: TaskGroup | None = None

    async def __aenter__(self) -> Self:
        self._group = await anyio.create_task_group().__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._group is not None:
            self._group.cancel_scope.cancel()
            await self._group.__aexit__(None, None, None)  # the body's own error propagates as it is, in no group
        self._group = None  # only now: until it ends, a job may start another, which is cancelled with it

    def cancel(self) -> None:
        """Cancel all jobs."""
        if self._group is not None:
            self._group.cancel_scope.cancel()

    def start(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Start work that handles its own errors."""
        assert self._group is not None, "background jobs need the process: enter the app context first"  # noqa: S101
        self._group.start_soon(work)

    async def run(self, work: Callable[[BackgroundJob], Awaitable[None]], *, ends_at: float) -> bool:
        """Run work and wait for it; tell whether it was done in time.

        Args:
            work: receives its job, which it may detach before the time is over
            ends_at: in the event loop's seconds; after that the work continues alone

        Raises:
            LmsError: the work failed while the caller waited.
        """
        job = BackgroundJob()

        async def guarded() -> None:
            CALL_COUNTER.set(job.call_counter)
            try:
                with job.scope:
                    await work(job)
                    job.done = True
            except Exception as error:  # noqa: BLE001  an edge: the caller raises it, or it is logged
                job.error = error
                if job.call_counter.background:
                    what = error if isinstance(error, LmsError) else type(error).__name__
                    logger.warning("Reading in the background ended: %s", what)
            finally:
                job.released.set()

        self.start(guarded)
        try:
            with anyio.CancelScope(deadline=ends_at):
                await job.released.wait()
        except BaseException:
            job.scope.cancel()
            raise
        finally:
            if (call_counter := CALL_COUNTER.get()) is not None:
                call_counter.calls += job.call_counter.calls
        if job.error is not None:
            raise job.error
        if not job.done:
            job.detach()
        return job.done
