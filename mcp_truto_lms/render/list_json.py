"""A list as JSON in the unified endpoint's envelope, on one line."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from math import isfinite
from typing import Any, cast

from mcp_truto_lms.domain.columns import PEOPLE_COLUMNS, SIGNALS, row_columns
from mcp_truto_lms.domain.model import iso_utc
from mcp_truto_lms.domain.text_cleaning import clean
from mcp_truto_lms.render.cells import value_at
from mcp_truto_lms.render.header_footer import NOTICE, bounded, coverage_words, excluded_sentence, notes
from mcp_truto_lms.render.row_text import refuse_empty_page
from mcp_truto_lms.render.signal_text import signal_text
from mcp_truto_lms.render.token_budget import clip_to_tokens, estimate_tokens, take_first_fitting
from mcp_truto_lms.reports.results import ListAnswer, MatchStats

TEXT_LIMITS = (500, 80, 20)
"""The longest text inside a record in characters; the next limit is used if not even one record fits."""


def list_json(answer: ListAnswer, *, budget: int, token: str) -> tuple[str, int]:
    """Print a list within a budget of tokens; return the text and the number of its records.

    Args:
        answer: the rows
        budget: in tokens
        token: the cursor for the rows that follow; it is printed if there are any

    Raises:
        QueryError: not even one record fits.
    """
    paths = _record_paths(answer)
    rest = {**envelope(answer.stats, budget), "next_cursor": token}
    left = budget - estimate_tokens(_compact_json({"result": [], **rest}))
    printings = ([_compact_json(_record(row, paths, limit)) for row in answer.rows] for limit in TEXT_LIMITS)
    lines = take_first_fitting(printings, left)
    refuse_empty_page(lines, answer.rows, budget)
    if answer.stats.counts.enrollments <= answer.offset + len(lines):
        rest["next_cursor"] = None
    return f'{{"result":[{",".join(lines)}],{_compact_json(rest)[1:]}', len(lines)


def envelope(stats: MatchStats, budget: int) -> dict[str, Any]:
    """Build what accompanies the records, with an empty cursor."""
    rest: dict[str, Any] = {
        "next_cursor": None,
        "total": stats.counts.enrollments,
        "as_of": iso_utc(datetime.fromtimestamp(stats.coverage.as_of, UTC)),
        "complete": stats.is_final,
    }
    if stats.notice:
        rest["sample_data"] = True
    sentences = [
        "" if stats.is_final else f"Incomplete: {coverage_words(stats)}; total {bounded(stats, 'enrollments')}.",
        excluded_sentence(stats.excluded),
        *notes(stats),
        NOTICE if stats.counts.enrollments else "",
    ]
    if any(sentences):
        rest["notes"] = clip_to_tokens(" ".join(sentence for sentence in sentences if sentence), budget // 4)
    return rest


def records(answer: ListAnswer, paths: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Build the unified objects of the rows, without nulls.

    Args:
        answer: the rows
        paths: the columns; without any, those that the query chooses
    """
    chosen = paths or _record_paths(answer)
    return [_record(row, chosen, TEXT_LIMITS[0]) for row in answer.rows]


def _compact_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _record_paths(answer: ListAnswer) -> list[str]:
    """List the columns of a record: those of `fields`, else all but those of `exclude_fields`."""
    query = answer.stats.question.query
    if getattr(query, "fields", ()):
        return [column.path for column in answer.columns]
    excluded: tuple[str, ...] = getattr(query, "exclude_fields", ())
    signals = [column.path for column in answer.columns if column.path == SIGNALS]
    offered = answer.stats.question.columns
    known = PEOPLE_COLUMNS if query.asks_who_is_missing else [*row_columns(), *signals]
    return [path for path in known if path in offered and path not in excluded]


def _record(row: Mapping[str, Any], paths: Sequence[str], limit: int) -> dict[str, Any]:
    """Build the unified object of a row, without nulls."""
    known = row_columns()
    record: dict[str, Any] = {}
    for path in paths:
        value = value_at(row, path)
        if value is None:
            continue
        if path == SIGNALS:
            value = signal_text(value)
        elif path in known and known[path].kind == "day":
            value = iso_utc(datetime.fromtimestamp(value, UTC))
        parent, _, name = path.partition(".")
        target = record.setdefault(parent, {}) if name else record
        target[clean(name or parent)] = _json_value(value, limit)
    return record


def _json_value(value: Any, limit: int) -> Any:
    """Clean the texts inside a value, print whole numbers as integers, and drop nulls."""
    if isinstance(value, str):
        return clean(value, limit)
    if isinstance(value, float) and not isfinite(value):
        return None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        items = (_json_value(item, limit) for item in cast("list[Any]", value))
        return [item for item in items if item is not None]
    if isinstance(value, dict):
        items = ((clean(key), _json_value(item, limit)) for key, item in cast("dict[str, Any]", value).items())
        return {key: item for key, item in items if item is not None}
    return value
