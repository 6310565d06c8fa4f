"""The answer to a CSV export: what the file holds and where it is; its rows are not printed."""

from __future__ import annotations

from datetime import UTC, datetime

from mcp_truto_lms.render.header_footer import CURSOR_TOKENS, first_line, footer, legend, notes
from mcp_truto_lms.render.list_text import row_kind
from mcp_truto_lms.render.token_budget import clip_to_tokens, estimate_tokens
from mcp_truto_lms.reports.results import Export


def export_text(export: Export, *, budget: int) -> str:
    """Print where an export is, within a budget of tokens."""
    answer, stats = export.answer, export.answer.stats
    title = first_line(stats, f"{{total}} {row_kind(stats)}", {}, budget)
    place = f"CSV file, readable by its owner only: {export.place}"
    if export.expires_at is not None:
        until = f"{datetime.fromtimestamp(export.expires_at, UTC):%Y-%m-%d %H:%M} UTC"
        place = f"CSV, download with the same bearer token, if any, until {until}: {export.place}"
    rows = f"{export.rows:,} row{'s' * (export.rows != 1)}"
    columns = f"{len(answer.columns):,} column{'s' * (len(answer.columns) != 1)}"
    content = f"{rows}, {columns}: {', '.join(column.header for column in answer.columns)}."
    left = budget - estimate_tokens(f"{title}\n{place}") - CURSOR_TOKENS
    lines = [title, place, clip_to_tokens(content, min(budget // 4, left))]
    sentences = notes(stats)
    if answer.unreported:
        sentences.append(f"Not reported by this LMS: {', '.join(answer.unreported)}.")
    lines.append(footer(stats, [*sentences, *legend(stats)], budget, "\n".join(lines)))
    return "\n".join(line for line in lines if line)
