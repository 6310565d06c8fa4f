"""Faults of the portal and of the network, which a test plans while the portal runs.

    >>> faults = Faults()
    >>> faults.add(Fault(status=503), times=2, endpoint="courses/id")
    >>> faults.add(Fault(delay_seconds=30), times=None)

A fault replaces the portal's response, unless it only delays it. Of several faults that match a request, the first one
added is used, and only that one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Body = Literal["error", "html", "plain", "malformed"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One failure.

    Args:
        delay_seconds: the wait before anything else, by the portal's own sleep
        status: the HTTP status of the response
        body: an error in the portal's form, a page of HTML, plain text, or truncated JSON
        retry_after: the Retry-After header, in seconds or as an HTTP date
        cut: the connection ends in the middle of a response
    """

    delay_seconds: float = 0.0
    status: int | None = None
    body: Body = "error"
    retry_after: str | None = None
    cut: bool = False

    @property
    def only_delays(self) -> bool:
        """Whether the portal's own response follows."""
        return self.status is None and not self.cut


WRONG_KEY = Fault(status=401, body="html")
MALFORMED_BODY = Fault(status=200, body="malformed")
HTML_BODY = Fault(status=200, body="html")
CUT_CONNECTION = Fault(cut=True)


@dataclass(slots=True)
class _PlannedFault:
    fault: Fault
    times: int | None
    after: int
    endpoint: str | None
    arguments: Mapping[str, str]

    def matches(self, endpoint: str, arguments: Mapping[str, str]) -> bool:
        if self.endpoint not in (None, endpoint):
            return False
        return all(arguments.get(name) == value for name, value in self.arguments.items())


@dataclass(slots=True)
class Faults:
    """The planned faults; the portal checks them on every request."""

    _planned: list[_PlannedFault] = field(default_factory=lambda: list[_PlannedFault]())

    def add(
        self,
        fault: Fault,
        *,
        times: int | None = 1,
        after: int = 0,
        endpoint: str | None = None,
        arguments: Mapping[str, str] | None = None,
    ) -> None:
        """Plan a fault for the next matching requests.

        Args:
            fault: the failure
            times: the number of requests that fail; None for all
            after: the number of matching requests that succeed before
            endpoint: such as `users`, `users/id` or `getuserstatusincourse`; None for any
            arguments: values that the request must have, such as `{"id": "101"}`
        """
        self._planned.append(_PlannedFault(fault, times, after, endpoint, arguments or {}))

    def clear(self) -> None:
        """Remove all planned faults."""
        self._planned.clear()

    def take(self, endpoint: str, arguments: Mapping[str, str]) -> Fault | None:
        """Return the fault of a request, if there is one, and count it as used."""
        for planned in self._planned:
            if not planned.matches(endpoint, arguments):
                continue
            if planned.after:
                planned.after -= 1
                continue
            if planned.times is not None:
                planned.times -= 1
                if not planned.times:
                    self._planned.remove(planned)
            return planned.fault
        return None
