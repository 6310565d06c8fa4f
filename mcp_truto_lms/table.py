"""Rows to text: comma-separated cells, cleaned, within a budget of tokens.

The text of an LMS is written by its authors and learners, and is not trusted: control, format and invisible characters
are removed, white space is folded, cells are clipped. Tokens are estimated from characters on the safe side: a
byte-level tokenizer needs at most one token a byte, and in ASCII text such as ours less than one for two characters.
"""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any, cast

from mcp_truto_lms.model import CUSTOM_FIELDS, CellKind, Column

CELL_CHARACTERS = 80


def estimate_tokens(text: str) -> int:
    """Estimate how many tokens a text costs, on the safe side."""
    wide = sum(len(one.encode()) for one in text if not one.isascii())
    narrow = sum(one.isascii() for one in text)
    return wide + (narrow + 1) // 2


def clean(text: str, limit: int = CELL_CHARACTERS) -> str:
    """Make a text of the LMS fit for one cell: visible characters on one line, clipped."""
    text = text[: 20 * limit]
    for _ in range(2):  # a removed character can bring two others together
        text = unicodedata.normalize("NFC", "".join(_visible(one) for one in text))
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def _visible(character: str) -> str:
    if character.isspace():
        return " "
    selector = "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"
    return "" if selector or unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Cn"} else character


def cell(value: Any, kind: CellKind, zone: tzinfo) -> str:
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
            return clean(str(first.get("email", "")))
        case "link":
            return clean(str(value[0].get("url", "")), 200)
        case _:
            return clean(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))


def value_at(row: Mapping[str, Any], path: str) -> Any:
    """Find a column's value in a row; a custom field inside its object, whatever the case of its name."""
    if path in row:
        return row[path]
    wanted = path.removeprefix(f"{CUSTOM_FIELDS}.")
    fields = cast("dict[str, Any]", row.get(CUSTOM_FIELDS) or {})
    if wanted in fields:
        return fields[wanted]
    return next((value for name, value in fields.items() if name.casefold() == wanted.casefold()), None)


def cells(row: Mapping[str, Any], columns: Iterable[Column], zone: tzinfo) -> list[str]:
    """Print one row."""
    return [cell(value_at(row, one.path), one.kind, zone) for one in columns]


def line(parts: Sequence[str]) -> str:
    """Join cells by commas, quoted where one holds a comma or a quote."""
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(parts)
    return out.getvalue()


def fitting(lines: Iterable[str], budget: int) -> list[str]:
    """Take whole lines as long as the budget lasts, but one at least: an answer must be able to go on."""
    taken: list[str] = []
    spent = 0
    for one in lines:
        spent += estimate_tokens(one) + 1
        if taken and spent > budget:
            break
        taken.append(one)
    return taken
