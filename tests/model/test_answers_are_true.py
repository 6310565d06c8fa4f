"""Every answer is true of the portal, whatever happened and whatever was asked before: a short, fixed run.

`make torture` runs the same machine for minutes, with other seeds and over PostgreSQL.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from hypothesis.stateful import run_state_machine_as_test

from tests.model.comparison import Tally
from tests.model.torture import limits, machine
from tests.model.world import temporary_file

WORLDS, STEPS = 4, 16


@pytest.fixture(autouse=True)
def no_log() -> Generator[None]:
    """The log tells of the faults that the machine makes."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("provider", "store"),
    [
        ("talentlms", "memory"),
        ("talentlms", "file"),
        ("truto-strict", "file"),
        ("truto-pairs", "memory"),
        ("truto-permissive", "memory"),
    ],
)
def test_every_answer_is_true_of_the_portal(provider: str, store: str, tmp_path: Path):
    stores: dict[str, Callable[[], str]] = {"memory": str, "file": lambda: temporary_file(tmp_path)}
    tally = Tally()
    cell = machine(provider, stores[store], tally)
    run_state_machine_as_test(cell, settings=limits(WORLDS, STEPS, shrink=False, derandomize=True))
    assert tally.counts["numbers compared"] > 100, tally
