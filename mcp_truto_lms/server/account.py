"""One integrated account: its source, its part of the store, and the answers to questions about it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, tzinfo
from typing import Any, TypeVar

import anyio.from_thread
import anyio.to_thread
from pydantic import TypeAdapter
from sqlalchemy import Connection

from mcp_truto_lms.domain.errors import AccessDenied, RouteClosed, SourceError
from mcp_truto_lms.domain.pseudonyms import Pseudonymizer
from mcp_truto_lms.domain.source import Portal, Scope, Source
from mcp_truto_lms.ingest.background import Background
from mcp_truto_lms.ingest.freshness import LEARNER_MAX_AGE_SECONDS
from mcp_truto_lms.ingest.question_budget import Coverage, Progress, QuestionBudget
from mcp_truto_lms.ingest.refresher import Refresher
from mcp_truto_lms.people.people_file import People, PeopleFile
from mcp_truto_lms.people.redacted_people_file import sealed_keys, without_names
from mcp_truto_lms.query.queries import EnrollmentFilter, EnrollmentQuery, ProgressQuery
from mcp_truto_lms.query.vocabulary import GroupBy
from mcp_truto_lms.reports import name_resolution, report
from mcp_truto_lms.reports.name_resolution import ResolvedTerm
from mcp_truto_lms.reports.results import ListAnswer, MatchStats, ResolvedQuery, SummaryAnswer
from mcp_truto_lms.settings import Clock, Settings
from mcp_truto_lms.store import account_state, cursors, dimensions, exports, row_queries
from mcp_truto_lms.store.account_state import LEARNERS
from mcp_truto_lms.store.database import Database
from mcp_truto_lms.store.row_queries import Match
from mcp_truto_lms.store.selection import Selection
from mcp_truto_lms.store.steps import Steps, View, follow


@dataclass(frozen=True, slots=True)
class _CursorState:
    """What a cursor remembers: the question, its moment, and how many rows were shown."""

    query: dict[str, Any]
    now: int
    users: tuple[ResolvedTerm, ...] | None
    courses: tuple[ResolvedTerm, ...] | None
    coverage: Coverage
    offset: int


_CURSOR_STATE = TypeAdapter(_CursorState)
_Result = TypeVar("_Result")
_Asked = tuple[ResolvedQuery, Coverage, Portal]
TEAM = "team"
CURSORS_TIDIED_SECONDS = 60
"""Between two times that expired cursors are thrown away."""


class Account:
    """Answers questions about one account of an LMS.

    Args:
        source: where it is read from
        database: where it is kept; may be shared by accounts
        settings: of the process
        key: of its rows in the store
        background: where reading goes on when its question is answered
        clock: the wall clock
        seal: makes aliases, and seals what joins the people file, where columns are taken out
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
        seal: Pseudonymizer | None = None,
    ) -> None:
        self.source = source
        self.key = key
        self._database = database
        self._settings = settings
        self._columns = settings.columns
        self._seal = seal
        self._tidied_at = 0
        self._sample = settings.source == "sample"
        self._file = PeopleFile(settings.people_file) if settings.people_file else None
        self._refresher = Refresher(key, source, database, background=background, clock=clock, settings=settings)

    async def list_enrollments(
        self, query: EnrollmentQuery, on_progress: Progress | None = None, *, principal: str = ""
    ) -> ListAnswer:
        """Answer with the rows of a match; a cursor goes on for the caller alone to whom it was given.

        Raises:
            QueryError: a name stands for nothing, or the cursor cannot go on.
            SourceError: nothing could be read.
        """
        if query.cursor is not None:
            return await self._go_on(query.cursor, principal)
        call = self._refresher.begin(fresh=query.fresh, on_progress=on_progress)

        def steps(view: View) -> Steps[ListAnswer]:
            question, coverage, portal = yield from self._ask_for_rows(view, call, query)
            return report.page(view.connection, self._ground(view, question, coverage), portal)

        return await follow(self._database, steps)

    async def export(
        self,
        query: EnrollmentQuery,
        write: Callable[[Iterable[ListAnswer]], _Result],
        on_progress: Progress | None = None,
    ) -> _Result:
        """Have all rows of a match written, page by page, in one transaction and a worker thread.

        Raises:
            QueryError: a name stands for nothing.
            SourceError: nothing could be read.
        """
        call = self._refresher.begin(fresh=query.fresh, on_progress=on_progress)

        def pages(view: View, asked: _Asked) -> Generator[ListAnswer]:
            question, coverage, portal = asked
            for one in report.pages(view.connection, self._ground(view, question, coverage), portal):
                anyio.from_thread.check_cancelled()  # whoever asked may be gone long before the end
                yield one

        def steps(view: View) -> Steps[_Result]:
            asked = yield from self._ask_for_rows(view, call, query)
            with closing(pages(view, asked)) as taken:  # whatever goes wrong, no query is left open
                return write(taken)

        return await follow(self._database, steps)

    async def keep_export(self, name: str, parts: Sequence[exports.Part], *, principal: str) -> tuple[str, int]:
        """Keep a file to be fetched by one caller; answer its token, and when it expires.

        Raises:
            QueryError: there is no room.
        """
        token, now = exports.new_token(), self._refresher.now()
        return token, await self._database.run(
            lambda c: exports.save(c, self.key, token, principal=principal, name=name, parts=parts, now=now), write=True
        )

    async def summarize(self, query: ProgressQuery, on_progress: Progress | None = None) -> SummaryAnswer:
        """Answer with the counts of a match.

        Raises:
            QueryError: a name stands for nothing.
            SourceError: nothing could be read.
        """
        call = self._refresher.begin(fresh=query.fresh, on_progress=on_progress)

        def steps(view: View) -> Steps[SummaryAnswer]:
            question, coverage, portal = yield from self._ask(view, call, query)
            return report.summary(view.connection, self._ground(view, question, coverage), portal)

        return await follow(self._database, steps)

    async def keep_cursor(self, answer: ListAnswer, token: str, shown: int, *, principal: str = "") -> None:
        """Remember where a list goes on under a token, for one caller."""
        question = answer.stats.question
        kept = _CursorState(
            query=question.query.model_dump(mode="json", exclude_defaults=True),
            now=question.now,
            users=question.users,
            courses=question.courses,
            coverage=answer.stats.coverage,
            offset=answer.offset + shown,
        )
        packed, now = _CURSOR_STATE.dump_json(kept).decode(), self._refresher.now()
        version = answer.stats.data_version

        def save(connection: Connection) -> None:
            if now >= self._tidied_at + CURSORS_TIDIED_SECONDS:
                self._tidied_at = now
                cursors.drop_expired(connection, now)
            cursors.save(connection, self.key, token, principal=principal, question=packed, version=version, now=now)

        await self._database.run(save, write=True, apart=True)

    def begin_sync(self, *, fresh: bool, on_progress: Progress | None) -> QuestionBudget:
        """Begin a call that takes all the time that reading everything takes."""
        return self._refresher.begin(fresh=fresh, on_progress=on_progress, unattended=True)

    async def read_everything(self, call: QuestionBudget) -> Coverage:
        """Bring everything into the store: courses, people, and all enrollments.

        Raises:
            SourceError: something could not be read.
        """
        refresher, max_age = self._refresher, self._settings.max_age_seconds

        def steps(view: View) -> Steps[Coverage]:
            yield from refresher.portal(view, call)
            yield from refresher.catalogue(view, call, max_age=max_age)
            yield from refresher.directory(view, call, max_age=max_age)
            return (yield from refresher.enrollments(view, call, None, None))

        return await follow(self._database, steps)

    async def tidy(self) -> None:
        """Make answers fast again after much was written."""
        await self._refresher.intake.tidy()

    async def sizes(self) -> row_queries.Sizes:
        """Count what is in the store."""
        return await self._database.run(lambda c: row_queries.sizes(c, self.key))

    async def complete(self, by: GroupBy, prefix: str, limit: int) -> list[str]:
        """Offer the names of learners or courses that begin with what was typed.

        Raises:
            SourceError: the list of them could not be read.
        """
        call = self._refresher.begin()
        bring = self._refresher.catalogue if by is GroupBy.COURSE else self._refresher.directory

        def steps(view: View) -> Steps[list[str]]:
            yield from bring(view, call)
            return name_resolution.complete(view.connection, self.key, by, prefix, limit)

        return await follow(self._database, steps)

    def _ask_for_rows(self, view: View, call: QuestionBudget, query: EnrollmentQuery) -> Steps[_Asked]:
        """Resolve what is asked, and bring what its columns need into the store."""
        question, coverage, portal = yield from self._ask(view, call, query)
        if any(one.path == "score" for one in report.columns_of(query, self._columns)):
            coverage = yield from self._read_scores(view, call, question.selection(), coverage)
        return question, coverage, portal

    def _ask(self, view: View, call: QuestionBudget, query: EnrollmentFilter) -> Steps[_Asked]:
        """Resolve what is asked and bring it into the store."""
        portal = yield from self._refresher.portal(view, call)
        yield from self._refresher.catalogue(view, call)
        courses = (
            name_resolution.resolve(view.connection, self.key, GroupBy.COURSE, query.course) if query.course else None
        )
        users = (yield from self._resolve_users(view, call, query.user)) if query.user else None
        now, zone = self._refresher.now(), self._zone(portal)
        question = ResolvedQuery(query, self.key, now, zone, users, courses, columns=self._columns)
        question.selection().check()
        notes: tuple[str, ...] = ()
        if query.needs_directory:
            yield from self._refresher.directory(view, call)
            notes = yield from self._know_people(view, call, query)
        coverage = yield from self._refresher.enrollments(view, call, question.user_ids, question.course_ids)
        portal = view.standing(self.key).portal or portal  # what was read may have told more of it
        asked = replace(question, now=self._refresher.now(), notes=notes)
        question = report.resolve_against_store(view.connection, asked, portal, self._settings)
        if query.asks_for_failed:
            coverage = yield from self._read_transcripts(view, call, question.selection(), coverage)
        return question, coverage, portal

    def _know_people(self, view: View, call: QuestionBudget, query: EnrollmentFilter) -> Steps[tuple[str, ...]]:
        """Bring what people are grouped by into the store: the people file, and teams where only the LMS has them.

        Raises:
            ConfigurationError: the people file cannot be read, and never could.
        """
        file, notes = self._file, list[str]()
        people: People | None = None
        if file is not None:  # whose disk may be slow: nobody else waits for it
            people = yield lambda: anyio.to_thread.run_sync(file.load_if_changed)
        if people is not None and self._columns.aliases:  # whom its values name depends on who is known by now
            known = view.standing(self.key).lists[LEARNERS]
            people = replace(people, digest=f"{people.digest} {known.fetched_at}")
        if not dimensions.has_people_file(view.connection, self.key, people):
            yield lambda: self._database.run(lambda c: self._take_people(c, people), write=True)
        if file is not None and file.note:
            notes.append(file.note)
        unmatched = dimensions.count_unmatched(view.connection, self.key) if people else 0
        if unmatched:
            notes.append(f"Not in the LMS: {unmatched:,} of the people file.")
        if TEAM in query.dimensions and (people is None or TEAM not in people.columns):
            try:
                yield from self._refresher.teams(view, call)
            except AccessDenied:
                raise
            except SourceError as error:
                notes.append(f"Teams could not be read: {error}")
        return tuple(notes)

    def _take_people(self, connection: Connection, people: People | None) -> None:
        """Write what the people file says, without what nobody may see of people."""
        if people is not None and self._seal is not None and self._columns.aliases:
            learners = dimensions.known_people(connection, self.key)
            people = without_names(people, self._seal, learners)
        elif people is not None and self._seal is not None and "user.emails" not in self._columns:
            people = sealed_keys(people, self._seal)
        dimensions.replace_people_file(connection, self.key, people)

    async def _go_on(self, token: str, principal: str) -> ListAnswer:
        """Continue a list where its last page ended: at the same moment, and without reading anything again."""
        now = self._refresher.now()

        def answer(connection: Connection) -> ListAnswer:
            known = account_state.load(connection, self.key)
            version, portal = known.data_version, known.portal or Portal()
            found = cursors.load(connection, self.key, token, principal=principal, version=version, now=now)
            kept = _CURSOR_STATE.validate_json(found)
            query = EnrollmentQuery.model_validate(kept.query)
            zone = self._zone(portal)
            asked = ResolvedQuery(query, self.key, kept.now, zone, kept.users, kept.courses, columns=self._columns)
            question = report.resolve_against_store(connection, asked, portal, self._settings)
            stats = report.match_stats(connection, question, kept.coverage, sample=self._sample, data_version=version)
            return report.page(connection, stats, portal, offset=kept.offset)

        return await self._database.run(answer)

    def _zone(self, portal: Portal) -> tzinfo:
        return self._settings.zone or portal.zone or UTC

    def _resolve_users(
        self, view: View, call: QuestionBudget, terms: tuple[str, ...]
    ) -> Steps[tuple[ResolvedTerm, ...]]:
        """Resolve people; an e-mail or an id that is not known yet is looked up alone, a name in the directory.

        Whoever joined since the directory was read is not in it: an unknown name has it read again, if it is not new.
        """
        by, refresher, before = GroupBy.LEARNER, self._refresher, view.transactions
        known: list[tuple[str, tuple[Match, ...]]] = []

        def find(*, whole: bool = False) -> tuple[Match, ...]:
            return name_resolution.matches(view.connection, self.key, by, term, whole=whole)

        for term in terms:
            alone = "@" in term or term.isdigit()
            found = find(whole=True) if alone else ()
            if alone and not found:
                yield from refresher.find_learner(view, call, term)
                found = find(whole=True)
            if not found:
                yield from refresher.directory(view, call)
                found = find()
            if not found:
                yield from refresher.directory(view, call, max_age=self._settings.max_age_seconds)
                found = find()
            known.append((term, found))
        if view.transactions > before:  # what was read for one term may tell more of another
            return name_resolution.resolve(view.connection, self.key, by, terms, self._columns)
        return tuple(
            name_resolution.named(view.connection, self.key, by, term, found, self._columns) for term, found in known
        )

    def _read_transcripts(
        self, view: View, call: QuestionBudget, selection: Selection, coverage: Coverage
    ) -> Steps[Coverage]:
        """Read the transcripts of those whose rosters cannot tell failed, as far as the call budget reaches."""
        pairs = row_queries.refinable(view.connection, selection)
        people, max_age = dict.fromkeys(user for user, _ in pairs), self._settings.max_age_seconds
        try:
            refined = yield from self._refine(view, call, [Scope(user_id=one) for one in people], max_age)
        except RouteClosed:
            refined = yield from self._refine(view, call, [Scope(*one) for one in pairs], max_age)
        as_of, trouble = min(coverage.as_of, refined.as_of), refined.trouble or coverage.trouble
        if coverage.complete and not refined.complete:
            return replace(refined, as_of=as_of, trouble=trouble)
        return replace(coverage, as_of=as_of, trouble=trouble)

    def _read_scores(
        self, view: View, call: QuestionBudget, selection: Selection, coverage: Coverage
    ) -> Steps[Coverage]:
        """Read the pairs of the match, which alone have scores, as far as the call budget reaches."""
        pairs = row_queries.unscored(view.connection, selection)
        scopes = [Scope(user_id=user, course_id=course) for user, course in pairs]
        refined = yield from self._refine(view, call, scopes, LEARNER_MAX_AGE_SECONDS)
        if refined.complete:
            return coverage
        missing = f"Scores not read yet: {refined.wanted - refined.read:,}; ask again to go on."
        return replace(coverage, trouble=f"{refined.trouble} {missing}" if refined.trouble else missing)

    def _refine(self, view: View, call: QuestionBudget, scopes: list[Scope], max_age: float) -> Steps[Coverage]:
        most = self._settings.call_budget
        return self._refresher.read(view, call, scopes, max_age=max_age, most=most, alone=True)

    def _ground(self, view: View, question: ResolvedQuery, coverage: Coverage) -> MatchStats:
        version = view.standing(self.key).data_version
        return report.match_stats(view.connection, question, coverage, sample=self._sample, data_version=version)
