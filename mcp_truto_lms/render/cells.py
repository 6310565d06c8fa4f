"""Rows to text: comma-separated cells, cleaned, within a budget of tokens.

The text of an LMS is written by its authors and learners, and is not trusted: control, format and invisible characters
are removed, white space is folded, cells are clipped. Tokens are estimated from characters on the safe side, so that no
text, however written, costs more than its estimate.
"""

from __future__ import annotations

import csv
import io
import json
import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any, cast

from mcp_truto_lms.domain.model import CUSTOM_FIELDS, CellKind, EnrollmentColumn
from mcp_truto_lms.domain.text_cleaning import CELL_CHARACTERS, clean
from mcp_truto_lms.render.signal_text import signal_text

_RUNS = re.compile(r"[0-9]+| ?[a-ilmnopr-wy]+")
"""Digits, three of which are a token; and letters any two of which, and a space before one, are a token."""


def estimate_tokens(text: str) -> int:
    """Estimate how many tokens a text costs, on the safe side.

    A byte-level tokenizer needs at most one token a byte. Where any two neighbours would make a token, no two bytes in
    a row stay alone, so that a run of n letters takes at most (2 n + 1) / 3.
    """
    bytes_alone = len(text.encode(errors="surrogatepass"))
    tokens = 0
    for run in _RUNS.findall(text):
        bytes_alone -= len(run)
        tokens += (len(run) + 2) // 3 if run[0].isdigit() else (2 * len(run) + 1) // 3
    return tokens + bytes_alone


def clip(text: str, tokens: int) -> str:
    """Cut a text to a number of tokens, as estimated."""
    if estimate_tokens(text) <= tokens:
        return text
    if tokens < estimate_tokens("…"):
        return ""
    room = tokens - estimate_tokens("…")
    end = bisect_right(range(1, len(text)), room, key=lambda length: estimate_tokens(text[:length]))
    return f"{text[:end].rstrip()}…"


def cell(value: Any, kind: CellKind, zone: tzinfo, limit: int = CELL_CHARACTERS) -> str:
    """Print one value: a day in the zone, a number as short as it is, an hour with one decimal."""
    if value is None:
        return ""
    match kind:
        case "day":
            return datetime.fromtimestamp(value, zone).date().isoformat()
        case "number":
            return f"{round(float(value), 2):.12g}"
        case "hours":
            return f"{value / 3600:.1f}"
        case "flag":
            return "yes" if value else "no"
        case "email":
            addresses = cast("list[dict[str, Any]]", value)
            first = next((one for one in addresses if one.get("is_primary")), addresses[0])
            return clean(str(first.get("email", "")), limit)
        case "signals":
            return signal_text(value)
        case "link":
            return clean(str(value[0].get("url", "")), max(limit, 200))
        case _:
            return clean(value if isinstance(value, str) else _compact(value), limit)


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


def value_at(row: Mapping[str, Any], path: str) -> Any:
    """Find a column's value in a row; a custom field inside its object, whatever the case of its name."""
    if path in row:
        return row[path]
    wanted = path.removeprefix(f"{CUSTOM_FIELDS}.")
    fields = cast("dict[str, Any]", row.get(CUSTOM_FIELDS) or {})
    if wanted in fields:
        return fields[wanted]
    return next((value for name, value in fields.items() if name.casefold() == wanted.casefold()), None)


def cells(
    row: Mapping[str, Any], columns: Iterable[EnrollmentColumn], zone: tzinfo, limit: int = CELL_CHARACTERS
) -> list[str]:
    """Print one row."""
    return [cell(value_at(row, one.path), one.kind, zone, limit) for one in columns]


def line(parts: Sequence[str]) -> str:
    """Join cells by commas, quoted where one holds a comma or a quote."""
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(parts)
    return out.getvalue()


def take_within_budget(lines: Iterable[str], budget: int) -> list[str]:
    """Take whole lines as long as the budget lasts."""
    taken: list[str] = []
    spent = 0
    for one in lines:
        spent += estimate_tokens(one) + 1
        if spent > budget:
            break
        taken.append(one)
    return taken
