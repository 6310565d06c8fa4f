"""Measures a first full sync, a question with a short deadline during it, and the delay of other work; over loopback.

    python bench/sync.py [--learners 500] [--courses 40]

Prints for each provider the calls and seconds of a sync into an empty file, beside the bound: the time that the
provider's rate limits alone impose on that many calls, computed from the client's own windows. Then it prints how long
a question with a short deadline takes over a slow portal, until its answer is complete; and by how many milliseconds
the event loop is late while large rosters are written. A bar that is missed ends it with 1.
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

from mcp_truto_lms.domain.rate_limits import RateLimit
from mcp_truto_lms.providers.rate_limiter import RateLimiter

ROOT = Path(__file__).parent.parent
TODAY = date(2026, 11, 23)
RATIO_BAR = 1.3
COURSES_OVER_LIMIT = {"TALENTLMS": 900, "TRUTO": 140}
"""The numbers of courses that take more calls than the rate limits allow at once."""
DEADLINE_SECONDS, ANSWER_BAR_SECONDS = 2, 3
LARGE_ROSTER, BEAT_SECONDS = 20_000, 0.002
SYNCED = re.compile(r"complete: .* ([\d,]+) calls in")


@contextmanager
def sandbox(provider: str, *options: str) -> Generator[dict[str, str]]:
    """Serve the sample portal; yield the environment that connects to it."""
    command = [sys.executable, "-m", "mcp_truto_lms", "sandbox", "--port", "0", *options]
    env = {**clean_environment(), "MCP_TRUTO_LMS_TODAY": TODAY.isoformat()}
    with subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True) as process:
        try:
            printed: dict[str, str] = {}
            assert process.stdout is not None
            for line in process.stdout:
                name, _, value = line.strip().partition("=")
                if name.startswith(provider):
                    printed[name] = value
                if name == "TRUTO_INTEGRATED_ACCOUNT_ID":
                    break
            yield env | printed
        finally:
            process.terminate()


def clean_environment() -> dict[str, str]:
    """Return this process's environment without settings of the server."""
    return {name: value for name, value in os.environ.items() if not re.match("TALENTLMS_|TRUTO_|MCP_TRUTO_LMS_", name)}


def bound_seconds(limits: Sequence[RateLimit], calls: int) -> float:
    """Compute how long the rate limit windows alone delay this many calls."""
    now = 0.0
    limiter = RateLimiter(tuple(limits), clock=lambda: now, sleep=anyio.sleep)
    for _ in range(calls):
        now += max(0.0, limiter.delay_seconds())
        limiter.count(now)
    return now


def first_sync(provider: str, limits: Sequence[RateLimit], learners: int, courses: int) -> dict[str, Any]:
    """Sync everything into an empty file once."""
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
        summary = SYNCED.search(done.stdout)
        if summary is None:
            raise RuntimeError(done.stdout + done.stderr)
    calls = int(summary[1].replace(",", ""))
    return {"calls": calls, "wall": wall, "bound": bound_seconds(limits, calls)}


async def serve_slowly(delay_seconds: float, learners: int, courses: int) -> None:
    """Serve a portal that delays each of its answers, and print its port."""
    from mcp_truto_lms.sandbox.faults import Fault
    from mcp_truto_lms.sandbox.organisation import generate
    from mcp_truto_lms.sandbox.portal import sample_app, serve

    portal = sample_app(generate(learners=learners, courses=courses, today=TODAY))
    portal.faults.add(Fault(delay_seconds=delay_seconds), times=None)
    async with anyio.create_task_group() as group:
        print(json.dumps(await group.start(serve, portal, "127.0.0.1", 0)), flush=True)


async def ask_until_complete(env: dict[str, str]) -> list[tuple[float, str]]:
    """Ask a stdio server for everything until the answer is complete; return seconds and first lines."""
    answers: list[tuple[float, str]] = []
    server = StdioServerParameters(command=sys.executable, args=["-m", "mcp_truto_lms"], env=env, cwd=ROOT)
    async with Client(server) as client:
        await client.list_tools()
        while not answers or ", complete." not in answers[-1][1]:
            began = time.monotonic()
            result = await client.call_tool("summarize_learner_progress", {"group_by": "course"})
            text = "".join(block.text for block in result.content if isinstance(block, TextContent))
            answers.append((time.monotonic() - began, text.splitlines()[0]))
            await anyio.sleep(1)
    return answers


def ask_slow_portal(learners: int, courses: int) -> list[tuple[float, str]]:
    """Ask a question with a short deadline over a slow portal."""
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
            env = clean_environment() | {
                "TALENTLMS_BASE_URL": f"http://127.0.0.1:{port}/api/v1",
                "TALENTLMS_API_KEY": SAMPLE_API_KEY,
                "MCP_TRUTO_LMS_TODAY": TODAY.isoformat(),
                "MCP_TRUTO_LMS_DEADLINE": str(DEADLINE_SECONDS),
            }
            return anyio.run(ask_until_complete, env)
        finally:
            process.terminate()


async def loop_delays(env: dict[str, str]) -> list[float]:
    """Fetch everything into a file; return by how many milliseconds a timer was late meanwhile, sorted."""
    from mcp_truto_lms.server.app_context import AppContext
    from mcp_truto_lms.server.tools import summarize_learner_progress
    from mcp_truto_lms.settings import Settings

    delays_ms: list[float] = []

    async def beat() -> None:
        while True:
            began = time.perf_counter()
            await anyio.sleep(BEAT_SECONDS)
            delays_ms.append((time.perf_counter() - began - BEAT_SECONDS) * 1_000)

    with tempfile.TemporaryDirectory() as folder:
        store_env = env | {"MCP_TRUTO_LMS_STORE": f"{folder}/lms.db", "MCP_TRUTO_LMS_DEADLINE": "3600"}
        async with AppContext(Settings.from_env(store_env)) as context:
            await summarize_learner_progress(context, {"course": "101"})  # does the late imports
            async with anyio.create_task_group() as group:
                group.start_soon(beat)
                await summarize_learner_progress(context, {})
                group.cancel_scope.cancel()
    return sorted(delays_ms)


def main() -> int:
    """Print the figures beside their bars; return 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--learners", type=int, default=500, help="learners of the portal (500)")
    parser.add_argument("--courses", type=int, default=40, help="courses of the smaller portal (40)")
    parser.add_argument("--serve-slowly", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve_slowly is not None:
        anyio.run(serve_slowly, options.serve_slowly, options.learners, options.courses)
        return 0
    from mcp_truto_lms.providers.talentlms.api import TALENTLMS
    from mcp_truto_lms.providers.truto.client import ACCOUNT_LIMIT, TRUTO

    misses = 0
    print(f"first sync, {options.learners} learners; the larger number of courses reaches the rate limits")
    print(f"{'':<12}{'courses':>8}{'calls':>8}{'wall s':>9}{'bound s':>9}{'ratio':>8}{'bar':>6}")
    limits = {"TALENTLMS": TALENTLMS.limits, "TRUTO": (*TRUTO.limits, ACCOUNT_LIMIT)}
    for provider, courses in [(name, size) for name in limits for size in (options.courses, COURSES_OVER_LIMIT[name])]:
        figures = first_sync(provider, limits[provider], options.learners, courses)
        ratio = figures["wall"] / figures["bound"] if figures["bound"] else None
        misses += ratio is not None and ratio > RATIO_BAR
        shown = "no limit reached" if ratio is None else f"{ratio:.2f}{RATIO_BAR:>6}"
        line = f"{provider.lower():<12}{courses:>8}{figures['calls']:>8}{figures['wall']:>9.1f}{figures['bound']:>9.1f}"
        print(f"{line}    {shown}", flush=True)
    print(f"\ndeadline {DEADLINE_SECONDS} s, a portal that takes 0.5 s for each answer (bar {ANSWER_BAR_SECONDS} s)")
    for seconds, line in ask_slow_portal(options.learners, options.courses):
        misses += seconds > ANSWER_BAR_SECONDS
        print(f"{seconds:6.2f} s  {line}")
    with sandbox("TALENTLMS", "--learners", str(LARGE_ROSTER), "--courses", "20") as env:
        delays_ms = anyio.run(loop_delays, env)
    print(f"\ndelay of other work while rosters of up to {LARGE_ROSTER:,} people are written")
    print(f"{delays_ms[len(delays_ms) // 2]:.0f} ms in the median, {delays_ms[-1]:.0f} ms at most")
    return int(misses > 0)


if __name__ == "__main__":
    sys.exit(main())
