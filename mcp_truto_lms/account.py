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

from mcp_truto_lms import names, report
from mcp_truto_lms.answer import Ground, ListAnswer, Question, SummaryAnswer
from mcp_truto_lms.background import Background
from mcp_truto_lms.choices import GroupBy
from mcp_truto_lms.errors import AccessDenied, RouteClosed, SourceError
from mcp_truto_lms.names import Named
from mcp_truto_lms.people_file import People, PeopleFile
from mcp_truto_lms.pseudonyms import Seal
from mcp_truto_lms.query import EnrollmentFilter, EnrollmentQuery, ProgressQuery
from mcp_truto_lms.refresh import LEARNER_MAX_AGE_SECONDS, Call, Coverage, Progress, Refresher
from mcp_truto_lms.settings import Clock, Settings
from mcp_truto_lms.sources.protocol import Portal, Scope, Source
from mcp_truto_lms.store import cursor, dimensions, exports, read
from mcp_truto_lms.store import portal as portals
from mcp_truto_lms.store.database import Database
from mcp_truto_lms.store.read import Selection
from mcp_truto_lms.store.write import LEARNERS
from mcp_truto_lms.veiled_people import sealed_keys, without_names


@dataclass(frozen=True, slots=True)
class _Kept:
    """What a cursor remembers: the question, its moment, and how many rows were shown."""

    query: dict[str, Any]
    now: int
    users: tuple[Named, ...] | None
    courses: tuple[Named, ...] | None
    coverage: Coverage
    offset: int


_KEPT = TypeAdapter(_Kept)
_Result = TypeVar("_Result")
TEAM = "team"


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
        seal: Seal | None = None,
    ) -> None:
        self.source = source
        self.key = key
        self._database = database
        self._settings = settings
        self._columns = settings.columns
        self._seal = seal
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
        question, coverage, portal = await self._ask_for_rows(query, on_progress)
        return await self._database.run(lambda c: report.page(c, self._ground(c, question, coverage), portal))

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
        question, coverage, portal = await self._ask_for_rows(query, on_progress)

        def pages(connection: Connection) -> Generator[ListAnswer]:
            for one in report.pages(connection, self._ground(connection, question, coverage), portal):
                anyio.from_thread.check_cancelled()  # whoever asked may be gone long before the end
                yield one

        def work(connection: Connection) -> _Result:
            with closing(pages(connection)) as taken:  # whatever goes wrong, no query is left open
                return write(taken)

        return await self._database.run(work)

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
        question, coverage, portal = await self._ask(call, query)
        return await self._database.run(lambda c: report.summary(c, self._ground(c, question, coverage), portal))

    async def keep_cursor(self, answer: ListAnswer, token: str, shown: int, *, principal: str = "") -> None:
        """Remember where a list goes on under a token, for one caller."""
        question = answer.ground.question
        kept = _Kept(
            query=question.query.model_dump(mode="json", exclude_defaults=True),
            now=question.now,
            users=question.users,
            courses=question.courses,
            coverage=answer.ground.coverage,
            offset=answer.offset + shown,
        )
        packed, now = _KEPT.dump_json(kept).decode(), self._refresher.now()
        version = answer.data_version
        await self._database.run(
            lambda c: cursor.save(c, self.key, token, principal=principal, question=packed, version=version, now=now),
            write=True,
        )

    def begin_sync(self, *, fresh: bool, on_progress: Progress | None) -> Call:
        """Begin a call that takes all the time that reading everything takes."""
        return self._refresher.begin(fresh=fresh, on_progress=on_progress, unattended=True)

    async def read_everything(self, call: Call) -> Coverage:
        """Bring everything into the store: courses, people, and all enrollments.

        Raises:
            SourceError: something could not be read.
        """
        max_age = self._settings.max_age_seconds
        await self._refresher.portal(call)
        await self._refresher.catalogue(call, max_age=max_age)
        await self._refresher.directory(call, max_age=max_age)
        return await self._refresher.enrollments(call, None, None)

    async def tidy(self) -> None:
        """Make answers fast again after much was written."""
        await self._database.tidy()

    async def sizes(self) -> read.Sizes:
        """Count what is in the store."""
        return await self._database.run(lambda c: read.sizes(c, self.key))

    async def complete(self, by: GroupBy, prefix: str, limit: int) -> list[str]:
        """Offer the names of learners or courses that begin with what was typed.

        Raises:
            SourceError: the list of them could not be read.
        """
        call = self._refresher.begin()
        await (self._refresher.catalogue(call) if by is GroupBy.COURSE else self._refresher.directory(call))
        return await self._database.run(lambda c: names.complete(c, self.key, by, prefix, limit))

    async def _ask_for_rows(
        self, query: EnrollmentQuery, on_progress: Progress | None
    ) -> tuple[Question, Coverage, Portal]:
        """Resolve what is asked, and bring what its columns need into the store."""
        call = self._refresher.begin(fresh=query.fresh, on_progress=on_progress)
        question, coverage, portal = await self._ask(call, query)
        if any(one.path == "score" for one in report.columns_of(query, self._columns)):
            coverage = await self._read_scores(call, question.selection(), coverage)
        return question, coverage, portal

    async def _ask(self, call: Call, query: EnrollmentFilter) -> tuple[Question, Coverage, Portal]:
        """Resolve what is asked and bring it into the store."""
        portal = await self._refresher.portal(call)
        await self._refresher.catalogue(call)
        courses = await self._resolve(GroupBy.COURSE, query.course) if query.course else None
        users = await self._resolve_users(call, query.user) if query.user else None
        now, zone = self._refresher.now(), self._zone(portal)
        question = Question(query, self.key, now, zone, users, courses, columns=self._columns)
        question.selection().check()
        notes: tuple[str, ...] = ()
        if query.needs_directory:
            await self._refresher.directory(call)
            notes = await self._know_people(call, query)
        coverage = await self._refresher.enrollments(call, question.user_ids, question.course_ids)
        asked = replace(question, now=self._refresher.now(), notes=notes)

        def settle(connection: Connection) -> tuple[Question, Portal]:
            kept = portals.load(connection, self.key)  # what was read may have told more of it
            known = portal if kept is None else kept[0]
            return report.settle(connection, asked, known, self._settings), known

        question, portal = await self._database.run(settle)
        if query.asks_for_failed:
            coverage = await self._read_transcripts(call, question.selection(), coverage)
        return question, coverage, portal

    async def _know_people(self, call: Call, query: EnrollmentFilter) -> tuple[str, ...]:
        """Bring what people are grouped by into the store: the people file, and teams where only the LMS has them.

        Raises:
            ConfigurationError: the people file cannot be read, and never could.
        """
        file, notes = self._file, list[str]()
        people = None if file is None else await anyio.to_thread.run_sync(file.load_if_changed)
        if people is not None and self._columns.aliases:  # whom its values name depends on who is known by now
            known = (await self._database.run(lambda c: read.scope_states(c, self.key, [LEARNERS])))[LEARNERS]
            people = replace(people, digest=f"{people.digest} {known.fetched_at}")
        if not await self._database.run(lambda c: dimensions.holds(c, self.key, people)):
            await self._database.run(lambda c: self._take_people(c, people), write=True)
        if file is not None and file.note:
            notes.append(file.note)
        unmatched = await self._database.run(lambda c: dimensions.unmatched(c, self.key)) if people else 0
        if unmatched:
            notes.append(f"Not in the LMS: {unmatched:,} of the people file.")
        if TEAM in query.dimensions and (people is None or TEAM not in people.columns):
            try:
                await self._refresher.teams(call)
            except AccessDenied:
                raise
            except SourceError as error:
                notes.append(f"Teams could not be read: {error}")
        return tuple(notes)

    def _take_people(self, connection: Connection, people: People | None) -> None:
        """Write what the people file says, without what nobody may see of people."""
        if people is not None and self._seal is not None and self._columns.aliases:
            learners = dimensions.sealed_learners(connection, self.key)
            people = without_names(people, self._seal, learners)
        elif people is not None and self._seal is not None and "user.emails" not in self._columns:
            people = sealed_keys(people, self._seal)
        dimensions.replace_people(connection, self.key, people)

    async def _go_on(self, token: str, principal: str) -> ListAnswer:
        """Continue a list where its last page ended: at the same moment, and without reading anything again."""
        now = self._refresher.now()

        def answer(connection: Connection) -> ListAnswer:
            kept = _KEPT.validate_json(cursor.load(connection, self.key, token, principal=principal, now=now))
            portal, _ = portals.load(connection, self.key) or (Portal(), 0)
            query = EnrollmentQuery.model_validate(kept.query)
            zone = self._zone(portal)
            asked = Question(query, self.key, kept.now, zone, kept.users, kept.courses, columns=self._columns)
            question = report.settle(connection, asked, portal, self._settings)
            ground = self._ground(connection, question, kept.coverage)
            return report.page(connection, ground, portal, offset=kept.offset)

        return await self._database.run(answer)

    def _zone(self, portal: Portal) -> tzinfo:
        return self._settings.zone or portal.zone or UTC

    async def _resolve(self, by: GroupBy, terms: tuple[str, ...]) -> tuple[Named, ...]:
        return await self._database.run(lambda c: names.resolve(c, self.key, by, terms, self._columns))

    async def _resolve_users(self, call: Call, terms: tuple[str, ...]) -> tuple[Named, ...]:
        """Resolve people; an e-mail or an id that is not known yet is looked up alone, a name in the directory.

        Whoever joined since the directory was read is not in it: an unknown name has it read again, if it is not new.
        """
        for term in terms:
            alone = "@" in term or term.isdigit()
            known = alone and await self._knows(term)
            if alone and not known:
                await self._refresher.find_learner(call, term)
                known = await self._knows(term)
            if not known:
                await self._refresher.directory(call)
                if not await self._database.run(lambda c, t=term: names.finds(c, self.key, GroupBy.LEARNER, t)):
                    await self._refresher.directory(call, max_age=self._settings.max_age_seconds)
        return await self._resolve(GroupBy.LEARNER, terms)

    async def _knows(self, term: str) -> bool:
        return await self._database.run(lambda c: names.knows(c, self.key, GroupBy.LEARNER, term))

    async def _read_transcripts(self, call: Call, selection: Selection, coverage: Coverage) -> Coverage:
        """Read the transcripts of those whose rosters cannot tell failed, as far as the call budget reaches."""
        pairs = await self._database.run(lambda c: read.refinable(c, selection))
        people, max_age = dict.fromkeys(user for user, _ in pairs), self._settings.max_age_seconds
        try:
            refined = await self._refine(call, [Scope(user_id=one) for one in people], max_age)
        except RouteClosed:
            refined = await self._refine(call, [Scope(*one) for one in pairs], max_age)
        as_of, trouble = min(coverage.as_of, refined.as_of), refined.trouble or coverage.trouble
        if coverage.complete and not refined.complete:
            return replace(refined, as_of=as_of, trouble=trouble)
        return replace(coverage, as_of=as_of, trouble=trouble)

    async def _read_scores(self, call: Call, selection: Selection, coverage: Coverage) -> Coverage:
        """Read the pairs of the match, which alone have scores, as far as the call budget reaches."""
        pairs = await self._database.run(lambda c: read.unscored(c, selection))
        scopes = [Scope(user_id=user, course_id=course) for user, course in pairs]
        refined = await self._refine(call, scopes, LEARNER_MAX_AGE_SECONDS)
        if refined.complete:
            return coverage
        missing = f"Scores not read yet: {refined.wanted - refined.read:,}; ask again to go on."
        return replace(coverage, trouble=f"{refined.trouble} {missing}" if refined.trouble else missing)

    async def _refine(self, call: Call, scopes: list[Scope], max_age: float) -> Coverage:
        return await self._refresher.read(call, scopes, max_age=max_age, most=self._settings.call_budget, alone=True)

    def _ground(self, connection: Connection, question: Question, coverage: Coverage) -> Ground:
        return report.ground(connection, question, coverage, sample=self._sample)
