"""How a process of the command line ends: with an exit code, and on a signal within a second.

A signal sets an event, and the command cleans up: it cancels upstream calls and closes connections. A timer behind it
ends a process that does not get there, such as one whose thread still waits for stdin.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress

import anyio

from mcp_truto_lms.operating_system import end_signal_handler

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130
CLEAN_UP_SECONDS = 0.8
"""How long a process may clean up after a signal."""


@contextmanager
def end_signal() -> Generator[anyio.Event]:
    """Give an event that a signal to end the process sets; the process exits soon after in any case."""
    ended = anyio.Event()
    loop = asyncio.get_running_loop()

    def end() -> None:
        timer = threading.Timer(CLEAN_UP_SECONDS, exit_now)
        timer.daemon = True
        timer.start()
        loop.call_soon_threadsafe(ended.set)

    with end_signal_handler(end):
        yield ended


def exit_now() -> None:
    """Exit with code 0, without waiting for threads."""
    with suppress(OSError, ValueError):
        sys.stderr.flush()
    os._exit(0)
