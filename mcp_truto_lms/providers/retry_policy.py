"""Which calls are retried, how often, and after how long.

Every call is a GET, so every call may be retried. `Retry-After` and `ratelimit-reset` are believed up to a minute.
Without them the delay doubles from try to try, with jitter so that processes do not return together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from math import isfinite
from types import MappingProxyType

from mcp_truto_lms.providers.http_response import HttpResponse, HttpStream, TransportFailure

MAX_RETRY_DELAY_SECONDS = 60.0
FIRST_RETRY_DELAY_SECONDS = 0.5
TOO_MANY_REQUESTS = 429
DEFAULT_TRIES: Mapping[int, int] = MappingProxyType({429: 4, 500: 3, 502: 4, 503: 4, 504: 4})


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How a provider's calls are retried.

    Args:
        tries: how often a call with this status is made in all; a status that is missing here is final
        network_tries: how often a call without a response is made in all
        refused_for_seconds: the delay after a 429 that does not name one
        is_final: whether a response is final although its status is among the tries
    """

    tries: Mapping[int, int] = field(default_factory=lambda: DEFAULT_TRIES)
    network_tries: int = 4
    refused_for_seconds: float | None = None
    is_final: Callable[[HttpResponse], bool] = lambda response: False  # noqa: ARG005  the default looks at nothing

    def max_tries(self, result: HttpResponse | HttpStream | TransportFailure) -> int:
        """Return how often a call with this result is made in all."""
        if isinstance(result, TransportFailure):
            return self.network_tries if result.is_retryable else 1
        tries = self.tries.get(result.status, 1)
        return 1 if tries > 1 and isinstance(result, HttpResponse) and self.is_final(result) else tries

    def delay_seconds(
        self,
        result: HttpResponse | HttpStream | TransportFailure,
        tries: int,
        *,
        now: float,
        random: Callable[[], float],
    ) -> float:
        """Return how long to wait after so many tries.

        Args:
            result: of the last try
            tries: so far
            now: epoch seconds
            random: returns a number of 0 to 1, for jitter
        """
        stated_seconds = None
        if isinstance(result, HttpResponse):
            stated_seconds = retry_after_seconds(result, now=now)
            if stated_seconds is None and result.status == TOO_MANY_REQUESTS:
                stated_seconds = self.refused_for_seconds
        if stated_seconds is not None:
            return min(stated_seconds, MAX_RETRY_DELAY_SECONDS)
        longest = min(FIRST_RETRY_DELAY_SECONDS * 2 ** (tries - 1), MAX_RETRY_DELAY_SECONDS)
        return longest * (0.5 + random() / 2)


def retry_after_seconds(response: HttpResponse, *, now: float) -> float | None:
    """Return the delay that a response's headers state, None where they state none."""
    retry_after = response.headers.get("retry-after")
    seconds = _parse_seconds(retry_after)
    if seconds is None:
        seconds = _seconds_until(retry_after, now)
    if seconds is None:
        seconds = _parse_seconds(response.headers.get("ratelimit-reset"))
        if seconds is not None and seconds > now / 2:  # an epoch time, not a duration
            seconds -= now
    return None if seconds is None else max(0.0, seconds)


def _seconds_until(http_date: str | None, now: float) -> float | None:
    try:
        return None if http_date is None else parsedate_to_datetime(http_date).timestamp() - now
    except (ValueError, OverflowError):
        return None


def _parse_seconds(value: str | None) -> float | None:
    try:
        seconds = float(value or "")
    except ValueError:
        return None
    return seconds if isfinite(seconds) else None
