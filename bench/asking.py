"""Measures how long HR's questions take over a full store, in SQLite and PostgreSQL, at growing sizes.

    python -m bench.asking [--sizes 10000 100000 1000000] [--rounds 11]

Prints, for each size and engine, the time and peak memory of `mcp-truto-lms sync` from a sample portal in a process of
its own, which reads every transcript within the provider's limits: four minutes at 100,000 enrollments, three quarters
of an hour at a million; then the milliseconds of each question in a new process, from the tool's arguments to its text:
the first answer is cold, the median of interleaved rounds is warm. For the largest size it prints the plan of each
question's slowest statement; from a million enrollments on, also the time and memory of one answer without a store. A
bar that is missed ends it with 1. PostgreSQL is measured if its wheel is installed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio

from bench.store import start_postgres
from bench.sync import ROOT, sandbox
from mcp_truto_lms.server.tools import list_course_enrollments, summarize_learner_progress

COURSES, PER_LEARNER = 200, 9.41
"""How many enrollments each learner of the sample portal has if there are this many courses."""
MEMORY_BAR_MIB = 1_024
MILLION, HUNDRED_THOUSAND = 1_000_000, 100_000
LIST, SUMMARY = "list", "summary"


@dataclass(frozen=True, slots=True)
class TimedQuestion:
    """A question, and the most milliseconds that it may take at 100,000 and at 1,000,000 enrollments."""

    name: str
    tool: str
    arguments: Mapping[str, Any]
    bars: tuple[int, int] | None = None


QUESTIONS = (
    TimedQuestion("one learner", LIST, {"user": "65"}, (10, 20)),
    TimedQuestion("one learner, by address", LIST, {"user": "francois.khan@northgate.example"}, (10, 20)),
    TimedQuestion("learners, by name", LIST, {"user": "François Khan"}),
    TimedQuestion("one course", LIST, {"course": "Security Awareness 2026"}, (10, 20)),
    TimedQuestion("overdue, by due date", LIST, {"state": "overdue"}, (30, 500)),
    TimedQuestion("default summary", SUMMARY, {}, (150, 1_500)),
    TimedQuestion("by course", SUMMARY, {"group_by": "course"}, (150, 1_500)),
    TimedQuestion("by team", SUMMARY, {"group_by": "team"}, (150, 1_500)),
    TimedQuestion("everybody", LIST, {}),
    TimedQuestion("at risk", LIST, {"state": "at_risk"}),
    TimedQuestion("by month", SUMMARY, {"group_by": "month"}),
    TimedQuestion("by learner", SUMMARY, {"group_by": "learner"}),
)


@contextmanager
def portal(size: int) -> Generator[dict[str, str]]:
    """Serve a sample portal with about `size` enrollments; yield an environment that reads all of it."""
    learners = str(round(size / PER_LEARNER))
    unlimited = ("--hourly-limit", "1000000")
    with sandbox("TALENTLMS", "--learners", learners, "--courses", str(COURSES), *unlimited) as env:
        limits = {"MAX_AGE": "2000000", "DEADLINE": "3600", "CALL_BUDGET": "100000"}
        yield env | {f"MCP_TRUTO_LMS_{name}": value for name, value in limits.items()}


def run_measured(command: Sequence[str], env: Mapping[str, str]) -> tuple[str, float, float]:
    """Run a command; return what it printed, its seconds and its peak memory in MiB."""
    began = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", "mcp_truto_lms", *command], cwd=ROOT, env=dict(env), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        printed = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {printed}")
    return printed.strip(), time.perf_counter() - began, used.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


async def ask(rounds: int) -> dict[str, Any]:
    """Ask every question of the store that the environment names; return milliseconds and plans."""
    from mcp_truto_lms.server.app_context import AppContext
    from mcp_truto_lms.settings import Settings

    tools: Mapping[str, Callable[..., Awaitable[object]]] = {
        LIST: list_course_enrollments,
        SUMMARY: summarize_learner_progress,
    }
    milliseconds: dict[str, list[float]] = {question.name: [] for question in QUESTIONS}
    plans: dict[str, list[str]] = {}
    async with AppContext(Settings.from_env(os.environ)) as context:
        for round_number in range(rounds + 1):
            for question in QUESTIONS[:: -1 if round_number % 2 else 1]:
                began = time.perf_counter()
                await tools[question.tool](context, question.arguments)
                milliseconds[question.name].append((time.perf_counter() - began) * 1_000)
        for question in QUESTIONS:
            with explain_slowest() as slowest_plan:
                await tools[question.tool](context, question.arguments)
            plans[question.name] = slowest_plan
    return {
        "cold": {name: values[0] for name, values in milliseconds.items()},
        "warm": {name: statistics.median(values[1:]) for name, values in milliseconds.items()},
        "plans": plans,
    }


@contextmanager
def explain_slowest() -> Generator[list[str]]:
    """Explain every statement; the yielded list holds the plan of the slowest one after the block."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    plans: list[tuple[float, list[str]]] = []
    slowest_plan: list[str] = []

    def explain(connection: Any, _cursor: Any, statement: str, parameters: Any, *_more: Any) -> None:
        if "enrollments" not in statement or not statement.startswith("SELECT"):
            return
        is_sqlite = connection.dialect.name == "sqlite"
        explain_words = "EXPLAIN QUERY PLAN" if is_sqlite else "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF)"
        cursor = connection.connection.cursor()
        began = time.perf_counter()
        cursor.execute(statement, parameters)
        cursor.fetchall()
        seconds = time.perf_counter() - began
        cursor.execute(f"{explain_words} {statement}", parameters)
        lines = [str(row[-1] if is_sqlite else row[0]) for row in cursor.fetchall()]
        cursor.close()
        plans.append(
            (seconds, lines if is_sqlite else [line for line in lines if "->" in line or "Index Cond" in line])
        )

    event.listen(Engine, "before_cursor_execute", explain)
    try:
        yield slowest_plan
    finally:
        event.remove(Engine, "before_cursor_execute", explain)
        slowest_plan += max(plans)[1] if plans else []


def measure(size: int, engines: Mapping[str, str], rounds: int) -> dict[str, dict[str, Any]]:
    """Sync a portal of one size into every engine, and ask."""
    figures: dict[str, dict[str, Any]] = {}
    with portal(size) as env:
        for name, address in engines.items():
            store_env = env | {"MCP_TRUTO_LMS_STORE": address}
            printed, seconds, mib = run_measured(["sync"], store_env)
            print(f"{name}: {printed}; {seconds:.0f} s, {mib:,.0f} MiB at most", flush=True)
            command = [sys.executable, "-m", "bench.asking", "--ask", "--rounds", str(rounds)]
            done = subprocess.run(command, cwd=ROOT, env=store_env, stdout=subprocess.PIPE, text=True, check=True)
            figures[name] = json.loads(done.stdout) | {"mib": mib}
        if size >= MILLION:
            _, seconds, mib = run_measured(["summarize"], env)
            print(f"memory: fetched and summarized in {seconds:.0f} s, {mib:,.0f} MiB at most", flush=True)
            figures["memory"] = {"mib": mib}
    return figures


def report(figures: Mapping[int, Mapping[str, Mapping[str, Any]]]) -> int:
    """Print the figures of each size beside their bars, and the plans; return 1 if a bar is missed."""
    misses = 0
    sizes, largest = [*figures], max(figures)
    for engine in (name for name, values in figures[largest].items() if "warm" in values):
        print(f"\n{engine}: milliseconds to an answer, warm (cold)")
        print(f"{'':<24}" + "".join(f"{f'{size:,}':>18}" for size in sizes) + f"{'bars':>15}{'growth':>9}")
        for question in QUESTIONS:
            warm = [figures[size][engine]["warm"][question.name] for size in sizes]
            cold = [figures[size][engine]["cold"][question.name] for size in sizes]
            bars = {HUNDRED_THOUSAND: question.bars[0], MILLION: question.bars[1]} if question.bars else {}
            missed_sizes = [size for size, value in zip(sizes, warm, strict=True) if value > bars.get(size, value)]
            misses += len(missed_sizes)
            cells = "".join(f"{w:>9.1f}{f'({c:,.0f})':>9}" for w, c in zip(warm, cold, strict=True))
            printed_bars = f"{question.bars[0]} / {question.bars[1]:,}" if question.bars else ""
            verdict = f"  MISSED at {missed_sizes}" if missed_sizes else "  met" if bars else ""
            print(f"{question.name:<24}{cells}{printed_bars:>15}{warm[-1] / warm[0]:>8.1f}x{verdict}")
        print(f"\n{engine}: the plan of each question's slowest statement, at {largest:,}")
        for question in QUESTIONS:
            print(f"  {question.name}")
            for line in figures[largest][engine]["plans"][question.name]:
                print(f"    {line[:150]}")
    for size, engines in figures.items():
        for engine, values in engines.items() if size >= MILLION else ():
            is_missed = values["mib"] > MEMORY_BAR_MIB
            misses += is_missed
            verdict = "MISSED" if is_missed else "met"
            print(f"{engine}: {values['mib']:,.0f} MiB at most at {size:,}; bar {MEMORY_BAR_MIB:,}: {verdict}")
    return int(misses > 0)


def main() -> int:
    """Measure every size, or be the process that asks."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument(
        "--sizes",
        type=int,
        nargs="+",
        default=[10_000, HUNDRED_THOUSAND, MILLION],
        help="approximate numbers of enrollments (10000 100000 1000000)",
    )
    parser.add_argument("--rounds", type=int, default=11, help="interleaved rounds (11)")
    parser.add_argument("--ask", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.ask:
        print(json.dumps(anyio.run(ask, options.rounds)))
        return 0
    figures: dict[int, dict[str, dict[str, Any]]] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = start_postgres(stack, folder / "postgres")
        for size in options.sizes:
            engines = {"SQLite": str(folder / f"{size}.db")}
            if server is not None:
                engines["PostgreSQL"] = create_database(server, f"of_{size}")
            figures[size] = measure(size, engines, options.rounds)
    return report(figures)


def create_database(server: str, name: str) -> str:
    """Create a database on a server; return its address."""
    from sqlalchemy import create_engine, make_url

    url = make_url(server).set(drivername="postgresql+psycopg")
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f'CREATE DATABASE "{name}"')
    engine.dispose()
    return url.set(database=name).render_as_string(hide_password=False)


if __name__ == "__main__":
    sys.exit(main())
