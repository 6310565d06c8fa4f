"""Counts the calls to the provider until everything is known, and afterwards, beside the least that are possible.

    python -m bench.calls [--small]

For portals of three sizes, over TalentLMS and over a Truto that requires a learner and a course in every list, it
prints the calls of the first answer, those until no outcome is unknown, and those of a question after 1 % of the
enrollments changed, and the seconds of the clock until everything is known, with 10,000 and with 2,000 calls an hour.
All clocks are virtual: waiting takes no time. A bar that is missed ends it with 1.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

import anyio
import anyio.lowlevel
import httpx

from mcp_truto_lms.domain.call_counter import CALL_COUNTER
from mcp_truto_lms.domain.source import Source
from mcp_truto_lms.providers.talentlms.source import TalentLmsSource
from mcp_truto_lms.providers.truto.source import TrutoSource
from mcp_truto_lms.query.queries import ProgressQuery
from mcp_truto_lms.sandbox.organisation import generate
from mcp_truto_lms.sandbox.portal import SAMPLE_API_KEY, SAMPLE_BASE_URL, sample_app
from mcp_truto_lms.sandbox.records import Organisation, Outcome
from mcp_truto_lms.sandbox.talentlms import TalentLmsSandbox
from mcp_truto_lms.sandbox.truto import SAMPLE_ACCOUNT_ID, SAMPLE_TRUTO_TOKEN, truto_app
from mcp_truto_lms.sandbox.variations import Variations
from mcp_truto_lms.server.account import Account
from mcp_truto_lms.server.app_context import AppContext
from mcp_truto_lms.settings import Settings

TODAY = date(2026, 11, 23)
SIZES = ((250, 18), (500, 40), (5_000, 100))
PROVIDERS = ("talentlms", "truto")
MANY_CALLS, FEW_CALLS = 10_000, 2_000
CHANGED_SHARE = 0.01
LISTS = 12
"""Calls for the lists and for the portal itself, at most, where people take up to six pages."""
STEADY_LISTS = 3
KNOWN_WITHIN_SECONDS = {MANY_CALLS: 60, FEW_CALLS: 3 * 3600}
"""The bars for 500 learners and 40 courses over TalentLMS, by calls an hour."""
MINUTES_UNTIL_STALE = 16


class VirtualTime:
    """A clock that sleeping moves."""

    def __init__(self) -> None:
        self.seconds = datetime(2026, 11, 23, 9, tzinfo=UTC).timestamp()

    def now(self) -> float:
        """Return epoch seconds."""
        return self.seconds

    def clock(self) -> datetime:
        """Return the moment."""
        return datetime.fromtimestamp(self.seconds, UTC)

    async def sleep(self, seconds: float) -> None:
        """Move the clock."""
        self.seconds += seconds
        await anyio.lowlevel.checkpoint()


@dataclass(frozen=True, slots=True)
class Setup:
    """An account over an emulated portal."""

    account: Account
    portal: TalentLmsSandbox
    time: VirtualTime

    async def answer(self) -> bool:
        """Ask for everything; return whether the answer is final."""
        return (await self.account.summarize(ProgressQuery())).stats.is_final

    async def until_known(self) -> None:
        """Wait until the background has nothing left to read."""
        while self.account.is_reading_outcomes:  # noqa: ASYNC110  nothing else tells that it ended
            await anyio.sleep(0.01)


def uncounted(app: Any) -> Any:
    """Keep the calls that an emulator makes itself out of the question's calls."""

    async def served(*asgi: Any) -> None:
        token = CALL_COUNTER.set(None)
        try:
            await app(*asgi)
        finally:
            CALL_COUNTER.reset(token)

    return served


@asynccontextmanager
async def opened(provider: str, organisation: Organisation, calls_an_hour: int) -> AsyncGenerator[Setup]:
    """Open an account over a portal in this process, with virtual clocks everywhere."""
    time = VirtualTime()
    variations = Variations(hourly_limit=calls_an_hour)
    source: Source
    if provider == "talentlms":
        portal = sample_app(organisation, variations=variations, now=time.now, monotonic=time.now, sleep=time.sleep)
        source = TalentLmsSource.connect(
            SAMPLE_BASE_URL,
            SAMPLE_API_KEY,
            transport=httpx.ASGITransport(app=portal),
            clock=time.now,
            sleep=time.sleep,
            now=time.now,
        )
    else:
        truto = truto_app(organisation, variations=variations, now=time.now, monotonic=time.now, sleep=time.sleep)
        portal = truto.unlimited_portal
        source = TrutoSource.connect(
            "https://truto.example",
            SAMPLE_TRUTO_TOKEN,
            SAMPLE_ACCOUNT_ID,
            transport=httpx.ASGITransport(app=uncounted(truto)),
            clock=time.now,
            sleep=time.sleep,
            now=time.now,
        )
    settings = Settings(source=provider)
    async with AppContext(settings, source=lambda _: source, clock=time.clock, sleep=time.sleep) as context:
        yield Setup(await context.account(), portal, time)


def change(portal: TalentLmsSandbox, organisation: Organisation, number: int) -> int:
    """Let time pass in some enrollments that are in progress; return how many people they are of."""
    open_ones = [each for each in organisation.enrollments if each.outcome is Outcome.INCOMPLETE]
    chosen = random.Random(1).sample(open_ones, min(number, len(open_ones)))
    index = portal._index  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - the emulator has no calls that write
    for enrollment in chosen:
        changed = replace(enrollment, seconds_spent=enrollment.seconds_spent + 60)
        for listing in (index.transcript(enrollment.user_id), index.roster(enrollment.course_id)):
            listing[listing.index(enrollment)] = changed
    return len({enrollment.user_id for enrollment in chosen})


@dataclass(frozen=True, slots=True)
class Figures:
    """The calls of one portal."""

    first: int
    known: int
    steady: int
    changed_people: int
    seconds: float


async def measure(provider: str, organisation: Organisation, calls_an_hour: int) -> Figures:
    """Ask until everything is known, change something, and ask again."""
    async with opened(provider, organisation, calls_an_hour) as setup:
        source, began = setup.account.source, setup.time.seconds
        await setup.answer()
        first = source.calls
        await setup.until_known()
        known, seconds = source.calls, setup.time.seconds - began
        if not await setup.answer():
            raise RuntimeError(f"{provider}: an outcome is still unknown")
        people = change(setup.portal, organisation, round(CHANGED_SHARE * len(organisation.enrollments)))
        setup.time.seconds += MINUTES_UNTIL_STALE * 60
        before = source.calls
        await setup.answer()
        await setup.until_known()
        return Figures(first, known, source.calls - before, people, seconds)


def main() -> int:
    """Print the figures beside their bars; return 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="only the smallest portal")
    sizes = SIZES[:1] if parser.parse_args().small else SIZES
    misses = 0
    print("calls, and the least that are possible; seconds of the clock until everything is known")
    print(f"{'':<10}{'people x courses':>17}{'first':>8}{'known':>8}{'least':>8}{'steady':>8}{'bar':>6}{'s':>10}")
    for provider, (learners, courses) in [(name, size) for name in PROVIDERS for size in sizes]:
        organisation = generate(learners=learners, courses=courses, today=TODAY)
        active = {person.id for person in organisation.people if person.active}
        shown = {course.id for course in organisation.courses if course.status != "archived"}
        people = {
            each.user_id
            for each in organisation.enrollments
            if each.role == "learner" and each.user_id in active and each.course_id in shown
        }
        for calls_an_hour in (MANY_CALLS, FEW_CALLS):
            figures = anyio.run(measure, provider, organisation, calls_an_hour)
            bar = len(shown) + figures.changed_people + STEADY_LISTS
            limit = KNOWN_WITHIN_SECONDS[calls_an_hour] if (provider, learners) == ("talentlms", 500) else None
            misses += figures.steady > bar or (limit is not None and figures.seconds > limit)
            misses += figures.known > len(shown) + len(people) + LISTS
            print(
                f"{provider:<10}{f'{learners:,} x {courses}':>17}{figures.first:>8,}{figures.known:>8,}"
                f"{len(shown) + len(people):>8,}{figures.steady:>8,}{bar:>6,}{figures.seconds:>10,.0f}"
                f"  at {calls_an_hour:,} calls an hour{f', bar {limit:,} s' if limit else ''}",
                flush=True,
            )
    return int(misses > 0)


if __name__ == "__main__":
    sys.exit(main())
