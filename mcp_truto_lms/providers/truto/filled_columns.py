"""The TalentLMS columns that an account has filled so far.

TalentLMS itself never fills some enrollment columns, but Truto's mapping of an account may. A column counts as not
reported until some record has a value for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mcp_truto_lms.domain.source import EnrollmentRecord
from mcp_truto_lms.providers.talentlms.source import NEVER_FILLED


class FilledColumns:
    """Records which of these columns have had a value."""

    def __init__(self) -> None:
        self._records_seen = False
        self._filled: set[str] = set()

    @property
    def unreported(self) -> frozenset[str]:
        """The columns without a value in every record so far; none before the first record."""
        return NEVER_FILLED - self._filled if self._records_seen else frozenset()

    def observe(self, records: Iterable[EnrollmentRecord]) -> None:
        """Note the columns that these records fill."""
        for record in records:
            self._records_seen = True
            for path in NEVER_FILLED - self._filled:
                value: Any = record.enrollment
                for name in path.split("."):
                    value = getattr(value, name, None)
                if value is not None:
                    self._filled.add(path)
