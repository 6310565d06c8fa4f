"""A summary: totals, tables of groups, the learners most at risk, and the definitions of the numbers."""

from __future__ import annotations

from dataclasses import replace

from mcp_truto_lms.domain.definitions import DUE_SOON_DAYS
from mcp_truto_lms.domain.text_cleaning import clean
from mcp_truto_lms.query.vocabulary import GroupBy, is_offered
from mcp_truto_lms.render.at_risk_text import at_risk_text
from mcp_truto_lms.render.group_table import group_columns, group_plural, group_table_text
from mcp_truto_lms.render.header_footer import (
    CURSOR_TOKENS,
    NOTICE,
    bounded,
    constant_columns,
    first_line,
    footer,
    legend,
    notes,
)
from mcp_truto_lms.render.list_text import row_kind
from mcp_truto_lms.render.row_text import CELL_LIMITS, header_line, row_lines, split_columns
from mcp_truto_lms.render.token_budget import estimate_tokens, take_first_fitting
from mcp_truto_lms.reports.results import ListAnswer, MatchStats, SummaryAnswer

LISTED_EMPTY_COURSES = 5
"""The most courses without enrollments that are named."""
_HEADLINE_TERMS = ("finished", "overdue", "due_soon", "not_started")


def summary_text(answer: SummaryAnswer, *, budget: int) -> str:
    """Print a summary within a budget of tokens."""
    stats = answer.stats
    with_rates = not stats.question.query.judges_outcome
    parts = [_title(answer, budget)]
    terms: list[str] = []
    if stats.counts.enrollments and _has_headline(answer):
        parts.append(_headline(answer, with_rates=with_rates))
        terms += ["period"] if answer.period is not None else _HEADLINE_TERMS
    if stats.by_status and answer.period is None and (answer.details is not None or answer.at_risk is not None):
        statuses = ", ".join(f"{name} {number:,}" for name, number in stats.by_status.items())
        line = f"By status: {statuses}."
        if estimate_tokens("\n".join([*parts, line, NOTICE])) <= budget - CURSOR_TOKENS:
            parts.append(line)
    columns = [group_columns(table, answer, with_rates=with_rates) for table in answer.tables]
    terms += [column.term for table_columns in columns for column in table_columns]
    if with_rates and terms:
        terms.append("%")
    if answer.at_risk is not None and answer.at_risk.number:
        terms.append("at_risk")
    sentences = [*notes(stats), *legend(stats, terms), *_closing_sentences(answer, with_rates=with_rates)]
    below = footer(stats, sentences, budget, "\n".join(parts))
    left = budget - estimate_tokens("\n".join([*parts, below])) - CURSOR_TOKENS
    table_count = len(answer.tables) + (answer.at_risk is not None) + (answer.details is not None)
    table_budget = left // max(1, table_count)
    parts += [
        group_table_text(table, table_columns, budget=table_budget)
        for table, table_columns in zip(answer.tables, columns, strict=True)
    ]
    if answer.at_risk is not None:
        parts.append(at_risk_text(answer.at_risk, budget=table_budget))
    if answer.details is not None and answer.details.rows:
        parts.append(_details_text(answer.details, stats, table_budget))
    return "\n".join(part for part in [*parts, below] if part)


def _title(answer: SummaryAnswer, budget: int) -> str:
    totals = "{total} enrollments, {learners} learners, {courses} courses"
    if answer.stats.question.query.asks_who_is_missing:
        totals = f"{{total}} {row_kind(answer.stats)}"
    return first_line(answer.stats, totals, {}, budget)


def _has_headline(answer: SummaryAnswer) -> bool:
    is_overall = answer.details is not None or answer.at_risk is not None or answer.period is not None
    return is_overall or any(GroupBy.STATUS in table.by for table in answer.tables)


def _headline(answer: SummaryAnswer, *, with_rates: bool) -> str:
    """Print the numbers of the whole match, or of the period that is asked for."""
    stats, counts = answer.stats, answer.stats.counts
    if (period := answer.period) is not None:
        of_period = replace(stats, counts=period, unknown=answer.period_unknown)
        is_open = not stats.coverage.complete or bool({"enrollments", "finished"} & _open_numbers(of_period))
        rate = f" ({period.rate:.0f} %)" if period.rate is not None and not is_open else ""
        enrollments, finished = bounded(of_period, "enrollments"), bounded(of_period, "finished")
        return f"{enrollments} were open or enrolled in that period, {finished} finished in it{rate}."
    is_open = not stats.coverage.complete or "finished" in _open_numbers(stats)
    has_rate = with_rates and counts.rate is not None and not is_open
    rate = f" ({counts.rate:.0f} %)" if has_rate else ""
    at_risk = f", at risk {bounded(stats, 'at_risk')}" if answer.at_risk is not None else ""
    has_hours = counts.hours is not None and is_offered("hours", answer.stats.question.columns)
    hours = f", {counts.hours:,.1f} hours spent" if has_hours else ""
    finished, overdue = bounded(stats, "finished"), bounded(stats, "overdue")
    due_soon, not_started = bounded(stats, "due_soon"), bounded(stats, "not_started")
    return (
        f"finished {finished}{rate}, overdue {overdue}, due in {DUE_SOON_DAYS} days {due_soon}, "
        f"not started {not_started}{at_risk}{hours}."
    )


def _open_numbers(stats: MatchStats) -> set[str]:
    """List the numbers that unknown outcomes can change."""
    return {name for name, (least, most) in stats.unknown.bounds.items() if least != most}


def _closing_sentences(answer: SummaryAnswer, *, with_rates: bool) -> list[str]:
    """List what the tables do not show."""
    sentences: list[str] = []
    if not with_rates and not answer.stats.question.query.asks_who_is_missing:
        sentences.append("No completion rate: the filter is on the outcome.")
    if answer.not_enrolled:
        sentences.append(f"{answer.not_enrolled:,} active people are not enrolled.")
    counts = answer.period or answer.stats.counts
    if counts.withdrawn:
        sentences.append(f"{counts.withdrawn:,} withdrawn: in enrollments, not in rates.")
    if titles := answer.empty_courses:
        names = ", ".join(map(clean, titles[:LISTED_EMPTY_COURSES]))
        rest = f" and {len(titles) - LISTED_EMPTY_COURSES} more" if len(titles) > LISTED_EMPTY_COURSES else ""
        sentences.append(f"Nobody is enrolled in {names}{rest}.")
    multiple = dict.fromkeys(name for table in answer.tables for name in table.in_several)
    sentences += [f"People with several {group_plural(name)} count in each." for name in multiple]
    return sentences


def _details_text(details: ListAnswer, stats: MatchStats, budget: int) -> str:
    """Print the courses of one learner, or the overdue enrollments of one course."""
    query, total = details.stats.question.query, details.stats.counts.enrollments
    columns = [column for column in split_columns(details, 0).shown if column.path not in constant_columns(stats)]
    is_overdue_list = query.state != stats.question.query.state
    longest = ", longest first" if "due_at" in stats.question.columns else ""
    kind = f"overdue{longest}" if is_overdue_list else "enrollments"
    summary = f"{{shown}} of {total:,} {kind}; list_course_enrollments has all."
    header = header_line(columns)
    left = budget - estimate_tokens(f"{header}\n{summary}\n")
    if left < 0:
        return ""
    lines = take_first_fitting((row_lines(details, columns, limit) for limit in CELL_LIMITS), left)
    parts = [header, *lines] if lines else []
    if is_overdue_list or len(lines) < total:
        parts.append(summary.replace("{shown}", f"{len(lines):,}"))
    return "\n".join(parts)
