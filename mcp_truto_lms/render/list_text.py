"""A list as a table of comma-separated cells."""

from __future__ import annotations

from mcp_truto_lms.domain.columns import row_columns
from mcp_truto_lms.domain.definitions import State
from mcp_truto_lms.query.queries import EnrollmentQuery
from mcp_truto_lms.render.header_footer import CURSOR_TOKENS, first_line, footer, legend, notes
from mcp_truto_lms.render.row_text import (
    CELL_LIMITS,
    header_line,
    refuse_empty_page,
    row_lines,
    split_columns,
    unfilled_custom_fields,
)
from mcp_truto_lms.render.token_budget import estimate_tokens, take_first_fitting
from mcp_truto_lms.reports.results import ListAnswer, MatchStats


def list_text(answer: ListAnswer, *, budget: int, token: str) -> tuple[str, int]:
    """Print a list within a budget of tokens; return the text and the number of its rows.

    Args:
        answer: the rows
        budget: in tokens
        token: the cursor for the rows that follow; it is printed if there are any

    Raises:
        QueryError: not even one row fits.
    """
    stats = answer.stats
    total = stats.counts.enrollments
    split = split_columns(answer, budget // 8)
    unfilled = unfilled_custom_fields(answer)
    columns = [column for column in split.shown if column not in unfilled]
    sentences = notes(stats)
    if split.empty:
        sentences.append(f"Empty in every row: {', '.join(split.empty)}.")
    if unfilled:
        sentences.append(f"Empty in these rows: {', '.join(column.header for column in unfilled)}.")
    if answer.unreported:
        sentences.append(f"Not reported by this LMS: {', '.join(answer.unreported)}.")
    if total > len(answer.rows):
        sentences.append(f"Sorted by {_order_words(stats)}.")
    title = first_line(stats, f"{{rows}} of {{total}} {row_kind(stats)}", split.constants, budget)
    below = footer(stats, [*sentences, *legend(stats)], budget, title)
    header = header_line(columns)
    left = budget - estimate_tokens(f"{title}\n{below}") - CURSOR_TOKENS - estimate_tokens(header)
    lines = [""] * len(answer.rows)
    if columns:
        lines = take_first_fitting((row_lines(answer, columns, limit) for limit in CELL_LIMITS), left)
        refuse_empty_page(lines, answer.rows, budget)
    last = answer.offset + len(lines)
    rows = f"Rows {answer.offset + 1:,} to {last:,}" if answer.offset else f"{len(lines):,}"
    parts = [title.replace("{rows}", rows, 1)]
    if lines and columns:
        parts += [header, *lines]
    parts.append(below)
    if total > last:
        parts.append(f"{total - last:,} more: cursor={token}")
    return "\n".join(part for part in parts if part), len(lines)


def row_kind(stats: MatchStats) -> str:
    """Name what the rows of a match are."""
    if not stats.question.query.asks_who_is_missing:
        return "enrollments"
    several_courses = len(stats.question.course_ids or ()) > 1
    return "missing enrollments, of {learners} learners" if several_courses else "people not enrolled"


def _order_words(stats: MatchStats) -> str:
    query = stats.question.query
    sort = query.order(stats.question.columns) if isinstance(query, EnrollmentQuery) else None
    if sort is not None:
        return f"{row_columns()[sort.lstrip('-')].header}{', descending' if sort.startswith('-') else ''}"
    if query.state == (State.AT_RISK,):
        return "number of signals, then days late"
    return "learner" if query.asks_who_is_missing else "due"
