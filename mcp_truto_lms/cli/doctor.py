"""A check of the set-up in plain words: what is configured, whether it answers, and what to do where it does not.

It shows no secret and no person's data: only counts.
"""

from __future__ import annotations

import argparse
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from mcp_truto_lms.cli.process_end import EXIT_FAILED
from mcp_truto_lms.cli.sample_enrollment import missing_facts, read_sample
from mcp_truto_lms.domain.errors import SourceError
from mcp_truto_lms.domain.model import User
from mcp_truto_lms.domain.source import Source, directory_pages
from mcp_truto_lms.server.app_context import AppContext
from mcp_truto_lms.settings import Settings


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check, in a sentence."""

    good: bool
    text: str


async def run_doctor(settings: Settings, options: argparse.Namespace) -> int:  # noqa: ARG001  commands have one signature
    """Print each finding, and fail where one of them is bad."""
    code = 0
    async with AppContext(settings) as app_context:
        async for finding in examine(app_context):
            print(f"{'ok' if finding.good else 'FAILED'}: {finding.text}", flush=True)
            code = code if finding.good else EXIT_FAILED
    return code


async def examine(context: AppContext) -> AsyncGenerator[Finding]:
    """Check the settings, then the connection to the LMS, one step after the other; stop where a step fails."""
    settings = context.settings
    sources = {name: (await context.account(name)).source for name in context.names}  # refuses a wrong address
    yield Finding(True, settings.provider.summary(settings))
    if settings.columns.aliases:
        yield Finding(True, "Pseudonyms are on: people appear under aliases, and are found by these alone.")
    if settings.exclude_fields:
        yield Finding(True, f"Hidden from every caller: {', '.join(settings.exclude_fields)}.")
    for name, source in sources.items():
        suffix = f" (account {name})" if len(sources) > 1 else ""
        try:
            async for finding in _examine_source(source, settings, suffix):
                yield finding
        except SourceError as error:
            yield Finding(False, f"{error}{suffix}")


async def _examine_source(source: Source, settings: Settings, suffix: str) -> AsyncGenerator[Finding]:
    """Read the courses, the first people and a few enrollments, and say what they do not report."""
    courses = await source.courses()
    yield Finding(True, f"It answers and lists {len(courses):,} courses{suffix}.")
    learners: list[User] = []
    is_whole = True
    async with aclosing(directory_pages(source)) as pages:
        async for page in pages:
            if learners:
                is_whole = False
                break
            learners += page
    yield Finding(True, f"It lists {'' if is_whole else 'more than '}{len(learners):,} people{suffix}.")
    sample = await read_sample(source, courses, learners)
    if sample is None:
        yield Finding(False, f"The provider lets no enrollments be read{suffix}. {source.calls} calls were made.")
        return
    yield Finding(True, f"{sample.sentence()}{suffix}")
    portal = await source.portal()
    zone = settings.zone or portal.zone
    days = f"in {zone}" if zone else "in UTC, or in MCP_TRUTO_LMS_TIMEZONE: the LMS reports no time zone"
    sentences = [f"Days are {days}.", *missing_facts(sample, source, portal), f"{source.calls} calls were made."]
    yield Finding(True, f"{' '.join(sentences)}{suffix}")
