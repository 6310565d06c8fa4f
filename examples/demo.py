"""Prints questions that HR asks, the tool call that answers each, and the answer as a model reads it.

    python examples/demo.py [--document]

Starts the real server over stdio and talks to it through the official MCP client. Without credentials in the
environment the server reads its built-in sample portal. With `--document` it prints `docs/answers.md`: always from the
sample portal, on a fixed day.
"""

from __future__ import annotations

import json
import os
import re
import sys
from io import TextIOWrapper
from typing import Any, cast

import anyio
from mcp import Client, StdioServerParameters
from mcp_types import TextContent

LIST = "list_course_enrollments"
SUMMARIZE = "summarize_learner_progress"

SAMPLE = {"MCP_TRUTO_LMS_SOURCE": "sample", "MCP_TRUTO_LMS_TODAY": "2026-11-23"}
CURSOR, SAME_CURSOR = re.compile(r"(?<=cursor=)[\w-]+"), "k3f9a2Qx"
HEAD = """# Ten questions and their answers

`make answers` prints this file: each question with its one tool call and the whole text that the model receives, from
the real server over stdio and its sample portal on 23 November 2026. A test compares it with the command's output.
"""

QUESTIONS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("What is the overall picture?", SUMMARIZE, {}),
    ("Who is overdue on Security Awareness?", LIST, {"course": "Security Awareness", "state": "overdue"}),
    ("How far is Jane Doe?", SUMMARIZE, {"user": "Jane Doe"}),
    ("How complete is each course?", SUMMARIZE, {"group_by": "course"}),
    ("Who has not started Forklift Safety?", LIST, {"course": "Forklift Safety", "state": "not_started"}),
    (
        "What is due in the next 14 days and hardly begun?",
        LIST,
        {"state": "due_soon", "progress_below": 20, "limit": 10},
    ),
    (
        "Who was never enrolled in Forklift Safety, in Oslo?",
        LIST,
        {"course": "Forklift Safety", "state": "not_enrolled", "where": {"site": "Oslo"}},
    ),
    (
        "What did each team finish last month?",
        SUMMARIZE,
        {"completed_from": "last_month", "completed_to": "last_month", "group_by": "team"},
    ),
    ("Who is most at risk, and why?", LIST, {"state": "at_risk", "limit": 10}),
    ("Who failed Code of Conduct?", LIST, {"course": "Code of Conduct", "state": "failed"}),
)


async def ask_all(*, as_document: bool) -> int:
    """Print every question with its call and answer; return how many calls failed."""
    failed = 0
    env = {**os.environ, **(SAMPLE if as_document else {})}
    server = StdioServerParameters(command=sys.executable, args=["-m", "mcp_truto_lms"], env=env)
    async with Client(server) as client:
        for question, tool, arguments in QUESTIONS:
            result = await client.call_tool(tool, arguments)
            failed += result.is_error
            text = "\n".join(block.text for block in result.content if isinstance(block, TextContent))
            if as_document:
                call = f"{tool} {json.dumps(arguments, ensure_ascii=False)}"
                print(f"\n## {question}\n\n```\n{call}\n```\n\n```\n{CURSOR.sub(SAME_CURSOR, text)}\n```")
            else:
                call = ", ".join(f"{name}={json.dumps(value)}" for name, value in arguments.items())
                print(f"# {question}\n> {tool}({call})\n\n{text}\n")
    return failed


def main() -> int:
    """Ask the questions; return 1 if a call failed."""
    as_document = "--document" in sys.argv
    stdout = cast("TextIOWrapper", sys.stdout)
    if as_document:
        stdout.reconfigure(encoding="utf-8", newline="\n")
        print(HEAD, end="")
    else:
        stdout.reconfigure(errors="replace")  # not every terminal can print every name
    failed = anyio.run(lambda: ask_all(as_document=as_document))
    if not as_document:
        print(f"{len(QUESTIONS) - failed} of {len(QUESTIONS)} questions answered.")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
