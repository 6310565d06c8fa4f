"""The totals of a match, which every report begins with."""

from __future__ import annotations

from sqlalchemy import Connection

from mcp_truto_lms.ingest.question_budget import Coverage
from mcp_truto_lms.query.queries import EnrollmentQuery
from mcp_truto_lms.reports.results import MatchStats, ResolvedQuery
from mcp_truto_lms.store import not_enrolled, unknown_outcomes
from mcp_truto_lms.store.counts import ExcludedCounts, count_by_course_and_status, count_list, learner_ids
from mcp_truto_lms.store.name_search import Match


def count_match(
    connection: Connection, question: ResolvedQuery, coverage: Coverage, *, notice: str, data_version: int
) -> MatchStats:
    """Count the whole match, and what is excluded from it."""
    selection = question.selection()
    if question.query.asks_who_is_missing:
        totals = not_enrolled.count_totals(connection, selection)
        return MatchStats(question, totals, {}, ExcludedCounts(0, 0, 0, 0), coverage, notice, data_version)
    is_list = isinstance(question.query, EnrollmentQuery)
    count = count_list if is_list else count_by_course_and_status
    counts = count(connection, selection)
    return MatchStats(
        question=question,
        counts=counts.totals,
        by_status=counts.by_status,
        excluded=counts.excluded,
        coverage=coverage,
        notice=notice,
        data_version=data_version,
        by_course=counts.by_course,
        unknown=unknown_outcomes.measure(connection, selection, total_only=is_list),
        without_rows=_people_without_rows(connection, question) if counts.totals.enrollments else (),
    )


def _people_without_rows(connection: Connection, question: ResolvedQuery) -> tuple[Match, ...]:
    """List the people among several named ones who have no row in the match."""
    people = {match.id: match for term in question.users or () for match in term.matches}
    if len(people) < 2:
        return ()
    present = learner_ids(connection, question.selection())
    return tuple(match for key, match in people.items() if key not in present)
