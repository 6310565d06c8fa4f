"""The sample portal as a process, and servers that read from it."""

from collections.abc import Iterator

import pytest
from processes import FEW_PEOPLE, sandbox

from mcp_truto_lms.sandbox.organisation import generate
from mcp_truto_lms.sandbox.records import Organisation
from tests.conftest import TODAY


@pytest.fixture(scope="session")
def organisation() -> Organisation:
    """The people of the portal in another process."""
    return generate(today=TODAY, learners=FEW_PEOPLE)


@pytest.fixture(scope="module")
def connected() -> Iterator[dict[str, str]]:
    """The environment of a server that reads from a sample portal in another process.

    Each server reads every transcript: the hourly limit of the portal is enough for those of one module.
    """
    with sandbox("TALENTLMS", "--learners", str(FEW_PEOPLE)) as (env, _):
        yield env
