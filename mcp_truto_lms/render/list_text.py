"""A list as a table of comma-separated cells."""

from __future__ import annotations

from mcp_truto_lms.domain import text_cleaning
from mcp_truto_lms.domain.definitions import State
from mcp_truto_lms.domain.model import enrollment_columns
from mcp_truto_lms.query.queries import EnrollmentQuery
from mcp_truto_lms.render import cells
from mcp_truto_lms.render.header_footer import CURSOR_TOKENS, first_line, footer, legend, notes
from mcp_truto_lms.render.row_text import CELL_LIMITS, header, lines, one_at_least, rows_within_budget, split, unfilled
from mcp_truto_lms.reports.results import ListAnswer, MatchStats


def list_text(answer: ListAnswer, *, budget: int, token: str) -> tuple[str, int]:
    """Print a list within a budget of tokens; answer the text and how many rows it shows.

    The token is the cursor that goes on after these rows; it is printed where there are more.

    Raises:
        QueryError: not even one row fits.
    """
    stats = answer.stats
    columns, constants, empty = split(answer, budget // 8)
    told = notes(stats)
    if empty:
        told.append(f"Empty in every row: {', '.join(empty)}.")
    if bare := unfilled(answer):
        told.append(f"Empty in these rows: {', '.join(text_cleaning.clean(one.header) for one in bare)}.")
        columns = [one for one in columns if one not in bare]
    if answer.unreported:
        told.append(f"Not reported by this LMS: {', '.join(answer.unreported)}.")
    if stats.counts.enrollments > len(answer.rows):
        told.append(f"Sorted by {_order(stats)}.")
    title = first_line(stats, f"{{rows}} of {{total}} {counted_as(stats)}", constants, budget)
    below = footer(stats, [*told, *legend(stats)], budget, title)
    left = budget - cells.estimate_tokens(f"{title}\n{below}") - CURSOR_TOKENS
    heads = header(columns)
    left -= cells.estimate_tokens(heads)
    shown = [""] * len(answer.rows)
    if columns:
        printed = (lines(answer, columns, limit) for limit in CELL_LIMITS)
        shown = one_at_least(rows_within_budget(printed, left), answer.rows, budget)
    reached = answer.offset + len(shown)
    rows = f"Rows {answer.offset + 1:,} to {reached:,}" if answer.offset else f"{len(shown):,}"
    parts = [title.replace("{rows}", rows, 1)]
    if shown and columns:
        parts += [heads, *shown]
    parts.append(below)
    if stats.counts.enrollments > reached:
        parts.append(f"{stats.counts.enrollments - reached:,} more: cursor={token}")
    return "\n".join(part for part in parts if part), len(shown)


def counted_as(stats: MatchStats) -> str:
    """Say what the rows of a match are."""
    if not stats.question.query.asks_who_is_missing:
        return "enrollments"
    several = len(stats.question.course_ids or ()) > 1
    return "missing enrollments, of {learners} learners" if several else "people not enrolled"


def _order(stats: MatchStats) -> str:
    """Say what the rows are sorted by, for who sees only some of them."""
    query = stats.question.query
    sort = query.order(stats.question.columns) if isinstance(query, EnrollmentQuery) else None
    if sort is not None:
        return f"{enrollment_columns()[sort.lstrip('-')].header}{', descending' if sort.startswith('-') else ''}"
    if query.state == (State.AT_RISK,):
        return "number of signals, then days late"
    return "learner" if query.asks_who_is_missing else "due"
