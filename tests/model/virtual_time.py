"""Virtual time: an event loop whose clock jumps to the next timer, so that days pass in milliseconds, and replay.

Work for threads runs in the loop itself: a thread would make the order of events depend on the machine.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

import anyio.lowlevel
import anyio.to_thread
import pytest

FIRST_MOMENT = int(datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp())
"""The epoch seconds at which a world begins."""

_Result = TypeVar("_Result")


class _JumpingSelector(selectors.DefaultSelector):  # type: ignore[misc, valid-type]  # the class depends on the system
    """Never waits: where nothing is ready, it moves the clock to the next timer."""

    def __init__(self) -> None:
        super().__init__()
        self.moment = 1_000.0

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = super().select(0)
        if ready:
            return ready
        if timeout is None:
            raise RuntimeError("every task waits, and no timer is set: the server hangs")
        self.moment += max(0.0, timeout)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.moment


class VirtualTime:
    """The clock of one world, and the loop that everything in it runs on."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner(loop_factory=VirtualLoop)
        self._loop = self._runner.get_loop()
        self._began_at = self._loop.time()

    def monotonic(self) -> float:
        """Tell the seconds of the loop."""
        return self._loop.time()

    def epoch(self) -> float:
        """Tell the wall clock, in epoch seconds."""
        return FIRST_MOMENT + self._loop.time() - self._began_at

    def wall(self) -> datetime:
        """Tell the wall clock, as the server reads it."""
        return datetime.fromtimestamp(self.epoch(), UTC)

    def run(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        """Run until the work is done; tasks that it started stay for the next run."""
        with threads_run_inline():
            return self._runner.run(work)

    def close(self) -> None:
        """Cancel what still runs."""
        with threads_run_inline():
            self._runner.close()


@contextmanager
def threads_run_inline() -> Generator[None]:
    """Run work for worker threads in the event loop."""

    async def run_sync(work: Callable[..., Any], *args: Any, **_: Any) -> Any:
        await anyio.lowlevel.checkpoint()
        return work(*args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(anyio.to_thread, "run_sync", run_sync)
        yield
