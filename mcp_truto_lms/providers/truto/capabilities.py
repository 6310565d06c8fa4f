"""What an integrated account allows, as its own answers have shown; held for a day.

Nothing promises which parameters an account's list of enrollments wants, or whether records carry the provider's
payload. So each way of reading is tried once, by a call that is of use where it works, and what came of it is
remembered: a refusal closes every way that lacks what the refusal named, and an answer opens every way that gives at
least as much. After a day a way is tried anew, because accounts are mapped and remapped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from mcp_truto_lms.domain.source import FetchRoute

HOLDS_SECONDS = 24 * 3600.0


class ReadMethod(StrEnum):
    """A kind of call that brings the enrollments of a scope."""

    LIST = "list"
    LIST_OF_COURSE = "list of a course"
    LIST_OF_LEARNER = "list of a learner"
    LIST_OF_PAIR = "list of a pair"
    ROSTER = "roster"
    TRANSCRIPT = "transcript"
    PROXIED_ROSTER = "proxied roster"
    PROXIED_TRANSCRIPT = "proxied transcript"


GIVES: dict[ReadMethod, frozenset[str]] = {
    ReadMethod.LIST: frozenset(),
    ReadMethod.LIST_OF_COURSE: frozenset({"course"}),
    ReadMethod.LIST_OF_LEARNER: frozenset({"user"}),
    ReadMethod.LIST_OF_PAIR: frozenset({"user", "course"}),
}
WAYS: dict[FetchRoute, tuple[ReadMethod, ...]] = {
    FetchRoute.LIST: (ReadMethod.LIST,),
    FetchRoute.COURSE: (ReadMethod.LIST_OF_COURSE, ReadMethod.ROSTER, ReadMethod.PROXIED_ROSTER),
    FetchRoute.LEARNER: (ReadMethod.LIST_OF_LEARNER, ReadMethod.TRANSCRIPT, ReadMethod.PROXIED_TRANSCRIPT),
    FetchRoute.PAIR: (ReadMethod.LIST_OF_PAIR,),
}
_WITH_PAYLOAD = frozenset({ReadMethod.ROSTER, ReadMethod.TRANSCRIPT})


@dataclass(frozen=True, slots=True)
class _Fact:
    """Whether a way is open, since when, and how many calls it took last."""

    is_open: bool
    since: float
    calls: int = 1


class AccountCapabilities:
    """The ways of one account.

    Args:
        now: the wall clock, in epoch seconds
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._facts: dict[ReadMethod, _Fact] = {}

    def best(self, route: FetchRoute, *, likely_payloads: bool = False) -> ReadMethod | None:
        """Choose a way: one that is known to be open, else the next one to try; None where all are closed.

        Args:
            route: of the scope
            likely_payloads: other records had the provider's payload, so these may
        """
        ways = [way for way in WAYS[route] if self.is_open(way) is not False]
        if likely_payloads:
            ways.sort(key=lambda way: way not in _WITH_PAYLOAD)
        return next((way for way in ways if self.is_open(way)), ways[0] if ways else None)

    def is_open(self, way: ReadMethod) -> bool | None:
        """Tell whether a way is open; None where that is not known, or no longer."""
        fact = self._fact(way)
        return None if fact is None else fact.is_open

    def cost(self, route: FetchRoute, *, likely_payloads: bool = False) -> int | None:
        """Tell how many calls a scope of this route takes; a way that may turn out closed costs one more."""
        if route is FetchRoute.PAIR:
            fact = self._fact(ReadMethod.LIST_OF_PAIR)
            return fact.calls if fact is not None and fact.is_open else 1
        way = self.best(route, likely_payloads=likely_payloads)
        fact = None if way is None else self._fact(way)
        if fact is not None:
            return fact.calls
        likely = likely_payloads and way in _WITH_PAYLOAD
        return None if way is None else 1 if likely else 2

    def opened(self, way: ReadMethod, *, calls: int = 1) -> None:
        """Remember that a way works; so do those of its kind that give more."""
        now = self._now()
        for other, given in GIVES.items():
            if way in GIVES and given > GIVES[way] and self.is_open(other) is None:
                self._facts[other] = _Fact(is_open=True, since=now)
        self._facts[way] = _Fact(is_open=True, since=now, calls=max(1, calls))

    def closed(self, way: ReadMethod, *, wanted: frozenset[str] = frozenset()) -> None:
        """Remember that a way does not work, nor any that lacks what the refusal named.

        Args:
            way: which
            wanted: the parameters that it must be asked with, as far as they were named
        """
        fact = _Fact(is_open=False, since=self._now())
        self._facts[way] = fact
        for other, given in GIVES.items():
            if way in GIVES and wanted - given:
                self._facts[other] = fact

    def _fact(self, way: ReadMethod) -> _Fact | None:
        fact = self._facts.get(way)
        if fact is not None and not 0 <= self._now() - fact.since < HOLDS_SECONDS:
            del self._facts[way]
            return None
        return fact
