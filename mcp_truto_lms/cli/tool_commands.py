"""The commands `list` and `summarize`: a tool's answer, printed for a person."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from mcp_truto_lms.domain.call_counter import CALL_COUNTER, CallCounter
from mcp_truto_lms.query.filters import EnrollmentFilter
from mcp_truto_lms.query.queries import EnrollmentQuery
from mcp_truto_lms.server.app_context import AppContext
from mcp_truto_lms.settings import Settings

if TYPE_CHECKING:
    from mcp_truto_lms.ingest.question_budget import ProgressUpdate

_NO_CURSOR = "Cursors are for MCP clients. To see more rows here, raise --limit (at most 200) or add filters."


async def run_tool(settings: Settings, options: argparse.Namespace) -> int:
    """Answer one question, and report progress and calls on stderr where a person reads it."""
    from mcp_truto_lms.server.tools import ACCOUNT, list_course_enrollments, summarize_learner_progress

    query: type[EnrollmentFilter] = options.query
    arguments = {
        name: value for name in (*query.model_fields, ACCOUNT) if (value := getattr(options, name, None)) is not None
    }
    call = list_course_enrollments if query is EnrollmentQuery else summarize_learner_progress
    CALL_COUNTER.set(counter := CallCounter())
    async with AppContext(settings) as app_context:
        reply = await call(app_context, arguments, _show_progress if sys.stderr.isatty() else None)
    print(reply.text, flush=True)
    if sys.stderr.isatty():
        print(f"{counter.calls} calls to the LMS", file=sys.stderr)
    if " more: cursor=" in reply.text.rpartition("\n")[2]:
        print(_NO_CURSOR, file=sys.stderr)
    return 0


async def _show_progress(update: ProgressUpdate) -> None:
    print(f"\r{update}", end="\n" if update.done_overall == update.whole_overall else "", file=sys.stderr, flush=True)
