"""The sample portal as a process, and servers that read from it."""

from collections.abc import Iterator

import pytest
from processes import sandbox


@pytest.fixture(scope="session")
def connected() -> Iterator[dict[str, str]]:
    """The environment of a server that reads from a sample portal in another process."""
    with sandbox() as (env, _):
        yield env
