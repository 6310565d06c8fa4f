"""Fetched data is stored: it survives a kill at any moment, and several processes share it."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client

from mcp_truto_lms.sandbox.faults import Fault
from mcp_truto_lms.sandbox.organisation import generate
from mcp_truto_lms.sandbox.portal import SAMPLE_API_KEY, sample_app
from mcp_truto_lms.sandbox.talentlms import TalentLmsSandbox
from mcp_truto_lms.sandbox.variations import Variations
from tests.conftest import TODAY
from tests.e2e.processes import DEADLINE_SECONDS, ROOT, SUMMARIZE, by_stdio, environment, in_terminal, running
from tests.unified_api.unified_endpoint import serve_on_a_port

SMALL = generate(today=TODAY, learners=60, courses=12)
CALLS_OF_A_SYNC = {
    "courses": 1,
    "users": 2,
    "courses/id": sum(course.status != "archived" for course in SMALL.courses),
}
ROUNDS = 30

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="the driver forks")


@dataclass(frozen=True)
class Hosted:
    """The sample portal on a port of this process, and the environment that connects to it."""

    portal: TalentLmsSandbox
    env: dict[str, str]

    def calls(self) -> Counter[str]:
        """Count the calls by endpoint since this was asked last."""
        counts = Counter(self.portal.log.counts())
        self.portal.log.clear()
        return counts


@contextmanager
def hosted(*, delay_seconds: float = 0.0, variations: Variations | None = None) -> Iterator[Hosted]:
    """Serve the sample portal; each roster takes a while."""
    portal = sample_app(SMALL, variations=variations or Variations(burst_limit=10**6, hourly_limit=10**6))
    if delay_seconds:
        portal.faults.add(Fault(delay_seconds=delay_seconds), times=None, endpoint="courses/id")
    with serve_on_a_port(portal) as address:
        env = environment(
            TALENTLMS_BASE_URL=f"{address}/api/v1",
            TALENTLMS_API_KEY=SAMPLE_API_KEY,
            MCP_TRUTO_LMS_TODAY=TODAY.isoformat(),
            MCP_TRUTO_LMS_DEADLINE=str(DEADLINE_SECONDS),  # a busy machine fetches everything within it
        )
        yield Hosted(portal, env)


def content(store: Path) -> dict[str, list[Any]]:
    """Read what a store has of the portal, apart from times."""
    with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        tables = {name: connection.execute(f"SELECT * FROM {name} ORDER BY 1, 2") for name in ("learners", "courses")}
        tables["enrollments"] = connection.execute("SELECT * FROM enrollments ORDER BY account, id")
        tables["scopes"] = connection.execute("SELECT scope, complete FROM scopes ORDER BY scope")
        return {name: rows.fetchall() for name, rows in tables.items()}


@needs_fork
@pytest.mark.timeout(1_500)
def test_a_sync_that_is_killed_at_any_moment_continues_and_ends_with_the_portals_data(tmp_path: Path):
    with hosted(delay_seconds=0.2) as portal:
        driver = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("kill_sync.py")), str(tmp_path), str(ROUNDS), "7"],
            env=portal.env,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        with driver:
            assert driver.stdin is not None
            assert driver.stdout is not None
            whole = json.loads(driver.stdout.readline())
            assert whole["ok"]
            whole_calls = portal.calls()["courses/id"]
            expected = content(tmp_path / "whole.db")
            stored = resumed = partly_stored = 0
            for _ in range(ROUNDS):
                killed = json.loads(driver.stdout.readline())
                portal.calls()
                driver.stdin.write("continue\n")
                driver.stdin.flush()
                ended = json.loads(driver.stdout.readline())
                assert ended["ok"], ended
                assert content(tmp_path / ended["store"]) == expected
                stored += killed["courses"]
                resumed += portal.calls()["courses/id"]
                partly_stored += killed["courses"] > 0
    assert len(expected["enrollments"]) == len(SMALL.enrollments)
    assert whole_calls == CALLS_OF_A_SYNC["courses/id"]
    assert partly_stored > ROUNDS / 2
    # to start over takes ROUNDS * whole_calls; a request that its process did not wait for may count here
    assert resumed <= ROUNDS * whole_calls - stored / 2


@pytest.mark.parametrize(("kind", "servers"), [("file", 2), ("postgres", 3)])
def test_servers_and_a_sync_that_share_a_store_fetch_everything_once(
    kind: str, servers: int, tmp_path: Path, new_address: Callable[[], str]
):
    with ExitStack() as stack:
        portal = stack.enter_context(hosted(delay_seconds=0.1))
        store = str(tmp_path / "lms.db") if kind == "file" else new_address()
        env = portal.env | {"MCP_TRUTO_LMS_STORE": store}
        sync = stack.enter_context(running("sync", env=env))
        texts: list[str] = []

        async def ask() -> None:
            async with Client(by_stdio(env)) as client:
                result = await client.call_tool(SUMMARIZE, {"group_by": "course"})
                texts.append(result.content[0].text)

        async def ask_all() -> None:
            with anyio.fail_after(2 * DEADLINE_SECONDS):
                async with anyio.create_task_group() as group:
                    for _ in range(servers):
                        group.start_soon(ask)

        anyio.run(ask_all)
        sync.wait_for("^default: complete: ")
        counts = portal.calls()
        again = in_terminal("summarize", "--group-by", "course", env=env).stdout
    assert {name: counts[name] for name in CALLS_OF_A_SYNC} == CALLS_OF_A_SYNC
    assert not {name for name in portal.calls() if name in CALLS_OF_A_SYNC}
    assert len(texts) == servers
    assert len({*texts, again.strip()}) == 1
    assert ", complete." in texts[0]


def test_a_sync_that_cannot_fetch_fails_and_says_why(tmp_path: Path):
    with hosted() as portal:
        env = portal.env | {"MCP_TRUTO_LMS_STORE": str(tmp_path / "lms.db"), "TALENTLMS_API_KEY": "0" * 30}
        done = in_terminal("sync", env=env)
    assert done.returncode == 1
    assert done.stdout.startswith("default: INCOMPLETE: ")
    assert "refused the API key" in done.stdout


def test_a_sync_into_memory_is_refused():
    done = in_terminal("sync", env=environment())
    assert (done.returncode, done.stdout) == (1, "")
    assert "MCP_TRUTO_LMS_STORE" in done.stderr


def test_a_restarted_server_answers_from_the_file_without_a_call(tmp_path: Path):
    with hosted() as portal:
        env = portal.env | {"MCP_TRUTO_LMS_STORE": str(tmp_path / "lms.db")}
        assert in_terminal("sync", env=env).returncode == 0
        portal.calls()
        answer = in_terminal("summarize", env=env)
        assert portal.calls() == Counter()
    assert ", complete." in answer.stdout.splitlines()[0]
