"""One integrated account: its source, its part of the store, and the answers to questions about it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, TypeVar

import anyio
import anyio.from_thread
import anyio.to_thread
from pydantic import TypeAdapter
from sqlalchemy import Connection

from mcp_truto_lms.domain.pseudonyms import Pseudonymizer
from mcp_truto_lms.domain.rate_limits import Sleep
from mcp_truto_lms.domain.source import Portal, Source
from mcp_truto_lms.ingest import full_sync
from mcp_truto_lms.ingest.background import Background
from mcp_truto_lms.ingest.fetch_plan import FetchPlan
from mcp_truto_lms.ingest.fetch_planner import FetchPlanner
from mcp_truto_lms.ingest.full_sync import OnWait, SyncResult
from mcp_truto_lms.ingest.question_budget import Coverage, Progress
from mcp_truto_lms.ingest.refresher import Refresher
from mcp_truto_lms.people.people_file import PeopleFile
from mcp_truto_lms.query.filters import EnrollmentFilter
from mcp_truto_lms.query.queries import EnrollmentQuery, ProgressQuery
from mcp_truto_lms.query.vocabulary import GroupBy
from mcp_truto_lms.reports import list_report, name_resolution, summary_report
from mcp_truto_lms.reports.match_stats import count_match
from mcp_truto_lms.reports.name_resolution import ResolvedTerm
from mcp_truto_lms.reports.query_resolution import resolve_against_store
from mcp_truto_lms.reports.results import ListAnswer, MatchStats, ResolvedQuery, SummaryAnswer
from mcp_truto_lms.server.question_planner import LoadedPeople, QuestionPlanner, ReadyQuestion
from mcp_truto_lms.settings import Clock, Settings
from mcp_truto_lms.store import account_state, cursors, exports
from mcp_truto_lms.store.database import Database

_Result = TypeVar("_Result")
EXPIRED_CURSORS_EVERY_SECONDS = 60
"""How often expired cursors are deleted."""


@dataclass(frozen=True, slots=True)
class _CursorState:
    """What a cursor stores: the question, its moment, and how many rows were shown."""

    query: dict[str, Any]
    now: int
    users: tuple[ResolvedTerm, ...] | None
    courses: tuple[ResolvedTerm, ...] | None
    coverage: Coverage
    offset: int
    fetched_since: int | None = None


_CURSOR_STATE = TypeAdapter(_CursorState)


class Account:
    """Answers questions about one account of an LMS.

    Args:
        source: the provider
        database: the store, which accounts may share
        settings: of the process
        key: of the account's rows in the store
        background: where fetches run that outlive their question
        clock: the wall clock
        pseudonymizer: makes aliases, and seals addresses of the people file, where columns are excluded
        sleep: how reading in the background waits for a limit
    """

    def __init__(
        self,
        source: Source,
        database: Database,
        settings: Settings,
        *,
        key: str,
        background: Background,
        clock: Clock,
        pseudonymizer: Pseudonymizer | None = None,
        sleep: Sleep = anyio.sleep,
    ) -> None:
        self.source = source
        self.key = key
        self._database = database
        self._settings = settings
        self._cursors_deleted_at = 0
        self._notice = settings.provider.notice
        self._people_file = PeopleFile(settings.people_file) if settings.people_file else None
        self._refresher = Refresher(
            key, source, database, background=background, clock=clock, settings=settings, sleep=sleep
        )
        self._questions = QuestionPlanner(key, settings, pseudonymizer, now=self._refresher.now)

    @property
    def is_reading_outcomes(self) -> bool:
        """Whether outcomes are being read in the background."""
        return self._refresher.outcome_reader.is_running

    async def list_enrollments(
        self, query: EnrollmentQuery, on_progress: Progress | None = None, *, principal: str = ""
    ) -> ListAnswer:
        """Answer with the rows of a match; a cursor continues only for the caller who received it.

        Raises:
            QueryError: a name stands for nothing, or the cursor cannot continue.
            SourceError: nothing could be fetched, and nothing is stored.
        """
        if query.cursor is not None:
            return await self._continue(query, query.cursor, principal)

        def page(connection: Connection, match_stats: MatchStats, portal: Portal) -> ListAnswer:
            return list_report.read_page(connection, match_stats, portal)

        return await self._answer(query, on_progress, page)

    async def export(
        self,
        query: EnrollmentQuery,
        write: Callable[[Iterable[ListAnswer]], _Result],
        on_progress: Progress | None = None,
    ) -> _Result:
        """Pass all rows of a match to a writer, page by page, in one transaction and a worker thread.

        Raises:
            QueryError: a name stands for nothing.
            SourceError: nothing could be fetched, and nothing is stored.
        """

        def pages(connection: Connection, match_stats: MatchStats, portal: Portal) -> Generator[ListAnswer]:
            for page in list_report.read_pages(connection, match_stats, portal):
                anyio.from_thread.check_cancelled()  # the client may leave long before the end
                yield page

        def write_pages(connection: Connection, match_stats: MatchStats, portal: Portal) -> _Result:
            with closing(pages(connection, match_stats, portal)) as streamed:  # no query stays open after an error
                return write(streamed)

        return await self._answer(query, on_progress, write_pages)

    async def summarize(self, query: ProgressQuery, on_progress: Progress | None = None) -> SummaryAnswer:
        """Answer with the counts of a match.

        Raises:
            QueryError: a name stands for nothing.
            SourceError: nothing could be fetched, and nothing is stored.
        """

        def summary(connection: Connection, match_stats: MatchStats, portal: Portal) -> SummaryAnswer:
            return summary_report.summarize(connection, match_stats, portal)

        return await self._answer(query, on_progress, summary)

    async def complete(self, by: GroupBy, prefix: str, limit: int) -> list[str]:
        """List the names of learners or courses that begin with a prefix.

        Raises:
            SourceError: the list of them could not be fetched, and none is stored.
        """

        def plan_or_names(planner: FetchPlanner) -> FetchPlan | list[str]:
            plan = planner.course_list() if by is GroupBy.COURSE else planner.directory()
            if plan is not None:
                return plan
            return name_resolution.complete_name(planner.connection, self.key, by, prefix, limit)

        return await self._refresher.run(self._refresher.begin(), plan_or_names)

    async def sync(
        self,
        *,
        fresh: bool = False,
        on_progress: Progress | None = None,
        on_wait: OnWait | None = None,
        sleep: Sleep = anyio.sleep,
    ) -> SyncResult:
        """Bring everything into the store, however long that takes."""
        return await full_sync.sync(self._refresher, fresh=fresh, on_progress=on_progress, on_wait=on_wait, sleep=sleep)

    async def store_export(self, name: str, parts: Sequence[exports.Part], *, principal: str) -> tuple[str, int]:
        """Store a file that one caller may download; return its token, and when it expires.

        Raises:
            QueryError: there is no room.
        """
        token, now = exports.new_token(), self._refresher.now()
        return token, await self._database.run(
            lambda c: exports.save(c, self.key, token, principal=principal, name=name, parts=parts, now=now), write=True
        )

    async def store_cursor(self, answer: ListAnswer, token: str, shown: int, *, principal: str = "") -> None:
        """Store under a token where a list continues, for one caller."""
        match_stats = answer.stats
        question = match_stats.question
        cursor_state = _CursorState(
            query=question.query.model_dump(mode="json", exclude_defaults=True),
            now=question.now,
            users=question.users,
            courses=question.courses,
            coverage=match_stats.coverage,
            offset=answer.offset + shown,
            fetched_since=question.fetched_since,
        )
        text, now = _CURSOR_STATE.dump_json(cursor_state).decode(), self._refresher.now()
        version = match_stats.data_version

        def save(connection: Connection) -> None:
            if now >= self._cursors_deleted_at + EXPIRED_CURSORS_EVERY_SECONDS:
                self._cursors_deleted_at = now
                cursors.drop_expired(connection, now)
            cursors.save(connection, self.key, token, principal=principal, question=text, version=version, now=now)

        await self._database.run(save, write=True)

    async def _answer(
        self,
        query: EnrollmentFilter,
        on_progress: Progress | None,
        make_report: Callable[[Connection, MatchStats, Portal], _Result],
    ) -> _Result:
        """Fetch what a question needs, and report it from the same transaction as the last look into the store."""
        budget = self._refresher.begin(fresh=query.fresh, on_progress=on_progress)
        loaded_people = await self._load_people() if query.needs_directory else LoadedPeople()

        def plan_or_report(planner: FetchPlanner) -> FetchPlan | _Result:
            ready = self._questions.plan(planner, query, loaded_people)
            if isinstance(ready, FetchPlan):
                return ready
            match_stats = self._match_stats(planner, ready)
            return make_report(planner.connection, match_stats, ready.portal)

        report = await self._refresher.run(budget, plan_or_report)
        self._refresher.outcome_reader.start_if_due()
        return report

    async def _load_people(self) -> LoadedPeople:
        """Load the people file in a thread of its own, because its disk may be slow.

        Raises:
            ConfigurationError: the people file cannot be read, and never could.
        """
        if self._people_file is None:
            return LoadedPeople()
        people = await anyio.to_thread.run_sync(self._people_file.load_if_changed)
        return LoadedPeople(people, self._people_file.note)

    async def _continue(self, query: EnrollmentQuery, token: str, principal: str) -> ListAnswer:
        """Continue a list where its last page ended: at the same moment, and without a fetch.

        Raises:
            QueryError: the cursor is unknown, the data changed, or an argument beside it asks something else.
        """
        now = self._refresher.now()

        def page(connection: Connection) -> ListAnswer:
            state = account_state.load(connection, self.key)
            version, portal = state.data_version, state.portal or Portal()
            text = cursors.load(connection, self.key, token, principal=principal, version=version, now=now)
            cursor_state = _CURSOR_STATE.validate_json(text)
            named = ResolvedQuery(
                query.continuing(EnrollmentQuery.model_validate(cursor_state.query)),
                self.key,
                cursor_state.now,
                self._questions.zone(portal),
                cursor_state.users,
                cursor_state.courses,
                columns=self._settings.columns,
                fetched_since=cursor_state.fetched_since,
            )
            question = resolve_against_store(connection, named, portal, self._settings)
            match_stats = count_match(
                connection, question, cursor_state.coverage, notice=self._notice, data_version=version
            )
            return list_report.read_page(connection, match_stats, portal, offset=cursor_state.offset)

        return await self._database.run(page)

    def _match_stats(self, planner: FetchPlanner, ready: ReadyQuestion) -> MatchStats:
        return count_match(
            planner.connection,
            ready.resolved,
            ready.coverage,
            notice=self._notice,
            data_version=planner.state.data_version,
        )
