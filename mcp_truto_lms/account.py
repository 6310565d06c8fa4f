"""One integrated account: its source, its part of the store, and the answers to questions about it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, tzinfo
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Connection

from mcp_truto_lms import names, report
from mcp_truto_lms.answer import Ground, ListAnswer, Question, SummaryAnswer
from mcp_truto_lms.errors import RouteClosed
from mcp_truto_lms.names import Named
from mcp_truto_lms.query import EnrollmentFilter, EnrollmentQuery, GroupBy, ProgressQuery
from mcp_truto_lms.refresh import COURSE_MAX_AGE_SECONDS, LEARNER_MAX_AGE_SECONDS, Call, Coverage, Progress, Refresher
from mcp_truto_lms.settings import Clock, Settings
from mcp_truto_lms.sources.protocol import Portal, Scope, Source
from mcp_truto_lms.store import cursor, read
from mcp_truto_lms.store.database import Database
from mcp_truto_lms.store.read import Selection

ACCOUNT = "default"


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


class Account:
    """Answers questions about one account of an LMS."""

    def __init__(self, source: Source, database: Database, settings: Settings, *, clock: Clock) -> None:
        self.source = source
        self._database = database
        self._settings = settings
        self._sample = settings.source == "sample"
        self._refresher = Refresher(
            ACCOUNT,
            source,
            database,
            clock=clock,
            deadline_seconds=settings.deadline_seconds,
        )

    async def list_enrollments(self, query: EnrollmentQuery, on_progress: Progress | None = None) -> ListAnswer:
        """Answer with the rows of a match.

        Raises:
            QueryError: a name stands for nothing, or the cursor cannot go on.
            SourceError: nothing could be read.
        """
        if query.cursor is not None:
            return await self._go_on(query.cursor)
        call = self._refresher.begin(fresh=query.fresh, on_progress=on_progress)
        question, coverage, portal = await self._ask(call, query)
        if any(one.path == "score" for one in report.columns_of(query)):
            coverage = await self._read_scores(call, question.selection(), coverage)
        return await self._database.run(lambda c: report.page(c, self._ground(c, question, coverage), portal))

    async def summarize(self, query: ProgressQuery, on_progress: Progress | None = None) -> SummaryAnswer:
        """Answer with the counts of a match.

        Raises:
            QueryError: a name stands for nothing.
            SourceError: nothing could be read.
        """
        call = self._refresher.begin(fresh=query.fresh, on_progress=on_progress)
        question, coverage, portal = await self._ask(call, query)
        return await self._database.run(lambda c: report.summary(c, self._ground(c, question, coverage), portal))

    async def keep_cursor(self, answer: ListAnswer, token: str, shown: int) -> None:
        """Remember where a list goes on under a token."""
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
        await self._database.run(lambda c: cursor.save(c, ACCOUNT, token, question=packed, version=version, now=now))

    async def aclose(self) -> None:
        """Close the source and drop the data."""
        await self.source.aclose()
        self._database.close()

    async def _ask(self, call: Call, query: EnrollmentFilter) -> tuple[Question, Coverage, Portal]:
        """Resolve what is asked and bring it into the store."""
        portal = await self._refresher.portal(call)
        await self._refresher.catalogue(call)
        courses = await self._resolve(GroupBy.COURSE, query.course) if query.course else None
        users = await self._resolve_users(call, query.user) if query.user else None
        question = Question(query, ACCOUNT, self._refresher.now(), self._zone(portal), users, courses)
        question.selection().check()
        coverage = await self._refresher.enrollments(call, question.user_ids, question.course_ids)
        question = replace(question, now=self._refresher.now())
        if query.asks_for_failed:
            coverage = await self._read_transcripts(call, question.selection(), coverage)
        return question, coverage, portal

    async def _go_on(self, token: str) -> ListAnswer:
        """Continue a list where its last page ended: at the same moment, and without reading anything again."""
        now, portal = self._refresher.now(), await self._refresher.portal(self._refresher.begin())

        def answer(connection: Connection) -> ListAnswer:
            kept = _KEPT.validate_json(cursor.load(connection, ACCOUNT, token, now=now))
            query = EnrollmentQuery.model_validate(kept.query)
            question = Question(query, ACCOUNT, kept.now, self._zone(portal), kept.users, kept.courses)
            return report.page(
                connection, self._ground(connection, question, kept.coverage), portal, offset=kept.offset
            )

        return await self._database.run(answer)

    def _zone(self, portal: Portal) -> tzinfo:
        return self._settings.zone or portal.zone or UTC

    async def _resolve(self, by: GroupBy, terms: tuple[str, ...]) -> tuple[Named, ...]:
        return await self._database.run(lambda c: names.resolve(c, ACCOUNT, by, terms))

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
                if not await self._database.run(lambda c, t=term: names.finds(c, ACCOUNT, GroupBy.LEARNER, t)):
                    await self._refresher.directory(call, max_age=COURSE_MAX_AGE_SECONDS)
        return await self._resolve(GroupBy.LEARNER, terms)

    async def _knows(self, term: str) -> bool:
        return await self._database.run(lambda c: names.knows(c, ACCOUNT, GroupBy.LEARNER, term))

    async def _read_transcripts(self, call: Call, selection: Selection, coverage: Coverage) -> Coverage:
        """Read the transcripts of those whose rosters cannot tell failed, as far as the call budget reaches."""
        pairs = await self._database.run(lambda c: read.refinable(c, selection))
        people = dict.fromkeys(user for user, _ in pairs)
        try:
            refined = await self._refine(call, [Scope(user_id=one) for one in people], COURSE_MAX_AGE_SECONDS)
        except RouteClosed:
            refined = await self._refine(call, [Scope(*one) for one in pairs], COURSE_MAX_AGE_SECONDS)
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
