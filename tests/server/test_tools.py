"""The tools as functions, as the command line calls them, and what a bug looks like from outside."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from mcp_truto_lms.domain.errors import QueryError, Unavailable
from mcp_truto_lms.providers.talentlms.source import TalentLmsSource
from mcp_truto_lms.query.queries import EnrollmentQuery, ProgressQuery, input_schema
from mcp_truto_lms.server.app_context import AppContext, sources
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
async def connection() -> AsyncGenerator[AppContext]:
    async with AppContext(Settings(source="talentlms", today=TODAY), source=lambda _: SHELF) as opened:
        yield opened


async def test_a_tool_is_a_function_of_a_connection_and_arguments(connection: AppContext):
    assert (await list_course_enrollments(connection, {"state": "finished"})).text.startswith(
        "1 of 1 enrollments: finished. As of"
    )
    counts = await summarize_learner_progress(connection, {"course": "c"})
    assert counts.text.startswith("2 enrollments, 2 learners, 1 ")
    assert counts.content is None


async def test_arguments_are_refused_before_anything_is_opened(connection: AppContext):
    for call in (list_course_enrollments, summarize_learner_progress):
        with pytest.raises(QueryError, match="There is no argument 'who'"):
            await call(connection, {"who": "Ann"})
    assert not connection._accounts


async def test_a_page_goes_on_in_the_format_that_was_asked_for(connection: AppContext):
    first = (await list_course_enrollments(connection, {"limit": 1, "sort": "learner"})).text
    token = first.rpartition("cursor=")[2]
    assert len(token) == 8
    second = (await list_course_enrollments(connection, {"cursor": token})).text
    assert second.startswith("Rows 2 to 2 of 2 enrollments")
    assert "cursor=" not in second


async def test_the_schemas_are_those_of_the_queries(connection: AppContext):
    assert [(one.name, one.parameters) for one in make_tools(connection)] == [
        (LIST, input_schema(EnrollmentQuery)),
        (SUMMARIZE, input_schema(ProgressQuery)),
    ]


class Tangled(Shelf):
    """A source whose error comes out of a task group."""

    async def learners(self) -> tuple[object, ...]:  # type: ignore[override]
        raise ExceptionGroup("both", [ExceptionGroup("inner", [Unavailable("The LMS is away.")]), ValueError()])


async def test_an_error_raised_side_by_side_with_others_is_still_told_in_its_own_words():
    async with open_shelf(Tangled(titles=SHELF.titles)) as desk:
        assert await desk.refused(LIST, user="Ann") == "The LMS is away."


async def test_the_settings_choose_the_source():
    real = Settings(source="talentlms", talentlms_base_url="https://acme.talentlms.com/api/v1", talentlms_api_key="k")
    for settings in (real, Settings(today=TODAY)):
        source = sources(settings)(settings.accounts()[0])
        assert isinstance(source, TalentLmsSource)
        assert source.calls == 0
        await source.aclose()
