"""What can go wrong on the way, as switches that a test sets while the portal runs.

    >>> faults = Faults()
    >>> faults.add(Fault(status=503), times=2, endpoint="courses/id")
    >>> faults.add(Fault(delay_seconds=30), times=None)

A fault answers in the portal's place, except one that only delays. Of several that match, the one added first wins; a
request is never charged to more than one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Body = Literal["error", "html", "plain", "malformed"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to fail.

    Args:
        delay_seconds: waited before anything else, by the portal's own sleep
        status: the HTTP status of the answer
        body: an error as the portal writes it, a page of HTML, plain text, or JSON that breaks off
        retry_after: the header of that name, in seconds or as an HTTP date
        cut: the connection ends in the middle of an answer
    """

    delay_seconds: float = 0.0
    status: int | None = None
    body: Body = "error"
    retry_after: str | None = None
    cut: bool = False

    @property
    def only_delays(self) -> bool:
        """Whether the portal's own answer follows."""
        return self.status is None and not self.cut


WRONG_KEY = Fault(status=401, body="html")
MALFORMED_BODY = Fault(status=200, body="malformed")
HTML_BODY = Fault(status=200, body="html")
CUT_CONNECTION = Fault(cut=True)


@dataclass(slots=True)
class _Planned:
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
    """The faults that are planned, consulted by the portal on every request."""

    _planned: list[_Planned] = field(default_factory=lambda: list[_Planned]())

    def add(
        self,
        fault: Fault,
        *,
        times: int | None = 1,
        after: int = 0,
        endpoint: str | None = None,
        arguments: Mapping[str, str] | None = None,
    ) -> None:
        """Plan a fault for the next requests that match.

        Args:
            fault: what will happen
            times: how many requests fail; None is all of them
            after: how many that match are answered as usual before
            endpoint: such as `users`, `users/id` or `getuserstatusincourse`, None for any
            arguments: values that the request must have, such as `{"id": "101"}`
        """
        self._planned.append(_Planned(fault, times, after, endpoint, arguments or {}))

    def clear(self) -> None:
        """Forget all that is planned."""
        self._planned.clear()

    def take(self, endpoint: str, arguments: Mapping[str, str]) -> Fault | None:
        """Use up and return the fault of one request, if it has any."""
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
