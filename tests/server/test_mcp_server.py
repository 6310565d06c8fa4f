"""The server as a client of the protocol meets it."""

from __future__ import annotations

import logging

import pytest
from mcp import Client, MCPError

from mcp_truto_lms import __version__
from mcp_truto_lms.domain.errors import Unavailable
from mcp_truto_lms.server.app_context import AppContext
from mcp_truto_lms.server.mcp_server import create_server, instructions
from mcp_truto_lms.settings import Settings
from tests.conftest import LIST, SUMMARIZE, TODAY, OpenDesk
from tests.stored import Shelf, course, open_shelf, person

pytestmark = pytest.mark.anyio

WHAT_IS_READ = "Jane Doe, 45 %"


async def test_a_client_is_told_who_answers_and_how_to_ask(open_desk: OpenDesk):
    async with open_desk() as desk:
        info = desk.client.server_info
        assert (info.name, info.title, info.version) == ("mcp-truto-lms", "LMS course enrollments", __version__)
        assert desk.client.instructions == instructions()


async def test_a_client_is_not_told_to_ask_by_what_is_hidden(open_desk: OpenDesk):
    async with open_desk(pseudonyms="1") as desk:
        told = desk.client.instructions or ""
    assert "user by alias" in told
    assert "custom fields" not in told


async def test_there_are_two_tools_and_both_only_read(open_desk: OpenDesk):
    async with open_desk() as desk:
        tools = (await desk.client.list_tools()).tools
        assert [one.name for one in tools] == [LIST, SUMMARIZE]
        for one in tools:
            assert one.annotations is not None
            assert one.annotations.read_only_hint
            assert not one.annotations.destructive_hint
            assert one.output_schema is None


async def test_listing_tools_opens_nothing():
    connection = AppContext(Settings())
    async with connection, Client(create_server(connection)) as client:
        await client.list_tools()
        assert not connection._accounts


async def test_an_unknown_tool_is_refused_by_the_protocol_and_the_right_ones_named(open_desk: OpenDesk):
    async with open_desk() as desk:
        with pytest.raises(MCPError, match="Unknown tool 'list_enrollments': there are list_course_enrollments and "):
            await desk.client.call_tool("list_enrollments", {})
        with pytest.raises(MCPError) as caught:
            await desk.client.call_tool("x" * 10_000, {})
        assert len(str(caught.value)) < 300


async def test_an_answer_is_one_text_without_a_structured_copy(open_desk: OpenDesk):
    async with open_desk() as desk:
        result = await desk.client.call_tool(LIST, {"user": "Jane Doe", "limit": 1})
        assert [one.type for one in result.content] == ["text"]
        assert result.structured_content is None
        assert not result.is_error


async def test_reading_is_reported_as_progress_to_whoever_asks_for_it(open_desk: OpenDesk):
    seen: list[tuple[float, float | None, str | None]] = []

    async def report(progress: float, total: float | None, message: str | None) -> None:
        seen.append((progress, total, message))

    async with open_desk() as desk:
        await desk.client.call_tool(SUMMARIZE, {}, progress_callback=report)
    assert seen[-1] == (16.0, 16.0, "16 of 16 courses read")
    assert [one for one, _, _ in seen] == sorted(one for one, _, _ in seen)


class Broken(Shelf):
    """A source with a bug."""

    async def enrollments(self, *args: object, **kwargs: object) -> object:  # type: ignore[override]
        raise ZeroDivisionError(WHAT_IS_READ)


async def test_a_bug_is_told_without_data_and_logged_without_data(caplog: pytest.LogCaptureFixture):
    async with open_shelf(Broken([person("1", "Ann")], [course("c", "Course")])) as desk:
        with caplog.at_level(logging.ERROR):
            said = await desk.refused(LIST)
    assert said == "Internal error (ZeroDivisionError): the server's log says where."
    assert "list_course_enrollments failed with ZeroDivisionError" in caplog.text
    assert "in enrollments" in caplog.text
    assert WHAT_IS_READ not in said + caplog.text


class Down(Shelf):
    """A source that cannot be reached."""

    async def courses(self) -> tuple[object, ...]:  # type: ignore[override]
        raise Unavailable("The LMS cannot be reached. Ask again later.")


async def test_an_error_of_the_source_is_an_error_result_in_its_own_words():
    async with open_shelf(Down()) as desk:
        assert await desk.refused(SUMMARIZE) == "The LMS cannot be reached. Ask again later."
        assert await desk.refused(LIST, user="x" * 300) == "user: a name of more than 200 characters is none."


async def test_a_connection_opens_the_source_that_its_settings_name():
    settings = Settings(today=TODAY)
    async with AppContext(settings) as connection, Client(create_server(connection)) as client:
        result = await client.call_tool(LIST, {"course": "Forklift Safety", "limit": 1})
        assert "SAMPLE DATA, no LMS connected. " in str(result.content)


async def test_two_clients_share_what_was_read(open_desk: OpenDesk):
    async with open_desk() as desk:
        await desk.list(course="101")
        calls = desk.account.source.calls
        connection = AppContext(Settings(today=TODAY), source=lambda _: desk.account.source)
        connection._accounts = {"default": desk.account}
        async with Client(create_server(connection)) as other:
            await other.call_tool(LIST, {"course": "101"})
        assert desk.account.source.calls == calls


async def test_a_connection_opens_its_account_once_and_closes_it_once():
    connection = AppContext(Settings(today=TODAY))
    await connection.aclose()
    first = await connection.account()
    assert await connection.account() is first
    await connection.aclose()
    await connection.aclose()
    assert not connection._accounts
