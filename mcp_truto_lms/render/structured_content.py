"""Structured content: the data of an answer for programs.

It has the same match, at the same moment, as the text: of a list the rows that the text shows, each as the unified
object with the chosen columns; of a summary its numbers, unrounded. A number that the text does not print because it
would mislead, such as a rate under a filter on the outcome, is absent here too, and so is an unknown value.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel

from mcp_truto_lms.domain.columns import Columns
from mcp_truto_lms.domain.model import iso_utc
from mcp_truto_lms.domain.text_cleaning import clean
from mcp_truto_lms.query.vocabulary import GroupBy, is_offered
from mcp_truto_lms.render.at_risk_text import at_risk_names
from mcp_truto_lms.render.content_models import (
    CoverageContent,
    ListContent,
    SummaryContent,
    list_schema,
    number_types,
    summary_schema,
)
from mcp_truto_lms.render.group_table import counts_people, group_names
from mcp_truto_lms.render.list_json import envelope, records
from mcp_truto_lms.reports.results import AtRiskTable, Export, GroupTable, ListAnswer, MatchStats, SummaryAnswer
from mcp_truto_lms.store.counts import Counts, Totals
from mcp_truto_lms.store.groups import Group

__all__ = ["export_content", "list_content", "list_schema", "summary_content", "summary_schema"]


def list_content(answer: ListAnswer, shown: int, next_cursor: str | None, *, budget: int) -> dict[str, Any]:
    """Build the content of a list.

    Args:
        answer: the rows
        shown: how many of them the text shows
        next_cursor: the cursor for the rows that follow
        budget: of the text, in tokens; it limits the notes
    """
    content = {**_envelope(answer.stats, budget), "result": records(answer)[:shown]}
    if next_cursor is not None:
        content["next_cursor"] = next_cursor
    if answer.unreported:
        content["unreported"] = answer.unreported
    return _validated(ListContent, content)


def export_content(export: Export, *, budget: int) -> dict[str, Any]:
    """Build the content of an export: where its rows are."""
    answer = export.answer
    csv: dict[str, Any] = {"rows": export.rows, "columns": [column.header for column in answer.columns]}
    if export.expires_at is None:
        csv["path"] = export.place
    else:
        csv |= {"address": export.place, "expires_at": iso_utc(datetime.fromtimestamp(export.expires_at, UTC))}
    content = {**_envelope(answer.stats, budget), "csv": csv}
    if answer.unreported:
        content["unreported"] = answer.unreported
    return _validated(ListContent, content)


def summary_content(answer: SummaryAnswer, *, budget: int) -> dict[str, Any]:
    """Build the content of a summary."""
    stats, query, columns = answer.stats, answer.stats.question.query, answer.stats.question.columns
    misleading = {"rate", "learner_rate"} if query.judges_outcome else set[str]()
    total_names = number_types(Totals).keys()
    content = _envelope(stats, budget)
    if query.asks_who_is_missing:
        content["totals"] = _not_enrolled(stats.counts) | _known(stats.counts, ("learners", "courses"), columns)
    else:
        period_only = {"rate"} if answer.period is not None else set[str]()
        content["totals"] = _known(stats.counts, total_names - misleading - period_only, columns)
        content["by_status"] = dict(stats.by_status)
    if answer.period is not None:
        content["period"] = _known(answer.period, total_names - {"learners", "courses"}, columns)
    content["tables"] = [_group_lines(table, misleading, stats) for table in answer.tables]
    if answer.at_risk is not None:
        content["at_risk"] = _at_risk(answer.at_risk)
    if (details := answer.details) is not None:
        rows = records(details, [column.path for column in details.columns])
        content["details"] = {"total": details.stats.counts.enrollments, "result": rows}
    if answer.not_enrolled is not None:
        content["not_enrolled"] = answer.not_enrolled
    if answer.empty_courses:
        content["empty_courses"] = [clean(title) for title in answer.empty_courses]
    return _validated(SummaryContent, content)


def _envelope(stats: MatchStats, budget: int) -> dict[str, Any]:
    content = {name: value for name, value in envelope(stats, budget).items() if name != "next_cursor"}
    if not stats.coverage.complete:
        content["coverage"] = {name: getattr(stats.coverage, name) for name in CoverageContent.model_fields}
    if any(asdict(stats.excluded).values()):
        content["excluded"] = stats.excluded
    return content


def _validated(model: type[BaseModel], content: dict[str, Any]) -> dict[str, Any]:
    return model.model_validate(content).model_dump(mode="json", exclude_unset=True)


def _known(source: Counts | Group, names: Collection[str], columns: Columns) -> dict[str, Any]:
    """Return the numbers that are offered and known, in the order in which they are defined."""
    offered = (name for name in number_types(type(source)) if name in names and is_offered(name, columns))
    numbers = {name: getattr(source, name) for name in offered}
    return {name: number for name, number in numbers.items() if number is not None}


def _not_enrolled(counts: Counts) -> dict[str, Any]:
    """Publish missing enrollments under their own name."""
    return {"not_enrolled": counts.enrollments}


def _group_lines(table: GroupTable, misleading: Collection[str], stats: MatchStats) -> dict[str, Any]:
    columns = stats.question.columns
    group_numbers = {"learners", "learners_finished", "learner_rate"} if counts_people(table) else set[str]()
    group_numbers |= {"finished_in_month"} if GroupBy.MONTH in table.by else set()
    hidden = {*misleading, "rate"} if GroupBy.STATUS in table.by else {*misleading}
    lines: list[dict[str, Any]] = []
    for group, keys in zip(table.groups, group_names(table), strict=True):
        if stats.question.query.asks_who_is_missing:
            numbers = _not_enrolled(group.counts) | _known(group, ("possible",), columns)
        else:
            numbers = _known(group.counts, number_types(Counts).keys() - hidden, columns)
            numbers |= _known(group, group_numbers - hidden, columns)
        lines.append({"keys": keys, **numbers})
    return {"by": table.by, "number": table.number, "groups": lines}


def _at_risk(table: AtRiskTable) -> dict[str, Any]:
    learners: list[dict[str, Any]] = []
    for learner, name in zip(table.lines, at_risk_names(table), strict=True):
        line: dict[str, Any] = {
            "learner": name,
            "enrollments": learner.enrollments,
            "signals": {str(kind): number for kind, number in learner.signals.items()},
        }
        if learner.days_late is not None:
            line["days_late"] = learner.days_late
        learners.append(line)
    return {"number": table.number, "learners": learners}
