"""The summary report: counts of the match, by groups or as an overview.

Without `group_by`, a question about one learner is answered with their courses, one about one course with who is
overdue in it, and any other with a table: by learner if people are named, else by course.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from sqlalchemy import Connection

from mcp_truto_lms.domain.definitions import State
from mcp_truto_lms.domain.source import Portal
from mcp_truto_lms.query.filters import EnrollmentFilter
from mcp_truto_lms.query.queries import EnrollmentQuery, ProgressQuery
from mcp_truto_lms.query.vocabulary import GroupBy, is_usual_group
from mcp_truto_lms.reports.list_report import read_page
from mcp_truto_lms.reports.match_stats import count_match
from mcp_truto_lms.reports.month_gaps import fill_months
from mcp_truto_lms.reports.results import AtRiskTable, GroupTable, ListAnswer, MatchStats, ResolvedQuery, SummaryAnswer
from mcp_truto_lms.store import not_enrolled, unknown_outcomes
from mcp_truto_lms.store.at_risk_learners import most_at_risk
from mcp_truto_lms.store.catalogue import empty_courses
from mcp_truto_lms.store.counts import MatchCounts, count_by_course_and_status
from mcp_truto_lms.store.groups import TIME, Group, count_groups, has_several_values, order_course_groups
from mcp_truto_lms.store.name_search import duplicate_names
from mcp_truto_lms.store.unknown_outcomes import UnknownOutcomes

OVERVIEW_ROWS = 8
"""The most lines of a table that was not asked for."""


def summarize(connection: Connection, stats: MatchStats, portal: Portal) -> SummaryAnswer:
    """Count the match by groups, or as an overview."""
    question, query = stats.question, cast("ProgressQuery", stats.question.query)
    if query.asks_who_is_missing:
        return _summarize_missing(connection, stats)
    selection, is_complete = question.selection(), stats.coverage.complete
    in_period = query.period_asked and not query.judges_outcome
    period, period_unknown = None, UnknownOutcomes()
    if in_period:
        of_period = replace(selection, in_period=True)
        period = count_by_course_and_status(connection, of_period)
        period_unknown = unknown_outcomes.measure(connection, of_period)
        number = max(stats.unknown.number, period_unknown.number)
        stats = replace(stats, unknown=replace(stats.unknown, number=number))
    details = _details(connection, stats, portal) if not question.groups else None
    table = _group_table(connection, stats, period) if details is None else None
    is_overview = not (question.groups or question.users or question.courses or in_period)
    is_one_course = _single_subject(question) is GroupBy.COURSE
    lists_courses = table is not None and GroupBy.COURSE in table.by and not _is_narrowed(query)
    return SummaryAnswer(
        stats=stats,
        tables=(table,) if table is not None else (),
        at_risk=_at_risk_table(connection, question, min(query.limit, OVERVIEW_ROWS)) if is_overview else None,
        period=period.totals if period is not None else None,
        period_unknown=period_unknown,
        details=details,
        not_enrolled=not_enrolled.count_totals(connection, selection).learners
        if is_one_course and is_complete
        else None,
        empty_courses=tuple(empty_courses(connection, selection)) if lists_courses and is_complete else (),
    )


def _summarize_missing(connection: Connection, stats: MatchStats) -> SummaryAnswer:
    """Count the enrollments that are missing."""
    question, query = stats.question, cast("ProgressQuery", stats.question.query)
    by, sort = question.groups or (GroupBy.COURSE,), query.sort or "-enrollments"
    groups, number = not_enrolled.count_groups(connection, question.selection(), by, sort=sort, limit=query.limit)
    return SummaryAnswer(stats, (_as_table(connection, question.account, by, groups, number, sort),))


def _details(connection: Connection, stats: MatchStats, portal: Portal) -> ListAnswer | None:
    """Read the courses of the only learner asked for, or who is overdue in the only course."""
    question, query = stats.question, cast("ProgressQuery", stats.question.query)
    if (subject := _single_subject(question)) is None:
        return None
    arguments = {**_filters(query), "limit": query.limit}
    if subject is GroupBy.COURSE:
        state = (State.OVERDUE,) if not query.judges_outcome else query.state
        arguments |= {"state": state, "limit": min(query.limit, OVERVIEW_ROWS)}
    listed = replace(question, query=EnrollmentQuery.model_validate(arguments))
    list_stats = count_match(connection, listed, stats.coverage, notice=stats.notice, data_version=stats.data_version)
    return read_page(connection, list_stats, portal)


def _group_table(connection: Connection, stats: MatchStats, period: MatchCounts | None) -> GroupTable:
    """Count the match by what was asked for, else by learner if people are named, else by course."""
    question, query = stats.question, cast("ProgressQuery", stats.question.query)
    by = question.groups or (GroupBy.LEARNER if question.users is not None else GroupBy.COURSE,)
    sort = query.sort or _default_sort(by, query)
    limit = query.limit if question.groups else min(query.limit, OVERVIEW_ROWS)
    if by == (GroupBy.COURSE,):
        by_course = period.by_course if period is not None else stats.by_course
        groups, number = order_course_groups(connection, question.account, by_course, sort=sort, limit=limit)
    else:
        selection = replace(question.selection(), in_period=period is not None)
        groups, number = count_groups(connection, selection, by, sort=sort, limit=limit, zone=question.zone)
    if by == (GroupBy.MONTH,) and sort == TIME:
        filled = fill_months(groups)
        groups, number = filled, number + len(filled) - len(groups)
    return _as_table(connection, question.account, by, groups, number, sort)


def _as_table(
    connection: Connection, account: str, by: Sequence[str], groups: Sequence[Group], number: int, sort: str
) -> GroupTable:
    def duplicates(index: int, key: str) -> frozenset[str]:
        if key not in (GroupBy.COURSE, GroupBy.LEARNER):
            return frozenset()
        return duplicate_names(connection, account, GroupBy(key), {group.keys[index].id for group in groups})

    return GroupTable(
        by=tuple(by),
        groups=tuple(groups),
        number=number,
        sort=sort,
        duplicate_names=tuple(duplicates(index, key) for index, key in enumerate(by)),
        in_several=tuple(key for key in by if not is_usual_group(key) and has_several_values(connection, account, key)),
    )


def _at_risk_table(connection: Connection, question: ResolvedQuery, limit: int) -> AtRiskTable:
    learners, number = most_at_risk(connection, question.selection(), limit=limit)
    if "due_at" not in question.columns:  # the days would reveal the due date
        learners = [replace(learner, days_late=None) for learner in learners]
    ids = {learner.id for learner in learners}
    duplicates = duplicate_names(connection, question.account, GroupBy.LEARNER, ids)
    return AtRiskTable(tuple(learners), number, duplicates)


def _default_sort(by: Sequence[str], query: ProgressQuery) -> str:
    """Choose the order: months by time, anything else by where most is to be done."""
    if GroupBy.MONTH in by:
        return TIME if by[0] == GroupBy.MONTH else "name"
    by_overdue = not query.judges_outcome and not query.period_asked
    return "-overdue" if by_overdue and by != (GroupBy.STATUS,) else "-enrollments"


def _filters(query: EnrollmentFilter) -> dict[str, object]:
    return {name: getattr(query, name) for name in EnrollmentFilter.model_fields}


def _is_narrowed(query: EnrollmentFilter) -> bool:
    """Return whether a filter other than the course may be why a course has no line."""
    return bool(query.given_filters.keys() - {"course"})


def _single_subject(question: ResolvedQuery) -> GroupBy | None:
    """Return whether a question is about one learner, or about one course as a whole."""
    if len(question.user_ids or ()) == 1:
        return GroupBy.LEARNER
    return GroupBy.COURSE if question.users is None and len(question.course_ids or ()) == 1 else None
