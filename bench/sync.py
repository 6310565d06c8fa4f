"""Reading everything for the first time, a question that does not wait for it, and others meanwhile; over loopback.

    python bench/sync.py [--learners 500] [--courses 40]

The limits' own bound is the time that the provider's rate limits alone impose on as many calls, computed from the
windows that the client keeps. What a call itself takes comes on top.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import anyio
from mcp import Client, StdioServerParameters
from mcp_types import TextContent

from mcp_truto_lms.providers.rate_limiter import Pacer, Window

ROOT = Path(__file__).parent.parent
TODAY = date(2026, 11, 23)
RATIO_BAR = 1.3
LIMITED = {"TALENTLMS": 900, "TRUTO": 140}
"""So many courses take more calls than the limits let through at once."""
DEADLINE_SECONDS, ANSWER_BAR_SECONDS = 2, 3
LONG, BEAT_SECONDS = 20_000, 0.002
SYNCED = re.compile(r"complete: .* ([\d,]+) calls in")


@contextmanager
def sandbox(provider: str, *options: str) -> Generator[dict[str, str]]:
    """Serve the sample portal; give the environment that connects to it."""
    command = [sys.executable, "-m", "mcp_truto_lms", "sandbox", "--port", "0", *options]
    env = {**clean(), "MCP_TRUTO_LMS_TODAY": TODAY.isoformat()}
    with subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True) as process:
        try:
            found: dict[str, str] = {}
            assert process.stdout is not None
            for line in process.stdout:
                name, _, value = line.strip().partition("=")
                if name.startswith(provider):
                    found[name] = value
                if name == "TRUTO_INTEGRATED_ACCOUNT_ID":
                    break
            yield env | found
        finally:
            process.terminate()


def clean() -> dict[str, str]:
    """Give this process's environment without settings of the server."""
    return {name: one for name, one in os.environ.items() if not re.match("TALENTLMS_|TRUTO_|MCP_TRUTO_LMS_", name)}


def bound_seconds(windows: Sequence[Window], calls: int) -> float:
    """Compute how long the windows alone hold up so many calls."""
    now = 0.0
    pacer = Pacer(tuple(windows), clock=lambda: now, sleep=anyio.sleep)
    for _ in range(calls):
        now += max(0.0, pacer.delay_seconds())
        pacer.enter(now)
    return now


def cold(provider: str, windows: Sequence[Window], learners: int, courses: int) -> dict[str, Any]:
    """Sync everything into a new file, once."""
    with tempfile.TemporaryDirectory() as folder:
        with sandbox(provider, "--learners", str(learners), "--courses", str(courses)) as env:
            began = time.monotonic()
            done = subprocess.run(
                [sys.executable, "-m", "mcp_truto_lms", "sync"],
                cwd=ROOT,
                env=env | {"MCP_TRUTO_LMS_STORE": f"{folder}/lms.db"},
                capture_output=True,
                text=True,
                check=False,
            )
            wall = time.monotonic() - began
        found = SYNCED.search(done.stdout)
        if found is None:
            raise RuntimeError(done.stdout + done.stderr)
    calls = int(found[1].replace(",", ""))
    return {"calls": calls, "wall": wall, "bound": bound_seconds(windows, calls), "said": done.stdout.strip()}


async def serve_slowly(delay_seconds: float, learners: int, courses: int) -> None:
    """Serve a portal each of whose answers takes a while, and print its port."""
    from mcp_truto_lms.sandbox.faults import Fault
    from mcp_truto_lms.sandbox.organisation import generate
    from mcp_truto_lms.sandbox.portal import sample_app, serve

    portal = sample_app(generate(learners=learners, courses=courses, today=TODAY))
    portal.faults.add(Fault(delay_seconds=delay_seconds), times=None)
    async with anyio.create_task_group() as group:
        print(json.dumps(await group.start(serve, portal, "127.0.0.1", 0)), flush=True)


async def ask_twice(env: dict[str, str]) -> list[tuple[float, str]]:
    """Ask a stdio server for everything, and again until the answer is complete."""
    found: list[tuple[float, str]] = []
    server = StdioServerParameters(command=sys.executable, args=["-m", "mcp_truto_lms"], env=env, cwd=ROOT)
    async with Client(server) as client:
        await client.list_tools()
        while not found or ", complete." not in found[-1][1]:
            began = time.monotonic()
            result = await client.call_tool("summarize_learner_progress", {"group_by": "course"})
            text = "".join(one.text for one in result.content if isinstance(one, TextContent))
            found.append((time.monotonic() - began, text.splitlines()[0]))
            await anyio.sleep(1)
    return found


def slow(learners: int, courses: int) -> list[tuple[float, str]]:
    """Ask a question with a short deadline of a slow portal."""
    from mcp_truto_lms.sandbox.portal import SAMPLE_API_KEY

    command = [
        sys.executable,
        __file__,
        "--serve-slowly",
        "0.5",
        "--learners",
        str(learners),
        "--courses",
        str(courses),
    ]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = json.loads(process.stdout.readline())
            env = clean() | {
                "TALENTLMS_BASE_URL": f"http://127.0.0.1:{port}/api/v1",
                "TALENTLMS_API_KEY": SAMPLE_API_KEY,
                "MCP_TRUTO_LMS_TODAY": TODAY.isoformat(),
                "MCP_TRUTO_LMS_DEADLINE": str(DEADLINE_SECONDS),
            }
            return anyio.run(ask_twice, env)
        finally:
            process.terminate()


async def read_beside(env: dict[str, str]) -> list[float]:
    """Read everything into a file, while something else wants its turn all the time; give how late it came, in ms."""
    from mcp_truto_lms.server.app_context import AppContext
    from mcp_truto_lms.server.tools import summarize_learner_progress
    from mcp_truto_lms.settings import Settings

    late: list[float] = []

    async def beat() -> None:
        while True:
            began = time.perf_counter()
            await anyio.sleep(BEAT_SECONDS)
            late.append((time.perf_counter() - began - BEAT_SECONDS) * 1_000)

    with tempfile.TemporaryDirectory() as folder:
        here = env | {"MCP_TRUTO_LMS_STORE": f"{folder}/lms.db", "MCP_TRUTO_LMS_DEADLINE": "3600"}
        async with AppContext(Settings.from_env(here)) as connection:
            await summarize_learner_progress(connection, {"course": "101"})  # what is imported late is there by now
            async with anyio.create_task_group() as group:
                group.start_soon(beat)
                await summarize_learner_progress(connection, {})
                group.cancel_scope.cancel()
    return sorted(late)


def main() -> int:
    """Print the figures beside their bars, and fail where one is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--learners", type=int, default=500)
    parser.add_argument("--courses", type=int, default=40)
    parser.add_argument("--serve-slowly", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve_slowly is not None:
        anyio.run(serve_slowly, options.serve_slowly, options.learners, options.courses)
        return 0
    from mcp_truto_lms.providers.talentlms.api import TALENTLMS
    from mcp_truto_lms.providers.truto.client import ACCOUNT_LIMIT, TRUTO

    missed = 0
    print(f"cold, {options.learners} learners, and so many courses; the larger number is what reaches the limits")
    print(f"{'':<12}{'courses':>8}{'calls':>8}{'wall s':>9}{'bound s':>9}{'ratio':>8}{'bar':>6}")
    limits = {"TALENTLMS": TALENTLMS.windows, "TRUTO": (*TRUTO.windows, ACCOUNT_LIMIT)}
    for provider, courses in [(one, size) for one in limits for size in (options.courses, LIMITED[one])]:
        found = cold(provider, limits[provider], options.learners, courses)
        ratio = found["wall"] / found["bound"] if found["bound"] else None
        missed += ratio is not None and ratio > RATIO_BAR
        shown = "no limit reached" if ratio is None else f"{ratio:.2f}{RATIO_BAR:>6}"
        line = f"{provider.lower():<12}{courses:>8}{found['calls']:>8}{found['wall']:>9.1f}{found['bound']:>9.1f}"
        print(f"{line}    {shown}", flush=True)
    print(f"\ndeadline {DEADLINE_SECONDS} s, a portal that takes 0.5 s for each answer (bar {ANSWER_BAR_SECONDS} s)")
    for seconds, line in slow(options.learners, options.courses):
        missed += seconds > ANSWER_BAR_SECONDS
        print(f"{seconds:6.2f} s  {line}")
    with sandbox("TALENTLMS", "--learners", str(LONG), "--courses", "20") as env:
        late = anyio.run(read_beside, env)
    print(f"\nhow late everything else is while rosters of up to {LONG:,} people are read")
    print(f"{late[len(late) // 2]:.0f} ms in the median, {late[-1]:.0f} ms at most")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
