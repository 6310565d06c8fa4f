"""Helpers for tests that wait for a slow portal, or read what an answer says of its coverage."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import anyio

from tests.conftest import WAIT_SECONDS, Desk


class PendingRequests:
    """Counts the requests that the portal has not answered yet, by standing in for its sleep."""

    def __init__(self, desk: Desk) -> None:
        self.now = 0
        desk.portal._sleep = self

    async def __call__(self, seconds: float) -> None:
        self.now += 1
        try:
            await anyio.sleep(seconds)
        finally:
            self.now -= 1


async def until(happened: Callable[[], bool]) -> None:
    """Wait until something that has no event of its own has happened."""
    with anyio.fail_after(WAIT_SECONDS):
        while not happened():  # noqa: ASYNC110 - the portal tells nobody
            await anyio.sleep(0.001)


def first_line(text: str) -> str:
    return text.splitlines()[0]


def read_coverage(text: str) -> tuple[int, int, str]:
    """Read what an incomplete answer says of its coverage."""
    match = re.search(r"(\d+) of (\d+) (\w+) read, ask again (?:to continue|in \d+ s)", first_line(text))
    assert match, text
    return int(match[1]), int(match[2]), match[3]


def set_deadline(desk: Desk, seconds: float) -> None:
    """Change how long a call may take."""
    refresher = desk.account._refresher
    changed = replace(refresher._settings, deadline_seconds=seconds)
    refresher._settings = refresher.fetcher._settings = changed
