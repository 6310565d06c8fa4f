"""The MCP server: two tools, instructions, prompts and resources, on any transport.

The SDK derives a tool from a function's signature, ignores unknown arguments and answers wrong ones with a validation
dump. Here a query defines the schema and parses the arguments, so the SDK's public methods for tools are overridden.
"""

from __future__ import annotations

from typing import Any

from mcp import MCPError
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp_types import INVALID_PARAMS, CallToolResult, GetPromptResult, InputRequiredResult, Tool

from mcp_truto_lms import __version__
from mcp_truto_lms.domain.columns import ALL_COLUMNS, Columns
from mcp_truto_lms.domain.model import CUSTOM_FIELDS
from mcp_truto_lms.domain.text_cleaning import MAX_ERROR_CHARACTERS, clean
from mcp_truto_lms.server.app_context import AppContext
from mcp_truto_lms.server.export_download import add_downloads
from mcp_truto_lms.server.prompts import add_prompts
from mcp_truto_lms.server.tools import make_tools

_MAX_NAME_CHARACTERS = 60


def instructions(columns: Columns = ALL_COLUMNS) -> str:
    """Say how to use the tools, and how to name people where some columns are hidden."""
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


class EnrollmentServer(MCPServer[object]):
    """The server over one app context, which outlives it: the caller closes the context."""

    def __init__(self, app_context: AppContext) -> None:
        super().__init__(
            "mcp-truto-lms",
            title="LMS course enrollments",
            version=__version__,
            instructions=instructions(app_context.settings.columns),
            log_level="WARNING",
            subscriptions=False,
        )
        self._query_tools = {tool.definition.name: tool for tool in make_tools(app_context)}

    async def list_tools(self) -> list[Tool]:
        """List both tools, in a fixed order."""
        return [tool.definition for tool in self._query_tools.values()]

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[object, Any] | None = None
    ) -> CallToolResult:
        """Call a tool.

        Raises:
            MCPError: there is no such tool; the SDK would answer that as a failed call.
        """
        tool = self._query_tools.get(name)
        if tool is None:
            names = " and ".join(self._query_tools)
            raise MCPError(INVALID_PARAMS, f"Unknown tool {name[:_MAX_NAME_CHARACTERS]!r}. The tools are {names}.")
        return await tool.call(arguments, context)

    async def get_prompt(
        self, name: str, arguments: dict[str, Any] | None = None, context: Context[object, Any] | None = None
    ) -> GetPromptResult | InputRequiredResult:
        """Render a prompt.

        Raises:
            MCPError: the prompt or an argument is unknown or missing; the SDK would log a failure of the server.
        """
        try:
            return await super().get_prompt(name, arguments, context)
        except ValueError as error:
            raise MCPError(INVALID_PARAMS, clean(f"{error}.", MAX_ERROR_CHARACTERS)) from None


def create_server(app_context: AppContext) -> EnrollmentServer:
    """Build the server with its prompts, resources and download addresses."""
    server = EnrollmentServer(app_context)
    add_prompts(server, app_context)
    add_downloads(server, app_context)
    return server
