"""Reports: a resolved question answered from the store, in one transaction; nothing is read from the LMS here."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from sqlalchemy import Connection

from mcp_truto_lms.answer import Ground, GroupTable, ListAnswer, Question, SummaryAnswer
from mcp_truto_lms.model import CUSTOM_FIELDS, Column, enrollment_columns
from mcp_truto_lms.progress import State
from mcp_truto_lms.query import EnrollmentFilter, EnrollmentQuery, GroupBy, ProgressQuery
from mcp_truto_lms.refresh import Coverage
from mcp_truto_lms.sources.protocol import Portal
from mcp_truto_lms.store import read
from mcp_truto_lms.store.write import data_version

DEFAULT_COLUMNS = ("user.name", "course.title", "status", "progress_percent", "due_at")
OVERVIEW_ROWS = 8


def page(connection: Connection, ground: Ground, portal: Portal, *, offset: int = 0) -> ListAnswer:
    """Read a page of the match."""
    query, selection = cast("EnrollmentQuery", ground.question.query), ground.question.selection()
    columns = columns_of(query)
    shown = tuple(one for one in columns if one.path not in portal.unreported or one.path == "score")
    return ListAnswer(
        ground=ground,
        columns=shown,
        rows=tuple(read.page(connection, selection, sort=query.sort, limit=query.limit, offset=offset)),
        offset=offset,
        spreads=read.spreads(connection, selection, [one.path for one in shown]),
        unreported=tuple(one.header for one in columns if one not in shown),
        data_version=data_version(connection, ground.question.account),
    )


def ground(connection: Connection, question: Question, coverage: Coverage, *, sample: bool) -> Ground:
    """Count the whole match, and who is left out of it."""
    selection = question.selection()
    return Ground(
        question=question,
        counts=read.totals(connection, selection),
        left_out=read.left_out(connection, selection),
        coverage=coverage,
        sample=sample,
    )


def summary(connection: Connection, base: Ground, portal: Portal) -> SummaryAnswer:
    """Count the match by groups, or as the overall picture."""
    question, coverage = base.question, base.coverage
    query, selection = cast("ProgressQuery", question.query), question.selection()
    details = None
    if query.group_by is None and (only := _only_one(question)):
        listed = {**_filters(query), "limit": query.limit}
        if only is GroupBy.COURSE:
            late = (State.OVERDUE,) if not query.judges_outcome else query.state
            listed |= {"state": late, "limit": min(query.limit, OVERVIEW_ROWS)}
        narrowed = replace(question, query=EnrollmentQuery.model_validate(listed))
        details = page(connection, ground(connection, narrowed, coverage, sample=base.sample), portal)
    tables: list[GroupTable] = []
    for by in [] if details is not None else _groupings(question, query):
        sort = query.sort or ("-enrollments" if by is GroupBy.STATUS else "-overdue")
        limit = query.limit if query.group_by else min(query.limit, OVERVIEW_ROWS)
        found, number = read.groups(connection, selection, by, sort=sort, limit=limit)
        tables.append(GroupTable(by, tuple(found), number, sort))
    course = next(iter(question.course_ids or ()), None)
    alone = _only_one(question) is GroupBy.COURSE and coverage.complete
    return SummaryAnswer(
        ground=base,
        tables=tuple(tables),
        by_status=read.by_status(connection, selection),
        details=details,
        not_enrolled=read.not_enrolled(connection, question.account, course) if alone and course else None,
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


def columns_of(query: EnrollmentQuery) -> list[Column]:
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
