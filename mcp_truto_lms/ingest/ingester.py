"""Intake: what an account's LMS tells, as it is read, written into the store: a list or a scope at a time, each whole.

What is to be read, and when, is the refresher's to say.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import aclosing

import anyio

from mcp_truto_lms.domain.errors import NotFound, StoreError, UnexpectedAnswer
from mcp_truto_lms.domain.model import Course, User
from mcp_truto_lms.domain.source import Portal, Scope, Source, TeamDirectory, directory_pages, scope_parts
from mcp_truto_lms.store import account_state, scope_writer
from mcp_truto_lms.store.compressed_rows import CompressedRows
from mcp_truto_lms.store.database import Database
from mcp_truto_lms.store.rows import ScopeRows, learner_rows
from mcp_truto_lms.store.scope_writer import FetchInfo

logger = logging.getLogger(__name__)


class Ingester:
    """Reads one account's LMS into the store.

    Args:
        account: the key of its rows
        source: where it is read from
        database: where it is kept
        now: tells the time in epoch seconds

    Attributes:
        written: enrollments that changed since the store was tidied
    """

    def __init__(self, account: str, source: Source, database: Database, *, now: Callable[[], int]) -> None:
        self._account = account
        self._source = source
        self._database = database
        self._now = now
        self._portal: Portal | None = None
        self._silent = False
        self.written = 0

    async def portal(self, *, again: bool = False) -> Portal:
        """Have the source ask what the LMS says of itself: it reads dates by that. Keep what is new, or all."""
        try:
            found = await self._source.portal()
        except (NotFound, UnexpectedAnswer):
            found, self._silent = Portal(), True
        if again or found != self._portal:
            now = self._now()
            await self._database.run(lambda c: account_state.save_portal(c, self._account, found, now=now), write=True)
            self._portal = found
        return found

    async def courses(self) -> None:
        """Read the course list."""
        started = anyio.current_time()
        found = await self._source.courses()
        stamp = self._stamp(started)
        await self._database.run(lambda c: scope_writer.replace_courses(c, self._account, found, stamp), write=True)

    async def learners(self) -> None:
        """Read the people directory."""
        started = anyio.current_time()
        rows = CompressedRows()
        async with aclosing(directory_pages(self._source)) as pages:
            async for page in pages:
                rows.add(learner_rows(self._account, page))
        stamp = self._stamp(started)
        await self._database.run(lambda c: scope_writer.replace_learners(c, self._account, rows, stamp), write=True)

    async def teams(self, source: TeamDirectory) -> None:
        """Read people's teams from the source, which has such a thing."""
        started = anyio.current_time()
        found = await source.teams()
        stamp = self._stamp(started)
        await self._database.run(lambda c: scope_writer.replace_teams(c, self._account, found, stamp), write=True)

    async def person(self, email: str) -> None:
        """Read one person, where there is one."""
        found = await self._source.find_learner(email=email)
        if found is not None:
            await self._database.run(lambda c: scope_writer.upsert_learners(c, self._account, [found]), write=True)

    async def scope(self, scope: Scope, *, courses: Mapping[str, Course], people: Mapping[str, User]) -> None:
        """Read a scope of enrollments.

        Args:
            scope: what is read
            courses: what they are called, by id
            people: what they are called, by id

        Raises:
            NotFound: the LMS does not have its course or its learner.
        """
        if self._portal is None:
            await self.portal()
        started = anyio.current_time()
        rows = ScopeRows(self._account, known=people)
        async with aclosing(scope_parts(self._source, scope, courses=courses, learners=people)) as parts:
            async for part in parts:
                rows.add(part)
        await self._put(scope, rows, self._stamp(started))

    async def gone(self, scope: Scope) -> None:
        """Write that there is nothing in a scope any more."""
        await self._put(scope, ScopeRows(self._account), self._stamp(anyio.current_time()))

    async def tidy(self) -> None:
        """Make answers fast again after much was written; a store that cannot be tidied now has it all the same."""
        self.written = 0
        try:
            await self._database.tidy()
        except StoreError as error:
            logger.warning("%s", error)

    async def _put(self, scope: Scope, rows: ScopeRows, stamp: FetchInfo) -> None:
        if not self._silent:  # what was read may have told more, at no cost
            await self.portal()
        written = await self._database.run(
            lambda c: scope_writer.replace_scope(c, self._account, scope, rows, stamp), write=True
        )
        self.written += written  # not before the others that are under way have added theirs

    def _stamp(self, started: float) -> FetchInfo:
        return FetchInfo(fetched_at=self._now(), took_seconds=anyio.current_time() - started)
