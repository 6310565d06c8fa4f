"""The server as a client of the protocol sees it."""

from __future__ import annotations

import logging

import pytest
from mcp import Client, MCPError
from mcp_types import INVALID_PARAMS

from mcp_truto_lms import __version__
from mcp_truto_lms.domain.errors import Unavailable
from mcp_truto_lms.sandbox.organisation import generate
from mcp_truto_lms.server.app_context import AppContext
from mcp_truto_lms.server.mcp_server import create_server, instructions
from mcp_truto_lms.settings import Settings
from tests.conftest import LIST, SUMMARIZE, TODAY, OpenDesk
from tests.stored import Shelf, course, open_shelf, person
from tests.truth import facts

pytestmark = pytest.mark.anyio

FETCHED_DATA = "Jane Doe, 45 %"


async def test_a_client_gets_the_servers_name_version_and_instructions(open_desk: OpenDesk):
    async with open_desk() as desk:
        info = desk.client.server_info
        assert (info.name, info.title, info.version) == ("mcp-truto-lms", "LMS course enrollments", __version__)
        assert desk.client.instructions == instructions()


async def test_the_instructions_do_not_mention_hidden_columns(open_desk: OpenDesk):
    async with open_desk(pseudonyms="1") as desk:
        text = desk.client.instructions or ""
    assert "user by alias" in text
    assert "custom fields" not in text


async def test_there_are_two_tools_and_both_only_read(open_desk: OpenDesk):
    async with open_desk() as desk:
        tools = (await desk.client.list_tools()).tools
        assert [tool.name for tool in tools] == [LIST, SUMMARIZE]
        for tool in tools:
            assert tool.annotations is not None
            assert tool.annotations.read_only_hint
            assert not tool.annotations.destructive_hint
            assert tool.output_schema is None


async def test_listing_tools_opens_no_account():
    app_context = AppContext(Settings())
    async with app_context, Client(create_server(app_context)) as client:
        await client.list_tools()
        assert not app_context._accounts


async def test_an_unknown_tool_is_a_protocol_error_that_names_the_tools(open_desk: OpenDesk):
    async with open_desk() as desk:
        with pytest.raises(MCPError, match="'list_enrollments'\\. The tools are list_course_enrollments and "):
            await desk.client.call_tool("list_enrollments", {})
        with pytest.raises(MCPError) as refused:
            await desk.client.call_tool("x" * 10_000, {})
        assert refused.value.error.code == INVALID_PARAMS
        assert len(str(refused.value)) < 300


async def test_an_answer_is_a_single_text_without_a_structured_copy(open_desk: OpenDesk):
    async with open_desk() as desk:
        result = await desk.client.call_tool(LIST, {"user": "Jane Doe", "limit": 1})
        assert [block.type for block in result.content] == ["text"]
        assert result.structured_content is None
        assert not result.is_error


async def test_a_client_that_asks_for_progress_gets_it(open_desk: OpenDesk):
    small = generate(today=TODAY, learners=30)
    people = len({fact.user_id for fact in facts(small)})
    reports: list[tuple[float, float | None, str | None]] = []

    async def report(progress: float, total: float | None, message: str | None) -> None:
        reports.append((progress, total, message))

    async with open_desk(of=small) as desk:
        await desk.client.call_tool(SUMMARIZE, {}, progress_callback=report)
    assert (16.0, 16.0, "16 of 16 courses read") in reports
    assert reports[-1] == (16 + people, 16 + people, f"{people} of {people} people read")
    assert [progress for progress, _, _ in reports] == sorted(progress for progress, _, _ in reports)


class Broken(Shelf):
    """A source with a bug."""

    async def enrollments(self, *args: object, **kwargs: object) -> object:  # type: ignore[override]
        raise ZeroDivisionError(FETCHED_DATA)


async def test_a_bug_is_reported_and_logged_without_data(caplog: pytest.LogCaptureFixture):
    async with open_shelf(Broken([person("1", "Ann")], [course("c", "Course")])) as desk:
        with caplog.at_level(logging.ERROR):
            text = await desk.refused(LIST)
    assert text == "Internal error (ZeroDivisionError). The server's log says where."
    assert "list_course_enrollments failed with ZeroDivisionError" in caplog.text
    assert "in enrollments" in caplog.text
    assert FETCHED_DATA not in text + caplog.text


class Down(Shelf):
    """A source that cannot be reached."""

    async def courses(self) -> tuple[object, ...]:  # type: ignore[override]
        raise Unavailable("The LMS cannot be reached. Ask again later.")


async def test_an_error_of_the_source_is_an_error_result_in_its_own_words():
    async with open_shelf(Down()) as desk:
        assert await desk.refused(SUMMARIZE) == "The LMS cannot be reached. Ask again later."
        assert await desk.refused(LIST, user="x" * 300) == "user: a name takes at most 200 characters."


async def test_an_app_context_opens_the_source_that_its_settings_name():
    settings = Settings(today=TODAY)
    async with AppContext(settings) as app_context, Client(create_server(app_context)) as client:
        result = await client.call_tool(LIST, {"course": "Forklift Safety", "limit": 1})
        assert "SAMPLE DATA, no LMS connected. " in str(result.content)


async def test_two_clients_share_fetched_data(open_desk: OpenDesk):
    async with open_desk() as desk:
        await desk.list(course="101")
        calls = desk.account.source.calls
        app_context = AppContext(Settings(today=TODAY), source=lambda _: desk.account.source)
        app_context._accounts = {"default": desk.account}
        async with Client(create_server(app_context)) as other:
            await other.call_tool(LIST, {"course": "101"})
        assert desk.account.source.calls == calls


async def test_an_app_context_opens_its_account_once_and_closes_it_once():
    app_context = AppContext(Settings(today=TODAY))
    await app_context.aclose()
    first = await app_context.account()
    assert await app_context.account() is first
    await app_context.aclose()
    await app_context.aclose()
    assert not app_context._accounts
