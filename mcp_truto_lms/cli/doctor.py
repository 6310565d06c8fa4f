"""A check of the set-up in plain words: what is configured, whether it answers, and what to do where it does not.

It shows no secret and no person's data: counts alone.
"""

from __future__ import annotations

import argparse
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from mcp_truto_lms.cli.process_end import EXIT_FAILED
from mcp_truto_lms.domain.errors import SourceError
from mcp_truto_lms.server.app_context import AppContext
from mcp_truto_lms.settings import Settings


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked, in a sentence."""

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


async def examine(connection: AppContext) -> AsyncGenerator[Finding]:
    """Check the settings, then the way to the LMS, one step after the other; stop where a step fails."""
    settings = connection.settings
    opened = {name: (await connection.account(name)).source for name in connection.names}  # refuses what is no address
    if settings.source == "sample":
        yield Finding(
            True,
            "No LMS is connected, answers come from the built-in sample portal: set TALENTLMS_DOMAIN and "
            "TALENTLMS_API_KEY to read yours, or TRUTO_API_TOKEN and TRUTO_INTEGRATED_ACCOUNT_ID.",
        )
    elif settings.source == "truto":
        address = settings.truto_base_url or "https://api.truto.one"
        yield Finding(True, f"Reading through Truto at {address}; the token is set.")
    else:
        yield Finding(True, f"Reading TalentLMS at {settings.talentlms_base_url}; the API key is set.")
    columns = settings.columns
    if columns.aliases:
        yield Finding(True, "Pseudonyms are on: people stand under aliases, and are asked for by these alone.")
    if hidden := settings.exclude_fields:
        yield Finding(True, f"Left out for everybody: {', '.join(hidden)}.")
    for name, source in opened.items():
        of = f" (account {name})" if len(opened) > 1 else ""
        try:
            courses = await source.courses()
            zone = settings.zone or (await source.portal()).zone
            days = f"in {zone}" if zone else "in UTC, or MCP_TRUTO_LMS_TIMEZONE, for it tells no time zone"
            yield Finding(True, f"It answers and lists {len(courses)} courses{of}. Days are {days}.")
            learners = await source.learners()
            yield Finding(True, f"It lists {len(learners)} people{of}. {source.calls} calls were made.")
        except SourceError as error:
            yield Finding(False, f"{error}{of}")
