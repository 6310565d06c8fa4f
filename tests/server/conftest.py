"""What the tests of pseudonyms and of excluded columns search texts for."""

from __future__ import annotations

import pytest

from mcp_truto_lms.sandbox.records import Organisation
from tests.server import all_texts


@pytest.fixture(scope="module")
def secrets(organisation: Organisation) -> list[str]:
    return all_texts.secrets(organisation)
