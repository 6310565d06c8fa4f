"""One integrated account: its source, its part of the store, and the answers to questions about it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, tzinfo
from typing import Any, cast

from pydantic import TypeAdapter
from sqlalchemy import Connection

from mcp_truto_lms import names
from mcp_truto_lms.answer import Ground, GroupTable, ListAnswer, Question, SummaryAnswer
from mcp_truto_lms.model import CUSTOM_FIELDS, Column, enrollment_columns
from mcp_truto_lms.names import Named
from mcp_truto_lms.progress import State
from mcp_truto_lms.query import EnrollmentFilter, EnrollmentQuery, GroupBy, ProgressQuery
from mcp_truto_lms.refresh import Coverage, Progress, Refresher
from mcp_truto_lms.settings import Settings
from mcp_truto_lms.sources.protocol import Scope, Source
from mcp_truto_lms.store import cursor, read
from mcp_truto_lms.store.database import Database
from mcp_truto_lms.store.read import Selection

DEFAULT_COLUMNS = ("user.name", "course.title", "status", "progress_percent", "due_at")
OVERVIEW_ROWS = 8
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

    def __init__(self, source: Source, database: Database, settings: Settings) -> None:
        self.source = source
        self._database = database
        self._settings = settings
        self._sample = settings.source == "sample"
        self._refresher = Refresher(
            ACCOUNT,
            source,
            database,
            clock=settings.clock(),
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
        question, coverage = await self._ask(query, on_progress)
        if "score" in query.fields:
            coverage = await self._read_scores(question.selection(), coverage, on_progress)
        return await self._rows(question, coverage, offset=0)

    async def summarize(self, query: ProgressQuery, on_progress: Progress | None = None) -> SummaryAnswer:
        """Answer with the counts of a match.

        Raises:
            QueryError: a name stands for nothing.
            SourceError: nothing could be read.
        """
        question, coverage = await self._ask(query, on_progress)
        details = None
        if query.group_by is None and (only := _only_one(question)):
            listed = {**_filters(query), "limit": query.limit}
            if only is GroupBy.COURSE:
                late = (State.OVERDUE,) if not query.judges_outcome else query.state
                listed |= {"state": late, "limit": min(query.limit, OVERVIEW_ROWS)}
            details = await self._rows(
                replace(question, query=EnrollmentQuery.model_validate(listed)), coverage, offset=0
            )
        return await self._database.run(lambda c: self._summary(c, question, query, coverage, details))

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
        await self._database.run(lambda c: cursor.save(c, ACCOUNT, token, question=packed, now=now))

    async def aclose(self) -> None:
        """Close the source and drop the data."""
        await self.source.aclose()
        self._database.close()

    async def _ask(self, query: EnrollmentFilter, on_progress: Progress | None) -> tuple[Question, Coverage]:
        """Resolve what is asked and bring it into the store."""
        zone = await self._zone()
        await self._refresher.catalogue(fresh=query.fresh)
        courses = await self._resolve(GroupBy.COURSE, query.course) if query.course else None
        users = await self._resolve_users(query) if query.user else None
        question = Question(query, ACCOUNT, self._refresher.now(), zone, users, courses)
        coverage = await self._refresher.enrollments(
            question.user_ids, question.course_ids, fresh=query.fresh, on_progress=on_progress
        )
        question = replace(question, now=self._refresher.now())
        if query.asks_for_failed:
            coverage = await self._read_transcripts(question.selection(), coverage, on_progress)
        return question, coverage

    async def _go_on(self, token: str) -> ListAnswer:
        """Continue a list where its last page ended: at the same moment, and without reading anything again."""
        now = self._refresher.now()
        kept = _KEPT.validate_json(await self._database.run(lambda c: cursor.load(c, ACCOUNT, token, now=now)))
        question = Question(
            query=EnrollmentQuery.model_validate(kept.query),
            account=ACCOUNT,
            now=kept.now,
            zone=await self._zone(),
            users=kept.users,
            courses=kept.courses,
        )
        return await self._rows(question, kept.coverage, offset=kept.offset)

    async def _zone(self) -> tzinfo:
        if self._settings.zone is not None:
            return self._settings.zone
        return (await self.source.portal()).zone or UTC

    async def _resolve(self, by: GroupBy, terms: tuple[str, ...]) -> tuple[Named, ...]:
        return await self._database.run(lambda c: names.resolve(c, ACCOUNT, by, terms))

    async def _resolve_users(self, query: EnrollmentFilter) -> tuple[Named, ...]:
        """Resolve people; an e-mail or an id that is not known yet is looked up alone, a name in the directory."""
        for term in query.user:
            alone = "@" in term or term.isdigit()
            known = alone and await self._database.run(lambda c, t=term: names.knows(c, ACCOUNT, GroupBy.LEARNER, t))
            if alone and not known and not await self._refresher.knows_directory():
                await self._refresher.find_learner(term)
                known = await self._database.run(lambda c, t=term: names.knows(c, ACCOUNT, GroupBy.LEARNER, t))
            if not known:
                await self._refresher.directory(fresh=query.fresh)
                break
        return await self._resolve(GroupBy.LEARNER, query.user)

    async def _read_transcripts(
        self, selection: Selection, coverage: Coverage, on_progress: Progress | None
    ) -> Coverage:
        """Read the transcripts of those whose roster rows cannot tell failed, as far as the call budget reaches."""
        pairs = await self._database.run(lambda c: read.refinable(c, selection))
        people = list(dict.fromkeys(user for user, _ in pairs))[: self._settings.call_budget]
        return await self._refine([Scope(user_id=one) for one in people], coverage, on_progress)

    async def _read_scores(self, selection: Selection, coverage: Coverage, on_progress: Progress | None) -> Coverage:
        """Read the pairs of the match, which alone have scores, as far as the call budget reaches."""
        pairs = await self._database.run(lambda c: read.unscored(c, selection))
        scopes = [Scope(user_id=user, course_id=course) for user, course in pairs[: self._settings.call_budget]]
        return await self._refine(scopes, coverage, on_progress)

    async def _refine(self, scopes: list[Scope], coverage: Coverage, on_progress: Progress | None) -> Coverage:
        if not scopes:
            return coverage
        refined = await self._refresher.read(scopes, max_age=0, on_progress=on_progress)
        return replace(coverage, trouble=coverage.trouble or refined.trouble)

    async def _rows(self, question: Question, coverage: Coverage, *, offset: int) -> ListAnswer:
        query = cast("EnrollmentQuery", question.query)
        unreported = (await self.source.portal()).unreported
        columns = _columns(query)
        shown = tuple(one for one in columns if one.path not in unreported or one.path == "score")

        def answer(connection: Connection) -> ListAnswer:
            selection = question.selection()
            return ListAnswer(
                ground=self._ground(connection, question, selection, coverage),
                columns=shown,
                rows=tuple(read.page(connection, selection, sort=query.sort, limit=query.limit, offset=offset)),
                offset=offset,
                spreads=read.spreads(connection, selection, [one.path for one in shown]),
                unreported=tuple(one.header for one in columns if one not in shown),
            )

        return await self._database.run(answer)

    def _ground(self, connection: Connection, question: Question, selection: Selection, coverage: Coverage) -> Ground:
        return Ground(
            question=question,
            counts=read.totals(connection, selection),
            left_out=read.left_out(connection, selection),
            coverage=coverage,
            sample=self._sample,
        )

    def _summary(
        self,
        connection: Connection,
        question: Question,
        query: ProgressQuery,
        coverage: Coverage,
        details: ListAnswer | None,
    ) -> SummaryAnswer:
        selection = question.selection()
        tables: list[GroupTable] = []
        for by in [] if details is not None else _groupings(question, query):
            sort = query.sort or ("-enrollments" if by is GroupBy.STATUS else "-overdue")
            limit = query.limit if query.group_by else min(query.limit, OVERVIEW_ROWS)
            found, number = read.groups(connection, selection, by, sort=sort, limit=limit)
            tables.append(GroupTable(by, tuple(found), number, sort))
        course = next(iter(question.course_ids or ()), None)
        alone = _only_one(question) is GroupBy.COURSE and coverage.complete
        return SummaryAnswer(
            ground=self._ground(connection, question, selection, coverage),
            tables=tuple(tables),
            by_status=read.by_status(connection, selection),
            details=details,
            not_enrolled=read.not_enrolled(connection, ACCOUNT, course) if alone and course else None,
        )


def _filters(query: EnrollmentFilter) -> dict[str, object]:
    return {name: getattr(query, name) for name in EnrollmentFilter.model_fields}


def _only_one(question: Question) -> GroupBy | None:
    """Tell whether a question is about one learner, or about one course as a whole."""
    if len(question.user_ids or ()) == 1:
        return GroupBy.LEARNER
    return GroupBy.COURSE if question.users is None and len(question.course_ids or ()) == 1 else None


def _groupings(question: Question, query: ProgressQuery) -> list[GroupBy]:
    """Choose what to count by: what was asked for, else what a name left open, else the overall picture."""
    if query.group_by is not None:
        return [query.group_by]
    if question.users is not None:
        return [GroupBy.LEARNER]
    return [GroupBy.COURSE] if question.courses is not None else [GroupBy.COURSE, GroupBy.LEARNER]


def _columns(query: EnrollmentQuery) -> list[Column]:
    """Choose the columns: those asked for, else the usual ones and what is sorted by."""
    known = enrollment_columns()
    paths = list(query.fields or DEFAULT_COLUMNS)
    if query.sort and query.sort.lstrip("-") not in paths:
        paths.append(query.sort.lstrip("-"))
    return [
        known[path] if path in known else Column(path, path.removeprefix(f"{CUSTOM_FIELDS}."), "text")
        for path in paths
        if path not in query.exclude_fields
    ]
