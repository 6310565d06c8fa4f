"""The full list of enrollments, cached for a moment after Truto returned it in place of a part.

Truto ignores filters that a provider lacks. When it returns everything for one course or one learner, the result is
stored here and returned for the scopes asked next, so that the same list is not fetched twice.
"""

from __future__ import annotations

from dataclasses import replace

from mcp_truto_lms.domain.source import FetchRoute, Reading, Scope
from mcp_truto_lms.providers.rate_limiter import Clock

LIFETIME_SECONDS = 10.0


class FullListCache:
    """Stores one reading of everything for `LIFETIME_SECONDS`.

    Args:
        clock: a monotonic clock, in seconds
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._reading: Reading | None = None
        self._stored_at = 0.0

    @property
    def is_filled(self) -> bool:
        """Whether a fresh list is stored."""
        return self._fresh() is not None

    def store(self, reading: Reading) -> None:
        """Store a reading of everything."""
        self._reading, self._stored_at = reading, self._clock()

    def read(self, scope: Scope) -> Reading | None:
        """Return a scope from the stored list, None without a fresh one; reading everything empties the cache."""
        reading = self._fresh()
        if scope.route is FetchRoute.LIST:
            self._reading = None
        return None if reading is None else restrict_to_scope(reading, scope)

    def _fresh(self) -> Reading | None:
        return self._reading if self._clock() - self._stored_at < LIFETIME_SECONDS else None


def restrict_to_scope(reading: Reading, scope: Scope) -> Reading:
    """Return the reading with only the records of the scope."""
    matches = tuple(
        record
        for record in reading.records
        if scope.user_id in (None, record.enrollment.user and record.enrollment.user.id)
        and scope.course_id in (None, record.enrollment.course and record.enrollment.course.id)
    )
    return replace(reading, records=matches)
