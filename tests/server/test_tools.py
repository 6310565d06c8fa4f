"""The tools as functions, as the command line calls them."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from mcp_truto_lms.domain.errors import QueryError, Unavailable
from mcp_truto_lms.providers.talentlms.source import TalentLmsSource
from mcp_truto_lms.query.input_schema import input_schema
from mcp_truto_lms.query.queries import EnrollmentQuery, ProgressQuery
from mcp_truto_lms.server.app_context import AppContext
from mcp_truto_lms.server.tools import list_course_enrollments, make_tools, summarize_learner_progress
from mcp_truto_lms.settings import Settings
from tests.conftest import LIST, SUMMARIZE, TODAY
from tests.stored import Shelf, course, open_shelf, person, record

pytestmark = pytest.mark.anyio

SHELF = Shelf(
    [person("1", "Ann"), person("2", "Bob")],
    [course("c", "Course")],
    [record("1", "c", "enrolled"), record("2", "c", "completed")],
)


@pytest.fixture
async def app_context() -> AsyncGenerator[AppContext]:
    async with AppContext(Settings(source="talentlms", today=TODAY), source=lambda _: SHELF) as opened_context:
        yield opened_context


async def test_a_tool_is_a_function_of_an_app_context_and_arguments(app_context: AppContext):
    assert (await list_course_enrollments(app_context, {"state": "finished"})).text.startswith(
        "1 of 1 enrollments: finished. As of"
    )
    counts = await summarize_learner_progress(app_context, {"course": "c"})
    assert counts.text.startswith("2 enrollments, 2 learners, 1 ")
    assert counts.content is None


async def test_wrong_arguments_are_refused_before_an_account_is_opened(app_context: AppContext):
    for call in (list_course_enrollments, summarize_learner_progress):
        with pytest.raises(QueryError, match="There is no argument 'who'"):
            await call(app_context, {"who": "Ann"})
    assert not app_context._accounts


async def test_a_cursor_continues_the_list(app_context: AppContext):
    first = (await list_course_enrollments(app_context, {"limit": 1, "sort": "learner"})).text
    token = first.rpartition("cursor=")[2]
    assert len(token) == 8
    second = (await list_course_enrollments(app_context, {"cursor": token})).text
    assert second.startswith("Rows 2 to 2 of 2 enrollments")
    assert "cursor=" not in second


async def test_the_schemas_are_those_of_the_queries(app_context: AppContext):
    assert [(tool.definition.name, tool.definition.input_schema) for tool in make_tools(app_context)] == [
        (LIST, input_schema(EnrollmentQuery)),
        (SUMMARIZE, input_schema(ProgressQuery)),
    ]


class Tangled(Shelf):
    """A source whose error comes out of a task group."""

    async def learners(self) -> tuple[object, ...]:  # type: ignore[override]
        raise ExceptionGroup("both", [ExceptionGroup("inner", [Unavailable("The LMS is away.")]), ValueError()])


async def test_an_error_within_a_group_is_still_reported_in_its_own_words():
    async with open_shelf(Tangled(titles=SHELF.titles)) as desk:
        assert await desk.refused(LIST, user="Ann") == "The LMS is away."


async def test_the_settings_choose_the_source():
    values = {"TALENTLMS_DOMAIN": "acme", "TALENTLMS_API_KEY": "k"}
    for settings in (Settings(source="talentlms", provider_values=values), Settings(today=TODAY)):
        source = settings.provider.connect(settings, None)(settings.accounts()[0])
        assert isinstance(source, TalentLmsSource)
        assert source.calls == 0
        await source.aclose()
