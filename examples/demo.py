"""Questions that HR asks, the tool calls that a model answers them with, and the answers as the model reads them.

Starts the real server over stdio and talks to it through the official MCP client. Without credentials in the
environment the server reads its built-in sample portal.
"""

from __future__ import annotations

import json
import os
import sys
from io import TextIOWrapper
from typing import Any, cast

import anyio
from mcp import Client, StdioServerParameters
from mcp_types import TextContent

LIST = "list_course_enrollments"
SUMMARIZE = "summarize_learner_progress"

QUESTIONS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("What is the overall picture?", SUMMARIZE, {}),
    ("Who is overdue on Security Awareness?", LIST, {"course": "Security Awareness", "state": "overdue"}),
    ("How far is Jane Doe?", SUMMARIZE, {"user": "Jane Doe"}),
    ("How complete is each course?", SUMMARIZE, {"group_by": "course"}),
    ("Who has not started Forklift Safety?", LIST, {"course": "Forklift Safety", "state": "not_started"}),
    (
        "What is due in the next 14 days?",
        LIST,
        {"state": "not_finished", "due_from": "today", "due_to": "+14d", "sort": "due_at", "limit": 10},
    ),
    ("Who failed Code of Conduct?", LIST, {"course": "Code of Conduct", "state": "failed"}),
    ("Who is furthest behind?", SUMMARIZE, {"group_by": "learner", "sort": "-overdue", "limit": 5}),
)


async def ask_all() -> int:
    """Print every question with its call and its answer, and count the calls that failed."""
    failed = 0
    server = StdioServerParameters(command=sys.executable, args=["-m", "mcp_truto_lms"], env=dict(os.environ))
    async with Client(server) as client:
        for question, tool, arguments in QUESTIONS:
            result = await client.call_tool(tool, arguments)
            failed += result.is_error
            call = ", ".join(f"{name}={json.dumps(value)}" for name, value in arguments.items())
            print(f"# {question}\n> {tool}({call})\n")
            print("\n".join(block.text for block in result.content if isinstance(block, TextContent)), end="\n\n")
    return failed


def main() -> int:
    """Run the questions; fail where one was not answered."""
    cast("TextIOWrapper", sys.stdout).reconfigure(errors="replace")  # not every terminal knows every name's letters
    failed = anyio.run(ask_all)
    print(f"{len(QUESTIONS) - failed} of {len(QUESTIONS)} questions answered.")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
