"""Runs the state machine for minutes over every provider and store; `make torture` calls it.

It prints the seed of every batch that fails. The same seed and cell run the same steps again:

    make torture SEED=123 CELL=talentlms/file SHRINK=1
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.comparison import Tally
from tests.model.machine import Machine
from tests.model.served_portal import PROVIDERS
from tests.model.world import NewStore, temporary_file
from tests.postgres import running

STORES = ("memory", "file", "postgres")
BATCH, STEPS = 4, 40
"""Worlds of a batch, and the most steps in each."""


def machine(provider: str, new_store: NewStore, tally: Tally) -> type[Machine]:
    """Make the state machine of one cell."""
    values = {"provider": provider, "new_store": staticmethod(new_store), "tally": tally}
    return type("Machine", (Machine,), values)


def limits(examples: int, steps: int, *, shrink: bool, derandomize: bool = False) -> settings:
    """Return the settings of a batch: nothing is remembered, so that a seed alone decides."""
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        print_blob=False,
        derandomize=derandomize,
        suppress_health_check=[*HealthCheck],
        phases=(Phase.generate, Phase.shrink) if shrink else (Phase.generate,),
    )


def run_batch(cell: type[Machine], number: int, *, shrink: bool) -> str | None:
    """Run the batch of a seed; return what went wrong."""
    try:
        run_state_machine_as_test(seed(number)(cell), settings=limits(BATCH, STEPS, shrink=shrink))
    except Exception as error:  # noqa: BLE001  whatever the server does wrong
        notes = "\n".join(getattr(error, "__notes__", ()))
        return f"{notes}\n{type(error).__name__}: {error}"
    return None


def seeds(first: int, *, until: float, once: bool) -> Iterator[int]:
    """Number the batches of a cell until its time is over."""
    yield first
    while not once and time.monotonic() < until:
        first += 1
        yield first


def main() -> int:
    """Run all cells, and return how many batches failed."""
    parser = argparse.ArgumentParser(description="Compare the server with a model of the portal.")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--cell", default="", help="provider/store, to run the batch of the seed alone")
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--shrink", action="store_true", help="look for fewer steps that fail alike, for minutes")
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    first = random.randrange(1_000_000) if arguments.seed is None else arguments.seed
    cells = [f"{provider}/{store}" for provider in PROVIDERS for store in STORES]
    chosen = [cell for cell in cells if arguments.cell in ("", cell)]
    whole, failures = Tally(), 0
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        new_stores: dict[str, NewStore] = {"memory": str, "file": lambda: temporary_file(folder)}
        for index, name in enumerate(chosen):
            provider, _, store = name.partition("/")
            if store == "postgres" and store not in new_stores:
                new_stores[store] = stack.enter_context(running())
            tally = Tally()
            cell = machine(provider, new_stores[store], tally)
            until = time.monotonic() + arguments.minutes * 60 / len(chosen)
            for number in seeds(first + 1000 * index * (not arguments.cell), until=until, once=bool(arguments.cell)):
                problem = run_batch(cell, number, shrink=arguments.shrink)
                tally.add("batches")
                if problem is not None:
                    failures += 1
                    print(f"{problem}\n\n{name}: again with  make torture SEED={number} CELL={name}\n", flush=True)
                    break
            whole.counts += tally.counts
            print(f"{name}, seed {first + 1000 * index * (not arguments.cell)}: {tally}", flush=True)
    print(f"\n{whole}; {failures} cells disagree", flush=True)
    return failures


if __name__ == "__main__":
    sys.exit(main() > 0)
