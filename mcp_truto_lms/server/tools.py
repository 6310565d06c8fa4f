"""The two tools: arguments to a query, the query to an answer, the answer to text; nothing else.

Text alone is sent, unless the settings ask for structured content: that is a second copy of the same data, which many
clients put before the model as well. What a caller can mend is an error result whose text says how.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from anyio import BrokenResourceError, ClosedResourceError
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.tools import Tool
from mcp.server.mcpserver.utilities.func_metadata import ArgModelBase, FuncMetadata
from mcp_types import CallToolResult, TextContent, ToolAnnotations
from pydantic import ConfigDict

from mcp_truto_lms.domain.call_counter import CALL_COUNTER, CallCounter
from mcp_truto_lms.domain.errors import LmsError, UnknownCursor
from mcp_truto_lms.domain.text_cleaning import clean
from mcp_truto_lms.query.queries import EnrollmentFilter, EnrollmentQuery, ProgressQuery, input_schema
from mcp_truto_lms.query.vocabulary import Format
from mcp_truto_lms.server.app_context import AppContext
from mcp_truto_lms.server.export_download import principal_of

if TYPE_CHECKING:
    from mcp_truto_lms.ingest.question_budget import Progress
    from mcp_truto_lms.reports.results import ListAnswer
    from mcp_truto_lms.server.account import Account

logger = logging.getLogger(__name__)

ACCOUNT = "account"
ERROR_CHARACTERS = 2_000


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    Args:
        principal: their name over HTTP; empty where there is one caller alone
        base_url: where they reach this server over HTTP; None where they share its files
    """

    principal: str = ""
    base_url: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as text, and its data, where the settings ask for that."""

    text: str
    content: dict[str, Any] | None = None


Call = Callable[..., Awaitable[Reply]]
"""Takes the connection, the arguments, where progress is reported to, and who asks."""
_LOCAL = Caller()


async def list_course_enrollments(
    connection: AppContext,
    arguments: Mapping[str, object],
    on_progress: Progress | None = None,
    caller: Caller = _LOCAL,
) -> Reply:
    """Answer who is in which course and how far, a row each.

    Raises:
        LmsError: the arguments cannot be understood, or nothing could be read.
    """
    name, rest = _account_of(connection, arguments)
    query = EnrollmentQuery.parse(rest, connection.settings.columns)
    if query.format is Format.CSV:
        return await _exported(connection, name, query, on_progress, caller)
    account, answer = await _listed(connection, name, query, on_progress, caller.principal)
    from mcp_truto_lms.render import list_json, list_text
    from mcp_truto_lms.store.cursors import new_token

    settings, asked = connection.settings, answer.stats.question.query
    as_json = isinstance(asked, EnrollmentQuery) and asked.format is Format.JSON
    token = new_token()
    text, shown = (list_json if as_json else list_text)(answer, budget=settings.token_budget, token=token)
    goes_on = answer.stats.counts.enrollments > answer.offset + shown
    if goes_on:
        await account.keep_cursor(answer, token, shown, principal=caller.principal)
    if not settings.structured:
        return Reply(text)
    from mcp_truto_lms.render.structured_content import list_content

    return Reply(text, list_content(answer, shown, token if goes_on else None, budget=settings.token_budget))


async def _exported(
    connection: AppContext, name: str | None, query: EnrollmentQuery, on_progress: Progress | None, caller: Caller
) -> Reply:
    """Write the whole match to a file, or to an address where files are not shared."""
    account, settings = await connection.account(name), connection.settings
    from mcp_truto_lms.render import export_text
    from mcp_truto_lms.server.csv_export import export

    written = await export(
        account, query, settings.export_dir, on_progress, principal=caller.principal, base_url=caller.base_url
    )
    text = export_text(written, budget=settings.token_budget)
    if not settings.structured:
        return Reply(text)
    from mcp_truto_lms.render.structured_content import export_content

    return Reply(text, export_content(written, budget=settings.token_budget))


async def _listed(
    connection: AppContext, name: str | None, query: EnrollmentQuery, on_progress: Progress | None, principal: str
) -> tuple[Account, ListAnswer]:
    """Ask one account; a cursor, which comes alone, is looked for in all."""
    names = [name] if name is not None or query.cursor is None else [*connection.names]
    for one in names[:-1]:
        account = await connection.account(one)
        with suppress(UnknownCursor):
            return account, await account.list_enrollments(query, on_progress, principal=principal)
    account = await connection.account(names[-1])
    return account, await account.list_enrollments(query, on_progress, principal=principal)


def _account_of(connection: AppContext, arguments: Mapping[str, object]) -> tuple[str | None, Mapping[str, object]]:
    """Part the account's name from the other arguments; where there is one account, there is no such argument."""
    if ACCOUNT not in arguments or (len(connection.names) == 1 and arguments[ACCOUNT] not in connection.names):
        return None, arguments
    name = str(arguments[ACCOUNT] or "").strip() or None
    return name, {key: value for key, value in arguments.items() if key != ACCOUNT}


async def summarize_learner_progress(
    connection: AppContext,
    arguments: Mapping[str, object],
    on_progress: Progress | None = None,
    caller: Caller = _LOCAL,  # noqa: ARG001  a summary is for whoever asks, and has no cursor
) -> Reply:
    """Answer how many, how far and how late, in counts.

    Raises:
        LmsError: the arguments cannot be understood, or nothing could be read.
    """
    name, rest = _account_of(connection, arguments)
    query = ProgressQuery.parse(rest, connection.settings.columns)
    answer = await (await connection.account(name)).summarize(query, on_progress)
    from mcp_truto_lms.render import summary_text

    settings = connection.settings
    text = summary_text(answer, budget=settings.token_budget)
    if not settings.structured:
        return Reply(text)
    from mcp_truto_lms.render.structured_content import summary_content

    return Reply(text, summary_content(answer, budget=settings.token_budget))


class QueryTool(Tool):
    """A tool whose schema and arguments are those of a query.

    The SDK reads arguments by a function's signature and answers a mistake with a validation dump; here the query reads
    them, and says what would be right.
    """

    connection: AppContext
    call: Call

    model_config = ConfigDict(arbitrary_types_allowed=True)

    async def run(self, arguments: dict[str, Any], context: Context[Any, Any], convert_result: bool = False) -> Any:  # noqa: ARG002  a text is converted already
        """Answer a call; progress goes to the client that asked for it."""

        async def report(done: int, total: int, message: str) -> None:
            with suppress(BrokenResourceError, ClosedResourceError):  # who does not listen still gets the answer
                await context.report_progress(done, total, message)

        counting = CALL_COUNTER.set(tally := CallCounter())
        try:
            reply, failed = await self.call(self.connection, arguments, report, _caller(context)), False
        except LmsError as error:
            reply, failed = Reply(clean(str(error), ERROR_CHARACTERS)), True
        except Exception as error:  # noqa: BLE001  the outermost edge: a client gets no stack, the log no data
            reply, failed = Reply(self._told(error)), True
        finally:
            CALL_COUNTER.reset(counting)
        logger.info("%s: %d calls to the LMS", self.name, tally.calls)
        content: list[Any] = [TextContent(type="text", text=reply.text)]
        return CallToolResult(content=content, structured_content=reply.content, is_error=failed)

    def _told(self, error: BaseException) -> str:
        """Log where a bug is; of several that were raised side by side, the first."""
        if isinstance(error, BaseExceptionGroup):
            return self._told(cast("BaseExceptionGroup[BaseException]", error).exceptions[0])
        if isinstance(error, LmsError):
            return clean(str(error), ERROR_CHARACTERS)
        frames = "".join(traceback.format_tb(error.__traceback__))
        logger.error("%s failed with %s\n%s", self.name, type(error).__name__, frames)
        return f"Internal error ({type(error).__name__}): the server's log says where."


def _caller(context: Context[Any, Any]) -> Caller:
    """Name a caller, and the address by which it came in; without a request there is only one, on this machine."""
    request = context.request_context.request
    return _LOCAL if request is None else Caller(principal_of(context.headers), str(getattr(request, "base_url", "")))


def make_tools(connection: AppContext) -> list[Tool]:
    """Make both tools, in a fixed order."""
    told = {"progress_percent": "progress", "due_at": "due date"}
    row = ", ".join(["status", *(word for path, word in told.items() if path in connection.settings.columns)])
    return [
        _tool(
            connection,
            list_course_enrollments,
            EnrollmentQuery,
            title="List course enrollments",
            description=(
                f"Rows of who is in which course: learner, course, {row}. The first line has the "
                "total of the whole match. For counts and rates use summarize_learner_progress."
            ),
        ),
        _tool(
            connection,
            summarize_learner_progress,
            ProgressQuery,
            title="Summarize learner progress",
            description=(
                "Counts over course enrollments: finished, completion rate, overdue, due soon, not started, at risk; "
                "overall or in groups. With one learner: that person's courses. For rows use list_course_enrollments."
            ),
        ),
    ]


def _tool(
    connection: AppContext, call: Call, query: type[EnrollmentFilter], *, title: str, description: str
) -> QueryTool:
    name, schema = getattr(call, "__name__", ""), input_schema(query, connection.settings.columns)
    if len(connection.names) > 1:
        schema["properties"][ACCOUNT] = {"enum": [*connection.names]}
    metadata = FuncMetadata(arg_model=ArgModelBase)
    if connection.settings.structured:
        from mcp_truto_lms.render.structured_content import list_schema, summary_schema

        schema_of = list_schema if query is EnrollmentQuery else summary_schema
        metadata.output_schema = schema_of(connection.settings.columns)
    return QueryTool(
        fn=call,
        name=name,
        title=title,
        description=description,
        parameters=schema,
        fn_metadata=metadata,
        is_async=True,
        context_kwarg=None,
        annotations=ToolAnnotations(
            read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=True
        ),
        connection=connection,
        call=call,
    )
