"""A CSV export: what it holds and where it is; its rows are not told."""

from __future__ import annotations

from datetime import UTC, datetime

from mcp_truto_lms.domain import text_cleaning
from mcp_truto_lms.render import cells
from mcp_truto_lms.render.header_footer import CURSOR_TOKENS, first_line, footer, legend, notes
from mcp_truto_lms.render.list_text import counted_as
from mcp_truto_lms.reports.results import Export


def export_text(export: Export, *, budget: int) -> str:
    """Print where an export is, within a budget of tokens."""
    answer, stats = export.answer, export.answer.stats
    title = first_line(stats, f"{{total}} {counted_as(stats)}", {}, budget)
    where = f"CSV, a file for its owner alone: {export.place}"
    if export.expires_at is not None:
        until = f"{datetime.fromtimestamp(export.expires_at, UTC):%Y-%m-%d %H:%M} UTC"
        where = f"CSV, to be fetched with the same bearer token, if any, until {until}: {export.place}"
    rows, columns = f"{export.rows:,} row", f"{len(answer.columns):,} column"
    heads = ", ".join(text_cleaning.clean(one.header) for one in answer.columns)
    held = f"{rows}{'s' * (export.rows != 1)}, {columns}{'s' * (len(answer.columns) != 1)}: {heads}."
    left = budget - cells.estimate_tokens(f"{title}\n{where}") - CURSOR_TOKENS
    parts = [title, where, cells.clip(held, min(budget // 4, left))]
    told = notes(stats)
    if answer.unreported:
        told.append(f"Not reported by this LMS: {', '.join(answer.unreported)}.")
    parts.append(footer(stats, [*told, *legend(stats)], budget, "\n".join(parts)))
    return "\n".join(one for one in parts if one)
