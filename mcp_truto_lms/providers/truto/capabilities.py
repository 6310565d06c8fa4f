"""The read methods that an integrated account allows, learned from its answers and stored for a day.

Truto does not document which parameters an account's list of enrollments requires, or whether its records carry the
provider's payload. So a read method is tried once, by a call that is useful if it succeeds, and the outcome is stored.
A refusal rules out every list method that lacks the parameters it names. A success confirms every list method that
sends at least the same parameters. After a day a method is tried again, because account mappings change. A refusal that
may pass rules a method out for `DOUBT_SECONDS` only. The list of a pair is never ruled out: without it an account that
allows nothing else could not be read at all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from mcp_truto_lms.domain.source import FetchRoute
from mcp_truto_lms.providers.truto.errors import MissingParameters, RequestRefused, TrutoError

OUTCOME_LIFETIME_SECONDS = 24 * 3600.0
DOUBT_SECONDS = 5 * 60.0
"""How long a method counts as unavailable after a refusal that does not say that the method is not offered."""


class ReadMethod(StrEnum):
    """A kind of call that returns the enrollments of a scope."""

    LIST = "list"
    LIST_OF_COURSE = "list of a course"
    LIST_OF_LEARNER = "list of a learner"
    LIST_OF_PAIR = "list of a pair"
    ROSTER = "roster"
    TRANSCRIPT = "transcript"
    PROXIED_ROSTER = "proxied roster"
    PROXIED_TRANSCRIPT = "proxied transcript"


LIST_PARAMETERS: dict[ReadMethod, frozenset[str]] = {
    ReadMethod.LIST: frozenset(),
    ReadMethod.LIST_OF_COURSE: frozenset({"course"}),
    ReadMethod.LIST_OF_LEARNER: frozenset({"user"}),
    ReadMethod.LIST_OF_PAIR: frozenset({"user", "course"}),
}
"""The list methods, with the parameters that each sends."""
READ_METHODS: dict[FetchRoute, tuple[ReadMethod, ...]] = {
    FetchRoute.LIST: (ReadMethod.LIST,),
    FetchRoute.COURSE: (ReadMethod.LIST_OF_COURSE, ReadMethod.ROSTER, ReadMethod.PROXIED_ROSTER),
    FetchRoute.LEARNER: (ReadMethod.LIST_OF_LEARNER, ReadMethod.TRANSCRIPT, ReadMethod.PROXIED_TRANSCRIPT),
    FetchRoute.PAIR: (ReadMethod.LIST_OF_PAIR,),
}
"""The read methods of each route, in the order in which they are tried."""
_PAYLOAD_METHODS = frozenset({ReadMethod.ROSTER, ReadMethod.TRANSCRIPT})


@dataclass(frozen=True, slots=True)
class _ReadOutcome:
    """Whether a read method worked, when that was learned, how many calls it last took, and how long that counts."""

    available: bool
    learned_at: float
    calls: int = 1
    lifetime_seconds: float = OUTCOME_LIFETIME_SECONDS
    refusal: TrutoError | None = None


class AccountCapabilities:
    """The read methods of one account.

    Args:
        now: the wall clock, in epoch seconds
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._outcomes: dict[ReadMethod, _ReadOutcome] = {}

    def best_method(self, route: FetchRoute, *, payloads_expected: bool = False) -> ReadMethod | None:
        """Choose a method that is known to work, else the next one to try; None if all are known to fail.

        Args:
            route: the route of the scope
            payloads_expected: other records carried the provider's payload, so payload methods are tried first
        """
        candidates = [method for method in READ_METHODS[route] if self.is_available(method) is not False]
        if payloads_expected:
            candidates.sort(key=lambda method: method not in _PAYLOAD_METHODS)
        known = (method for method in candidates if self.is_available(method))
        return next(known, candidates[0] if candidates else None)

    def is_available(self, method: ReadMethod) -> bool | None:
        """Return whether a method works; None if that is unknown or was learned too long ago."""
        outcome = self._outcome(method)
        return None if outcome is None else outcome.available

    def cost(self, route: FetchRoute, *, payloads_expected: bool = False) -> int | None:
        """Return the number of calls for a scope of this route, one more for a method that may fail."""
        if route is FetchRoute.PAIR:
            outcome = self._outcome(ReadMethod.LIST_OF_PAIR)
            return outcome.calls if outcome is not None and outcome.available else 1
        method = self.best_method(route, payloads_expected=payloads_expected)
        if method is None:
            return None
        outcome = self._outcome(method)
        if outcome is not None:
            return outcome.calls
        return 1 if payloads_expected and method in _PAYLOAD_METHODS else 2

    def mark_available(self, method: ReadMethod, *, calls: int = 1) -> None:
        """Store that a method works, and so does every untried list method that sends more parameters."""
        now = self._now()
        for other, parameters in LIST_PARAMETERS.items():
            sends_more = method in LIST_PARAMETERS and parameters > LIST_PARAMETERS[method]
            if sends_more and self.is_available(other) is None:
                self._outcomes[other] = _ReadOutcome(available=True, learned_at=now)
        self._outcomes[method] = _ReadOutcome(available=True, learned_at=now, calls=max(1, calls))

    def mark_unavailable(self, method: ReadMethod, *, refusal: TrutoError | None = None) -> None:
        """Store that a method fails, and so does every list method that lacks a required parameter.

        Args:
            method: the method that was refused, or whose answers hold no enrollments
            refusal: the error, if there was one
        """
        lifetime_seconds = DOUBT_SECONDS if isinstance(refusal, RequestRefused) else OUTCOME_LIFETIME_SECONDS
        outcome = _ReadOutcome(
            available=False, learned_at=self._now(), lifetime_seconds=lifetime_seconds, refusal=refusal
        )
        self._outcomes[method] = outcome
        required_parameters = refusal.parameters if isinstance(refusal, MissingParameters) else frozenset[str]()
        for other, parameters in LIST_PARAMETERS.items():
            if method in LIST_PARAMETERS and required_parameters - parameters:
                self._outcomes[other] = outcome

    def refusal_of_list(self, route: FetchRoute) -> TrutoError | None:
        """Return the refusal that closed the list of a route, if there was one."""
        outcome = self._outcome(READ_METHODS[route][0])
        return None if outcome is None else outcome.refusal

    def _outcome(self, method: ReadMethod) -> _ReadOutcome | None:
        outcome = self._outcomes.get(method)
        if outcome is not None and not 0 <= self._now() - outcome.learned_at < outcome.lifetime_seconds:
            del self._outcomes[method]
            return None
        return outcome
