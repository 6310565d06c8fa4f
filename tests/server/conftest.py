"""An organisation of few people, and what the tests of pseudonyms and of excluded columns search texts for."""

from __future__ import annotations

import pytest

from mcp_truto_lms.sandbox.organisation import generate
from mcp_truto_lms.sandbox.records import Organisation
from tests.conftest import TODAY
from tests.server import all_texts


@pytest.fixture(scope="session")
def organisation() -> Organisation:
    """Few people, whose transcripts are read quickly, in all courses."""
    return generate(today=TODAY, learners=60)


@pytest.fixture(scope="module")
def secrets(organisation: Organisation) -> list[str]:
    return all_texts.secrets(organisation)
