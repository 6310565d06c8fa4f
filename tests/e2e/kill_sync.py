"""Syncs a portal into a file, again and again, each time in a process that is killed on the way.

    python tests/e2e/kill_sync.py FOLDER ROUNDS SEED

Each round forks a process that syncs into a new file, kills it with SIGKILL, and prints as a line of JSON how many
courses the file has. After a line on stdin it forks a process that finishes the sync, and prints whether that ended
well. The kill waits for a random number of stored courses, and then for a few random milliseconds: how far a process
comes does not depend on how busy the machine is. Forks save the time of a start; they copy neither a loop nor a thread.
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

import mcp_truto_lms.providers.talentlms.source  # imported before the fork, to save time after it
import mcp_truto_lms.server.account  # noqa: F401  likewise
from mcp_truto_lms.server.app_context import AppContext
from mcp_truto_lms.settings import Settings

MAX_DELAY_SECONDS = 0.2


async def sync(settings: Settings) -> bool:
    async with AppContext(settings) as app_context:
        return (await (await app_context.account()).sync()).complete


def fork_sync(store: Path) -> int:
    """Start a process that syncs into a file; return its id."""
    process = os.fork()
    if process == 0:
        code = 1
        try:
            code = 0 if anyio.run(sync, Settings.from_env({**os.environ, "MCP_TRUTO_LMS_STORE": str(store)})) else 1
        finally:
            os._exit(code)
    return process


def count_courses(store: Path) -> int:
    """Count the courses that are written whole."""
    try:
        with sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=10) as connection:
            return connection.execute("SELECT count(*) FROM scopes WHERE scope LIKE 'course:%'").fetchone()[0]
    except sqlite3.Error:  # the file or its tables do not exist yet
        return 0


def kill_on_the_way(store: Path, chance: random.Random, total: int) -> None:
    """Sync in a process, and kill it when it has stored a random number of courses."""
    process = fork_sync(store)
    stop_at = chance.randrange(total)
    while count_courses(store) < stop_at:
        if os.waitpid(process, os.WNOHANG) != (0, 0):
            return
        time.sleep(0.005)
    time.sleep(chance.uniform(0, MAX_DELAY_SECONDS))
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)


def report(**values: object) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


def main(folder: Path, rounds: int, seed: int) -> None:
    chance = random.Random(seed)
    whole = folder / "whole.db"
    _, status = os.waitpid(fork_sync(whole), 0)
    total = count_courses(whole)
    report(ok=status == 0, store=whole.name)
    for number in range(rounds):
        store = folder / f"killed-{number}.db"
        kill_on_the_way(store, chance, total)
        report(courses=count_courses(store))
        sys.stdin.readline()
        _, status = os.waitpid(fork_sync(store), 0)
        report(ok=status == 0, store=store.name)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
