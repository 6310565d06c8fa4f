"""A clock for the tests of fetching and freshness, and an organisation of few people with all courses."""

from __future__ import annotations

import pytest

from mcp_truto_lms.sandbox.records import Organisation
from tests.ingest.portal_calls import few_people
from tests.stored import MovableClock


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture(scope="session")
def organisation() -> Organisation:
    return few_people()
