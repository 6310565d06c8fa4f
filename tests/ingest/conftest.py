"""A clock for the tests of fetching and freshness."""

from __future__ import annotations

import pytest

from tests.stored import MovableClock


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()
