"""The MCP server: two tools, how to use them, prompts and resources, over whichever transport."""

from __future__ import annotations

from typing import Any

from mcp import MCPError
from mcp.server import MCPServer
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp_types import INVALID_PARAMS

from mcp_truto_lms import __version__
from mcp_truto_lms.domain.columns import ALL_COLUMNS, Columns
from mcp_truto_lms.domain.model import CUSTOM_FIELDS
from mcp_truto_lms.domain.text_cleaning import clean
from mcp_truto_lms.server.app_context import AppContext
from mcp_truto_lms.server.export_download import add_downloads
from mcp_truto_lms.server.prompts import add_prompts
from mcp_truto_lms.server.tools import ERROR_CHARACTERS, make_tools


def instructions(columns: Columns = ALL_COLUMNS) -> str:
    """Say how to use the tools, and by what people can be asked for where something of them is for nobody."""
    named = "user by alias, course as people say it" if columns.aliases else "user and course as people say them"
    keys = ", manager or custom fields" if CUSTOM_FIELDS in columns else " or manager"
    return (
        "Answers who is learning what in the company's LMS. One call answers a question: pass all of it as arguments; "
        "filters, counts, rates and dates are worked out in the server. summarize_learner_progress: how many, rates, "
        "one person's courses; group_by course, learner, team, month or a key of where, one or two. "
        f"list_course_enrollments: who, row by row. In both: {named}; state overdue, due_soon, not_started, at_risk, "
        f'not_enrolled; where {{"team": "Sales"}}{keys}; days as last_week, this_month, -30d. The first '
        "line has total, date and completeness: repeat them."
    )


def create_server(connection: AppContext) -> MCPServer[object]:
    """Build the server. The connection outlives it: whoever gave it closes it."""
    tools = make_tools(connection)
    known = [tool.name for tool in tools]

    async def refuse_unknown(ctx: ServerRequestContext[Any], call_next: CallNext) -> HandlerResult:
        """Answer a tool, a prompt or a prompt's argument that is not there as the protocol wants it.

        The SDK calls the first a failed tool, and the others errors of the server, with a stack in its log.
        """
        name = (ctx.params or {}).get("name")
        if ctx.method == "tools/call" and name not in known:
            raise MCPError(INVALID_PARAMS, f"Unknown tool {str(name)[:60]!r}: there are {' and '.join(known)}.")
        try:
            return await call_next(ctx)
        except ValueError as error:
            if ctx.method != "prompts/get":
                raise
            raise MCPError(INVALID_PARAMS, clean(f"{error}.", ERROR_CHARACTERS)) from None

    server: MCPServer[object] = MCPServer(
        "mcp-truto-lms",
        title="LMS course enrollments",
        version=__version__,
        instructions=instructions(connection.settings.columns),
        tools=tools,
        log_level="WARNING",
        subscriptions=False,
        middleware=[refuse_unknown],
    )
    add_prompts(server, connection)
    add_downloads(server, connection)
    return server
