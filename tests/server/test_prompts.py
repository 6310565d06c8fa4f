"""Prompts, resources and completion: each prompt's calls are understood, and nothing is said that is not so."""

from __future__ import annotations

import json
import re

import pytest
from mcp import MCPError
from mcp_types import INVALID_PARAMS, PromptReference, TextContent

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
async def test_the_calls_that_a_prompt_names_are_understood(open_desk: OpenDesk, name: str, arguments: dict[str, str]):
    async with open_desk() as desk:
        text = await prompted(desk, name, arguments)
    calls = [*CALL.finditer(text)]
    assert calls
    tool = ""
    for found in calls:
        tool = tool if found[1] == "and" else found[1]
        QUERIES[tool].parse(json.JSONDecoder().raw_decode(text, found.end())[0])
    assert all(value in text or json.dumps(value) in text for value in arguments.values())


async def test_every_prompt_is_listed_with_what_it_needs(open_desk: OpenDesk):
    async with open_desk() as desk:
        listed = {one.name: one for one in (await desk.client.list_prompts()).prompts}
    assert [*listed] == ["overdue_report", "learner_check_in", "compliance_snapshot"]
    assert [one.name for one in listed["learner_check_in"].arguments if one.required] == ["learner"]
    assert not [one for one in listed["overdue_report"].arguments if one.required]


async def test_a_prompt_that_is_not_there_or_lacks_an_argument_is_the_callers_mistake(open_desk: OpenDesk):
    async with open_desk() as desk:
        for name, said in (("overdue", "Unknown prompt: overdue"), ("learner_check_in", "arguments: {'learner'}")):
            with pytest.raises(MCPError, match=re.escape(said)) as refused:
                await desk.client.get_prompt(name, {})
            assert refused.value.code == INVALID_PARAMS


async def test_the_definitions_say_what_the_words_mean_with_the_thresholds_in_use(open_desk: OpenDesk):
    async with open_desk(at_risk=Thresholds(inactive_days=45)) as desk:
        (found,) = (await desk.client.read_resource("lms://definitions")).contents
    for word in ("finished", "overdue", "not started", "due soon", "at risk", "completion rate", "not enrolled"):
        assert re.search(rf"^- {word}\b.*: ", found.text, re.MULTILINE), word
    assert "inactive 45 days" in found.text


async def test_the_schema_is_that_of_the_model(open_desk: OpenDesk):
    async with open_desk() as desk:
        (found,) = (await desk.client.read_resource("lms://schema/course-enrollment")).contents
    schema = json.loads(found.text)
    assert [*schema["x-columns"]] == [*enrollment_columns()]
    assert {path.split(".")[0] for path in enrollment_columns()} <= {*schema["properties"]}


async def completed(desk: Desk, argument: str, value: str) -> list[str]:
    ref = PromptReference(type="ref/prompt", name="overdue_report")
    return (await desk.client.complete(ref, {"name": argument, "value": value})).completion.values


async def test_names_of_courses_and_learners_are_completed_as_they_stand_in_the_lms(open_desk: OpenDesk):
    async with open_desk() as desk:
        assert "Forklift Safety" in await completed(desk, "course", "fork")
        assert "Jane Doe" in await completed(desk, "learner", "jane d")
        assert "Maria García" in await completed(desk, "learner", "garcia")
        assert await completed(desk, "learner", "nobody of this name") == []
        assert await completed(desk, "group_by", "te") == []


async def test_a_portal_that_refuses_completes_nothing(open_desk: OpenDesk):
    async with open_desk() as desk:
        desk.portal.faults.add(WRONG_KEY, times=None)
        assert await completed(desk, "course", "fork") == []
