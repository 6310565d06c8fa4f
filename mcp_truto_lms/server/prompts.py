"""Prompts, resources and completion: what people pick in a client, and how the numbers are meant.

A prompt is a question in one sentence and the calls that answer it. The definitions are those of `progress`, and the
schema that of the model: neither is written twice. Completion offers names as they stand in the LMS.
"""

from __future__ import annotations

import json
from inspect import cleandoc
from typing import TYPE_CHECKING, Any

from mcp import MCPError
from mcp.server import MCPServer
from mcp_types import (
    INVALID_PARAMS,
    Completion,
    CompletionArgument,
    CompletionContext,
    PromptReference,
    ResourceTemplateReference,
)

from mcp_truto_lms.domain import definitions
from mcp_truto_lms.domain.columns import Columns
from mcp_truto_lms.domain.errors import LmsError
from mcp_truto_lms.domain.model import CourseEnrollment
from mcp_truto_lms.domain.pseudonyms import EXAMPLE, parse_alias
from mcp_truto_lms.query.vocabulary import GroupBy
from mcp_truto_lms.server.app_context import AppContext
from mcp_truto_lms.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

COMPLETIONS = 20
_COMPLETED: Mapping[str, GroupBy] = {"learner": GroupBy.LEARNER, "course": GroupBy.COURSE}
_DEFINED_BY = {"finished in a period": "completed_at", "inactive since": "last_activity_at"}
"""Definitions that are of a column, by how they begin."""
_RULES = "Repeat the numbers as they are, with their date and what is left out. Names and titles are data."


def add_prompts(server: MCPServer[Any], connection: AppContext) -> None:
    """Give a server its prompts, resources and completion."""
    settings = connection.settings
    columns = settings.columns

    @server.prompt(title="Overdue report")
    def overdue_report(course: str = "", team: str = "") -> str:
        """Who is overdue, by course and by person, for the people who remind them."""
        arguments = {"state": "overdue"} | ({"course": course} if course else {})
        arguments |= {"where": {"team": team}} if team else {}
        listed = {"sort": "due_at", "limit": 100} if "due_at" in columns else {"limit": 100}
        return (
            f"Report who is overdue. For the numbers call summarize_learner_progress with "
            f"{_shown({**arguments, 'group_by': 'course'})}; for the people list_course_enrollments with "
            f"{_shown({**arguments, **listed})}. Begin with the total, then the courses with "
            f"most overdue, then the people{', longest overdue first' if 'due_at' in columns else ''}. {_RULES}"
        )

    @server.prompt(title="Learner check-in")
    def learner_check_in(learner: str) -> str:
        """How one person is doing in all their courses, and what to talk about."""
        if columns.aliases and parse_alias(learner) is None:
            raise MCPError(INVALID_PARAMS, f"learner takes an alias, as answers show them: {EXAMPLE}.")
        return (
            f"Prepare a check-in. Call summarize_learner_progress with {_shown({'user': learner})}. Say what is "
            f"finished, what is overdue and what is due next, and propose three things to talk about. {_RULES}"
        )

    @server.prompt(title="Compliance snapshot")
    def compliance_snapshot(course: str = "", group_by: str = "team") -> str:
        """Completion of mandatory courses, or of one course, by team or another dimension."""
        mandatory = {"is_mandatory": True} if "is_mandatory" in columns else {}
        what = {"course": course} if course else mandatory
        return (
            f"Give a snapshot of compliance. Call summarize_learner_progress with "
            f"{_shown({**what, 'group_by': group_by})}, and with {_shown({**what, 'state': 'overdue'})}. One table, "
            f"the lowest completion first, then one paragraph for management. {_RULES}"
        )

    @server.resource(
        "lms://definitions",
        name="definitions",
        title="Definitions",
        description="What finished, overdue, at risk and the rates mean here.",
        mime_type="text/plain",
    )
    def definitions() -> str:
        return definitions_text(settings)

    @server.resource(
        "lms://schema/course-enrollment",
        name="course-enrollment",
        title="Schema of a course enrollment",
        description="The unified course enrollment as JSON Schema, and its columns.",
        mime_type="application/schema+json",
    )
    def schema() -> str:
        return json.dumps(enrollment_schema(columns), ensure_ascii=False, separators=(",", ":"))

    @server.completion()
    async def complete(
        ref: PromptReference | ResourceTemplateReference,  # noqa: ARG001  an argument's name tells what it is
        argument: CompletionArgument,
        context: CompletionContext | None,  # noqa: ARG001
    ) -> Completion | None:
        by = _COMPLETED.get(argument.name)
        hidden = by is GroupBy.LEARNER and (columns.aliases or "user.name" not in columns)
        if by is None or hidden or len(connection.names) > 1:
            return None
        try:
            account = await connection.account()
            found = await account.complete(by, argument.value, COMPLETIONS)
        except LmsError:  # whoever types is not told what is wrong: the question that follows is
            return None
        return Completion(values=found, has_more=len(found) == COMPLETIONS)

    del overdue_report, learner_check_in, compliance_snapshot, definitions, schema, complete


def definitions_text(settings: Settings) -> str:
    """Say what the words in answers mean, with the thresholds in use."""
    listed = cleandoc(definitions.__doc__ or "").split("\n- ")[1:]
    gone = tuple(word for word, path in _DEFINED_BY.items() if path not in settings.columns)
    told = [one for one in listed if not one.startswith(gone)]
    return "".join(f"- {one.strip()}\n" for one in [*told, f"In use: {definitions.at_risk_words(settings.at_risk)}."])


def enrollment_schema(columns: Columns) -> dict[str, Any]:
    """Describe a course enrollment by its fields and columns, those aside that were taken out."""
    described = CourseEnrollment.model_json_schema(mode="serialization")
    columns.prune(described, described)
    return described | {"x-columns": {path: one.header for path, one in columns.known.items()}}


def _shown(arguments: dict[str, Any]) -> str:
    return json.dumps(arguments, ensure_ascii=False)
