"""What a full store answers in: HR's questions, warm and cold, over SQLite and PostgreSQL, at growing sizes.

    python -m bench.asking [--sizes 10000 100000 1000000] [--rounds 11]

The sample portal is served by a process of its own and read by `mcp-truto-lms sync`, whose time and peak memory are
printed; from a million on also those of one that answers from memory, without a store. Then a new process asks: the
first answer of each question is cold, the median of interleaved rounds is warm. An answer is that of the tool: from its
arguments to its text. At the largest size the plan of each question's slowest statement is printed. PostgreSQL is
measured where the development environment has its wheel.
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

from bench.store import postgres_address
from bench.sync import ROOT, sandbox
from mcp_truto_lms.server.tools import list_course_enrollments, summarize_learner_progress

COURSES, PER_LEARNER = 200, 9.41
"""The sample portal's own numbers of enrollments for each learner, where there are many courses."""
MEMORY_BAR_MIB = 1_024
FULL, TENTH = 1_000_000, 100_000
LISTED, SUMMED = "list", "summary"


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, and the most milliseconds that it may take at 100,000 and at 1,000,000 enrollments."""

    name: str
    tool: str
    arguments: Mapping[str, Any]
    bars: tuple[int, int] | None = None


QUESTIONS = (
    Asked("one learner", LISTED, {"user": "65"}, (10, 20)),
    Asked("one learner, by address", LISTED, {"user": "francois.khan@northgate.example"}, (10, 20)),
    Asked("learners, by name", LISTED, {"user": "François Khan"}),
    Asked("one course", LISTED, {"course": "Security Awareness 2026"}, (10, 20)),
    Asked("overdue, by due date", LISTED, {"state": "overdue"}, (30, 500)),
    Asked("default summary", SUMMED, {}, (150, 1_500)),
    Asked("by course", SUMMED, {"group_by": "course"}, (150, 1_500)),
    Asked("by team", SUMMED, {"group_by": "team"}, (150, 1_500)),
    Asked("everybody", LISTED, {}),
    Asked("at risk", LISTED, {"state": "at_risk"}),
    Asked("by month", SUMMED, {"group_by": "month"}),
    Asked("by learner", SUMMED, {"group_by": "learner"}),
)


@contextmanager
def portal(size: int) -> Generator[dict[str, str]]:
    """Serve a sample portal with about so many enrollments; give the environment that reads it, with time to do so."""
    learners = str(round(size / PER_LEARNER))
    with sandbox("TALENTLMS", "--learners", learners, "--courses", str(COURSES)) as env:
        patience = {"MAX_AGE": "2000000", "DEADLINE": "3600", "CALL_BUDGET": "100000"}
        yield env | {f"MCP_TRUTO_LMS_{name}": value for name, value in patience.items()}


def peak_mib(command: Sequence[str], env: Mapping[str, str]) -> tuple[str, float, float]:
    """Run a command; tell what it printed, for how many seconds, and the most memory that it held."""
    began = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", "mcp_truto_lms", *command], cwd=ROOT, env=dict(env), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        said = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {said}")
    return said.strip(), time.perf_counter() - began, used.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


async def ask(rounds: int) -> dict[str, Any]:
    """Ask every question of the store that the environment names; give milliseconds and plans."""
    from mcp_truto_lms.server.app_context import AppContext
    from mcp_truto_lms.settings import Settings

    tools: Mapping[str, Callable[..., Awaitable[object]]] = {
        LISTED: list_course_enrollments,
        SUMMED: summarize_learner_progress,
    }
    found: dict[str, list[float]] = {one.name: [] for one in QUESTIONS}
    plans: dict[str, list[str]] = {}
    async with AppContext(Settings.from_env(os.environ)) as connection:
        for turn in range(rounds + 1):
            for one in QUESTIONS[:: -1 if turn % 2 else 1]:
                began = time.perf_counter()
                await tools[one.tool](connection, one.arguments)
                found[one.name].append((time.perf_counter() - began) * 1_000)
        for one in QUESTIONS:
            with explained() as slowest:
                await tools[one.tool](connection, one.arguments)
            plans[one.name] = slowest
    return {"cold": {name: each[0] for name, each in found.items()}, "plans": plans} | {
        "warm": {name: statistics.median(each[1:]) for name, each in found.items()}
    }


@contextmanager
def explained() -> Generator[list[str]]:
    """Explain what is executed; the list that is given holds the plan of the slowest statement at the end."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    seen: list[tuple[float, list[str]]] = []
    plan: list[str] = []

    def explain(connection: Any, _cursor: Any, statement: str, parameters: Any, *_more: Any) -> None:
        if "enrollments" not in statement or not statement.startswith("SELECT"):
            return
        lite = connection.dialect.name == "sqlite"
        words = "EXPLAIN QUERY PLAN" if lite else "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF)"
        cursor = connection.connection.cursor()
        began = time.perf_counter()
        cursor.execute(statement, parameters)
        cursor.fetchall()
        spent = time.perf_counter() - began
        cursor.execute(f"{words} {statement}", parameters)
        lines = [str(row[-1] if lite else row[0]) for row in cursor.fetchall()]
        cursor.close()
        seen.append((spent, lines if lite else [one for one in lines if "->" in one or "Index Cond" in one]))

    event.listen(Engine, "before_cursor_execute", explain)
    try:
        yield plan
    finally:
        event.remove(Engine, "before_cursor_execute", explain)
        plan += max(seen)[1] if seen else []


def measure(size: int, engines: Mapping[str, str], rounds: int) -> dict[str, dict[str, Any]]:
    """Fill every engine with a portal of a size, and ask."""
    found: dict[str, dict[str, Any]] = {}
    with portal(size) as env:
        for name, address in engines.items():
            here = env | {"MCP_TRUTO_LMS_STORE": address}
            said, seconds, mib = peak_mib(["sync"], here)
            print(f"{name}: {said}; {seconds:.0f} s, {mib:,.0f} MiB at most", flush=True)
            asking = [sys.executable, "-m", "bench.asking", "--ask", "--rounds", str(rounds)]
            done = subprocess.run(asking, cwd=ROOT, env=here, stdout=subprocess.PIPE, text=True, check=True)
            found[name] = json.loads(done.stdout) | {"mib": mib}
        if size >= FULL:
            _, seconds, mib = peak_mib(["summarize"], env)
            print(f"memory: read and summarized in {seconds:.0f} s, {mib:,.0f} MiB at most", flush=True)
            found["memory"] = {"mib": mib}
    return found


def report(found: Mapping[int, Mapping[str, Mapping[str, Any]]]) -> int:
    """Print the figures beside their bars, and the plans; tell whether a bar is missed."""
    missed = 0
    sizes, largest = [*found], max(found)
    for engine in (name for name, each in found[largest].items() if "warm" in each):
        print(f"\n{engine}: milliseconds to an answer, warm (cold)")
        print(f"{'':<24}" + "".join(f"{f'{size:,}':>18}" for size in sizes) + f"{'bars':>15}{'growth':>9}")
        for one in QUESTIONS:
            warm = [found[size][engine]["warm"][one.name] for size in sizes]
            cold = [found[size][engine]["cold"][one.name] for size in sizes]
            bars = {TENTH: one.bars[0], FULL: one.bars[1]} if one.bars else {}
            over = [size for size, each in zip(sizes, warm, strict=True) if each > bars.get(size, each)]
            missed += len(over)
            cells = "".join(f"{w:>9.1f}{f'({c:,.0f})':>9}" for w, c in zip(warm, cold, strict=True))
            told = f"{one.bars[0]} / {one.bars[1]:,}" if one.bars else ""
            verdict = f"  MISSED at {over}" if over else "  met" if bars else ""
            print(f"{one.name:<24}{cells}{told:>15}{warm[-1] / warm[0]:>8.1f}x{verdict}")
        print(f"\n{engine}: the plan of each question's slowest statement, at {largest:,}")
        for one in QUESTIONS:
            print(f"  {one.name}")
            for each in found[largest][engine]["plans"][one.name]:
                print(f"    {each[:150]}")
    for size, engines in found.items():
        for engine, each in engines.items() if size >= FULL else ():
            over = each["mib"] > MEMORY_BAR_MIB
            missed += over
            verdict = "MISSED" if over else "met"
            print(f"{engine}: {each['mib']:,.0f} MiB at most at {size:,}; bar {MEMORY_BAR_MIB:,}: {verdict}")
    return int(missed > 0)


def main() -> int:
    """Measure every size, or be the process that asks."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, TENTH, FULL], help="enrollments, about")
    parser.add_argument("--rounds", type=int, default=11, help="interleaved rounds (11)")
    parser.add_argument("--ask", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.ask:
        print(json.dumps(anyio.run(ask, options.rounds)))
        return 0
    found: dict[int, dict[str, dict[str, Any]]] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = postgres_address(stack, folder / "postgres")
        for size in options.sizes:
            engines = {"SQLite": str(folder / f"{size}.db")}
            if server is not None:
                engines["PostgreSQL"] = database(server, f"of_{size}")
            found[size] = measure(size, engines, options.rounds)
    return report(found)


def database(server: str, name: str) -> str:
    """Create a database on a server; give its address."""
    from sqlalchemy import create_engine, make_url

    url = make_url(server).set(drivername="postgresql+psycopg")
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f'CREATE DATABASE "{name}"')
    engine.dispose()
    return url.set(database=name).render_as_string(hide_password=False)


if __name__ == "__main__":
    sys.exit(main())
