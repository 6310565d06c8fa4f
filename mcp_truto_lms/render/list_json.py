"""A list in the endpoint's own envelope, on one line."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from math import isfinite
from typing import Any, cast

from mcp_truto_lms.domain import text_cleaning
from mcp_truto_lms.domain.model import enrollment_columns, iso_utc
from mcp_truto_lms.query.vocabulary import PEOPLE_COLUMNS, SIGNALS
from mcp_truto_lms.render import cells
from mcp_truto_lms.render.header_footer import NOTICE, coverage_words, excluded_words, notes
from mcp_truto_lms.render.row_text import one_at_least, rows_within_budget
from mcp_truto_lms.render.signal_text import signal_text
from mcp_truto_lms.reports.results import ListAnswer, MatchStats

TEXT_LIMITS = (500, 80, 20)
"""The longest text inside a JSON record; a shorter one where not even one record fits."""


def list_json(answer: ListAnswer, *, budget: int, token: str) -> tuple[str, int]:
    """Print a list in the endpoint's own envelope on one line; answer the text and how many records it holds.

    Raises:
        QueryError: not even one record fits.
    """
    paths = _json_paths(answer)
    rest = {**envelope(answer.stats, budget), "next_cursor": token}
    left = budget - cells.estimate_tokens(_compact({"result": [], **rest}))
    printed = ([_compact(_record(row, paths, limit)) for row in answer.rows] for limit in TEXT_LIMITS)
    shown = one_at_least(rows_within_budget(printed, left), answer.rows, budget)
    if answer.stats.counts.enrollments <= answer.offset + len(shown):
        rest["next_cursor"] = None
    return f'{{"result":[{",".join(shown)}],{_compact(rest)[1:]}', len(shown)


def envelope(stats: MatchStats, budget: int) -> dict[str, Any]:
    """Say what stands beside the records; where they go on is left open."""
    rest: dict[str, Any] = {
        "next_cursor": None,
        "total": stats.counts.enrollments,
        "as_of": iso_utc(datetime.fromtimestamp(stats.coverage.as_of, UTC)),
        "complete": stats.coverage.complete,
    }
    if stats.sample:
        rest["sample_data"] = True
    told = [
        "" if stats.coverage.complete else f"Incomplete: {coverage_words(stats.coverage)}.",
        excluded_words(stats.excluded),
        *notes(stats),
        NOTICE if stats.counts.enrollments else "",
    ]
    if any(told):
        rest["notes"] = cells.clip(text_cleaning.clean(" ".join(told), budget), budget // 4)
    return rest


def records(answer: ListAnswer, paths: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Build the unified objects of the rows without nulls, of the given paths, else of the columns that were chosen."""
    chosen = paths or _json_paths(answer)
    return [_record(row, chosen, TEXT_LIMITS[0]) for row in answer.rows]


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _json_paths(answer: ListAnswer) -> list[str]:
    """Choose what of a record is printed: the columns asked for, else all of it but those asked to be left out."""
    query = answer.stats.question.query
    if getattr(query, "fields", ()):
        return [one.path for one in answer.columns]
    without: tuple[str, ...] = getattr(query, "exclude_fields", ())
    signals = [one.path for one in answer.columns if one.path == SIGNALS]
    offered = answer.stats.question.columns
    known = PEOPLE_COLUMNS if query.asks_who_is_missing else [*enrollment_columns(), *signals]
    return [path for path in known if path in offered and path not in without]


def _record(row: Mapping[str, Any], paths: Sequence[str], limit: int) -> dict[str, Any]:
    """Build the unified object of a row from the given paths, without nulls."""
    known = enrollment_columns()
    record: dict[str, Any] = {}
    for path in paths:
        value = cells.value_at(row, path)
        if value is None:
            continue
        if path == SIGNALS:
            value = signal_text(value)
        elif path in known and known[path].kind == "day":
            value = iso_utc(datetime.fromtimestamp(value, UTC))
        parent, _, name = path.partition(".")
        target = record.setdefault(parent, {}) if name else record
        target[text_cleaning.clean(name or parent)] = _plain(value, limit)
    return record


def _plain(value: Any, limit: int) -> Any:
    """Clean every text inside a value, print whole numbers as such, and leave out what is nothing."""
    if isinstance(value, str):
        return text_cleaning.clean(value, limit)
    if isinstance(value, float) and not isfinite(value):
        return None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        items = (_plain(one, limit) for one in cast("list[Any]", value))
        return [one for one in items if one is not None]
    if isinstance(value, dict):
        items = ((text_cleaning.clean(key), _plain(one, limit)) for key, one in cast("dict[str, Any]", value).items())
        return {key: one for key, one in items if one is not None}
    return value
