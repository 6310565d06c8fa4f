"""A small organisation, and a desk over it that knows who failed."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from functools import cache

import pytest

from mcp_truto_lms.sandbox.organisation import generate
from mcp_truto_lms.sandbox.records import Organisation
from tests.conftest import TODAY, Desk, OpenDesk
from tests.truth import Fact, facts


@cache
def small() -> Organisation:
    """Make a smaller organisation than the default, with the same variety."""
    return generate(learners=60, today=TODAY)


@pytest.fixture(scope="module")
async def desk(open_desk: OpenDesk) -> AsyncGenerator[Desk]:
    """Open a desk that knows who failed: the first question makes later answers rest on transcripts."""
    async with open_desk(of=small()) as opened:
        await opened.list(state="failed", limit=1)
        yield opened


@cache
def small_facts() -> list[Fact]:
    """List what is true of the small organisation."""
    return facts(small())
