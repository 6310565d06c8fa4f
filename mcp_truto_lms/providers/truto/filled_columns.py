"""What an account's records have told so far: columns that TalentLMS never fills, roles, ends of access, certificates.

TalentLMS itself never fills some enrollment columns, but Truto's mapping of an account may. A column counts as not
reported until some record has a value for it. Roles and the end of access come with the provider's payload, or with a
mapping of the account's own: without them instructors count as learners, and an ended access is not seen. Certificates
come with the payload of a person, or with such a mapping.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mcp_truto_lms.domain.columns import CERTIFICATE_COLUMNS
from mcp_truto_lms.domain.source import ACCESS_ENDS_AT, ROLE, EnrollmentRecord
from mcp_truto_lms.providers.talentlms.source import NEVER_FILLED

_OFTEN_MISSING = NEVER_FILLED | {ROLE, ACCESS_ENDS_AT, *CERTIFICATE_COLUMNS}


class FilledColumns:
    """Records which of these have had a value."""

    def __init__(self) -> None:
        self._records_seen = False
        self._filled: set[str] = set()

    @property
    def unreported(self) -> frozenset[str]:
        """What no record so far has told; nothing before the first record."""
        return _OFTEN_MISSING - self._filled if self._records_seen else frozenset()

    def observe(self, records: Iterable[EnrollmentRecord]) -> None:
        """Note what these records tell."""
        for record in records:
            self._records_seen = True
            fields: dict[str, Any] = record.enrollment.custom_fields or {}
            if ROLE in fields or not record.is_learner:
                self._filled.add(ROLE)
            if record.access_ends_at is not None:
                self._filled.add(ACCESS_ENDS_AT)
            self._filled |= {path for path in CERTIFICATE_COLUMNS if getattr(record, path) is not None}
            for path in NEVER_FILLED - self._filled:
                value: Any = record.enrollment
                for name in path.split("."):
                    value = getattr(value, name, None)
                if value is not None:
                    self._filled.add(path)

    def observe_payload(self) -> None:
        """Note that records come with the provider's payload, which has an end of access wherever there is one."""
        self._filled.add(ACCESS_ENDS_AT)
