"""The (learner, course) pairs of a match that another route of the provider can tell more about."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, not_, or_, select

from mcp_truto_lms.domain import definitions
from mcp_truto_lms.domain.source import FetchRoute
from mcp_truto_lms.store.enrollment_rows import default_order
from mcp_truto_lms.store.schema import column_name, enrollments
from mcp_truto_lms.store.selection import Selection


def unfilled_pairs(connection: Connection, selection: Selection, paths: Collection[str]) -> list[tuple[str, str]]:
    """List the pairs of the match with work on them that lack a column, in the default order of a list.

    A pair that was fetched by itself has all that there is, and is not listed.
    """
    row = enrollments
    unfilled = or_(*(row.c[column_name(path)].is_(None) for path in paths)) & (row.c.route != FetchRoute.PAIR)
    worked_on = not_(definitions.not_started(row, selection.now))
    query = select(row.c.user_id, row.c.course_id).where(selection.counted(), unfilled, worked_on)
    rows = connection.execute(query.order_by(*default_order(selection)))
    return [(pair.user_id, pair.course_id) for pair in rows]


def people_of_pairs(connection: Connection, selection: Selection) -> list[str]:
    """List the people of the match of whom a pair was read last, without a certificate; pairs do not report any."""
    row = enrollments
    uncertified = row.c.certificate_issued_at.is_(None) & (row.c.route == FetchRoute.PAIR)
    query = select(row.c.user_id).where(selection.counted(), uncertified, row.c.user_id.is_not(None))
    return list(dict.fromkeys(connection.execute(query.order_by(*default_order(selection))).scalars()))
