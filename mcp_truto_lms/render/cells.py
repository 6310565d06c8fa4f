"""Values of a row as cells: a day, a number or a text, on one line.

Text of the LMS is cleaned here, when its cell is printed, and nowhere before.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any, cast

from mcp_truto_lms.domain.model import CUSTOM_FIELDS, CellKind, EnrollmentColumn
from mcp_truto_lms.domain.text_cleaning import CELL_CHARACTERS, clean
from mcp_truto_lms.render.signal_text import signal_text

LINK_CHARACTERS = 200
"""A shorter link would be of no use."""


def cell(value: Any, kind: CellKind, zone: tzinfo, limit: int = CELL_CHARACTERS) -> str:
    """Print one value: a day in the zone, a number without trailing zeros, hours with one decimal."""
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
            address = next((address for address in addresses if address.get("is_primary")), addresses[0])
            return clean(str(address.get("email", "")), limit)
        case "signals":
            return signal_text(value)
        case "link":
            return clean(str(value[0].get("url", "")), max(limit, LINK_CHARACTERS))
        case _:
            return clean(value if isinstance(value, str) else _compact_json(value), limit)


def _compact_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


def value_at(row: Mapping[str, Any], path: str) -> Any:
    """Return a column's value in a row; a custom field is matched by its name, whatever its case."""
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
    return [cell(value_at(row, column.path), column.kind, zone, limit) for column in columns]


def csv_line(row: Sequence[str]) -> str:
    """Join cells by commas; quote those with a comma or a quote."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="").writerow(row)
    return buffer.getvalue()
