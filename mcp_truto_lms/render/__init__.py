"""Answers as text: what a model reads.

The first line has the totals of the whole match, its filters, its age and whether it is complete. Then come the rows,
and at the end the definitions of the numbers and what to do next. A column with one value in the whole match moves to
the first line; an empty column is named once instead of printed. No text exceeds its budget of tokens.
"""

from __future__ import annotations

from mcp_truto_lms.render.export_text import export_text
from mcp_truto_lms.render.list_json import list_json
from mcp_truto_lms.render.list_text import list_text
from mcp_truto_lms.render.summary_text import summary_text

__all__ = ["export_text", "list_json", "list_text", "summary_text"]
