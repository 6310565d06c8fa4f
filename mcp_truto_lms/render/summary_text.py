"""A summary: totals, tables of groups, who is most at risk, and what the numbers mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mcp_truto_lms.domain import text_cleaning
from mcp_truto_lms.domain.definitions import DUE_SOON_DAYS
from mcp_truto_lms.query.vocabulary import GroupBy, is_offered, is_usual_group
from mcp_truto_lms.render import cells
from mcp_truto_lms.render.header_footer import (
    CURSOR_TOKENS,
    NOTICE,
    constant_columns,
    first_line,
    footer,
    legend,
    notes,
    short_name,
)
from mcp_truto_lms.render.list_text import counted_as
from mcp_truto_lms.render.row_text import CELL_LIMITS, disambiguate, header, lines, rows_within_budget, split
from mcp_truto_lms.render.signal_text import signal_counts_text
from mcp_truto_lms.reports.results import AtRiskTable, GroupTable, ListAnswer, MatchStats, SummaryAnswer
from mcp_truto_lms.store.groups import TIME, Group

EMPTY_COURSES = 5
"""So many courses without enrollments are named."""
WHOLE_HOURS = 10
"""From so many hours on, minutes say nothing."""
_MANY = {GroupBy.STATUS: "statuses"}
_HEADLINE = ("finished", "overdue", "due_soon", "not_started")


def summary_text(answer: SummaryAnswer, *, budget: int) -> str:
    """Print a summary within a budget of tokens."""
    stats = answer.stats
    rates = not stats.question.query.judges_outcome
    parts = [_title(answer, budget)]
    shown: list[str] = []
    if stats.counts.enrollments and _has_headline(answer):
        parts.append(_headline(answer, rates=rates))
        shown += ["period"] if answer.period is not None else _HEADLINE
    if stats.by_status and answer.period is None and (answer.details is not None or answer.at_risk is not None):
        statuses = "By status: " + ", ".join(f"{name} {each:,}" for name, each in stats.by_status.items()) + "."
        if cells.estimate_tokens("\n".join([*parts, statuses, NOTICE])) <= budget - CURSOR_TOKENS:
            parts.append(statuses)
    columns = [_columns(one, answer, rates=rates) for one in answer.tables]
    shown += [one.means for each in columns for one in each]
    if rates and shown:
        shown.append("%")
    if answer.at_risk is not None and answer.at_risk.number:
        shown.append("at_risk")
    below = footer(
        stats, [*notes(stats), *legend(stats, shown), *_closing(answer, rates=rates)], budget, "\n".join(parts)
    )
    left = budget - cells.estimate_tokens("\n".join([*parts, below])) - CURSOR_TOKENS
    each = left // max(1, len(answer.tables) + sum(one is not None for one in (answer.at_risk, answer.details)))
    parts += [_group_table(one, its, budget=each) for one, its in zip(answer.tables, columns, strict=True)]
    if answer.at_risk is not None:
        parts.append(_trouble_table(answer.at_risk, budget=each))
    if answer.details is not None and answer.details.rows:
        parts.append(_details(answer.details, stats, each))
    return "\n".join(part for part in [*parts, below] if part)


def _title(answer: SummaryAnswer, budget: int) -> str:
    stats = answer.stats
    counted = "{total} enrollments, {learners} learners, {courses} courses"
    if stats.question.query.asks_who_is_missing:
        counted = f"{{total}} {counted_as(stats)}"
    return first_line(stats, counted, {}, budget)


def _has_headline(answer: SummaryAnswer) -> bool:
    overall = answer.details is not None or answer.at_risk is not None or answer.period is not None
    return overall or any(GroupBy.STATUS in one.by for one in answer.tables)


def _headline(answer: SummaryAnswer, *, rates: bool) -> str:
    counts = answer.stats.counts
    if (period := answer.period) is not None:
        share = f" ({period.rate:.0f} %)" if period.rate is not None else ""
        return f"{period.enrollments:,} were open or enrolled in that time, {period.finished:,} finished in it{share}."
    rate = f" ({counts.rate:.0f} %)" if rates and counts.rate is not None else ""
    risk = f", at risk {counts.at_risk:,}" if answer.at_risk is not None else ""
    told = counts.hours is not None and is_offered("hours", answer.stats.question.columns)
    hours = f", {counts.hours:,.1f} hours spent" if told else ""
    return (
        f"finished {counts.finished:,}{rate}, overdue {counts.overdue:,}, "
        f"due in {DUE_SOON_DAYS} days {counts.due_soon:,}, not started {counts.not_started:,}{risk}{hours}."
    )


def _closing(answer: SummaryAnswer, *, rates: bool) -> list[str]:
    """Say what the tables leave unsaid."""
    found: list[str] = []
    query = answer.stats.question.query
    if not rates and not query.asks_who_is_missing:
        found.append("No completion rate: the filter is on the outcome.")
    if answer.not_enrolled:
        found.append(f"{answer.not_enrolled:,} active people are not enrolled.")
    counts = answer.period or answer.stats.counts
    if counts.withdrawn:
        found.append(f"{counts.withdrawn:,} withdrawn are in enrollments, in no rate.")
    if titles := answer.empty_courses:
        named = ", ".join(text_cleaning.clean(one) for one in titles[:EMPTY_COURSES])
        rest = f" and {len(titles) - EMPTY_COURSES} more" if len(titles) > EMPTY_COURSES else ""
        found.append(f"Nobody is enrolled in {named}{rest}.")
    several = dict.fromkeys(name for each in answer.tables for name in each.in_several)
    found += [f"Whoever has several {_many(one)} counts in each." for one in several]
    return found


def _details(details: ListAnswer, stats: MatchStats, budget: int) -> str:
    """Print one learner's courses, or who is late in one course."""
    columns = [one for one in split(details, 0)[0] if one.path not in constant_columns(stats)]
    total = details.stats.counts.enrollments
    late = details.stats.question.query.state != stats.question.query.state
    longest = ", longest first" if "due_at" in stats.question.columns else ""
    what = f"overdue{longest}" if late else "enrollments"
    footer = "{shown} of " + f"{total:,} {what}; list_course_enrollments has all."
    heads = header(columns)
    left = budget - cells.estimate_tokens(f"{heads}\n{footer}\n")
    shown = rows_within_budget((lines(details, columns, limit) for limit in CELL_LIMITS), left)
    parts = [heads, *shown] if shown else []
    if late or len(shown) < total:
        parts.append(footer.replace("{shown}", f"{len(shown):,}"))
    return "\n".join(parts) if left >= 0 else ""


@dataclass(frozen=True, slots=True)
class _SummaryColumn:
    """A number of a group: its header, its cell, and the name of its definition."""

    header: str
    cell: Callable[[Group], str]
    means: str = ""


def _columns(groups: GroupTable, answer: SummaryAnswer, *, rates: bool) -> list[_SummaryColumn]:
    """Choose what is told of each group."""
    of_people = counts_people(groups)
    enrollments = _SummaryColumn("enrollments", lambda one: str(one.counts.enrollments))
    hours = _SummaryColumn(
        "hours", lambda one: _rounded(one.counts.hours, digits=int((one.counts.hours or 0) < WHOLE_HOURS))
    )
    average = _SummaryColumn("avg %", lambda one: _rounded(one.counts.average))
    offered = answer.stats.question.columns
    known = any(one.counts.seconds_known for one in groups.groups) and is_offered("hours", offered)
    last = [*([hours] if known else []), *([average] if is_offered("average", offered) else [])]
    monthly = GroupBy.MONTH in groups.by and is_offered("finished_in_month", offered)
    if answer.stats.question.query.asks_who_is_missing:
        return [
            _SummaryColumn("not enrolled", lambda one: str(one.counts.enrollments)),
            _SummaryColumn("of", lambda one: str(one.possible)),
        ]
    if GroupBy.STATUS in groups.by:
        return [enrollments, *last]
    counts = answer.period or answer.stats.counts
    chosen: list[tuple[bool, _SummaryColumn]] = [
        (of_people, _SummaryColumn("learners", lambda one: str(one.learners))),
        (True, enrollments),
        (rates or counts.finished > 0, _SummaryColumn("finished", lambda one: str(one.counts.finished), "finished")),
        (rates, _SummaryColumn("%", lambda one: _rounded(one.counts.rate), "%")),
        (rates and of_people, _SummaryColumn("learners %", lambda one: _rounded(one.learner_rate), "learner_rate")),
        (monthly, _SummaryColumn("finished in month", lambda one: str(one.finished_in_month), "month")),
        (True, _SummaryColumn("overdue", lambda one: str(one.counts.overdue), "overdue")),
        (True, _SummaryColumn(f"due {DUE_SOON_DAYS}d", lambda one: str(one.counts.due_soon), "due_soon")),
        (True, _SummaryColumn("not started", lambda one: str(one.counts.not_started), "not_started")),
        ("at_risk" in groups.sort, _SummaryColumn("at risk", lambda one: str(one.counts.at_risk), "at_risk")),
        (counts.withdrawn > 0, _SummaryColumn("withdrawn", lambda one: str(one.counts.withdrawn))),
    ]
    return [*(one for wanted, one in chosen if wanted), *last]


def counts_people(groups: GroupTable) -> bool:
    """Tell whether learners are counted besides: not where a line is of one, or of one course, unless it is asked."""
    finer = {GroupBy.COURSE, GroupBy.LEARNER} & {*groups.by} and "learner" not in groups.sort
    return not (finer or all(map(is_usual_group, groups.by)))


def _rounded(value: float | None, digits: int = 0) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _group_table(groups: GroupTable, columns: list[_SummaryColumn], *, budget: int) -> str:
    heads = cells.line([*map(short_name, groups.by), *(one.header for one in columns)])
    many = _many(groups.by[0]) if len(groups.by) == 1 else "lines"
    order = _order_words(groups, columns)
    footer = f"{{shown}} of {groups.number:,} {many}, {order}; and {{rest}} more."
    left = budget - cells.estimate_tokens(f"{heads}\n{footer}\n")
    latest = -1 if groups.sort == TIME else 1
    printed = (_group_lines(groups, columns, limit)[::latest] for limit in CELL_LIMITS)
    shown = rows_within_budget(printed, left)[::latest]
    if left < 0:
        return ""
    parts = [heads, *shown] if shown else []
    if len(shown) < groups.number:
        parts.append(footer.replace("{shown}", f"{len(shown):,}").replace("{rest}", f"{groups.number - len(shown):,}"))
    elif len(shown) > 1:
        parts.append(f"All {groups.number:,} {many}, {order}.")
    return "\n".join(parts)


def _group_lines(groups: GroupTable, columns: list[_SummaryColumn], limit: int) -> list[str]:
    return [
        cells.line([*keys, *(each.cell(one) for each in columns)])
        for one, keys in zip(groups.groups, group_names(groups, limit), strict=True)
    ]


def group_names(groups: GroupTable, limit: int = text_cleaning.CELL_CHARACTERS) -> list[tuple[str, ...]]:
    """Print what the groups are of; who or what bears the name of another one is told apart by the id."""
    names: list[list[str]] = []
    for index, by in enumerate(groups.by):
        printed = [text_cleaning.clean(one.keys[index].name, limit) for one in groups.groups]
        if by in (GroupBy.COURSE, GroupBy.LEARNER):
            others = groups.duplicate_names[index] if groups.duplicate_names else frozenset[str]()
            printed = disambiguate(printed, [one.keys[index].id for one in groups.groups], others)
        names.append(printed)
    return list(zip(*names, strict=True))


def _order_words(groups: GroupTable, columns: list[_SummaryColumn]) -> str:
    word, down = groups.sort.lstrip("-"), groups.sort.startswith("-")
    if word == TIME:
        return "in order of time" if len(groups.groups) == groups.number else "the latest in order of time"
    if word == "name":
        return f"by name{', descending' if down else ''}"
    known = {"rate": "%", "average": "avg %", "learner_rate": "learners %"}
    shown = known.get(word, word.replace("_", " "))
    if word == "enrollments":
        shown = next(one.header for one in columns if one.header in ("enrollments", "not enrolled"))
    degree = ("highest" if down else "lowest") if "%" in shown else ("most" if down else "fewest")
    return f"{degree} {shown} first"


def _many(by: str) -> str:
    return _MANY.get(GroupBy(by), f"{by}s") if by in [*GroupBy] else f"values of {short_name(by)}"


def _trouble_table(trouble: AtRiskTable, *, budget: int) -> str:
    """Print the learners most at risk, with the signs that each shows."""
    heads = "learner,at risk,signals"
    many = "learner" if trouble.number == 1 else "learners"
    footer = f"{{shown}} of {trouble.number:,} {many} at risk, most signals first"
    left = budget - cells.estimate_tokens(f"{heads}\n{footer}; and {trouble.number:,} more.\n")
    shown = rows_within_budget((_trouble_lines(trouble, limit) for limit in CELL_LIMITS), left)
    if not shown or left < 0:
        return ""
    rest = trouble.number - len(shown)
    footer = footer.replace("{shown}", f"{len(shown):,}") + (f"; and {rest:,} more." if rest else ".")
    return "\n".join([heads, *shown, footer])


def _trouble_lines(trouble: AtRiskTable, limit: int) -> list[str]:
    return [
        cells.line([name, str(one.enrollments), signal_counts_text(one)])
        for name, one in zip(trouble_names(trouble, limit), trouble.lines, strict=True)
    ]


def trouble_names(trouble: AtRiskTable, limit: int = text_cleaning.CELL_CHARACTERS) -> list[str]:
    """Print who is at risk, told apart by the id as in any table."""
    names = [text_cleaning.clean(one.name, limit) for one in trouble.lines]
    return disambiguate(names, [one.id for one in trouble.lines], trouble.duplicate_names)
