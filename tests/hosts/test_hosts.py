"""Frameworks that call the tools: what each makes of the schemas, and of calls in which a model fills in everything.

Each framework runs in an environment of its own, in a process that starts the real server over stdio and reaches no
other machine; `scripted_model.py` is the model that it asks.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mcp_truto_lms.query.input_schema import input_schema
from mcp_truto_lms.query.queries import EnrollmentQuery, ProgressQuery
from mcp_truto_lms.sandbox.organisation import generate
from tests import truth
from tests.conftest import LIST, SUMMARIZE, TODAY
from tests.e2e.processes import COMMAND, ROOT, in_terminal, run, sample
from tests.hosts.scripted_model import FILLERS, QUESTIONS

pytestmark = pytest.mark.hosts

ENVIRONMENTS = {
    "google_genai": "frameworks",
    "langchain": "langchain",
    "litellm": "frameworks",
    "openai_agents": "frameworks",
    "pydantic_ai": "frameworks",
}
"""The hosts, each with its environment; `.ci/hosts` has the versions."""
OFFLINE = {
    "LANGSMITH_TRACING": "false",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "NO_PROXY": "127.0.0.1",
    "OPENAI_AGENTS_DISABLE_TRACING": "1",
}
PUBLISHED = {LIST: input_schema(EnrollmentQuery), SUMMARIZE: input_schema(ProgressQuery)}
CURSOR = re.compile(r"(?<=cursor=)\S+")
Report = dict[str, Any]


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a server that has read everything, so that no answer changes with the next."""
    env = sample(MCP_TRUTO_LMS_STORE=str(tmp_path_factory.mktemp("store") / "lms.db"))
    done = in_terminal("sync", env=env)
    assert done.returncode == 0, done.stderr
    return env


@pytest.fixture(scope="module", params=ENVIRONMENTS)
def report(request: pytest.FixtureRequest, synced: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Report:
    """What the host showed its model, and what each call was answered."""
    host = request.param
    binaries = ROOT / "build" / "hosts" / ENVIRONMENTS[host] / ("Scripts" if os.name == "nt" else "bin")
    assert binaries.is_dir(), f"{host} is not installed: `make test-hosts` installs it"
    folder = tmp_path_factory.mktemp(host)
    command, report = folder / "command.json", folder / "report.json"
    command.write_text(json.dumps({"command": COMMAND[0], "args": COMMAND[1:], "env": synced}), "utf-8")
    script = Path(__file__).parent / f"{host}_host.py"
    done = run(str(binaries / "python"), str(script), str(command), str(report), env=sample(**OFFLINE))
    assert done.returncode == 0, done.stderr[-4_000:]
    return json.loads(report.read_text("utf-8"))


def nodes(schema: Report, path: str = "") -> Iterator[tuple[str, Report]]:
    """List the nodes of the arguments by their path, whatever the dialect."""
    children = dict(schema.get("properties", {}))
    if isinstance(schema.get("items"), dict):
        children["items"] = schema["items"]
    children |= {str(place): node for place, node in enumerate(schema.get("anyOf") or schema.get("any_of") or [])}
    for name, node in children.items():
        yield f"{path}.{name}", node
        yield from nodes(node, f"{path}.{name}")


def answers_of(report: Report, tool: str, question: Report) -> dict[str, str]:
    """The answers to a question by what the model filled in, without the cursors, which are random."""
    return {
        call["filler"]: CURSOR.sub("", call["answer"])
        for call in report["calls"]
        if (call["tool"], call["question"]) == (tool, question)
    }


@pytest.mark.parametrize("tool", [LIST, SUMMARIZE])
def test_every_argument_reaches_the_model_with_its_type_and_description(report: Report, tool: str):
    shown = dict(nodes(report["definitions"][tool]["schema"]))
    for path, node in nodes(PUBLISHED[tool]):
        if "anyOf" not in node:
            assert shown[path]["type"].lower() == node["type"], path
        assert shown[path].get("description") == node.get("description"), path


@pytest.mark.parametrize("tool", [LIST, SUMMARIZE])
def test_enums_keep_their_values(report: Report, tool: str):
    enums = {path: node["enum"] for path, node in nodes(PUBLISHED[tool]) if "enum" in node}
    shown = {path: node["enum"] for path, node in nodes(report["definitions"][tool]["schema"]) if "enum" in node}
    assert shown == enums


@pytest.mark.parametrize("tool", [LIST, SUMMARIZE])
def test_a_model_can_fill_in_where_with_any_key(report: Report, tool: str):
    definition = report["definitions"][tool]
    where = definition["schema"]["properties"]["where"]
    assert where["type"].lower() == "object"
    assert where["properties"]  # Gemini refuses an object without
    assert where.get("additionalProperties") is not False
    assert not definition.get("strict")  # a strict object takes only the keys it names


@pytest.mark.parametrize("tool", [LIST, SUMMARIZE])
def test_where_selects_by_a_key_that_the_schema_does_not_name(report: Report, tool: str):
    facts = truth.facts(generate(today=TODAY))
    enrollments = sum(fact.site in {"Oslo", "Hull"} for fact in facts)
    (question,) = (question for question in QUESTIONS if "custom_fields.site" in question.get("where", {}))
    assert f"{enrollments} enrollments" in answers_of(report, tool, question)["bare"].splitlines()[0]


@pytest.mark.parametrize("filler", [filler for filler in FILLERS if filler != "bare"])
@pytest.mark.parametrize("tool", [LIST, SUMMARIZE])
def test_a_call_with_everything_filled_in_is_answered_like_the_bare_call(report: Report, tool: str, filler: str):
    for question in QUESTIONS:
        answers = answers_of(report, tool, question)
        assert answers["bare"].startswith("SAMPLE DATA"), question
        assert answers[filler] == answers["bare"], question
