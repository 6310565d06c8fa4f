"""Groups of a summary as a table: the numbers that are shown, the names of the groups, and their order in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mcp_truto_lms.domain.definitions import DUE_SOON_DAYS
from mcp_truto_lms.domain.text_cleaning import CELL_CHARACTERS, clean
from mcp_truto_lms.query.vocabulary import GroupBy, is_offered, is_usual_group
from mcp_truto_lms.render.cells import csv_line
from mcp_truto_lms.render.header_footer import dimension_label
from mcp_truto_lms.render.row_text import CELL_LIMITS, disambiguate
from mcp_truto_lms.render.token_budget import estimate_tokens, take_first_fitting
from mcp_truto_lms.reports.results import GroupTable, SummaryAnswer
from mcp_truto_lms.store.groups import TIME, Group

WHOLE_HOURS = 10
"""From this many hours on, hours are printed without decimals."""
_PLURALS = {GroupBy.STATUS: "statuses"}
_SORT_LABELS = {"rate": "%", "average": "avg %", "learner_rate": "learners %"}


@dataclass(frozen=True, slots=True)
class GroupColumn:
    """A number of each group.

    Args:
        header: as printed
        cell: prints the number of a group
        term: the name of its definition in the legend; empty if it needs none
    """

    header: str
    cell: Callable[[Group], str]
    term: str = ""


_ENROLLMENTS = GroupColumn("enrollments", lambda group: str(group.counts.enrollments))
_NOT_ENROLLED = GroupColumn("not enrolled", lambda group: str(group.counts.enrollments))
_POSSIBLE = GroupColumn("of", lambda group: str(group.possible))
_UNKNOWN = GroupColumn("outcome not read", lambda group: str(group.counts.outcome_unknown), "outcome_unknown")
_AVERAGE = GroupColumn("avg %", lambda group: _rounded(group.counts.average))


def _hours(group: Group) -> str:
    hours = group.counts.hours
    return _rounded(hours, digits=int((hours or 0) < WHOLE_HOURS))


_HOURS = GroupColumn("hours", _hours)


def group_columns(table: GroupTable, answer: SummaryAnswer, *, with_rates: bool) -> list[GroupColumn]:
    """Choose the numbers that are shown of each group."""
    offered = answer.stats.question.columns
    if answer.stats.question.query.asks_who_is_missing:
        return [_NOT_ENROLLED, _POSSIBLE]
    has_hours = any(group.counts.seconds_known for group in table.groups) and is_offered("hours", offered)
    last = [*([_HOURS] if has_hours else []), *([_AVERAGE] if is_offered("average", offered) else [])]
    last += [_UNKNOWN] if any(group.counts.outcome_unknown for group in table.groups) else []
    if GroupBy.STATUS in table.by:
        return [_ENROLLMENTS, *last]
    counts = answer.period or answer.stats.counts
    of_people = counts_people(table)
    monthly = GroupBy.MONTH in table.by and is_offered("finished_in_month", offered)
    columns: list[tuple[bool, GroupColumn]] = [
        (of_people, GroupColumn("learners", lambda group: str(group.learners))),
        (True, _ENROLLMENTS),
        (
            with_rates or counts.finished > 0,
            GroupColumn("finished", lambda group: str(group.counts.finished), "finished"),
        ),
        (with_rates, GroupColumn("%", lambda group: _rounded(group.counts.rate), "%")),
        (
            with_rates and of_people,
            GroupColumn("learners %", lambda group: _rounded(group.learner_rate), "learner_rate"),
        ),
        (monthly, GroupColumn("finished in month", lambda group: str(group.finished_in_month), "month")),
        (True, GroupColumn("overdue", lambda group: str(group.counts.overdue), "overdue")),
        (True, GroupColumn(f"due {DUE_SOON_DAYS}d", lambda group: str(group.counts.due_soon), "due_soon")),
        (True, GroupColumn("not started", lambda group: str(group.counts.not_started), "not_started")),
        ("at_risk" in table.sort, GroupColumn("at risk", lambda group: str(group.counts.at_risk), "at_risk")),
        (counts.withdrawn > 0, GroupColumn("withdrawn", lambda group: str(group.counts.withdrawn))),
    ]
    return [*(column for is_shown, column in columns if is_shown), *last]


def counts_people(table: GroupTable) -> bool:
    """Check whether the table has numbers of learners.

    It does not if each group is one learner or one course, unless the numbers are sorted by.
    """
    of_one = {GroupBy.COURSE, GroupBy.LEARNER} & {*table.by} and "learner" not in table.sort
    return not (of_one or all(map(is_usual_group, table.by)))


def group_table_text(table: GroupTable, columns: Sequence[GroupColumn], *, budget: int) -> str:
    """Print as many groups as fit, and how many there are; nothing if not even one fits."""
    header = csv_line([*map(dimension_label, table.by), *(column.header for column in columns)])
    plural = group_plural(table.by[0]) if len(table.by) == 1 else "lines"
    order = _order_words(table, columns)
    summary = f"{{shown}} of {table.number:,} {plural}, {order}; and {{rest}} more."
    left = budget - estimate_tokens(f"{header}\n{summary}\n")
    if left < 0:
        return ""
    # in the order of time the latest groups are the ones to keep
    direction = -1 if table.sort == TIME else 1
    printings = (_group_lines(table, columns, limit)[::direction] for limit in CELL_LIMITS)
    lines = take_first_fitting(printings, left)[::direction]
    parts = [header, *lines] if lines else []
    rest = table.number - len(lines)
    if rest > 0:
        parts.append(summary.replace("{shown}", f"{len(lines):,}").replace("{rest}", f"{rest:,}"))
    elif len(lines) > 1:
        parts.append(f"All {table.number:,} {plural}, {order}.")
    return "\n".join(parts)


def group_names(table: GroupTable, limit: int = CELL_CHARACTERS) -> list[tuple[str, ...]]:
    """Print the keys of the groups; names that several people or courses have carry the id."""
    columns: list[list[str]] = []
    for index, by in enumerate(table.by):
        names = [clean(group.keys[index].name, limit) for group in table.groups]
        if by in (GroupBy.COURSE, GroupBy.LEARNER):
            duplicate_ids = table.duplicate_names[index] if table.duplicate_names else frozenset[str]()
            names = disambiguate(names, [group.keys[index].id for group in table.groups], duplicate_ids)
        columns.append(names)
    return list(zip(*columns, strict=True))


def group_plural(by: str) -> str:
    """Name the groups of a grouping."""
    return _PLURALS.get(GroupBy(by), f"{by}s") if by in [*GroupBy] else f"values of {dimension_label(by)}"


def _group_lines(table: GroupTable, columns: Sequence[GroupColumn], limit: int) -> list[str]:
    return [
        csv_line([*names, *(column.cell(group) for column in columns)])
        for group, names in zip(table.groups, group_names(table, limit), strict=True)
    ]


def _order_words(table: GroupTable, columns: Sequence[GroupColumn]) -> str:
    word, is_descending = table.sort.lstrip("-"), table.sort.startswith("-")
    if word == TIME:
        return "in time order" if len(table.groups) == table.number else "the latest, in time order"
    if word == "name":
        return f"by name{', descending' if is_descending else ''}"
    label = _SORT_LABELS.get(word, word.replace("_", " "))
    if word == "enrollments":
        label = next(column.header for column in columns if column.header in ("enrollments", "not enrolled"))
    degree = ("highest" if is_descending else "lowest") if "%" in label else ("most" if is_descending else "fewest")
    return f"{degree} {label} first"


def _rounded(value: float | None, digits: int = 0) -> str:
    return "" if value is None else f"{value:.{digits}f}"
