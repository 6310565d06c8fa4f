"""Syncs a portal into a file, over and over, each time in a process that is killed at a moment of chance.

    python tests/e2e/kill_sync.py FOLDER ROUNDS SEED

Each round forks a process that syncs into a new file, kills it with SIGKILL, and prints how far it came, as a line of
JSON. Told to go on by a line on stdin, it forks another one and prints whether that ended well. Forking saves what
starting costs; nothing runs here that a fork could break: no loop, no thread.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import sys
import time
from pathlib import Path

import anyio

import mcp_truto_lms.providers.talentlms.source
import mcp_truto_lms.server.account  # noqa: F401  likewise
from mcp_truto_lms.server.app_context import AppContext
from mcp_truto_lms.settings import Settings


async def sync(settings: Settings) -> bool:
    async with AppContext(settings) as connection:
        return (await (await connection.account()).sync()).complete


def forked(store: Path) -> int:
    """Start a process that syncs into a file, and give its id."""
    process = os.fork()
    if process == 0:
        code = 1
        try:
            code = 0 if anyio.run(sync, Settings.from_env({**os.environ, "MCP_TRUTO_LMS_STORE": str(store)})) else 1
        finally:
            os._exit(code)
    return process


def courses(store: Path) -> int:
    """Count the courses that are written whole."""
    try:
        with sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=10) as connection:
            return connection.execute("SELECT count(*) FROM scopes WHERE scope LIKE 'course:%'").fetchone()[0]
    except sqlite3.Error:  # killed before there was a table
        return 0


def tell(**found: object) -> None:
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()


def main(folder: Path, rounds: int, seed: int) -> None:
    chance = random.Random(seed)
    began = time.monotonic()
    _, status = os.waitpid(forked(folder / "whole.db"), 0)
    whole_seconds = time.monotonic() - began
    tell(ok=status == 0, store="whole.db", seconds=whole_seconds)
    for number in range(rounds):
        store = folder / f"killed-{number}.db"
        process = forked(store)
        time.sleep(chance.uniform(0, whole_seconds))
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        tell(courses=courses(store))
        sys.stdin.readline()
        _, status = os.waitpid(forked(store), 0)
        tell(ok=status == 0, store=store.name)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
