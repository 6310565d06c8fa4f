"""The MCP server: two tools, how to use them, prompts and resources, over whichever transport."""

from __future__ import annotations

from typing import Any

from mcp import MCPError
from mcp.server import MCPServer
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp_types import INVALID_PARAMS

from mcp_truto_lms import __version__
from mcp_truto_lms.connection import Connection
from mcp_truto_lms.download import add_downloads
from mcp_truto_lms.guide import add_guide
from mcp_truto_lms.tools import make_tools

INSTRUCTIONS = (
    "Answers questions on who is learning what from the company's LMS. Filtering, counting, rates and date arithmetic "
    "happen in the server: pass the whole question as arguments of one call, names as people say them, and repeat the "
    "numbers as they are, with their date. Counts and rates: summarize_learner_progress. Rows: list_course_enrollments."
)


def create_server(connection: Connection) -> MCPServer[object]:
    """Build the server. The connection outlives it: whoever gave it closes it."""
    tools = make_tools(connection)
    known = [tool.name for tool in tools]

    async def refuse_unknown_tool(ctx: ServerRequestContext[Any], call_next: CallNext) -> HandlerResult:
        """Answer a tool that is not there as the protocol wants it; the SDK calls it a failed tool."""
        name = (ctx.params or {}).get("name")
        if ctx.method == "tools/call" and name not in known:
            raise MCPError(INVALID_PARAMS, f"Unknown tool {str(name)[:60]!r}: there are {' and '.join(known)}.")
        return await call_next(ctx)

    server: MCPServer[object] = MCPServer(
        "mcp-truto-lms",
        title="LMS course enrollments",
        version=__version__,
        instructions=INSTRUCTIONS,
        tools=tools,
        log_level="WARNING",
        subscriptions=False,
        middleware=[refuse_unknown_tool],
    )
    add_guide(server, connection)
    add_downloads(server, connection)
    return server
