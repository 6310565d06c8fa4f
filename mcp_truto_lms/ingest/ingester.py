"""The ingester: fetches a list or a scope from the LMS of an account, and writes it into the store, whole.

The fetch planner decides what is fetched, and when.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass

import anyio

from mcp_truto_lms.domain.errors import NotFound, StoreError, UnexpectedAnswer
from mcp_truto_lms.domain.model import Course, User
from mcp_truto_lms.domain.source import (
    FetchRoute,
    ListAuditor,
    Portal,
    Scope,
    Source,
    TeamDirectory,
    TeamKind,
    ZoneInference,
    directory_pages,
    scope_parts,
)
from mcp_truto_lms.ingest.joined_records import FetchedPeople
from mcp_truto_lms.store import account_state, list_writer, scope_writer
from mcp_truto_lms.store.account_state import FetchInfo
from mcp_truto_lms.store.compressed_rows import CompressedRows
from mcp_truto_lms.store.database import Database
from mcp_truto_lms.store.rows import ScopeRows, learner_rows
from mcp_truto_lms.store.scope_writer import ScopeWrite

WRITTEN_TOGETHER = 50
"""The most transcripts that are written in one transaction."""

logger = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _PendingWrite:
    write: ScopeWrite
    is_done: bool = False


class Ingester:
    """Fetches from the LMS of one account into the store.

    Args:
        account: the key of its rows
        source: the provider
        database: the store
        now: tells the time in epoch seconds

    Attributes:
        written: enrollments that changed since the store was tidied
        rosters_written: how many rosters this process has written
        is_tidied: whether this process has tidied the store
    """

    def __init__(self, account: str, source: Source, database: Database, *, now: Callable[[], int]) -> None:
        self._account = account
        self._source = source
        self._database = database
        self._now = now
        self._portal: Portal | None = None
        self._tells_nothing = False
        self._write_lock = anyio.Lock()
        self._transcripts: list[_PendingWrite] = []
        self.written = 0
        self.rosters_written = 0
        self.is_tidied = False

    async def portal(self, *, again: bool = False) -> Portal:
        """Fetch what the LMS says of itself, by which the source parses dates; write it where it is new.

        Args:
            again: write it in any case, with the time of this fetch
        """
        await self._assume_stored_zone()
        try:
            portal = await self._source.portal()
        except (NotFound, UnexpectedAnswer):
            portal, self._tells_nothing = Portal(), True
        if again or portal != self._portal:
            now = self._now()
            await self._database.run(lambda c: account_state.save_portal(c, self._account, portal, now=now), write=True)
            self._portal = portal
        return portal

    async def courses(self) -> None:
        """Fetch the course list."""
        await self._assume_stored_zone()
        started_at = anyio.current_time()
        courses = await self._source.courses()
        fetch_info = self._fetch_info(started_at, unusable=self._unlisted("courses"))
        await self._database.run(
            lambda c: list_writer.replace_courses(c, self._account, courses, fetch_info), write=True
        )

    async def learners(self) -> FetchedPeople:
        """Fetch the people directory; return what enrollments carry of the people."""
        await self._assume_stored_zone()
        started_at = anyio.current_time()
        rows, people = CompressedRows(), FetchedPeople()
        async with aclosing(directory_pages(self._source)) as pages:
            async for page in pages:
                rows.add(learner_rows(self._account, page))
                people.add(page)
        fetch_info = self._fetch_info(started_at, unusable=self._unlisted("users"))
        await self._database.run(lambda c: list_writer.replace_learners(c, self._account, rows, fetch_info), write=True)
        return people

    async def teams(self, source: TeamDirectory, kind: TeamKind) -> None:
        """Fetch people's branches or groups from the source, which has such a directory."""
        started_at = anyio.current_time()
        teams = await source.teams(kind)
        fetch_info = self._fetch_info(started_at, unusable=self._unlisted(account_state.TEAMS[kind]))
        await self._database.run(
            lambda c: list_writer.replace_teams(c, self._account, kind, teams, fetch_info), write=True
        )

    async def person(self, email: str) -> None:
        """Fetch the person with an e-mail address, if there is one."""
        person = await self._source.find_learner(email=email)
        if person is not None:
            await self._database.run(lambda c: list_writer.upsert_learners(c, self._account, [person]), write=True)

    async def scope(self, scope: Scope, *, courses: Mapping[str, Course], people: Mapping[str, User]) -> None:
        """Fetch a scope of enrollments.

        Args:
            scope: what is fetched
            courses: the courses that enrollments are joined with, by id
            people: the people that enrollments are joined with, by id

        Raises:
            NotFound: the LMS does not have the course or the learner of the scope.
        """
        if self._portal is None:
            await self.portal()
        started_at = anyio.current_time()
        outcomes_age = bool(self._source.capabilities.outcome_unknown_routes)
        rows = ScopeRows(self._account, known=people, outcomes_age=outcomes_age)
        async with aclosing(scope_parts(self._source, scope, courses=courses, learners=people)) as parts:
            async for part in parts:
                rows.add(part)
        await self._replace_scope(scope, rows, self._fetch_info(started_at, unusable=rows.unusable))

    async def delete_scope(self, scope: Scope) -> None:
        """Delete the enrollments of a scope that the LMS no longer has."""
        await self._replace_scope(scope, ScopeRows(self._account), self._fetch_info(anyio.current_time()))

    async def mark_unreadable(self, scope: Scope) -> None:
        """Note that the LMS lists the course of a scope, but does not show it; its stored enrollments stay."""
        fetch_info = FetchInfo(self._now(), took_seconds=0, unreadable=True)
        await self._database.run(
            lambda c: account_state.save_scope_state(c, self._account, scope.key, fetch_info, complete=True), write=True
        )

    async def tidy(self) -> None:
        """Make answers fast again after many rows were written; log it where the store refuses."""
        self.written, self.is_tidied = 0, True
        try:
            await self._database.tidy()
        except StoreError as error:
            logger.warning("%s", error)

    async def _assume_stored_zone(self) -> None:
        """Let a source that infers the zone of its LMS begin with the one that is stored."""
        if self._portal is not None or not isinstance(self._source, ZoneInference):
            return
        state = await self._database.run(lambda c: account_state.load(c, self._account))
        if state.portal is not None and state.portal.zone is not None:
            self._source.assume_zone(state.portal.zone)

    async def _replace_scope(self, scope: Scope, rows: ScopeRows, fetch_info: FetchInfo) -> None:
        """Write a scope; transcripts that wait for each other are written together."""
        if not self._tells_nothing:  # the fetch may have taught the source more about its LMS, at no cost
            await self.portal()
        pending = _PendingWrite(ScopeWrite(scope, rows, fetch_info))
        waiting = self._transcripts if scope.route is FetchRoute.LEARNER else [pending]
        self._transcripts += [pending] if waiting is self._transcripts else []
        try:
            async with self._write_lock:
                if pending.is_done:
                    return
                others = [other for other in waiting if not other.is_done and other is not pending]
                batch = [pending, *others[: WRITTEN_TOGETHER - 1]]
                writes = [other.write for other in batch]
                written = await self._database.run(
                    lambda c: scope_writer.replace_scopes(c, self._account, writes), write=True
                )
                for other in batch:
                    other.is_done = True
                self.written += written
                self.rosters_written += scope.route is FetchRoute.COURSE
        finally:
            if pending in self._transcripts:
                self._transcripts.remove(pending)

    def _fetch_info(self, started_at: float, *, unusable: int = 0) -> FetchInfo:
        return FetchInfo(self._now(), anyio.current_time() - started_at, unusable)

    def _unlisted(self, name: str) -> int:
        return self._source.unlisted(name) if isinstance(self._source, ListAuditor) else 0
