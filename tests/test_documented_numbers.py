"""Every number that the README promises is the constant that the code uses."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcp_truto_lms import settings
from mcp_truto_lms.ingest import fetcher, freshness
from mcp_truto_lms.providers import hourly_quota
from mcp_truto_lms.providers.talentlms.api import BURST_SECONDS, TALENTLMS
from mcp_truto_lms.providers.truto import capabilities
from mcp_truto_lms.providers.truto.client import ACCOUNT_LIMIT
from mcp_truto_lms.store import exports

README = " ".join((Path(__file__).parents[1] / "README.md").read_text("utf-8").split())
WORDS: dict[float, str] = {3: "three", 10: "ten"}
HOUR, DAY, MIB = 3600, 24 * 3600, 2**20


def word(number: float) -> str:
    """Spell a number as the README does."""
    return WORDS.get(number, str(number))


def share(number: float) -> str:
    """Spell a part of a whole."""
    return {0.25: "a quarter"}.get(number, f"{number:.0%}")


def each(seconds: float) -> str:
    """Spell a duration."""
    return {HOUR: "an hour", DAY: "a day"}.get(seconds, f"{seconds} seconds")


(BURST,) = TALENTLMS.limits
assert freshness.COURSES_MAX_AGE_SECONDS == freshness.LEARNERS_MAX_AGE_SECONDS
PROMISES = [
    f"An answer about a person uses data of at most {freshness.LEARNER_MAX_AGE_SECONDS} seconds",
    f"an answer about courses data of at most {settings.MAX_AGE_SECONDS / 60:.0f} minutes",
    f"or {word(freshness.MAX_AGE_PER_FETCH_SECOND)} times the duration of the last fetch",
    f"The lists of courses and people are read again after {each(freshness.COURSES_MAX_AGE_SECONDS)}",
    f"`MCP_TRUTO_LMS_MAX_AGE` | `{settings.MAX_AGE_SECONDS:.0f}`",
    f"`MCP_TRUTO_LMS_DEADLINE` | `{settings.DEADLINE_SECONDS:.0f}`",
    f"most estimated tokens in one answer; at most {settings.MAX_TOKEN_BUDGET}",
    f"one token of at least {settings.MIN_SECRET_CHARACTERS} characters",
    f"in the background with at most {share(hourly_quota.BACKGROUND_SHARE)} of the hourly limit",
    f"a question waits {word(fetcher.PATIENCE_SECONDS)} seconds for newer data",
    f"TalentLMS allows {BURST.calls} calls in {BURST_SECONDS:.0f} seconds",
    f"may allow {ACCOUNT_LIMIT.calls} calls in {ACCOUNT_LIMIT.seconds} seconds",
    f"It remembers for {each(capabilities.OUTCOME_LIFETIME_SECONDS)} what an account allows",
    f"answers only the caller who asked, and expires after {each(exports.MAX_AGE_SECONDS)}",
    f"At most {exports.MAX_BYTES // MIB} MiB of compressed exports",
]


@pytest.mark.parametrize("promise", PROMISES)
def test_the_readme_names_the_number_of_the_code(promise: str):
    assert promise in README
