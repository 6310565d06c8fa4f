"""The learners most at risk as a table: how many of their enrollments are at risk, and by which signals."""

from __future__ import annotations

from mcp_truto_lms.domain.text_cleaning import CELL_CHARACTERS, clean
from mcp_truto_lms.render.cells import csv_line
from mcp_truto_lms.render.row_text import CELL_LIMITS, disambiguate
from mcp_truto_lms.render.signal_text import signal_counts_text
from mcp_truto_lms.render.token_budget import estimate_tokens, take_first_fitting
from mcp_truto_lms.reports.results import AtRiskTable

_HEADER = "learner,at risk,signals"


def at_risk_text(table: AtRiskTable, *, budget: int) -> str:
    """Print as many learners as fit, and how many there are; nothing if not even one fits."""
    plural = "learner" if table.number == 1 else "learners"
    summary = f"{{shown}} of {table.number:,} {plural} at risk, most signals first"
    left = budget - estimate_tokens(f"{_HEADER}\n{summary}; and {table.number:,} more.\n")
    lines = take_first_fitting((_learner_lines(table, limit) for limit in CELL_LIMITS), left)
    if not lines or left < 0:
        return ""
    rest = table.number - len(lines)
    summary = summary.replace("{shown}", f"{len(lines):,}") + (f"; and {rest:,} more." if rest else ".")
    return "\n".join([_HEADER, *lines, summary])


def at_risk_names(table: AtRiskTable, limit: int = CELL_CHARACTERS) -> list[str]:
    """Print the learners' names; those that several people have carry the id."""
    names = [clean(learner.name, limit) for learner in table.lines]
    return disambiguate(names, [learner.id for learner in table.lines], table.duplicate_names)


def _learner_lines(table: AtRiskTable, limit: int) -> list[str]:
    return [
        csv_line([name, str(learner.enrollments), signal_counts_text(learner)])
        for name, learner in zip(at_risk_names(table, limit), table.lines, strict=True)
    ]
