"""Resolution of a query against the store: dimensions, groupings, mandatory courses, and columns that the LMS fills."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection

from mcp_truto_lms.domain.errors import QueryError
from mcp_truto_lms.domain.source import ACCESS_ENDS_AT, ROLE, Portal
from mcp_truto_lms.query.filters import FILTERS
from mcp_truto_lms.query.queries import ProgressQuery
from mcp_truto_lms.reports.dimension_resolution import resolve_groups, resolve_where
from mcp_truto_lms.reports.mandatory_courses import resolve_mandatory
from mcp_truto_lms.reports.results import ResolvedQuery
from mcp_truto_lms.settings import PREFIX, Settings
from mcp_truto_lms.store.column_stats import is_reported


def resolve_against_store(
    connection: Connection, question: ResolvedQuery, portal: Portal, settings: Settings
) -> ResolvedQuery:
    """Resolve what only the store knows: dimensions of the learners, and the courses that settings call mandatory.

    Raises:
        QueryError: a dimension or a value is unknown, or the LMS does not fill a column that the query filters by.
    """
    query, account = question.query, question.account
    mandatory_terms = settings.mandatory_courses if query.is_mandatory is not None else ()
    for name in query.given_filters:
        path, hint = FILTERS[name].column, FILTERS[name].unreported_hint
        if path is None or not hint or (name == "is_mandatory" and mandatory_terms):
            continue
        if path in portal.unreported or not is_reported(connection, account, path):
            raise QueryError(f"{name}: not reported by this LMS; {hint.format(prefix=PREFIX)}.")
    return replace(
        question,
        notes=(*question.notes, *_unseen(portal)),
        where=resolve_where(connection, account, query.where),
        groups=resolve_groups(connection, account, query.group_by) if isinstance(query, ProgressQuery) else (),
        mandatory=resolve_mandatory(connection, account, mandatory_terms),
        thresholds=settings.at_risk,
    )


def _unseen(portal: Portal) -> tuple[str, ...]:
    """Return the note on what the records of the account do not report, if there is anything."""
    match ROLE in portal.unreported, ACCESS_ENDS_AT in portal.unreported:
        case True, True:
            return ("This account's records report neither instructors nor when access ends.",)
        case True, False:
            return ("This account's records do not report instructors.",)
        case False, True:
            return ("This account's records do not report when access ends.",)
        case _:
            return ()
