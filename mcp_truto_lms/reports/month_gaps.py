"""Months without data, which a summary by month shows between the others."""

from __future__ import annotations

from collections.abc import Sequence

from mcp_truto_lms.store.counts import Counts
from mcp_truto_lms.store.groups import Group, GroupKey, month_name

MAX_FILLED_MONTHS = 12
"""If more months than this have no data, none of them is shown."""


def fill_months(groups: Sequence[Group]) -> list[Group]:
    """Add the months without data between the first and the last month, in order of time, without a date last."""
    numbers = {_month_number(group.keys[0].id) for group in groups if group.keys[0].id}
    missing = [number for number in range(min(numbers), max(numbers)) if number not in numbers] if numbers else []
    names = map(month_name, missing if len(missing) <= MAX_FILLED_MONTHS else ())
    filled = [Group((GroupKey(name, name),), Counts()) for name in names]
    return sorted([*groups, *filled], key=lambda group: (not group.keys[0].id, group.keys[0].id))


def _month_number(name: str) -> int:
    """Count the months from January of the year 0 to `2026-11`."""
    year, month = name.split("-")
    return int(year) * 12 + int(month) - 1
