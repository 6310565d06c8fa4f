"""The two tools: parse the arguments, ask the account, render the answer as text.

Structured content is sent only where the settings ask for it: it repeats the text's data, and many clients show a model
both. An error that the caller can correct is an error result, and its text says how.
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
from mcp_types import CallToolResult, TextContent, Tool, ToolAnnotations

from mcp_truto_lms.domain.call_counter import CALL_COUNTER, CallCounter
from mcp_truto_lms.domain.errors import LmsError, QueryError, UnknownCursor
from mcp_truto_lms.domain.text_cleaning import MAX_ERROR_CHARACTERS, clean
from mcp_truto_lms.query.filters import EnrollmentFilter, is_absent
from mcp_truto_lms.query.input_schema import input_schema
from mcp_truto_lms.query.parsing import only_value
from mcp_truto_lms.query.queries import EnrollmentQuery, ProgressQuery
from mcp_truto_lms.query.vocabulary import Format
from mcp_truto_lms.server.app_context import AppContext
from mcp_truto_lms.server.export_download import principal_of

if TYPE_CHECKING:
    from mcp_truto_lms.ingest.question_budget import Progress, ProgressUpdate
    from mcp_truto_lms.reports.results import ListAnswer
    from mcp_truto_lms.server.account import Account

logger = logging.getLogger(__name__)

ACCOUNT = "account"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls a tool.

    Args:
        principal: their name over HTTP; empty where the process has one caller
        base_url: the address by which they reach this server over HTTP; None where they share its files
    """

    principal: str = ""
    base_url: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as text, and its data where the settings ask for structured content."""

    text: str
    content: dict[str, Any] | None = None


Answer = Callable[..., Awaitable[Reply]]
"""Takes the app context, the arguments, a callback for progress, and the caller."""
_LOCAL = Caller()


async def list_course_enrollments(
    app_context: AppContext,
    arguments: Mapping[str, object],
    on_progress: Progress | None = None,
    caller: Caller = _LOCAL,
) -> Reply:
    """Answer who is in which course and how far, one enrollment a row.

    Raises:
        LmsError: the arguments cannot be parsed, or the LMS cannot be read.
    """
    name, rest = _account_name(app_context, arguments)
    query = EnrollmentQuery.parse(rest, app_context.settings.columns)
    if query.format is Format.CSV and not query.continues:
        return await _export(app_context, name, query, on_progress, caller)
    account, answer = await _list(app_context, name, query, on_progress, caller.principal)
    from mcp_truto_lms.render import list_json, list_text
    from mcp_truto_lms.store.cursors import new_token

    settings, answered_query = app_context.settings, answer.stats.question.query
    as_json = isinstance(answered_query, EnrollmentQuery) and answered_query.format is Format.JSON
    token = new_token()
    text, shown = (list_json if as_json else list_text)(answer, budget=settings.token_budget, token=token)
    has_more = answer.stats.counts.enrollments > answer.offset + shown
    if has_more:
        await account.store_cursor(answer, token, shown, principal=caller.principal)
    if not settings.structured:
        return Reply(text)
    from mcp_truto_lms.render.structured_content import list_content

    return Reply(text, list_content(answer, shown, token if has_more else None, budget=settings.token_budget))


async def _export(
    app_context: AppContext, name: str | None, query: EnrollmentQuery, on_progress: Progress | None, caller: Caller
) -> Reply:
    """Write all rows to a file, or to a download address where the caller does not share files."""
    account, settings = await app_context.account(name), app_context.settings
    from mcp_truto_lms.render import export_text
    from mcp_truto_lms.server.csv_export import export

    exported = await export(
        account, query, settings.export_dir, on_progress, principal=caller.principal, base_url=caller.base_url
    )
    text = export_text(exported, budget=settings.token_budget)
    if not settings.structured:
        return Reply(text)
    from mcp_truto_lms.render.structured_content import export_content

    return Reply(text, export_content(exported, budget=settings.token_budget))


async def _list(
    app_context: AppContext, name: str | None, query: EnrollmentQuery, on_progress: Progress | None, principal: str
) -> tuple[Account, ListAnswer]:
    """Ask one account; a cursor without an account is looked up in all of them."""
    names = [name] if name is not None or query.cursor is None else [*app_context.names]
    for candidate in names[:-1]:
        account = await app_context.account(candidate)
        with suppress(UnknownCursor):
            return account, await account.list_enrollments(query, on_progress, principal=principal)
    account = await app_context.account(names[-1])
    return account, await account.list_enrollments(query, on_progress, principal=principal)


def _account_name(app_context: AppContext, arguments: Mapping[str, object]) -> tuple[str | None, Mapping[str, object]]:
    """Separate the account's name from the other arguments; with one account there is no such argument."""
    if ACCOUNT not in arguments:
        return None, arguments
    rest = {key: value for key, value in arguments.items() if key != ACCOUNT}
    if is_absent(arguments[ACCOUNT]):
        return None, rest
    try:
        name = only_value(arguments[ACCOUNT])
    except ValueError:
        name = None
    if len(app_context.names) == 1 and name not in [*app_context.names]:
        return None, arguments
    if isinstance(name, bool) or not isinstance(name, str | int):
        raise QueryError(f"account: takes one name as text; known: {', '.join(app_context.names)}.")
    return str(name).strip(), rest


async def summarize_learner_progress(
    app_context: AppContext,
    arguments: Mapping[str, object],
    on_progress: Progress | None = None,
    caller: Caller = _LOCAL,  # noqa: ARG001  a summary has neither a cursor nor an export
) -> Reply:
    """Answer how many, how far and how late, in counts.

    Raises:
        LmsError: the arguments cannot be parsed, or the LMS cannot be read.
    """
    name, rest = _account_name(app_context, arguments)
    query = ProgressQuery.parse(rest, app_context.settings.columns)
    answer = await (await app_context.account(name)).summarize(query, on_progress)
    from mcp_truto_lms.render import summary_text

    settings = app_context.settings
    text = summary_text(answer, budget=settings.token_budget)
    if not settings.structured:
        return Reply(text)
    from mcp_truto_lms.render.structured_content import summary_content

    return Reply(text, summary_content(answer, budget=settings.token_budget))


@dataclass(frozen=True, slots=True)
class QueryTool:
    """A tool whose schema and arguments are those of a query.

    Args:
        definition: the tool as clients see it
        answer: the function that answers a call
        app_context: where it reads
    """

    definition: Tool
    answer: Answer
    app_context: AppContext

    async def call(self, arguments: dict[str, Any], context: Context[object, Any] | None) -> CallToolResult:
        """Answer a call; progress goes to a client that asks for it."""
        on_progress = None if context is None else _progress_reporter(context)
        counting = CALL_COUNTER.set(counter := CallCounter())
        try:
            reply, failed = await self.answer(self.app_context, arguments, on_progress, _caller(context)), False
        except LmsError as error:
            reply, failed = Reply(clean(str(error), MAX_ERROR_CHARACTERS)), True
        except Exception as error:  # noqa: BLE001  the outermost edge: a client gets no stack, the log no data
            reply, failed = Reply(self._error_text(error)), True
        finally:
            CALL_COUNTER.reset(counting)
        logger.info("%s: %d calls to the LMS", self.definition.name, counter.calls)
        content: list[Any] = [TextContent(type="text", text=reply.text)]
        return CallToolResult(content=content, structured_content=reply.content, is_error=failed)

    def _error_text(self, error: BaseException) -> str:
        """Log where a bug is, without data, and tell the client its type; of a group, the first error counts."""
        if isinstance(error, BaseExceptionGroup):
            return self._error_text(cast("BaseExceptionGroup[BaseException]", error).exceptions[0])
        if isinstance(error, LmsError):
            return clean(str(error), MAX_ERROR_CHARACTERS)
        frames = "".join(traceback.format_tb(error.__traceback__))
        logger.error("%s failed with %s\n%s", self.definition.name, type(error).__name__, frames)
        return f"Internal error ({type(error).__name__}). The server's log says where."


def _progress_reporter(context: Context[object, Any]) -> Progress:
    async def report(update: ProgressUpdate) -> None:
        with suppress(BrokenResourceError, ClosedResourceError):  # a client that stopped listening
            await context.report_progress(update.done_overall, update.whole_overall, str(update))

    return report


def _caller(context: Context[object, Any] | None) -> Caller:
    """Identify the caller and the address it used; without an HTTP request there is one caller, on this machine."""
    request = None if context is None else context.request_context.request
    if context is None or request is None:
        return _LOCAL
    return Caller(principal_of(context.headers), str(getattr(request, "base_url", "")))


def make_tools(app_context: AppContext) -> tuple[QueryTool, QueryTool]:
    """Make both tools, in a fixed order."""
    words = {"progress_percent": "progress", "due_at": "due date"}
    row = ", ".join(["status", *(word for path, word in words.items() if path in app_context.settings.columns)])
    return (
        _tool(
            app_context,
            list_course_enrollments,
            EnrollmentQuery,
            name="list_course_enrollments",
            title="List course enrollments",
            description=(
                f"Rows of who is in which course: learner, course, {row}. The first line has the "
                "total of the whole match. For counts and rates use summarize_learner_progress."
            ),
        ),
        _tool(
            app_context,
            summarize_learner_progress,
            ProgressQuery,
            name="summarize_learner_progress",
            title="Summarize learner progress",
            description=(
                "Counts over course enrollments: finished, completion rate, overdue, due soon, not started, at risk; "
                "overall or in groups. With one learner: that person's courses. For rows use list_course_enrollments."
            ),
        ),
    )


def _tool(
    app_context: AppContext, answer: Answer, query: type[EnrollmentFilter], *, name: str, title: str, description: str
) -> QueryTool:
    schema = input_schema(query, app_context.settings.columns)
    if len(app_context.names) > 1:
        schema["properties"][ACCOUNT] = {"enum": [*app_context.names], "type": "string"}
    output_schema = None
    if app_context.settings.structured:
        from mcp_truto_lms.render.structured_content import list_schema, summary_schema

        schema_of = list_schema if query is EnrollmentQuery else summary_schema
        output_schema = schema_of(app_context.settings.columns)
    definition = Tool(
        name=name,
        title=title,
        description=description,
        input_schema=schema,
        output_schema=output_schema,
        annotations=ToolAnnotations(
            read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=True
        ),
    )
    return QueryTool(definition, answer, app_context)
