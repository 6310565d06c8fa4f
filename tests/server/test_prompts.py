"""Prompts, resources and completion: the calls of each prompt are valid, and the resources match the code."""

from __future__ import annotations

import json
import re

import pytest
from mcp import MCPError
from mcp_types import INVALID_PARAMS, PromptReference, TextContent

from mcp_truto_lms.domain.columns import row_columns
from mcp_truto_lms.domain.definitions import Thresholds
from mcp_truto_lms.domain.model import enrollment_columns
from mcp_truto_lms.query.queries import EnrollmentQuery, ProgressQuery
from mcp_truto_lms.sandbox.faults import WRONG_KEY
from tests.conftest import Desk, OpenDesk

pytestmark = pytest.mark.anyio

PROMPTS = [
    ("overdue_report", {}),
    ("overdue_report", {"course": "Forklift Safety", "team": "Sales"}),
    ("learner_check_in", {"learner": "Jane Doe"}),
    ("compliance_snapshot", {}),
    ("compliance_snapshot", {"course": 'The "best" course', "group_by": "course"}),
]
CALL = re.compile(r"(list_course_enrollments|summarize_learner_progress|and) with (?=\{)")
QUERIES = {"list_course_enrollments": EnrollmentQuery, "summarize_learner_progress": ProgressQuery}


async def prompted(desk: Desk, name: str, arguments: dict[str, str]) -> str:
    (message,) = (await desk.client.get_prompt(name, arguments)).messages
    assert isinstance(message.content, TextContent)
    return message.content.text


@pytest.mark.parametrize(("name", "arguments"), PROMPTS, ids=str)
async def test_the_calls_of_a_prompt_are_valid(open_desk: OpenDesk, name: str, arguments: dict[str, str]):
    async with open_desk() as desk:
        text = await prompted(desk, name, arguments)
    calls = [*CALL.finditer(text)]
    assert calls
    tool = ""
    for call in calls:
        tool = tool if call[1] == "and" else call[1]
        QUERIES[tool].parse(json.JSONDecoder().raw_decode(text, call.end())[0])
    assert all(value in text or json.dumps(value) in text for value in arguments.values())


async def test_every_prompt_is_listed_with_its_required_arguments(open_desk: OpenDesk):
    async with open_desk() as desk:
        prompts = {prompt.name: prompt for prompt in (await desk.client.list_prompts()).prompts}
    assert [*prompts] == ["overdue_report", "learner_check_in", "compliance_snapshot"]
    assert [argument.name for argument in prompts["learner_check_in"].arguments if argument.required] == ["learner"]
    assert not [argument for argument in prompts["overdue_report"].arguments if argument.required]


async def test_an_unknown_prompt_or_a_missing_argument_is_an_error_of_the_caller(open_desk: OpenDesk):
    async with open_desk() as desk:
        for name, message in (("overdue", "Unknown prompt: overdue"), ("learner_check_in", "arguments: {'learner'}")):
            with pytest.raises(MCPError, match=re.escape(message)) as refused:
                await desk.client.get_prompt(name, {})
            assert refused.value.code == INVALID_PARAMS


async def test_the_definitions_explain_the_words_with_the_thresholds_in_use(open_desk: OpenDesk):
    async with open_desk(at_risk=Thresholds(inactive_days=45)) as desk:
        (content,) = (await desk.client.read_resource("lms://definitions")).contents
    for word in ("finished", "overdue", "not started", "due soon", "at risk", "completion rate", "not enrolled"):
        assert re.search(rf"^- {word}\b.*: ", content.text, re.MULTILINE), word
    assert "inactive 45 days" in content.text


async def test_the_schema_is_that_of_the_model(open_desk: OpenDesk):
    async with open_desk() as desk:
        (content,) = (await desk.client.read_resource("lms://schema/course-enrollment")).contents
    schema = json.loads(content.text)
    assert [*schema["x-columns"]] == [*row_columns()]
    assert {path.split(".")[0] for path in enrollment_columns()} <= {*schema["properties"]}


async def completed(desk: Desk, argument: str, value: str) -> list[str]:
    ref = PromptReference(type="ref/prompt", name="overdue_report")
    return (await desk.client.complete(ref, {"name": argument, "value": value})).completion.values


async def test_courses_and_learners_are_completed_with_their_names_in_the_lms(open_desk: OpenDesk):
    async with open_desk() as desk:
        assert "Forklift Safety" in await completed(desk, "course", "fork")
        assert "Jane Doe" in await completed(desk, "learner", "jane d")
        assert "Maria García" in await completed(desk, "learner", "garcia")
        assert await completed(desk, "learner", "nobody of this name") == []
        assert await completed(desk, "group_by", "te") == []


async def test_nothing_is_completed_if_the_lms_refuses(open_desk: OpenDesk):
    async with open_desk() as desk:
        desk.portal.faults.add(WRONG_KEY, times=None)
        assert await completed(desk, "course", "fork") == []
